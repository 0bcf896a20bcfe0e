"""Services as clients in the field ask for them: ``dig``, ``kdig``, dnspython, unbound at its strictest, Prometheus."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dns.message
import dns.name
import dns.query
import dns.rdataclass
import dns.rdatatype
import pytest

from nodedns.testing.loopback import DNS_PORT, free_hosts
from nodedns.testing.processes import DEADLINE_S, Process, poll, run_program
from nodedns.testing.service_server import ServiceServer, service_server
from nodedns.testing.unbound import STRICTEST, Unbound, unbound

TTL_S = 300
PROMETHEUS_PORT = 9090
PROMETHEUS = """
global: {scrape_interval: 60s}
scrape_configs:
  - job_name: srv
    dns_sd_configs: [{names: [_web._tcp.service.consul, web.service.consul], refresh_interval: 1s}]
  - job_name: a
    dns_sd_configs: [{names: [web.service.consul], type: A, port: 9100, refresh_interval: 1s}]
"""

Spec = Mapping[str, Any]


def web(number: int, **changed: object) -> Spec:
    service = {"Service": "web", "Port": 8000 + number, "Tags": ["v1.primary"], "Meta": {"path": "/"}, **changed}
    return {"Node": f"n{number}", "Address": f"127.0.7.{number}", "Services": [service]}


WEBS = [web(number) for number in range(1, 6)]
OTHERS = [
    {
        "Node": "two.lan",
        "Address": "127.0.7.20",
        "Services": [
            {"Service": "db", "Port": 5432, "ID": "db main", "Meta": {"engine": "pg"}},
            {"Service": "ntp", "Port": 123, "Tags": ["udp"]},
            {"Service": "dead", "Port": 1, "Status": "critical"},
        ],
    },
    {"Node": "out", "Address": "n1.node.consul", "Services": [{"Service": "alias", "Port": 80}]},
]


@pytest.fixture(scope="module")
def server(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceServer]:
    with service_server(tmp_path_factory.mktemp("server"), [*WEBS, *OTHERS]) as made:
        yield made


def ask(server: ServiceServer, name: str | dns.name.Name, rtype: str, **edns: int) -> dns.message.Message:
    query = dns.message.make_query(name, rtype, **edns)  # type: ignore[arg-type] # its own names for these
    reply, _ = dns.query.udp_with_fallback(query, server.host, DEADLINE_S, DNS_PORT)
    return reply


def test_dig_finds_addresses_and_ports(server: ServiceServer) -> None:
    assert [f"127.0.7.{number}" for number in range(1, 6)] == server.dig("web.service.consul", "A").data
    srv = server.dig("_web._tcp.consul", "SRV")
    assert [f"1 1 {8000 + number} n{number}.node.dc1.consul." for number in range(1, 6)] == srv.data
    assert {f"127.0.7.{number}" for number in range(1, 6)} == {record.data for record in srv.additional}


def test_kdig_understands_every_type(server: ServiceServer, kdig_program: Path) -> None:
    for name, rtype, part in (
        ("web.service.consul", "A", "127.0.7.3"),
        ("v1.primary.web.service.consul", "SRV", "1 1 8003 n3.node.dc1.consul."),
        ("_services._dns-sd._udp.consul", "PTR", "_web._tcp.consul."),
        (r"two\.lan:db\ main._db._tcp.consul", "TXT", '"engine=pg"'),
    ):
        argv: list[str | Path] = [kdig_program, f"@{server.host}", "-p", str(DNS_PORT), "+short", name, rtype]
        assert part in run_program(argv).out.splitlines()


@pytest.mark.parametrize("rtype", ["A", "SRV"])
@pytest.mark.parametrize("edns", [{}, {"use_edns": 0}], ids=["plain", "edns"])
def test_each_instance_is_first_as_often_as_any_other(server: ServiceServer, rtype: str, edns: dict[str, int]) -> None:
    replies = [ask(server, "web.service.consul.", rtype, **edns) for _ in range(500)]
    firsts = Counter(reply.answer[0][0].to_text() for reply in replies)
    assert 5 == len(firsts)
    assert all(95 <= count <= 105 for count in firsts.values())  # the first few were not packed yet


def test_clients_that_ask_at_the_same_time_get_other_firsts(server: ServiceServer) -> None:
    arguments = [argument for _ in range(50) for argument in ("web.service.consul", "A")]
    found = run_program(["dig", f"@{server.host}", "-p", str(DNS_PORT), "+short", *arguments]).out.split()
    firsts = Counter(found[::5])
    assert (250, 5) == (len(found), len(firsts))
    assert all(5 <= count <= 15 for count in firsts.values())


def test_everything_is_found_by_browsing(server: ServiceServer) -> None:
    def pointed(name: dns.name.Name | str) -> list[dns.name.Name]:
        (rrset,) = ask(server, name, "PTR").answer
        return sorted(rdata.target for rdata in rrset)

    found = {}
    (domain,) = pointed("lb._dns-sd._udp.consul.")
    for service in pointed(dns.name.from_text("_services._dns-sd._udp", None).concatenate(domain)):
        for instance in pointed(service):
            (srv,) = ask(server, instance, "SRV").answer[0]
            (text,) = ask(server, instance, "TXT").answer[0]
            addresses = [rdata.to_text() for rdata in ask(server, srv.target, "A").answer[-1]]
            found[instance.labels[0].decode(), service.to_text()] = srv.port, text.strings, addresses
    expected = {
        (f"n{number}", "_web._tcp.consul."): (8000 + number, (b"path=/",), [f"127.0.7.{number}"])
        for number in range(1, 6)
    }
    expected["two.lan:db main", "_db._tcp.consul."] = 5432, (b"engine=pg",), ["127.0.7.20"]
    expected["two.lan", "_ntp._udp.consul."] = 123, (b"",), ["127.0.7.20"]
    expected["out", "_alias._tcp.consul."] = 80, (b"",), ["127.0.7.1"]
    assert expected == found


@pytest.mark.parametrize(("edns", "limit"), [({}, 512), ({"use_edns": 0, "payload": 1232}, 1232)])
def test_sets_that_do_not_fit_come_whole_over_tcp(
    dig_program: Path, tmp_path: Path, edns: dict[str, int], limit: int
) -> None:
    with service_server(tmp_path, [web(number) for number in range(1, 251)]) as server:
        for rtype, count in (("A", 250), ("SRV", 250)):
            query = dns.message.make_query("web.service.consul.", rtype, **edns)  # type: ignore[arg-type]
            cut = dns.query.udp(query, server.host, DEADLINE_S, DNS_PORT)
            assert (dns.flags.TC, []) == (cut.flags & dns.flags.TC, cut.answer)
            assert limit >= len(cut.to_wire())
            whole = ask(server, "web.service.consul.", rtype, **edns)
            assert count == len(whole.answer[0])


def test_change_is_followed_at_once_in_every_way_it_is_asked_for(dig_program: Path, tmp_path: Path) -> None:
    names = [
        "web.service.consul.",
        "_web._tcp.service.consul.",
        "v1.primary.web.service.dc1.consul.",
        "_web._tcp.consul.",
    ]

    def ports(server: ServiceServer) -> list[set[int]]:
        return [
            {rdata.port for rrset in ask(server, name, "SRV").answer for rdata in rrset} for name in names for _ in "12"
        ]

    with service_server(tmp_path, []) as server:
        for instances in ([1], [1, 2], [2], [2, 3, 4], [], [4]):
            server.show([web(number) for number in instances])
            assert [{8000 + number for number in instances}] * 8 == ports(server)
        server.show([web(4, Status="critical"), web(5)])
        assert [{8005}] * 8 == ports(server)


@pytest.fixture(params=["stub", "forward"])
def resolver(
    request: pytest.FixtureRequest, unbound_program: Path, tmp_path: Path, dig_program: Path
) -> Iterator[Unbound]:
    """One that has not asked anything yet, before services that may be cached."""
    settings: dict[str, Any] = {"service_ttl": {"*": TTL_S}, "node_ttl_s": TTL_S, "soa_min_ttl_s": TTL_S}
    with service_server(tmp_path, [*WEBS, *OTHERS], **settings) as server:
        clause = f'{request.param}-zone:\n    name: "consul."\n    {request.param}-addr: {server.host}@{DNS_PORT}'
        with unbound(unbound_program, tmp_path, STRICTEST, clause) as made:
            yield made


def test_strict_resolver_finds_every_kind_of_name(resolver: Unbound) -> None:
    found = [
        (("v1.primary.WEB.service.dc1.consul", "A"), [f"127.0.7.{number}" for number in range(1, 6)]),
        (("_db._tcp.service.consul", "SRV"), ["1 1 5432 two.lan.node.dc1.consul."]),
        (("_ntp._udp.consul", "SRV"), ["1 1 123 two.lan.node.dc1.consul."]),
        ((r"two\.lan:db\032main._db._tcp.consul", "TXT"), ['"engine=pg"']),
        (("lb._dns-sd._udp.consul", "PTR"), ["consul."]),
        (("_db._tcp.consul", "PTR"), [r"two\.lan:db\032main._db._tcp.consul."]),
        (("alias.service.consul", "A"), ["127.0.7.1", "n1.node.consul."]),
        # Not at alias.service: unbound keeps the CNAME of that, which has a TTL of 0, for the rest of the second.
        (("_alias._tcp.service.consul", "A"), []),
        (("_alias._tcp.service.consul", "SRV"), ["1 1 80 n1.node.consul."]),
    ]
    assert [("NOERROR", data) for _, data in found] == [
        (answer.status, answer.data) for answer in (resolver.dig(*what) for what, _ in found)
    ]


def test_what_is_denied_takes_no_service_along(resolver: Unbound) -> None:
    denied = [
        *("dead.service.consul", "web2.service.consul", "q.web.service.consul", "x.n1._web._tcp.consul"),
        *("web.service.dc2.consul", "_dead._tcp.consul", "web._tcp.consul"),
    ]
    assert ["NXDOMAIN"] * 7 == [resolver.dig(name, "A").status for name in denied]
    empty = [
        "primary.web.service.consul",
        "_tcp.consul",
        "_udp.service.consul",
        "service.consul",
        "_dns-sd._udp.consul",
    ]
    assert [("NOERROR", [])] * 5 == [(answer.status, answer.data) for answer in (resolver.dig(name) for name in empty)]
    assert 5 == len(resolver.dig("web.service.consul", "A").answer)
    assert 5 == len(resolver.dig("_web._tcp.consul", "SRV").answer)
    assert 5 == len(resolver.dig("v1.primary.web.service.consul", "SRV").answer)


def test_prometheus_discovers_services_and_follows_a_leave(
    prometheus_program: Path, ip_program: Path, tmp_path: Path
) -> None:
    del ip_program  # who may make network namespaces may make those of mounts
    config, resolv = tmp_path / "prometheus.yml", tmp_path / "resolv.conf"
    config.write_text(PROMETHEUS)
    host = next(free_hosts(PROMETHEUS_PORT))
    with service_server(tmp_path, WEBS, 53) as server:
        resolv.write_text(f"nameserver {server.host}\n")
        argv: list[str | Path] = [
            *("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolv),
            *(prometheus_program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"),
            f"--web.listen-address={host}:{PROMETHEUS_PORT}",
        ]
        with Process(argv) as process:
            process.wait_line("Server is ready to receive web requests")

            def targets(job: str) -> set[str]:
                return {each["labels"]["instance"] for each in active(host) if each["labels"]["job"] == job}

            for numbers in ([1, 2, 3, 4, 5], [2, 5]):
                server.show([web(number) for number in numbers])
                srv = {f"n{number}.node.dc1.consul:{8000 + number}" for number in numbers}
                poll(lambda srv=srv: targets("srv") == srv, f"Prometheus has {srv}")  # type: ignore[misc]
                addresses = {f"127.0.7.{number}:9100" for number in numbers}
                poll(lambda addresses=addresses: targets("a") == addresses, f"and {addresses}")  # type: ignore[misc]


def active(host: str) -> list[dict[str, Any]]:
    connection = http.client.HTTPConnection(host, PROMETHEUS_PORT, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/api/v1/targets?state=active")
        found = json.loads(connection.getresponse().read())["data"]["activeTargets"]
    finally:
        connection.close()
    assert isinstance(found, list)
    return found
