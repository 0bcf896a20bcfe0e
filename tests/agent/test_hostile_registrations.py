"""What a member with the key may have replicated, however odd, never breaks an answer for anybody."""

from __future__ import annotations

import json
import math
from random import Random
from urllib.parse import quote

import attrs
import dns.message
import dns.rdatatype
import pytest

from nodedns.api.request import Request, Response
from nodedns.api.router import ROUTES, handle
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.errors import ApiError, LocalProtocolError
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName, fold
from nodedns.model.service import NamedPort, Service, ServiceAddress, Weights
from nodedns.replica.entry import ORIGIN_BYTES, Entry, Kind, Origin, Value, change_of
from nodedns.replica.wire import decode_ranges_untrusted, encode_own_entry, encode_range, join_ranges
from nodedns.table.changes import Change, ExternalNode
from nodedns.testing.table_agent import TableAgent

ORIGIN = Origin(b"o" * ORIGIN_BYTES)
ODD_TEXTS = (
    "\ud800x",  # half of a surrogate pair
    "\udcff",  # a byte that is no UTF-8
    "a\0b\x1b[31m\n",
    ".....",
    "x" * 512,
    "line\u2028end",
    "a.b",
    'a b"\\',
    "_x._tcp",
    "*",
    "%2f/..",
    "xn--a",
    "e\u0301" * 50,
)
FILTERS = (
    'Node matches "x"',
    'ServiceName matches "x" or Output matches "."',
    'Service.Service matches "x"',
    'Service matches "x"',
    'Name matches "x"',
)
QUERIES = (b"", b"pretty", b"near=%ed%a0%80&tag=%ff", *(b"filter=" + quote(text).encode() for text in FILTERS))
TYPES = ("A", "AAAA", "SRV", "TXT", "PTR", "ANY", "CNAME")
MAX_UDP_BYTES = 512


def entries_about(text: str) -> list[Entry]:
    """A node, services and checks of which everything is ``text``, and much of it."""
    node, meta = NodeName(text), {text[:128]: text[:512], "k" * 128: (text * 50)[:512], "rfc1035-x": "v" * 512}
    known = ExternalNode(node, text, text, {text[:128]: text, "lan": text, "wan_ipv4": text}, meta)
    ports = (NamedPort(text, 0, is_default=True), NamedPort(text, 0, is_default=True))
    addresses = {text: ServiceAddress(text, 1), "lan": ServiceAddress(text)}
    odd = Service(text, text, (text, "t" * 300, "a,b"), text, 65535, meta, addresses, Weights(0, 65535), True, ports)
    one_of_many = Service("web", "web", (text,), text, 80, meta)
    definition = {text: [{text: -1e308}], "Header": {text: [text]}}
    check = Check(text, text, CheckStatus.PASSING, text, text, text, text, (text,), text, text, text, definition)
    values: tuple[tuple[Kind, str, Value], ...] = (
        (Kind.NODE, "", known),
        (Kind.SERVICE, text, odd),
        (Kind.SERVICE, "web", one_of_many),
        (Kind.CHECK, text, check),
        (Kind.CHECK, "serfHealth", Check("serfHealth", text, CheckStatus.WARNING)),
    )
    return [
        Entry((kind, fold(node), item), node, version, ORIGIN, value)
        for version, (kind, item, value) in enumerate(values, 1)
    ]


def over_the_wire(entry: Entry) -> Change:
    raw = encode_range(ORIGIN, 0, entry.version, [encode_own_entry(entry)])
    (told,) = decode_ranges_untrusted(join_ranges([raw]))
    return change_of(told.entries[0])


@pytest.fixture(scope="module")
def agent() -> TableAgent:
    agent = TableAgent("one", first_index=100, is_server=True)
    agent.apply(*(over_the_wire(entry) for text in ODD_TEXTS for entry in entries_about(text)))
    return agent


def paths() -> list[bytes]:
    names = [quote(text.encode("utf-8", "surrogatepass")) for text in (*ODD_TEXTS, "web", "any")]
    read = [route.path for route in ROUTES if "GET" in route.methods]
    return [f"{path}{name}".encode() for path in read for name in (names if path.endswith("/") else [""])]


def strict_json(constant: str) -> float:
    raise AssertionError(f"{constant} is no JSON")


def test_every_list_stays_json_and_every_filter_works(agent: TableAgent) -> None:
    ctx = agent.api_context()
    lists = 0
    for path in paths():
        for query in QUERIES:
            try:
                answer = handle(Request.from_wire_untrusted("GET", path, query, {}, b""), ctx)
            except ApiError:
                continue  # a path with what cannot be printed
            if isinstance(answer, Response) and answer.headers[:1] == (("Content-Type", "application/json"),):
                json.loads(answer.body + b"".join(answer.rest or ()), parse_constant=strict_json)
                lists += 1

    assert lists > len(paths())


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_no_json_can_say_are_refused_and_not_shown(number: float) -> None:
    check = Check("c", "c", CheckStatus.PASSING, definition={"Interval": number, "Header": {"a": [number]}})
    entry = Entry((Kind.CHECK, "one", "c"), NodeName("one"), 1, ORIGIN, check)
    agent = TableAgent("one")
    agent.apply(over_the_wire(entries_about("one")[0]), change_of(entry))
    answer = handle(Request.from_wire_untrusted("GET", b"/v1/health/node/one", b"", {}, b""), agent.api_context())

    with pytest.raises(LocalProtocolError, match="would be refused"):
        over_the_wire(entry)
    assert isinstance(answer, Response)
    assert b'"Definition":{"Interval":null,"Header":{"a":[null]}}' in answer.body


def test_every_name_is_answered_in_dns_within_its_size(agent: TableAgent) -> None:
    context = QueryContext(
        None, Transport.UDP, agent.api_context().view, Zones((Zone.of_domain("consul."),)), DnsPolicy(), Random(0)
    )
    labels = [text.encode("utf-8", "surrogatepass")[:63] for text in ODD_TEXTS]
    above = (
        (b"service",),
        (b"node",),
        (b"_tcp", b"service"),
        (b"_tcp",),
        (b"web", b"service"),
        (b"_web", b"_tcp"),
        (b"_dns-sd", b"_udp"),
    )
    for transport, most in ((Transport.UDP, MAX_UDP_BYTES), (Transport.TCP, 65_535)):
        of = attrs.evolve(context, transport=transport)
        for label in (*labels, b"web", b"_web", b"_services", b"*"):
            for behind in above:
                name = dns.name.Name((label, *behind, b"consul", b""))
                for rtype in TYPES:
                    query = dns.message.make_query(name, dns.rdatatype.from_text(rtype))
                    reply = respond(query.to_wire(), of)
                    assert isinstance(reply, Reply)
                    assert len(reply.wire) <= most
                    assert query.is_response(dns.message.from_wire(reply.wire))
