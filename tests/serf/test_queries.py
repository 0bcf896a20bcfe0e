from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import LocalProtocolError, TooBig
from nodedns.gossip.events import Dropped
from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.conflict import ConflictVote
from nodedns.serf.lamport import MAX_LTIME, LamportClock
from nodedns.serf.messages import ConflictMember, ConflictResponse, Query, QueryResponse, encode_message
from nodedns.serf.outgoing_queries import MAX_OPEN_QUERIES, OutgoingQueries, QueryParams, default_query_timeout_s
from nodedns.serf.queries import MAX_QUERIES_PER_SLOT, QueryBuffer

SOURCE = Address(bytes([10, 0, 0, 9]), 7946)
LOCAL = Address(bytes([10, 0, 0, 1]), 7946)


def test_query_is_new_once() -> None:
    buffer = QueryBuffer(slots=8)
    assert buffer.offer(1, 7, 2) == ""
    assert buffer.offer(1, 7, 2) == "seen"
    assert buffer.offer(1, 8, 2) == ""


def test_query_out_of_reach_or_before_the_minimum_is_old() -> None:
    buffer = QueryBuffer(slots=8)
    assert buffer.offer(91, 7, 100) == "query-too-old"
    assert buffer.offer(92, 7, 100) == ""
    buffer.min_time = 95
    assert buffer.offer(94, 7, 100) == "query-too-old"


def test_queries_at_the_end_of_time_do_not_displace_each_other() -> None:
    buffer = QueryBuffer(slots=8)
    assert buffer.offer(MAX_LTIME, 7, MAX_LTIME) == ""
    assert buffer.offer(MAX_LTIME - 8, 7, MAX_LTIME) == "query-too-old"
    assert buffer.offer(MAX_LTIME, 7, MAX_LTIME) == "seen"


def test_one_time_holds_a_bounded_number_of_queries() -> None:
    buffer = QueryBuffer(slots=8)
    verdicts = [buffer.offer(1, number, 2) for number in range(MAX_QUERIES_PER_SLOT + 1)]
    assert verdicts == [""] * MAX_QUERIES_PER_SLOT + ["query-buffer-full"]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=60))
def test_no_query_is_taken_twice(offers: list[tuple[int, int]]) -> None:
    buffer = QueryBuffer(slots=8)
    clock = LamportClock()
    taken: set[tuple[int, int]] = set()
    for ltime, query_id in offers:
        clock.witness(ltime)
        if not buffer.offer(ltime, query_id, clock.time):
            assert (ltime, query_id) not in taken
            taken.add((ltime, query_id))


class Sink:
    def __init__(self) -> None:
        self.acks: list[str] = []
        self.answers: list[tuple[str, bytes]] = []

    def acked(self, node: NodeName) -> None:
        self.acks.append(node)

    def answered(self, node: NodeName, payload: bytes) -> None:
        self.answers.append((node, payload))


class Bench:
    def __init__(self) -> None:
        self.timers = TimerHeap()
        self.dropped: list[Dropped] = []
        self.closed: list[tuple[int, int]] = []
        self.sink = Sink()
        self.outgoing = OutgoingQueries(
            local_name=NodeName("me"),
            local_address=LOCAL,
            limit_bytes=1024,
            clock=LamportClock(),
            rng=Random(1),  # a seeded test
            timers=self.timers,
            emit=self.dropped.append,
        )

    def ask(self, params: QueryParams, query_id: int = 7) -> Query:
        return self.outgoing.ask(
            params,
            query_id=query_id,
            timeout_s=2.0,
            sink=self.sink,
            on_closed=lambda acks, answers: self.closed.append((acks, answers)),
            now=0.0,
        )


def test_query_says_where_answers_go_and_until_when() -> None:
    query = Bench().ask(QueryParams(name="uptime", wants_acks=True, relay_factor=2))
    assert query == Query(1, 7, LOCAL.packed, 7946, "me", (), 1, 2, 2_000_000_000, "uptime")


def test_each_member_counts_once_for_ack_and_answer() -> None:
    bench = Bench()
    bench.ask(QueryParams(name="uptime"))
    for _ in range(2):
        bench.outgoing.receive(QueryResponse(1, 7, "x", flags=1), SOURCE)
        bench.outgoing.receive(QueryResponse(1, 7, "x", payload=b"up"), SOURCE)
    assert (bench.sink.acks, bench.sink.answers) == (["x"], [("x", b"up")])
    bench.timers.fire(2.0)
    assert bench.closed == [(1, 1)]


def test_answer_after_the_time_is_dropped() -> None:
    bench = Bench()
    bench.ask(QueryParams(name="uptime"))
    bench.timers.fire(2.0)
    bench.outgoing.receive(QueryResponse(1, 7, "x"), SOURCE)
    assert bench.dropped == [Dropped("answer-to-no-query", SOURCE)]


def test_query_beyond_the_limit_is_not_opened() -> None:
    bench = Bench()
    with pytest.raises(TooBig):
        bench.ask(QueryParams(name="uptime", payload=bytes(1024)))
    assert len(bench.timers) == 0


def test_open_queries_are_bounded() -> None:
    bench = Bench()
    for query_id in range(MAX_OPEN_QUERIES):
        bench.ask(QueryParams(name="uptime"), query_id)
    with pytest.raises(LocalProtocolError):
        bench.ask(QueryParams(name="uptime"), MAX_OPEN_QUERIES)


@pytest.mark.parametrize(("alive", "seconds"), [(1, 3.2), (9, 3.2), (10, 6.4), (99, 6.4), (100, 9.6)])
def test_default_timeout_grows_with_the_cluster(alive: int, seconds: float) -> None:
    assert default_query_timeout_s(0.2, alive) == pytest.approx(seconds)


def vote_of(*answers: bytes) -> ConflictVote:
    vote = ConflictVote(LOCAL, lambda name: name != "stranger")
    vote.answered(NodeName("stranger"), OURS)
    vote.answered(NodeName("stranger"), OTHERS)
    for number, payload in enumerate(answers):
        vote.answered(NodeName(str(number)), payload)
    return vote


def knows(packed: bytes, port: int = 7946) -> bytes:
    return encode_message(ConflictResponse(ConflictMember("me", packed, port, {}, 1, 1, 5, 2, 2, 5, 5)))


OURS = knows(LOCAL.packed)
MAPPED = knows(bytes(10) + b"\xff\xff" + LOCAL.packed)
OTHERS = knows(bytes([10, 0, 0, 2]))
OTHER_PORT = knows(LOCAL.packed, 7947)
UNKNOWN = encode_message(ConflictResponse(None))


@pytest.mark.parametrize(
    ("answers", "is_won"),
    [
        ((), False),
        ((OURS,), True),
        ((MAPPED,), True),
        ((OTHERS,), False),
        ((OTHER_PORT,), False),
        ((UNKNOWN,), False),
        ((OURS, OTHERS), False),
        ((OURS, OURS, OTHERS), True),
        ((OURS, b"nonsense", b"\x07\x81\xa3Key\xa0"), True),
        ((knows(b"\x01"),), False),
    ],
)
def test_vote_needs_more_than_half_of_the_answers(answers: tuple[bytes, ...], *, is_won: bool) -> None:
    assert is_won == vote_of(*answers).is_won
