"""The same nodes in a running agent and, as a zone file written by hand, in NSD: whatever is asked, both say the same.

Strategy: NSD is the reference. Its zone file is made here from what ``docs/dns.rst`` promises, with nothing of
the agent's own code and with the agent's serial. Then both are asked the same bytes, and what they say is compared
as ``respdiff`` does: code, flags, question, records of answer and authority, OPT record.

Not compared, because they are meant to differ: addresses and texts that ride along as additional
records, what ANY gives (all here, one set there), zone transfers, and the few questions of ``test_departure_from_nsd``.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from random import Random

import attrs
import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from nodedns.testing.loopback import DNS_PORT, LoneAgent, lone_agent
from nodedns.testing.nsd import nsd
from nodedns.testing.processes import DEADLINE_S
from nodedns.testing.programs import require_program

V6 = "2001:db8::9"
TEXTS = {
    "plain": "value",
    "empty": "",
    "long": "x" * 512,
    "quote": 'say "hi" \\ there; (now)',
    "tick": "a`b",
    "far": "zürich €",
    "rfc1035-raw": "just this",
    "rfc1035-none": "",
}
NODES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("printer", "10.0.0.9", {}),
    ("rich", "10.0.0.10", TEXTS),
    ("big", "10.0.0.11", {f"k{number:02}": "v" * 60 for number in range(20)}),
    ("six", "2001:db8::5", {}),
    ("a.b.c", "10.0.0.12", {}),
    ("b.c", "10.0.0.13", {}),
    ("x.y.z", "10.0.0.14", {}),
    ("under_score", "10.0.0.15", {}),
    ("UPPER", "10.0.0.16", {}),
    ("node", "10.0.0.17", {}),
    ("x.addr", "10.0.0.18", {}),
    ("dc1", "10.0.0.19", {}),
    ("sp ace", "10.0.0.20", {}),
    ("zürich", "10.0.0.21", {}),
    ('q"u\\o;t(e)@$', "10.0.0.22", {}),
    ("l" * 63, "10.0.0.23", {}),
    (".".join(("k" * 63, "m" * 50, "n" * 60)), "10.0.0.24", {}),
    ("alias", "printer.node.consul", {}),
    ("alias2", "alias.node.lan", {}),
    ("pointer", "9.0.0.10.in-addr.arpa", {}),
    ("outside", "www.example.com", {}),
    ("loop", "loop.node.consul", {}),
    ("dead", "nobody.node.consul", {}),
    ("to-empty", "z.node.consul", {}),
    ("to-six", "Six.Node.CONSUL", {}),
)
PLACES = ("node", "node.dc1", "node.dc1.dc")
DOMAINS = ("consul", "lan")
REVERSE = ("10.in-addr.arpa", "3.200.10.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa")
CONFIG = """
alt_domains = ["lan"]
dns_config {
  node_ttl = "7s"
  ptr_ttl = "9s"
  soa { min_ttl = 5 }
  reverse_zones = ["10.0.0.0/8", "10.200.3.0/24", "2001:db8::/32"]
}
"""

NAMES = """
consul node.consul addr.consul dc1.consul dc.consul dc1.dc.consul node.dc1.consul node.dc1.dc.consul node.dc.consul
ns.consul x.ns.consul foo.consul consul.consul *.node.consul *.consul x.*.node.consul node.dc2.consul dc2.consul
nobody.node.consul nobody.node.dc1.consul printer.node.dc2.consul printer.node.dc1.more.consul printer.consul
x.printer.node.consul node.printer.node.consul addr.printer.node.consul c.node.consul x.c.node.consul z.node.consul
y.z.node.consul w.y.z.node.consul q.x.y.z.node.consul addr.node.consul y.addr.node.consul printer.node.addr.consul
7f000001.addr.consul 7F000001.ADDR.dc1.consul 7f000001.addr.dc1.dc.consul 20010db8000000000000000000000009.addr.consul
x.7f000001.addr.consul 7f00000.addr.consul zz000001.addr.consul 7f000001.addr.dc2.consul
lan node.lan ns.lan nobody.node.lan notconsul consulx . com example.com node.example.com arpa in-addr.arpa ip6.arpa
10.in-addr.arpa 0.0.10.in-addr.arpa 1.0.10.in-addr.arpa 99.0.0.10.in-addr.arpa 09.0.0.10.in-addr.arpa
256.10.in-addr.arpa x.9.0.0.10.in-addr.arpa 200.10.in-addr.arpa 201.10.in-addr.arpa
3.200.10.in-addr.arpa 4.3.200.10.in-addr.arpa
8.b.d.0.1.0.0.2.ip6.arpa 0.8.b.d.0.1.0.0.2.ip6.arpa 1.8.b.d.0.1.0.0.2.ip6.arpa g.8.b.d.0.1.0.0.2.ip6.arpa
00.8.b.d.0.1.0.0.2.ip6.arpa b.d.0.1.0.0.2.ip6.arpa a\\.b.c.node.consul pri\\000nter.node.consul \\255.node.consul
"""
TYPES = ["A", "AAAA", "TXT", "NS", "SOA", "CNAME", "PTR", "MX", "SRV", "DS"]
TYPES += ["DNSKEY", "RRSIG", "NSEC", "HTTPS", "CAA", "NAPTR", "DNAME", "TYPE65400"]
PLAIN = 0x0100
OPTS = (
    b"",
    b"\0\0\x29\x04\xd0\0\0\0\0\0\0",  # 1232 bytes
    b"\0\0\x29\x02\0\0\0\0\0\0\0",  # 512
    b"\0\0\x29\0\0\0\0\0\0\0\0",  # 0
    b"\0\0\x29\xff\xff\0\0\0\0\0\0",  # 65535
    b"\0\0\x29\x10\0\0\0\x80\0\0\0",  # 4096, DO
    b"\0\0\x29\x04\xd0\0\0\x40\0\0\0",  # a flag that means nothing yet
    b"\0\0\x29\x04\xd0\0\1\0\0\0\0",  # version 1
    b"\0\0\x29\x04\xd0\0\0\0\0\0\6\xff\xfe\0\2hi",  # an option that nobody knows
)


def names() -> list[dns.name.Name]:
    """Return every name to ask for: those of all nodes in every domain, and those between and beside them."""
    spelt = [dns.name.from_text(text) for text in NAMES.split()]
    spelt += [name_of(node, f"{place}.{domain}") for node, _, _ in NODES for place in PLACES[:2] for domain in DOMAINS]
    spelt += [dns.name.from_text(ipaddress.ip_address(ip).reverse_pointer) for _, ip, _ in NODES if is_ip(ip)]
    spelt.append(dns.name.from_text(f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 49}.node.consul."))  # 255 bytes
    return spelt


def name_of(node: str, place: str) -> dns.name.Name:
    labels = [label.encode() for label in (*node.split("."), *place.split("."))]
    return dns.name.Name([*labels, b""])


def is_ip(text: str) -> bool:
    return text.replace(".", "").isdigit() or ":" in text


# --- the zone files ---------------------------------------------------------------------------


def zone_files(host: str, serial: str, own_texts: list[str]) -> dict[str, list[str]]:
    """Return the lines of each zone: a node on the agent's own address, and all of ``NODES``."""
    files = {}
    for domain in DOMAINS:
        lines = [f"ns.{domain}. A {host}", *node_lines("lone", host, domain)]
        lines += [f"{name_of('lone', f'{place}.{domain}')} TXT {text}" for place in PLACES for text in own_texts]
        for node, address, texts in NODES:
            lines += node_lines(node, address, domain)
            lines += [
                f"{name_of(node, f'{place}.{domain}')} TXT {quoted(key, texts[key])}"
                for place in PLACES
                for key in texts
            ]
        for place in ("addr", "addr.dc1", "addr.dc1.dc"):
            lines.append(f"7f000001.{place}.{domain}. A 127.0.0.1")
            lines.append(f"20010db8000000000000000000000009.{place}.{domain}. AAAA {V6}")
        files[domain] = ["$TTL 7", *apex_lines(domain, domain, serial), *lines]
    targets = {ipaddress.ip_address(ip).reverse_pointer: node for node, ip, _ in NODES if is_ip(ip)}
    targets[ipaddress.ip_address(V6).reverse_pointer] = "printer"
    for zone in REVERSE:
        lines = [
            f"{owner}. 9 PTR {name_of(node, 'node.dc1.consul')}"
            for owner, node in targets.items()
            if owner.endswith(f".{zone}")
        ]
        files[zone] = ["$TTL 7", *apex_lines(zone, "consul", serial), *lines]
    return files


