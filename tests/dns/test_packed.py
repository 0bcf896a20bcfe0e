"""What is kept, for how long, and what is given from it."""

from __future__ import annotations

from random import Random

import attrs
import pytest

from nodedns.dns.apex import Edition, soa_serial
from nodedns.dns.dependency import NODE_KEY, SERVICE_KEY, keys_of_change, keys_of_service_change
from nodedns.dns.packed import KEY_AT, MAX_TEMPLATES, PackedAnswers, slipped
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import RRType, Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.service_kind import is_service_there
from nodedns.dns.truncation import truncated
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.names import NodeName
from nodedns.table.changes import Change, ExternalNode, NodeDeregistered, NodeRegistered
from nodedns.table.node_table import NodeTable
from nodedns.testing.dns_queries import OPT, query_wire

TALLY = object()
CLASS_KEY = 7


@attrs.define
class Server:
    """A table, and answers to it with packed ones before the others, as the agent has them."""

    table: NodeTable = attrs.Factory(lambda: NodeTable("dc1", NodeName("me"), 7))
    packed: PackedAnswers = attrs.field(init=False)
    asked: int = 0

    def __attrs_post_init__(self) -> None:
        self.packed = PackedAnswers(
            {NODE_KEY: self.is_there, SERVICE_KEY: self.is_service_there}, Random(1), capacity=4
        )

    def is_there(self, name: str) -> bool:
        return self.table.view.node_folded(name) is not None or self.table.view.has_names_under(name)

    def is_service_there(self, name: str) -> bool:
        return is_service_there(self.table.view, name, DnsPolicy())

    def change(self, *changes: Change) -> None:
        self.table.apply(changes)
        for change in self.table.row_changes:
            self.packed.drop(keys_of_change(change))
        for service in self.table.service_changes:
            self.packed.drop(keys_of_service_change(service))

    def plain(self, query: bytes) -> Reply:
        zones = Zones((Zone.of_domain("consul"),))
        reply = respond(query, QueryContext(None, Transport.UDP, self.table.view, zones, DnsPolicy(), Random(1)))
        assert isinstance(reply, Reply)
        return reply

    def ask(self, query: bytes) -> bytes:
        serial = soa_serial(self.table.view)
        self.packed.set_serials(serial, lambda _: serial)
        found = self.packed.find(query)
        if found is None:
            self.asked += 1
            reply = self.plain(query)
            self.packed.keep(query, reply, TALLY, CLASS_KEY)
            return reply.wire
        head, question_end, tail, end, note, class_key, _ = found
        assert (TALLY, CLASS_KEY) == (note, class_key)
        wire = query[:KEY_AT] + head + query[12:question_end] + tail
        assert end == len(wire)
        return wire


def node(name: str, address: str = "10.0.0.1") -> NodeRegistered:
    return NodeRegistered(ExternalNode(NodeName(name), "", address))


def server(*names: str) -> Server:
    made = Server()
    made.change(*(node(name) for name in names))
    return made


def asked_anew(made: Server, query: bytes) -> bool:
    before = made.asked
    assert made.plain(query).wire == made.ask(query)
    return made.asked != before


def test_second_query_in_other_letters_and_with_another_id_is_not_asked_again() -> None:
    made = server("a")
    assert asked_anew(made, query_wire("a.node.consul"))
    assert not asked_anew(made, query_wire("A.noDe.CONSUL", query_id=9))


def test_change_of_a_node_drops_its_answers_and_no_others() -> None:
    made = server("a", "b")
    for name in ("a", "b"):
        assert asked_anew(made, query_wire(f"{name}.node.consul"))
    made.change(node("a", "10.0.0.2"))
    assert not asked_anew(made, query_wire("b.node.consul"))
    assert asked_anew(made, query_wire("a.node.consul"))


def test_each_zone_has_its_own_serial_in_kept_answers() -> None:
    serials: dict[tuple[bytes, ...], int] = {(b"consul",): 100, (b"lanlan",): 200}
    forward = Zone.of_domains(("consul", "lanlan"), edition_of=lambda zone, _: Edition((b"m", *zone), serials[zone]))
    zones = Zones(forward)
    table = NodeTable("dc1", NodeName("me"), 7)
    packed = PackedAnswers({NODE_KEY: lambda _: False}, Random(1))
    queries = [query_wire(f"{start}{domain}") for start in ("x.node.", "") for domain in ("consul", "lanlan")]
    for query in queries:
        reply = respond(query, QueryContext(None, Transport.UDP, table.view, zones, DnsPolicy(), Random(1)))
        assert isinstance(reply, Reply)
        packed.keep(query, reply, TALLY)
    for version, (first, second) in enumerate(((100, 200), (101, 250)), 1):
        serials.update({(b"consul",): first, (b"lanlan",): second})
        packed.set_serials(version, serials.__getitem__)
        assert [first, second] * 2 == [_serial_of(packed, query) for query in queries]


def _serial_of(packed: PackedAnswers, query: bytes) -> int:
    found = packed.find(query)
    assert found is not None
    return int.from_bytes(found[2][-20:-16], "big")  # the first of the five numbers that end a SOA record


def test_serial_in_a_kept_negative_answer_moves_with_the_table() -> None:
    made = server("a")
    assert asked_anew(made, query_wire("a.node.consul", RRType.AAAA))
    made.change(node("b"))
    assert not asked_anew(made, query_wire("a.node.consul", RRType.AAAA))


