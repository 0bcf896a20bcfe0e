"""Asking recursors, in virtual time: order, faults, bounds, loops."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import attrs
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio
import trio.testing

from nodedns.dns.decode import decode_header_untrusted, decode_query_untrusted
from nodedns.dns.forward import Forward
from nodedns.dns.name import labels_of
from nodedns.dns.question import Question, Rcode, RRClass, RRType, Transport
from nodedns.dns.recursion import Recursion, Recursor, Strategy
from nodedns.dns.responder import Reply
from nodedns.dns.rrset import EDE_NETWORK_ERROR, EDE_NO_REACHABLE_AUTHORITY, Answer
from nodedns.model.address import Address
from nodedns.net.dns_forward import MAX_SEARCHES, MAX_STRAY_REPLIES, MAX_WAITING, MAX_WAITING_OF_CLIENT, Forwarder
from nodedns.observe.metrics import Metrics
from nodedns.testing.recursors import Behaviour, MemoryLinks

ONE, TWO, THREE = (Recursor(f"192.0.2.{number}", 53) for number in (1, 2, 3))
CLIENT = Address.from_text("127.0.0.1", 40_000)
TIMEOUT_S = 2.0


def answering(address: str = "192.0.2.80", **changes: int) -> Behaviour:
    def answer(query: bytes, transport: Transport) -> Sequence[bytes]:
        made = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
        if changes.get("rcode"):
            made.set_rcode(dns.rcode.Rcode(changes["rcode"]))
        else:
            made.answer.append(dns.rrset.from_text(made.question[0].name, 60, "IN", "A", address))
        made.flags |= changes.get("flags", 0)
        return [made.to_wire()]

    return answer


def silent(query: bytes, transport: Transport) -> Sequence[bytes]:
    return []


def unreachable(query: bytes, transport: Transport) -> Sequence[bytes]:
    raise OSError(errno.ECONNREFUSED, "refused")


def malformed(query: bytes, transport: Transport) -> Sequence[bytes]:
    return [wire + b"\0" for wire in answering()(query, transport)]


def forward_of(name: str = "www.example.com", transport: Transport = Transport.UDP, prefix: bool = False) -> Forward:
    wire = dns.message.make_query(name, "A", use_edns=0).to_wire()
    query = decode_query_untrusted(wire, decode_header_untrusted(wire))
    if not prefix:
        return Forward(query, query.question, transport, 1232)
    target = labels_of("target.example.com")
    assert target is not None
    alias = Answer(rcode=Rcode.NOERROR, authoritative=True)
    return Forward(query, Question(target, target, RRType.A, RRClass.IN), transport, 1232, alias)


@attrs.define
class Trial:
    """A forwarder, its recursors, and what it counts."""

    forwarder: Forwarder
    links: MemoryLinks
    metrics: Metrics

    async def ask(self, forward: Forward | None = None, client: Address = CLIENT) -> Reply:
        return await self.forwarder.forward(forward or forward_of(), client)

    @property
    def asked(self) -> list[Recursor]:
        return [query.recursor for query in self.links.queries]

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.value(f"nodedns_dns_{name}_total", **labels)


def play(
    body: Callable[[Trial], Awaitable[None]],
    *behaviours: Behaviour,
    strategy: Strategy = Strategy.SEQUENTIAL,
) -> None:
    recursors = (ONE, TWO, THREE)[: len(behaviours)]
    ids = itertools.count(1)

    async def main() -> None:
        recursion = Recursion(recursors=recursors, strategy=strategy, timeout_s=TIMEOUT_S)
        links = MemoryLinks(dict(zip(recursors, behaviours, strict=True)))
        counted = Metrics()
        forwarder = Forwarder(recursion, Random(1), lambda size: next(ids).to_bytes(size, "big"), counted, links)
        await body(Trial(forwarder, links, counted))
        assert 0 == links.links_open
        assert 0 == counted.value("nodedns_dns_forwards_open")

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def read(reply: Reply) -> dns.message.Message:
    return dns.message.from_wire(reply.wire)


def ede_of(reply: Reply) -> list[int]:
    return [int(option.code) for option in read(reply).options if isinstance(option, dns.edns.EDEOption)]


def test_first_recursor_that_knows_is_believed() -> None:
    async def body(trial: Trial) -> None:
        assert "192.0.2.81" == str(read(await trial.ask()).answer[0][0])
        assert [ONE] == trial.asked
        assert 1 == trial.count("forwards", outcome="answered")
        assert 1 == trial.metrics.value("nodedns_dns_forward_seconds_count")

    play(body, answering("192.0.2.81"), answering("192.0.2.82"))


@pytest.mark.parametrize("rcode", [Rcode.SERVFAIL, Rcode.REFUSED, Rcode.NOTIMP, Rcode.FORMERR])
def test_recursor_that_cannot_leads_to_the_next(rcode: Rcode) -> None:
    async def body(trial: Trial) -> None:
        assert "192.0.2.82" == str(read(await trial.ask()).answer[0][0])
        assert [ONE, TWO] == trial.asked
        assert 1 == trial.count("recursor_errors", reason=rcode.name.lower())

    play(body, answering(rcode=rcode), answering("192.0.2.82"))


def test_missing_name_ends_the_search() -> None:
    async def body(trial: Trial) -> None:
        assert Rcode.NXDOMAIN == (await trial.ask()).rcode
        assert [ONE] == trial.asked

    play(body, answering(rcode=Rcode.NXDOMAIN), answering())


@pytest.mark.parametrize(("fault", "reason"), [(silent, "timeout"), (unreachable, "network"), (malformed, "malformed")])
def test_faulty_recursor_leads_to_the_next(fault: Behaviour, reason: str) -> None:
    async def body(trial: Trial) -> None:
        assert Rcode.NOERROR == (await trial.ask()).rcode
        assert [ONE, TWO] == trial.asked
        assert 1 == trial.count("recursor_errors", reason=reason)

    play(body, fault, answering())


@pytest.mark.parametrize(
    ("behaviours", "ede", "took_s"),
    [
        ((silent, silent), EDE_NO_REACHABLE_AUTHORITY, 2 * TIMEOUT_S),
        ((unreachable, unreachable), EDE_NETWORK_ERROR, 0),
        ((silent, unreachable), EDE_NO_REACHABLE_AUTHORITY, TIMEOUT_S),
        ((answering(rcode=Rcode.REFUSED),) * 3, EDE_NO_REACHABLE_AUTHORITY, 0),
    ],
)
def test_when_all_fail_the_client_is_told_why(behaviours: tuple[Behaviour, ...], ede: int, took_s: float) -> None:
    async def body(trial: Trial) -> None:
        reply = await trial.ask()
        assert (Rcode.SERVFAIL, [ede]) == (reply.rcode, ede_of(reply))
        assert pytest.approx(took_s) == trio.current_time()
        assert 1 == trial.count("forwards", outcome="failed")

    play(body, *behaviours)


def test_extended_error_of_the_last_recursor_is_the_reason() -> None:
    def bogus(query: bytes, transport: Transport) -> Sequence[bytes]:
        made = dns.message.make_response(dns.message.from_wire(query))
        made.set_rcode(dns.rcode.SERVFAIL)
        made.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS)])
        return [made.to_wire()]

    async def body(trial: Trial) -> None:
        assert [dns.edns.EDECode.DNSSEC_BOGUS] == ede_of(await trial.ask())

    play(body, bogus)


def test_random_strategy_spreads_the_queries() -> None:
    async def body(trial: Trial) -> None:
        for _ in range(60):
            await trial.ask()
        assert {ONE, TWO, THREE} == set(trial.asked)
        assert min(trial.asked.count(recursor) for recursor in (ONE, TWO, THREE)) > 10

    play(body, answering(), answering(), answering(), strategy=Strategy.RANDOM)


def test_each_query_has_an_id_of_its_own() -> None:
    async def body(trial: Trial) -> None:
        await trial.ask()
        await trial.ask()
        assert [1, 2, 3, 4] == [int.from_bytes(query.wire[:2], "big") for query in trial.links.queries]

    play(body, answering(rcode=Rcode.SERVFAIL), answering())


def test_recursor_is_asked_in_the_way_the_client_asked() -> None:
    async def body(trial: Trial) -> None:
        await trial.ask(forward_of(transport=Transport.TCP))
        assert [Transport.TCP] == [query.transport for query in trial.links.queries]

    play(body, answering())


def test_what_does_not_fit_the_query_is_passed_over() -> None:
    def forged(query: bytes, transport: Transport) -> Sequence[bytes]:
        (right,) = answering()(query, transport)
        return [b"\xff\xff" + right[2:], b"", query, right]

    async def body(trial: Trial) -> None:
        assert "192.0.2.80" == str(read(await trial.ask()).answer[0][0])
        assert 3 == trial.count("recursor_errors", reason="stray")

    play(body, forged)


def test_flood_of_forged_replies_ends_the_search_there() -> None:
    def flood(query: bytes, transport: Transport) -> Sequence[bytes]:
        return [b"\xff\xff" + query[2:]] * 2 * MAX_STRAY_REPLIES

    async def body(trial: Trial) -> None:
        assert Rcode.NOERROR == (await trial.ask()).rcode
        assert MAX_STRAY_REPLIES == trial.count("recursor_errors", reason="stray")

    play(body, flood, answering())


def test_truncated_reply_is_handed_on() -> None:
    async def body(trial: Trial) -> None:
        assert (await trial.ask()).is_truncated
        assert [Transport.UDP] == [query.transport for query in trial.links.queries]

    play(body, answering(flags=dns.flags.TC))


def test_end_of_an_alias_is_asked_for_again_over_tcp_where_it_was_truncated() -> None:
    def behaviour(query: bytes, transport: Transport) -> Sequence[bytes]:
        return answering(flags=dns.flags.TC if transport is Transport.UDP else 0)(query, transport)

    async def body(trial: Trial) -> None:
        reply = await trial.ask(forward_of(prefix=True))
        assert (False, ["target.example.com. 60 IN A 192.0.2.80"]) == (
            reply.is_truncated,
            [rrset.to_text() for rrset in read(reply).answer],
        )
        assert [Transport.UDP, Transport.TCP] == [query.transport for query in trial.links.queries]

    play(body, behaviour)


def test_end_of_an_alias_that_is_truncated_over_tcp_is_of_no_use() -> None:
    async def body(trial: Trial) -> None:
        assert Rcode.SERVFAIL == (await trial.ask(forward_of(prefix=True))).rcode

    play(body, answering(flags=dns.flags.TC))


def test_end_of_an_alias_that_cannot_be_read_leads_to_the_next_recursor() -> None:
    def unreadable(query: bytes, transport: Transport) -> Sequence[bytes]:
        made = dns.message.from_wire(answering()(query, transport)[0])
        made.use_edns(-1)
        return [made.to_wire()[:-6] + b"\0\3abc"]

    async def body(trial: Trial) -> None:
        assert Rcode.NOERROR == (await trial.ask(forward_of(prefix=True))).rcode
        assert [ONE, TWO] == trial.asked
        assert 1 == trial.count("recursor_errors", reason="malformed")

    play(body, unreadable, answering())


async def ask_many(trial: Trial, forwards: Sequence[tuple[Forward, Address]]) -> list[Reply]:
    replies: list[Reply] = []

    async def one(forward: Forward, client: Address) -> None:
        replies.append(await trial.ask(forward, client))

    async with trio.open_nursery() as nursery:
        for forward, client in forwards:
            nursery.start_soon(one, forward, client)
    return replies


def test_clients_that_ask_the_same_share_a_search() -> None:
    async def body(trial: Trial) -> None:
        clients = [Address.from_text(f"10.0.0.{number}", 40_000) for number in range(1, 51)]
        replies = await ask_many(trial, [(forward_of(), client) for client in clients])
        assert 1 == len(trial.links.queries)
        assert (
            50 == len({reply.wire[:2] for reply in replies} - {trial.links.queries[0].wire[:2]}) or len(replies) == 50
        )
        assert {Rcode.NOERROR} == {reply.rcode for reply in replies}

    play(body, answering())


def test_search_goes_on_when_the_client_that_began_it_goes_away() -> None:
    async def body(trial: Trial) -> None:
        replies: list[Reply] = []

        async def stay() -> None:
            await trio.sleep(0.5)
            replies.append(await trial.ask())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stay)
            with trio.move_on_at(1):
                await trial.ask()
        assert [Rcode.SERVFAIL] == [reply.rcode for reply in replies]
        assert [ONE, ONE] == trial.asked
        assert pytest.approx(1 + TIMEOUT_S) == trio.current_time()

    play(body, silent)


def test_recursor_that_asks_us_back_makes_no_endless_loop() -> None:
    asked_back: list[Reply] = []

    async def body(trial: Trial) -> None:
        async with trio.open_nursery() as nursery:

            async def back() -> None:
                asked_back.append(await trial.ask())

            def loop(query: bytes, transport: Transport) -> Sequence[bytes]:
                nursery.start_soon(back)
                return []

            trial.links.behaviours = {ONE: loop}
            assert Rcode.SERVFAIL == (await trial.ask()).rcode
        assert [ONE] == trial.asked
        assert [Rcode.SERVFAIL] == [reply.rcode for reply in asked_back]
        assert pytest.approx(TIMEOUT_S) == trio.current_time()

    play(body, silent)


def test_one_client_cannot_take_all() -> None:
    async def body(trial: Trial) -> None:
        other = Address.from_text("10.0.0.2", 40_000)
        wanted = [(forward_of(f"n{number}.example.com"), CLIENT) for number in range(MAX_WAITING_OF_CLIENT + 5)]
        await ask_many(trial, [*wanted, (forward_of("other.example.com"), other)])
        assert MAX_WAITING_OF_CLIENT + 1 == len(trial.links.queries)
        assert 5 == trial.count("forwards", outcome="over-limit")
        assert MAX_WAITING_OF_CLIENT + 1 == trial.count("forwards", outcome="failed")

    play(body, silent)


def clients_of(count: int) -> list[Address]:
    return [Address.from_text(f"10.0.{number // 250}.{number % 250}", 40_000) for number in range(count)]


def test_searches_are_bounded() -> None:
    async def body(trial: Trial) -> None:
        wanted = [(forward_of(f"n{n}.example.com"), client) for n, client in enumerate(clients_of(MAX_SEARCHES + 5))]
        replies = await ask_many(trial, wanted)
        assert MAX_SEARCHES == len(trial.links.queries)
        assert ([], Rcode.SERVFAIL) == (ede_of(replies[0]), replies[0].rcode)
        assert 5 == trial.count("forwards", outcome="over-limit")
        assert pytest.approx(TIMEOUT_S) == trio.current_time()

    play(body, silent)


def test_waiting_clients_are_bounded() -> None:
    async def body(trial: Trial) -> None:
        await ask_many(trial, [(forward_of(), client) for client in clients_of(MAX_WAITING + 5)])
        assert 1 == len(trial.links.queries)
        assert 5 == trial.count("forwards", outcome="over-limit")

    play(body, silent)
