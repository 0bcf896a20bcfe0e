"""The HTTP API over TLS as real programs use it: curl, openssl, py-consul and nodedns's own commands."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import attrs
import consul
import pytest

from nodedns.testing.certificates import Authority, Issued
from nodedns.testing.loopback import LoneAgent, free_hosts, lone_agent
from nodedns.testing.processes import Finished, nodedns_program, run_program
from nodedns.testing.programs import require_program
from nodedns.testing.source_tree import project_root

HTTPS_PORT = 8501
TOKEN, STRANGER = "writer-secret", "stranger-secret"


@attrs.frozen
class Site:
    """An agent that talks TLS only, to clients with a certificate and a token."""

    agent: LoneAgent
    authority: Authority
    stranger: Authority
    client: Issued
    expired: Issued

    @property
    def address(self) -> str:
        return f"https://{self.agent.host}:{HTTPS_PORT}"

    def command(self, *words: str, token: str = TOKEN, ca: Path | None = None, own: Issued | None = None) -> Finished:
        papers = own or self.client
        environment = {
            "CONSUL_HTTP_ADDR": self.address,
            "CONSUL_CACERT": str(ca or self.authority.certificate),
            "CONSUL_CLIENT_CERT": str(papers.certificate),
            "CONSUL_CLIENT_KEY": str(papers.key),
            "CONSUL_HTTP_TOKEN": token,
        }
        return run_program([nodedns_program(), *words], environment=environment)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with lone_agent(folder) as agent:
        authority, stranger = Authority(folder), Authority(folder, "other-ca")
        issued = authority.issue("agent", agent.host)
        settings = {
            "ports": {"http": -1, "https": HTTPS_PORT},
            "acl": {"enabled": True, "default_policy": "deny", "tokens": {"write": [TOKEN]}},
            "tls": {
                "https": {
                    "cert_file": str(issued.certificate),
                    "key_file": str(issued.key),
                    "ca_file": str(authority.certificate),
                    "verify_incoming": True,
                }
            },
        }
        (folder / "tls.json").write_text(json.dumps(settings))
        agent.start(f"-config-file={folder / 'tls.json'}")
        expired = authority.issue("expired", lasts=timedelta(days=-1))
        yield Site(agent, authority, stranger, authority.issue("client"), expired)


def test_banner_tells_where(site: Site) -> None:
    site.agent.process.wait_line("HTTP Addr: off")
    site.agent.process.wait_line(f"HTTPS Addr: {site.agent.host}:{HTTPS_PORT}")


def test_command_asks_over_tls_with_certificate_and_token(site: Site) -> None:
    done = site.command("members")
    assert (0, "") == (done.code, done.err)
    assert "lone" in done.out


def test_command_without_a_token_is_told(site: Site) -> None:
    done = site.command("members", token=STRANGER)
    assert (1, True) == (done.code, "Unexpected response code: 403 (ACL not found)" in done.err)


def test_command_that_trusts_another_authority_is_told(site: Site) -> None:
    done = site.command("members", ca=site.stranger.certificate)
    assert 1 == done.code
    assert "tls: failed to verify certificate: x509:" in done.err
    assert "-ca-file" in done.err


def test_command_with_an_expired_certificate_is_told(site: Site) -> None:
    done = site.command("members", own=site.expired)
    assert 1 == done.code
    assert site.address in done.err
    site.agent.process.wait_line("TLS handshake failed.*certificate has expired")


def test_flags_name_the_files_too(site: Site, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    flags = [
        f"-http-addr={site.address}",
        f"-ca-file={site.authority.certificate}",
        f"-client-cert={site.client.certificate}",
        f"-client-key={site.client.key}",
        f"-token-file={token}",
    ]
    assert 0 == run_program([nodedns_program(), "info", *flags]).code
    wrong = run_program([nodedns_program(), "info", *flags, "-tls-server-name=elsewhere.example"])
    assert (1, True) == (wrong.code, "failed to verify certificate" in wrong.err)


def test_curl_is_served_with_a_certificate_and_not_without(site: Site) -> None:
    curl = require_program("curl", package="curl")
    url = f"{site.address}/v1/status/leader"
    own: list[str | Path] = ["--cert", site.client.certificate, "--key", site.client.key]
    trusting: list[str | Path] = [curl, "-sS", "--cacert", site.authority.certificate]
    assert 0 == run_program([*trusting, *own, url]).code
    assert 0 != run_program([*trusting, url]).code
    assert 60 == run_program([curl, "-sS", "--cacert", site.stranger.certificate, *own, url]).code


@pytest.mark.parametrize(("version", "works"), [("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)])
def test_openssl_speaks_with_us_in_versions_that_are_safe(site: Site, version: str, works: bool) -> None:
    openssl = require_program("openssl", package="openssl")
    own: list[str | Path] = [
        "-cert",
        site.client.certificate,
        "-key",
        site.client.key,
        "-CAfile",
        site.authority.certificate,
    ]
    target = f"{site.agent.host}:{HTTPS_PORT}"
    # Without the lower security level openssl itself would not try the old version.
    more = ["-cipher", "DEFAULT@SECLEVEL=0"] if version == "-tls1_1" else ["-alpn", "h2,http/1.1"]
    done = run_program([openssl, "s_client", "-connect", target, *own, "-verify_return_error", version, *more])
    assert works is ("Verify return code: 0 (ok)" in done.out and "Cipher is (NONE)" not in done.out)
    if works:
        assert "ALPN protocol: http/1.1" in done.out


def test_py_consul_registers_and_reads(site: Site) -> None:
    client = consul.Consul(
        host=site.agent.host,
        port=HTTPS_PORT,
        scheme="https",
        token=TOKEN,
        verify=str(site.authority.certificate),
        cert=(str(site.client.certificate), str(site.client.key)),
    )
    assert client.catalog.register("printer", "10.0.0.9")
    assert "printer" in [node["Node"] for node in client.catalog.nodes()[1]]
    assert client.catalog.deregister("printer")


def test_py_consul_that_trusts_nobody_like_us_is_not_fooled(site: Site) -> None:
    client = consul.Consul(host=site.agent.host, port=HTTPS_PORT, scheme="https", token=TOKEN, verify=True)
    with pytest.raises(OSError, match="certificate verify failed"):
        client.catalog.nodes()


def test_idle_connections_are_bounded_and_keep_nobody_out(site: Site) -> None:
    idle = []
    try:
        for _ in range(1_000):
            sock = socket.socket()
            sock.bind(("127.0.0.9", 0))
            sock.connect((site.agent.host, HTTPS_PORT))
            idle.append(sock)
        assert 0 == site.command("members").code
        assert "REFUSED" == site.agent.dig("lone.node.consul").status
    finally:
        for sock in idle:
            sock.close()


def test_steps_of_the_manual_work(tmp_path: Path) -> None:
    require_program("openssl", package="openssl")
    host = next(free_hosts(HTTPS_PORT))
    manual = (project_root(Path(__file__)) / "docs" / "access.rst").read_text().partition("\nTLS\n---\n")[2]
    console, settings_text = (
        re.findall(rf"code-block:: {kind}\n\n((?:    .*\n)+)", manual)[0].replace("127.0.0.1", host)
        for kind in ("console", "text")
    )
    *issuing, _, asking = console.replace("\\\n", "").strip().removeprefix("$ ").split("\n    $ ")
    assert 3 == len(issuing)
    for line in issuing:
        done = run_program(["sh", "-c", f"cd {tmp_path} && {line}"])
        assert 0 == done.code, done.err
    settings = tmp_path / "tls.hcl"
    placed = re.sub(r'"(agent|ca)\.', rf'"{tmp_path}/\1.', settings_text)
    settings.write_text(placed + f'addresses {{ https = "{host}" }}')
    with lone_agent(tmp_path) as agent:
        agent.start(f"-config-file={settings}")
        done = run_program(["sh", "-c", f"cd {tmp_path} && {asking.replace('nodedns', str(nodedns_program()), 1)}"])
    assert (0, True) == (done.code, "lone" in done.out), done.err


@pytest.mark.parametrize(("key", "text"), [("cert_file", "no such file or directory"), ("key_file", "no such file")])
def test_agent_that_cannot_read_a_file_says_which_in_one_line(tmp_path: Path, key: str, text: str) -> None:
    issued = Authority(tmp_path).issue("agent", "127.0.0.1")
    https = {"cert_file": str(issued.certificate), "key_file": str(issued.key), key: "/absent.pem"}
    (tmp_path / "tls.json").write_text(json.dumps({"ports": {"https": HTTPS_PORT}, "tls": {"https": https}}))
    with lone_agent(tmp_path) as agent:
        done = agent.refuse(f"-config-file={tmp_path / 'tls.json'}")
    assert (1, True) == (done.code, done.err.startswith(f"==> tls {key} /absent.pem: {text}"))
    assert 1 == len(done.err.splitlines())


def test_reload_takes_the_certificate_and_the_tokens_that_there_are_now(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old-ca"), Authority(tmp_path, "new-ca")
    settings = tmp_path / "tls.json"
    with lone_agent(tmp_path) as agent:
        issued = old.issue("agent", agent.host)
        https = {"cert_file": str(issued.certificate), "key_file": str(issued.key)}
        values = {"ports": {"https": HTTPS_PORT}, "tls": {"https": https}, "acl": {"enabled": True}}
        settings.write_text(json.dumps(values))
        process = agent.start(f"-config-file={settings}")
        site = Site(agent, old, new, old.issue("client"), old.issue("expired"))
        assert 1 == site.command("members").code

        values["acl"] = {"enabled": True, "tokens": {"write": [TOKEN]}}
        settings.write_text(json.dumps(values))
        new.issue("agent", agent.host)
        process.send(signal.SIGHUP)
        process.wait_line("configuration reloaded")
        assert 1 == site.command("members").code
        assert 0 == site.command("members", ca=new.certificate).code

        issued.key.write_text("none")
        process.send(signal.SIGHUP)
        process.wait_line("configuration not reloaded.*agent.key holds no private key in PEM")
        assert 0 == site.command("members", ca=new.certificate).code


def test_certificate_that_expires_soon_is_told_of(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("agent", "127.0.0.1", lasts=timedelta(days=2))
    https = {"cert_file": str(issued.certificate), "key_file": str(issued.key)}
    (tmp_path / "tls.json").write_text(json.dumps({"ports": {"https": HTTPS_PORT}, "tls": {"https": https}}))
    with lone_agent(tmp_path) as agent:
        process = agent.start(f"-config-file={tmp_path / 'tls.json'}")
        process.wait_line("the certificate expires soon")
        process.send(signal.SIGTERM)
        process.wait_exit()
