"""The same services here and, as a zone file written by hand, in NSD: whatever is asked, both say the same.

Not compared, because they are meant to differ: additional records, the order of records, the serial, and the labels of
tags alone (``_primary.service``), which exist here whether or not a service has the tag.
"""

from __future__ import annotations

from collections.abc import Iterator

import dns.flags
import dns.message
import dns.query
import dns.rdatatype
import pytest

from nodedns.testing.loopback import DNS_PORT
from nodedns.testing.nsd import nsd
from nodedns.testing.processes import DEADLINE_S
from nodedns.testing.service_server import ServiceServer, service_server

NODES = [
    {
        "Node": "one",
        "Address": "10.0.0.1",
        "Services": [
            {"Service": "web", "Port": 80, "Tags": ["v1.primary"], "Meta": {"path": "/", "empty": ""}},
            {"Service": "dead", "Port": 9, "Status": "critical"},
        ],
    },
    {"Node": "two", "Address": "2001:db8::2", "Services": [{"Service": "web", "Port": 81}]},
    {"Node": "three", "Address": "10.0.0.3", "Services": [{"Service": "ntp", "Port": 123, "Tags": ["udp"]}]},
    {"Node": "four", "Address": "10.0.0.4", "Services": [{"Service": "far", "ID": "a.b", "Address": "10.9.9.9"}]},
]
NODES += [
    {"Node": f"m{number:02}", "Address": f"10.0.1.{number}", "Services": [{"Service": "many", "Port": 7000 + number}]}
    for number in range(1, 41)
]
ZONE = r"""
$ORIGIN consul.
$TTL 0
@ SOA ns hostmaster 1 3600 600 86400 0
@ NS ns
web.service A 10.0.0.1
web.service AAAA 2001:db8::2
web.service SRV 1 1 80 one.node.dc1
web.service SRV 1 1 81 two.node.dc1
v1.primary.web.service A 10.0.0.1
v1.primary.web.service SRV 1 1 80 one.node.dc1
_web._tcp.service A 10.0.0.1
_web._tcp.service AAAA 2001:db8::2
_web._tcp.service SRV 1 1 80 one.node.dc1
_web._tcp.service SRV 1 1 81 two.node.dc1
ntp.service A 10.0.0.3
ntp.service SRV 1 1 123 three.node.dc1
udp.ntp.service A 10.0.0.3
udp.ntp.service SRV 1 1 123 three.node.dc1
far.service A 10.9.9.9
far.service SRV 1 1 0 0a090909.addr.dc1
lb._dns-sd._udp PTR @
_services._dns-sd._udp PTR _far._tcp
_services._dns-sd._udp PTR _many._tcp
_services._dns-sd._udp PTR _ntp._udp
_services._dns-sd._udp PTR _web._tcp
_web._tcp PTR one._web._tcp
_web._tcp PTR two._web._tcp
_web._tcp SRV 1 1 80 one.node.dc1
_web._tcp SRV 1 1 81 two.node.dc1
_web._tcp A 10.0.0.1
_web._tcp AAAA 2001:db8::2
one._web._tcp SRV 1 1 80 one.node.dc1
one._web._tcp TXT "empty=" "path=/"
two._web._tcp SRV 1 1 81 two.node.dc1
two._web._tcp TXT ""
four:a\.b._far._tcp SRV 1 1 0 0a090909.addr.dc1
four:a\.b._far._tcp TXT ""
v1\.primary._sub._web._tcp PTR one._web._tcp
"""
ZONE += "".join(f"many.service A 10.0.1.{number}\n" for number in range(1, 41))
ZONE += "".join(f"many.service SRV 1 1 {7000 + number} m{number:02}.node.dc1\n" for number in range(1, 41))

NAMES = [
    *(
        "web.service",
        "WEB.Service",
        "v1.primary.web.service",
        "primary.web.service",
        "_web._tcp.service",
        "ntp.service",
    ),
    *("udp.ntp.service", "far.service", "dead.service", "none.service", "q.web.service", "x.v1.primary.web.service"),
    *("service", "_tcp", "_udp", "_dns-sd._udp", "lb._dns-sd._udp", "r._dns-sd._udp", "_services._dns-sd._udp"),
    *("_web._tcp", "one._web._tcp", "two._web._tcp", "three._web._tcp", "x.one._web._tcp", r"four:a\.b._far._tcp"),
    *(
        "four:a.b._far._tcp",
        r"v1\.primary._sub._web._tcp",
        "_sub._web._tcp",
        "q._sub._web._tcp",
        "_dead._tcp",
        "web._tcp",
    ),
    *("many.service", "x.many.service"),
]
TYPES = ["A", "AAAA", "SRV", "TXT", "PTR", "MX", "NS"]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceServer]:
    with service_server(tmp_path_factory.mktemp("here"), NODES) as made:
        yield made


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nsd(tmp_path_factory.mktemp("nsd"), {"consul": ZONE.splitlines()}) as host:
        yield host


def said(host: str, name: str, rtype: str, *, edns: int | None, is_tcp: bool) -> tuple[object, ...]:
    """Return what is compared of a reply."""
    query = dns.message.make_query(f"{name}.consul.", rtype, use_edns=edns, payload=1232)
    ask = dns.query.tcp if is_tcp else dns.query.udp
    reply = ask(query, host, DEADLINE_S, DNS_PORT)
    flags = reply.flags & (dns.flags.AA | dns.flags.TC | dns.flags.RA | dns.flags.AD)
    records = sorted(line for rrset in reply.answer for line in rrset.to_text().lower().split("\n"))
    # Of a truncated reply the rest means nothing.
    kinds = [] if flags & dns.flags.TC else [(str(rrset.name).lower(), rrset.rdtype) for rrset in reply.authority]
    return reply.rcode(), flags, [] if flags & dns.flags.TC else records, kinds, reply.edns


@pytest.mark.parametrize("name", NAMES)
def test_both_say_the_same(here: ServiceServer, there: str, name: str) -> None:
    for rtype in TYPES:
        for edns, is_tcp in ((None, False), (0, False), (None, True)):
            expected = said(there, name, rtype, edns=edns, is_tcp=is_tcp)
            assert (rtype, expected) == (rtype, said(here.host, name, rtype, edns=edns, is_tcp=is_tcp))