def apex_lines(zone: str, domain: str, serial: str) -> list[str]:
    soa = f"{zone}. 5 SOA ns.{domain}. hostmaster.{domain}. {serial} 3600 600 86400 5"
    return [soa, f"{zone}. NS lone.node.dc1.{domain}."]


def node_lines(node: str, address: str, domain: str) -> list[str]:
    kind = "CNAME" if not is_ip(address) else "AAAA" if ":" in address else "A"
    value = f"{address}." if kind == "CNAME" else address
    lines = [f"{name_of(node, f'{place}.{domain}')} {kind} {value}" for place in PLACES]
    return lines + [f"{name_of(node, f'{place}.{domain}')} AAAA {V6}" for place in PLACES if node == "printer"]


def quoted(key: str, value: str) -> str:
    text = value if key.startswith("rfc1035-") else f"{key}={value.replace('`', '``')}"
    data = text.encode()
    strings = [data[start : start + 255] for start in range(0, max(len(data), 1), 255)]
    return " ".join('"' + "".join(f"\\{octet:03}" for octet in string) + '"' for string in strings)


# --- the two servers --------------------------------------------------------------------------


class Asked:
    """A server that is asked over UDP, or over one TCP connection."""

    def __init__(self, host: str) -> None:
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.settimeout(DEADLINE_S)
        self._udp.connect((host, DNS_PORT))
        self._tcp = socket.create_connection((host, DNS_PORT), DEADLINE_S)

    def over_udp(self, wire: bytes) -> bytes:
        self._udp.send(wire)
        return self._udp.recv(65_535)

    def over_tcp(self, wire: bytes) -> bytes:
        self._tcp.sendall(struct.pack("!H", len(wire)) + wire)
        with self._tcp.makefile("rb") as stream:
            return stream.read(int.from_bytes(stream.read(2), "big"))

    def close(self) -> None:
        self._udp.close()
        self._tcp.close()