def test_missing_names_of_one_length_share_a_template_until_they_exist() -> None:
    made = server("a")
    assert asked_anew(made, query_wire("xy.node.consul"))
    assert not asked_anew(made, query_wire("zz.node.consul"))
    made.change(node("zz"))
    assert asked_anew(made, query_wire("zz.node.consul"))
    assert not asked_anew(made, query_wire("qq.node.consul"))
    made.change(node("x.qq"))
    assert asked_anew(made, query_wire("qq.node.consul"))
    made.change(NodeDeregistered(NodeName("x.qq")))
    assert not asked_anew(made, query_wire("qq.node.consul"))


def test_name_that_stops_to_exist_because_of_dots_is_dropped() -> None:
    made = server("x.y")
    assert asked_anew(made, query_wire("y.node.consul"))
    made.change(NodeDeregistered(NodeName("x.y")))
    assert asked_anew(made, query_wire("y.node.consul"))


def test_what_looks_alike_in_lower_case_is_not_mixed_up() -> None:
    made = server("a")
    for rtype in (65, 97):
        assert asked_anew(made, query_wire("a.node.consul", rtype))
        assert asked_anew(made, query_wire("a.node.consul", rtype))
    small, large = (query_wire("a.node.consul", opt=OPT[:3] + size + OPT[5:]) for size in (b"\x05A", b"\x05a"))
    assert asked_anew(made, small)
    assert asked_anew(made, large)


def test_options_flags_and_trailing_bytes_are_not_kept() -> None:
    made = server("a")
    for query in (
        query_wire("a.node.consul", opt=OPT[:-1] + b"\4\0\3\0\0"),
        query_wire("a.node.consul", flags=0x0200),
        query_wire("a.node.consul", flags=0x0040),
        query_wire("a.node.consul") + b"!",
    ):
        assert asked_anew(made, query)
        assert asked_anew(made, query)


def test_ad_and_cd_and_edns_have_answers_of_their_own() -> None:
    made = server("a")
    for flags, opt in ((0x0120, b""), (0x0110, b""), (0, OPT), (0x0100, b"")):
        query = query_wire("a.node.consul", flags=flags, opt=opt)
        assert asked_anew(made, query)
        assert not asked_anew(made, query)


def test_capacity_holds_and_the_oldest_goes() -> None:
    made = server("a", "b", "c", "d", "e")
    for name in "abcde":
        assert asked_anew(made, query_wire(f"{name}.node.consul"))
    assert 4 == len(made.packed.hot)
    assert not asked_anew(made, query_wire("b.node.consul"))
    assert asked_anew(made, query_wire("a.node.consul"))
    for name in "abcde":
        made.change(NodeDeregistered(NodeName(name)))
    assert (0, 0, 0) == (len(made.packed.hot), len(made.packed._keys_of), len(made.packed._dependents))


def test_clearing_forgets_templates_too() -> None:
    made = server("a")
    asked_anew(made, query_wire("a.node.consul"))
    asked_anew(made, query_wire("xy.node.consul"))
    assert 2 == len(made.packed)
    made.packed.clear()
    assert 0 == len(made.packed)
    assert asked_anew(made, query_wire("xy.node.consul"))


@pytest.mark.parametrize("opt", [b"", OPT])
@pytest.mark.parametrize("name", ["a.node.consul", "missing.node.consul"])
def test_slipped_reply_is_a_truncated_one(name: str, opt: bytes) -> None:
    made = server("a")
    query = query_wire(name, opt=opt)
    whole = made.ask(query)
    found = made.packed.find(query)
    assert found is not None
    head, question_end, tail, end, *_ = slipped(found, len(query))
    wire = query[:KEY_AT] + head + query[12:question_end] + tail
    assert (truncated(whole, 512), len(wire)) == (wire, end)


def test_large_replies_are_kept_within_their_bytes() -> None:
    packed = PackedAnswers({NODE_KEY: lambda _: False}, Random(1), max_bytes=100_000)
    made = server("a")
    query = query_wire("a.node.consul")
    reply = made.plain(query)
    for size in range(512, 562):
        sized = query_wire("a.node.consul", opt=OPT[:3] + size.to_bytes(2, "big") + OPT[5:])
        packed.keep(sized, attrs.evolve(made.plain(sized), wire=reply.wire + bytes(10_000)), TALLY)
    assert 9 == len(packed)
    packed.drop(["node:a"])
    packed.keep(query, attrs.evolve(reply, wire=reply.wire + bytes(90_000)), TALLY)
    assert 1 == len(packed)


def test_missing_names_of_any_number_of_shapes_drop_no_positive_answer() -> None:
    made = server("a")
    assert asked_anew(made, query_wire("a.node.consul"))
    tallies = [object() for _ in range(5)]  # one for each type, as the agent has them
    count = 0
    for length in range(1, 64):
        for flags, opt in ((0, b""), (0x0100, b""), (0x0110, b""), (0, OPT)):
            query = query_wire(f"{'x' * length}.node.consul", flags=flags, opt=opt)
            for tally in tallies:
                made.packed.keep(query, made.plain(query), tally, CLASS_KEY)
                count += 1
    assert count > MAX_TEMPLATES
    assert len(made.packed) <= MAX_TEMPLATES
    assert not asked_anew(made, query_wire("a.node.consul"))


def test_fingerprints_of_host_keys_are_kept_until_they_change() -> None:
    made = server()
    query = query_wire("web.node.consul", RRType.SSHFP)
    replies = []
    for digit in "12":
        made.change(NodeRegistered(ExternalNode(NodeName("web"), "", "10.1.1.1", {}, {"sshfp-4-2": 64 * digit})))
        replies += [made.ask(query), made.ask(query)]
    assert (2, [True, True, False, False]) == (made.asked, [bytes.fromhex(32 * "11") in reply for reply in replies])
