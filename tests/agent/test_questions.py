"""Asking the pool, on two real Serf cores whose packets are carried by hand and whose time is virtual."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
import trio.testing

from nodedns.agent.questions import Questions, Replies
from nodedns.api.queries import Acked, Answered, Asked, AskPool, Closed, Progress
from nodedns.errors import ApiError, LocalProtocolError, TooBig
from nodedns.gossip.events import StreamWanted
from nodedns.gossip.params import LOCAL
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.events import QueryReceived, SerfEvent
from nodedns.serf.outgoing_queries import MAX_OPEN_QUERIES, QueryParams
from nodedns.serf.params import SerfParams
from nodedns.serf.serf import Serf

TIMEOUT_S = 2.0
ASKER, OTHER = Address(bytes([10, 0, 0, 1]), 7946), Address(bytes([10, 0, 0, 2]), 7946)
Clock = trio.testing.MockClock


class Pair:
    """The asker and another member that answers ``uptime``; ``is_cut`` keeps their packets from each other."""

    def __init__(self) -> None:
        self.asker, self.other = self._core("asker", ASKER), self._core("other", OTHER)
        self.questions = Questions(self.asker, self.carry)
        self.is_cut = False

    @staticmethod
    def _core(name: str, address: Address) -> Serf:
        rng = Random(name)
        return Serf(SerfParams(), LOCAL, NodeName(name), address, {"role": name}, rng, rng.randbytes)

    def _at(self, address: Address) -> Serf:
        return self.asker if address == ASKER else self.other

    async def live(self, *, task_status: trio.TaskStatus[None]) -> None:
        now = trio.current_time()
        for core in (self.asker, self.other):
            core.start(now)
        self.asker.join([OTHER], now)
        self.carry()
        task_status.started()
        while True:
            deadlines = [core.next_deadline() for core in (self.asker, self.other)]
            await trio.sleep_until(min(deadline for deadline in deadlines if deadline is not None))
            for core in (self.asker, self.other):
                core.handle_timer(trio.current_time())
            self.carry()

    def carry(self) -> None:
        """Carry packets until none is left, and hand out events."""
        while self._drain(self.asker, ASKER) or self._drain(self.other, OTHER):
            pass

    def _drain(self, core: Serf, address: Address) -> bool:
        now = trio.current_time()
        datagrams = core.datagrams_to_send(now)
        for datagram in datagrams:
            target = self._at(datagram.destination)
            if target is core or not self.is_cut:
                target.receive_datagram(datagram.payload, address, now)
        had_event = False
        while (event := core.next_event()) is not None:
            had_event = True
            self._take(core, event, now)
        return bool(datagrams) or had_event

    def _take(self, core: Serf, event: SerfEvent, now: float) -> None:
        if isinstance(event, StreamWanted):
            near, far = core.open_stream(event, now), self._at(event.address).accept_stream(Address(b"", 0), now)
            assert far is not None
            while not near.finished:
                far.receive_data(near.data_to_send(), now)
                near.receive_data(far.data_to_send(), now)
        elif core is self.asker:
            self.questions.note(event)
        elif isinstance(event, QueryReceived) and event.name == "uptime":
            core.respond(event, b"3 days of " + event.payload, now)


@asynccontextmanager
async def living() -> AsyncIterator[Pair]:
    pair = Pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: pair.live(task_status=task_status))
        yield pair
        nursery.cancel_scope.cancel()


async def followed(pair: Pair, question: AskPool) -> list[Progress]:
    told: list[Progress] = []

    async def tell(progress: Progress) -> None:
        told.append(progress)
        await trio.lowlevel.checkpoint()

    await pair.questions.follow(question, tell)
    return told


# ask


async def test_replies_are_gathered_until_the_query_is_closed(autojump_clock: Clock) -> None:
    async with living() as pair:
        started = trio.current_time()
        params = QueryParams(name="uptime", payload=b"x", wants_acks=True, timeout_s=TIMEOUT_S)
        replies = await pair.questions.ask(params)
        assert TIMEOUT_S == pytest.approx(trio.current_time() - started)
    assert {"asker", "other"} == set(replies.acks)
    assert {"other": b"3 days of x"} == replies.answers
    assert replies.is_closed


async def test_acks_tell_how_long_they_took(autojump_clock: Clock) -> None:
    async with living() as pair:
        replies = await pair.questions.ask(QueryParams(name="ping", wants_acks=True, timeout_s=TIMEOUT_S))
    assert 0 == replies.acks[NodeName("asker")]
    assert 0 <= replies.acks[NodeName("other")] <= 2 * LOCAL.gossip_interval_s


async def test_whoever_has_enough_does_not_wait(autojump_clock: Clock) -> None:
    async with living() as pair:
        params = QueryParams(name="ping", wants_acks=True, timeout_s=60.0)
        replies = await pair.questions.ask(params, lambda so_far: "other" in so_far.acks)
        assert trio.current_time() < 1
    assert not replies.is_closed


async def test_nobody_answers_across_a_cut(autojump_clock: Clock) -> None:
    async with living() as pair:
        pair.is_cut = True
        replies = await pair.questions.ask(QueryParams(name="uptime", wants_acks=True, timeout_s=TIMEOUT_S))
    assert (["asker"], {}, True) == (list(replies.acks), replies.answers, replies.is_closed)


async def test_two_questions_at_once_keep_their_answers_apart(autojump_clock: Clock) -> None:
    got: dict[bytes, Replies] = {}

    async def ask(pair: Pair, payload: bytes) -> None:
        got[payload] = await pair.questions.ask(QueryParams(name="uptime", payload=payload, timeout_s=TIMEOUT_S))

    async with living() as pair, trio.open_nursery() as nursery:
        nursery.start_soon(ask, pair, b"a")
        nursery.start_soon(ask, pair, b"b")
    assert {b"a": b"3 days of a", b"b": b"3 days of b"} == {
        payload: replies.answers[NodeName("other")] for payload, replies in got.items()
    }


async def test_question_that_cannot_be_asked_leaves_nothing_behind(autojump_clock: Clock) -> None:
    async with living() as pair:
        with pytest.raises(TooBig):
            await pair.questions.ask(QueryParams(name="x" * 1100))
        replies = await pair.questions.ask(QueryParams(name="uptime", timeout_s=TIMEOUT_S))
    assert ["other"] == list(replies.answers)


async def test_reply_to_a_question_that_was_given_up_is_dropped(autojump_clock: Clock) -> None:
    async with living() as pair:
        pair.is_cut = True
        with trio.move_on_after(1):
            await pair.questions.ask(QueryParams(name="uptime", timeout_s=60.0))
        pair.is_cut = False
        await trio.sleep(5)
        replies = await pair.questions.ask(QueryParams(name="uptime", timeout_s=TIMEOUT_S))
    assert {"other": b"3 days of "} == replies.answers


async def test_too_many_open_questions_are_refused(autojump_clock: Clock) -> None:
    async with living() as pair:
        for _ in range(MAX_OPEN_QUERIES):
            pair.asker.query(QueryParams(name="x", timeout_s=60.0), trio.current_time())
        with pytest.raises(LocalProtocolError):
            await pair.questions.ask(QueryParams(name="x"))
        with pytest.raises(ApiError) as caught:
            await followed(pair, AskPool(name="x"))
    assert 429 == caught.value.status


# follow


async def test_what_happens_is_told_from_asked_to_closed(autojump_clock: Clock) -> None:
    async with living() as pair:
        told = await followed(pair, AskPool(name="uptime", payload=b"x", timeout_s=TIMEOUT_S))
    assert Asked() == told[0]
    assert {"asker", "other"} == {news.node for news in told if isinstance(news, Acked)}
    assert [("other", b"3 days of x")] == [(news.node, news.payload) for news in told if isinstance(news, Answered)]
    assert isinstance(told[-1], Closed)
    assert (2, 1) == (told[-1].acks, told[-1].answers)
    assert told[-1].after_s == pytest.approx(TIMEOUT_S)


async def test_replies_are_told_long_before_the_end(autojump_clock: Clock) -> None:
    told_at: list[float] = []

    async def tell(progress: Progress) -> None:
        if isinstance(progress, Answered):
            told_at.append(trio.current_time())
        await trio.lowlevel.checkpoint()

    async with living() as pair:
        with trio.move_on_after(3):
            await pair.questions.follow(AskPool(name="uptime", timeout_s=60.0), tell)
    assert 1 == len(told_at)
    assert told_at[0] < 1


async def test_slow_listener_misses_nothing(autojump_clock: Clock) -> None:
    told: list[Progress] = []

    async def tell(progress: Progress) -> None:
        await trio.sleep(TIMEOUT_S)
        told.append(progress)

    async with living() as pair:
        await pair.questions.follow(AskPool(name="uptime", timeout_s=TIMEOUT_S), tell)
    assert [Asked, Acked, Acked, Answered, Closed] == sorted(map(type, told), key=ORDER.index)


ORDER: list[type] = [Asked, Acked, Answered, Closed]


@pytest.mark.parametrize(
    ("question", "replying"),
    [
        (AskPool(name="uptime", nodes=("other",), timeout_s=1), {"other"}),
        (AskPool(name="uptime", nodes=("asker", "nobody"), timeout_s=1), {"asker"}),
        (AskPool(name="uptime", tags={"role": "^oth"}, timeout_s=1), {"other"}),
        (AskPool(name="uptime", tags={"role": "^oth", "none": "x"}, timeout_s=1), set()),
        (AskPool(name="uptime", nodes=("other",), wants_acks=False, timeout_s=1), set()),
    ],
)
async def test_filters_choose_who_acks(question: AskPool, replying: set[str], autojump_clock: Clock) -> None:
    async with living() as pair:
        told = await followed(pair, question)
    assert replying == {news.node for news in told if isinstance(news, Acked)}


async def test_relayed_replies_count_once(autojump_clock: Clock) -> None:
    async with living() as pair:
        told = await followed(pair, AskPool(name="uptime", relay_factor=1, timeout_s=1))
    assert [Asked, Acked, Acked, Answered, Closed] == sorted(map(type, told), key=ORDER.index)


@pytest.mark.parametrize(
    ("question", "status", "text"),
    [
        (AskPool(name="x", payload=bytes(1024)), 413, "query is 1"),
        (AskPool(name="x", tags={"role": "("}), 400, "Invalid tag filter: missing )"),
    ],
)
async def test_what_cannot_be_asked_is_said_before_anything_is_told(
    question: AskPool, status: int, text: str, autojump_clock: Clock
) -> None:
    told: list[Progress] = []
    async with living() as pair:
        with pytest.raises(ApiError) as caught:
            told += await followed(pair, question)
    assert (status, []) == (caught.value.status, told)
    assert caught.value.message.startswith(text)