@attrs.frozen
class Pair:
    """The agent and the reference."""

    ours: Asked
    theirs: Asked

    def difference(self, wire: bytes, *, tcp: bool = False) -> tuple[object, object] | None:
        """Return what the two say to the same bytes, if it is not the same."""
        ours, theirs = (
            said(server.over_tcp(wire) if tcp else server.over_udp(wire)) for server in (self.ours, self.theirs)
        )
        return None if ours == theirs else (ours, theirs)


def said(wire: bytes) -> object:
    message = dns.message.from_wire(wire)
    opt = None
    if message.edns >= 0:
        # NSD tells its own cookie and why it refuses; so do we, in other words.
        opt = (message.edns, int(message.payload), message.ednsflags)
    flags = dns.flags.to_text(message.flags & ~dns.flags.CD)  # NSD clears CD; RFC 4035 section 3.2.2 has it copied
    question = [str(question) for question in message.question]
    return dns.rcode.to_text(message.rcode()), flags, question, records(message.answer), records(message.authority), opt


def records(section: list[dns.rrset.RRset]) -> list[str]:
    def line(rrset: dns.rrset.RRset) -> str:
        data = sorted(str(rdata) if rrset.rdtype == dns.rdatatype.TXT else str(rdata).lower() for rdata in rrset)
        return f"{str(rrset.name).lower()} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {data}"

    return sorted(map(line, section))


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    """An agent with every node."""
    require_program("dig", package="bind9-dnsutils")
    folder = tmp_path_factory.mktemp("agent")
    (folder / "dns.hcl").write_text(CONFIG)
    with lone_agent(folder) as lone:
        lone.start(f"-config-file={folder / 'dns.hcl'}")
        for node, address, texts in NODES:
            tagged = {"lan_ipv6": V6} if node == "printer" else {}
            body = {"Node": node, "Address": address, "TaggedAddresses": tagged, "NodeMeta": texts}
            assert 200 == lone.http("PUT", "/v1/catalog/register", body)[0]
        yield lone


