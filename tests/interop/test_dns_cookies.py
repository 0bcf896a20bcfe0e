"""DNS cookies with real programs: ``dig`` and ``kdig`` as clients, NSD and Knot as other servers with our secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodedns.testing.dig import DigAnswer
from nodedns.testing.loopback import DNS_PORT, LoneAgent, free_hosts, lone_agent
from nodedns.testing.processes import Process, run_program
from nodedns.testing.programs import require_program

SHARED = "e5e973e5a6b2a43f48e7dc849e37bfcf"
OLDER = "445536bcd2513298075a5d379663c962"
CLIENT_COOKIE = "2464c4abcf10c957"
SOA = ("consul.", "SOA")


def cookie_of(text: str) -> str:
    """Return the cookie that a server gave, as hex digits; empty if it gave none."""
    found = re.search(r"^;;? COOKIE: (\w{48})(?: \(good\))?$", text, re.MULTILINE)
    return found[1].lower() if found else ""


@contextmanager
def agent_with(folder: Path, cookies: str) -> Iterator[LoneAgent]:
    folder.mkdir()
    config = folder / "cookies.hcl"
    config.write_text(f"dns_config {{ cookies {{ {cookies} }} }}")
    with lone_agent(folder) as agent:
        agent.start(f"-config-file={config}")
        yield agent


def ask(agent: LoneAgent, cookie: str, *more: str) -> DigAnswer:
    return agent.dig(f"+cookie={cookie}", *more, *SOA)


@pytest.fixture(scope="module")
def agent(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    with agent_with(tmp_path_factory.mktemp("cookies") / "given", f'secrets = ["{SHARED}", "{OLDER}"]') as made:
        yield made


@pytest.fixture(scope="module")
def strict(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    with agent_with(tmp_path_factory.mktemp("cookies") / "strict", "required = true") as made:
        yield made


NSD = """
server:
  ip-address: {host}@8600
  username: ""
  database: ""
  xfrdfile: ""
  pidfile: ""
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  server-count: 1
  answer-cookie: yes
  cookie-secret: "{secret}"
remote-control:
  control-enable: no
"""

KNOT = """
server:
  listen: {host}@8600
  rundir: "{folder}"
control:
  listen: "{folder}/knot.sock"
log:
- target: stdout
  any: info
database:
  storage: "{folder}"
mod-cookies:
- id: ours
  secret: 0x{secret}
template:
- id: default
  global-module: mod-cookies/ours
"""


@contextmanager
def other_server(kind: str, folder: Path, secret: str) -> Iterator[str]:
    """Yield the address of an NSD or a Knot without a zone, whose cookies are signed with ``secret``."""
    package, program, template = {"nsd": ("nsd", "nsd", NSD), "knot": ("knot", "knotd", KNOT)}[kind]
    folder.mkdir()
    config, host = folder / "other.conf", next(free_hosts(DNS_PORT))
    config.write_text(template.format(host=host, folder=folder, secret=secret))
    flags = ["-d"] if kind == "nsd" else []
    with Process([require_program(program, package=package), *flags, "-c", config]) as started:
        started.wait_line(r"nsd started|server started")
        yield host


def ask_other(host: str, sent: str) -> DigAnswer:
    argv = ["dig", f"@{host}", "-p", str(DNS_PORT), "+norec", "+nobadcookie", f"+cookie={sent}", *SOA]
    return DigAnswer.of_text(run_program(argv).out)


def test_dig_is_given_a_cookie_and_has_it_confirmed(agent: LoneAgent) -> None:
    given = cookie_of(ask(agent, CLIENT_COOKIE).text)

    assert CLIENT_COOKIE + "01000000" == given[:24]
    assert given == cookie_of(ask(agent, given).text)
    assert given == cookie_of(ask(agent, given, "+tcp").text)


def test_kdig_is_given_the_same_kind(agent: LoneAgent, kdig_program: Path) -> None:
    argv: list[str | Path] = [kdig_program, f"@{agent.host}", "-p", str(DNS_PORT), f"+cookie={CLIENT_COOKIE}", *SOA]
    given = cookie_of(run_program(argv).out)

    assert given == cookie_of(ask(agent, given).text)


def test_cookie_that_is_not_ours_is_answered_with_one_that_is(agent: LoneAgent) -> None:
    answer = ask(agent, CLIENT_COOKIE + "00" * 16)

    assert "NOERROR" == answer.status
    assert "01000000" == cookie_of(answer.text)[16:24]


@pytest.mark.parametrize("sent", ["00" * 4, "00" * 12, "00" * 44])
def test_cookie_of_an_impossible_length_is_a_format_error(agent: LoneAgent, sent: str) -> None:
    answer = agent.dig("+nocookie", f"+ednsopt=10:{sent}", *SOA)

    assert ("FORMERR", "; EDNS: version: 0, flags:; udp: 1232") == (answer.status, answer.edns)


def test_cookie_alone_is_given_without_a_question(agent: LoneAgent) -> None:
    answer = agent.dig(f"+cookie={CLIENT_COOKIE}", "+header-only")

    assert ("NOERROR", "", CLIENT_COOKIE) == (answer.status, answer.question, cookie_of(answer.text)[:16])


def test_required_cookie_is_given_first(strict: LoneAgent) -> None:
    answer = ask(strict, CLIENT_COOKIE, "+nobadcookie")

    assert ("BADCOOKIE", ()) == (answer.status, answer.answer)
    assert "NOERROR" == ask(strict, cookie_of(answer.text), "+nobadcookie").status


def test_dig_asks_again_with_the_cookie_that_it_was_given(strict: LoneAgent) -> None:
    answer = ask(strict, CLIENT_COOKIE, "+showbadcookie")

    assert ["BADCOOKIE", "NOERROR"] == re.findall(r"status: (\w+)", answer.text)


@pytest.mark.parametrize("asked", [("+nocookie",), ("+tcp", "+nobadcookie", f"+cookie={CLIENT_COOKIE}")])
def test_client_without_cookies_or_by_tcp_is_answered_all_the_same(strict: LoneAgent, asked: tuple[str, ...]) -> None:
    assert "NOERROR" == strict.dig(*asked, *SOA).status


@pytest.mark.parametrize("kind", ["nsd", "knot"])
def test_other_servers_and_we_take_each_others_cookies(agent: LoneAgent, tmp_path: Path, kind: str) -> None:
    with other_server(kind, tmp_path / kind, SHARED) as host:
        theirs = cookie_of(ask_other(host, CLIENT_COOKIE).text)
        ours = cookie_of(ask(agent, CLIENT_COOKIE).text)

        assert CLIENT_COOKIE == theirs[:16] == ours[:16]
        assert theirs == cookie_of(ask(agent, theirs).text)
        taken = ask_other(host, ours)
        assert ("REFUSED", ours) == (taken.status, cookie_of(taken.text))


def test_cookie_of_the_older_secret_is_taken_and_renewed(agent: LoneAgent, strict: LoneAgent, tmp_path: Path) -> None:
    with other_server("nsd", tmp_path / "nsd", OLDER) as host:
        older = cookie_of(ask_other(host, CLIENT_COOKIE).text)

    renewed = cookie_of(ask(agent, older).text)
    assert CLIENT_COOKIE == older[:16]
    assert older[32:] != renewed[32:]
    assert renewed == cookie_of(ask(agent, renewed).text)
    assert "BADCOOKIE" == ask(strict, older, "+nobadcookie").status