@pytest.fixture(scope="module")
def pair(agent: LoneAgent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The agent, and an NSD with its zones."""
    serial = agent.dig("consul", "SOA").data[0].split()[2]
    own_texts = agent.dig("lone.node.consul", "TXT").data
    with nsd(tmp_path_factory.mktemp("nsd"), zone_files(agent.host, serial, own_texts)) as host:
        servers = Pair(Asked(agent.host), Asked(host))
        yield servers
        servers.ours.close()
        servers.theirs.close()


# --- what is asked ----------------------------------------------------------------------------


def query(
    name: bytes, rtype: int, *, rclass: int = 1, flags: int = PLAIN, opt: bytes = b"", query_id: int = 7
) -> bytes:
    head = struct.pack("!6H", query_id, flags, 1, 0, 0, 1 if opt else 0)
    return head + name + struct.pack("!HH", rtype, rclass) + opt


def wire_of(name: dns.name.Name) -> bytes:
    wire = name.to_wire()
    assert wire is not None
    return wire


def in_mixed_case(name: dns.name.Name, rng: Random) -> bytes:
    labels = [
        bytes(rng.choice((octet, ord(chr(octet).swapcase()))) if octet < 128 else octet for octet in label)
        for label in name.labels
    ]
    return wire_of(dns.name.Name(labels))


@pytest.mark.parametrize("kind", TYPES)
def test_every_name_has_what_nsd_says(pair: Pair, kind: str) -> None:
    rtype = dns.rdatatype.from_text(kind)
    wrong = {str(name): pair.difference(query(wire_of(name), rtype)) for name in names()}
    assert {} == {name: difference for name, difference in wrong.items() if difference}


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("opt", OPTS, ids=range(len(OPTS)))
def test_size_edns_flags_and_letters_change_what_they_change_in_nsd(pair: Pair, opt: bytes, tcp: bool) -> None:
    rng = Random(f"{opt!r} {tcp}")
    wrong = []
    for name in names():
        kind = rng.choice(("A", "AAAA", "TXT", "TXT", "SOA", "NS", "PTR", "MX"))
        flags = rng.choice((0, PLAIN, 0x0120, 0x0110, 0x0030))
        wire = query(in_mixed_case(name, rng), dns.rdatatype.from_text(kind), flags=flags, opt=opt)
        wrong.append((str(name), kind, pair.difference(wire, tcp=tcp)))
    assert [] == [case for case in wrong if case[2]]


SOME = [
    wire_of(dns.name.from_text(text))
    for text in ("printer.node.consul", "nobody.node.consul", "consul", "9.0.0.10.in-addr.arpa", "example.com", ".")
]
OPCODES = [opcode for opcode in range(1, 16) if opcode != 4]  # NSD takes NOTIFY for a zone that it copies


@pytest.mark.parametrize("name", SOME)
def test_other_opcodes_and_flags_get_what_nsd_gives(pair: Pair, name: bytes) -> None:
    odd = [query(name, dns.rdatatype.SOA, flags=opcode << 11) for opcode in OPCODES]
    odd += [query(name, dns.rdatatype.A, flags=flags) for flags in (0x0500, 0x0300, 0x0180, 0x0140, 0x0700)]
    assert {} == {wire.hex(): difference for wire in odd if (difference := pair.difference(wire))}


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("rclass", [0, 2, 4, 77, 254])
def test_other_classes_are_refused_as_by_nsd(pair: Pair, name: bytes, rclass: int) -> None:
    # NSD leaves the question out, so only code and records are compared.
    wires = [query(name, rtype, rclass=rclass) for rtype in (dns.rdatatype.A, dns.rdatatype.SOA)]
    assert ["REFUSED"] * 4 == [summary(server.over_udp(wire)) for server in (pair.ours, pair.theirs) for wire in wires]


@pytest.mark.parametrize(
    ("what", "ours", "theirs"),
    [
        ("printer.node.consul ANY", "NOERROR A AAAA", "NOERROR A"),  # RFC 8482 section 4.1 lets it choose
        ("consul ANY", "NOERROR NS SOA", "NOERROR SOA"),
        ("alias.node.consul ANY", "NOERROR A AAAA CNAME", "NOERROR CNAME"),  # followed, as Consul does
        ("dead.node.consul ANY", "NXDOMAIN CNAME", "NOERROR CNAME"),
        ("consul AXFR", "REFUSED", "NOTIMP"),
        ("consul IXFR", "REFUSED", "REFUSED"),
        ("0a000063.addr.consul A", "NOERROR A", "NXDOMAIN"),  # a zone file cannot hold all addresses
    ],
)
def test_departure_from_nsd(pair: Pair, what: str, ours: str, theirs: str) -> None:
    name, kind = what.split()
    wire = query(wire_of(dns.name.from_text(name)), dns.rdatatype.from_text(kind))
    assert (ours, theirs) == tuple(summary(server.over_udp(wire)) for server in (pair.ours, pair.theirs))


def summary(wire: bytes) -> str:
    message = dns.message.from_wire(wire)
    return " ".join([dns.rcode.to_text(message.rcode()), *sorted(rrset.rdtype.name for rrset in message.answer)])
