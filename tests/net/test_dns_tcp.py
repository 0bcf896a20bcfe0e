"""The server of DNS over TCP: on pairs of sockets under a virtual clock, and on real ones."""

from __future__ import annotations

import errno
import itertools
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio

from nodedns.errors import BindError
from nodedns.model.address import Address
from nodedns.net.dns_guard import GuardedResponder, Later, Respond
from nodedns.net.dns_stream import ReplyStream
from nodedns.net.dns_tcp import MAX_PENDING, TURN_S, TURN_WORK, VISIT_MESSAGES, TcpDnsServer
from nodedns.net.dns_tcp_limits import DnsTcpLimits, StreamCensus
from nodedns.net.dns_tcp_listener import bind_dns_tcp
from nodedns.observe.metrics import Metrics
from nodedns.testing.processes import DEADLINE_S
from nodedns.testing.socket_pairs import PairSource

SERVER = Address.from_text("10.0.0.1", 8600)
QUERY = bytes.fromhex("1234 0120 0001 0000 0000 0000 0161 00 0001 0001")
LATE_S = 0.3  # a time-out is noticed up to a sweep later


def echo(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
    return wire + b"!" if is_tcp else None


class World:
    """A server, and clients as many as wanted."""

    def __init__(self, source: PairSource, server: TcpDnsServer, metrics: Metrics) -> None:
        self.source = source
        self.server = server
        self.metrics = metrics

    def dial(self, client: str = "10.0.0.2") -> trio.SocketStream:
        return self.source.dial(Address.from_text(client, 50_000))

    def dropped(self, reason: str) -> float:
        return self.metrics.value("nodedns_dns_dropped_total", reason=reason)


Body = Callable[[World], Awaitable[None]]


def serve(
    body: Body,
    respond: Respond = echo,
    limits: DnsTcpLimits | None = None,
    clock: trio.testing.MockClock | None = None,
) -> None:
    async def main() -> None:
        source = PairSource(SERVER)
        metrics = Metrics()
        server = TcpDnsServer(source, respond, metrics, StreamCensus(limits))
        with trio.fail_after(1000):
            async with trio.open_nursery() as nursery:
                await nursery.start(server.serve)
                try:
                    await body(World(source, server, metrics))
                finally:
                    source.hang_up()
                nursery.cancel_scope.cancel()
        assert 0 == server.connections

    trio.run(main, clock=clock or trio.testing.MockClock(autojump_threshold=0))


def framed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)


async def read_exactly(stream: trio.abc.Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        got = await stream.receive_some(size - len(data))
        if not got:
            break
        data += got
    return data


async def read_to_end(stream: trio.abc.Stream) -> bytes:
    data = b""
    while got := await stream.receive_some(65_536):
        data += got
    return data


async def settled() -> None:
    await trio.testing.wait_all_tasks_blocked()


class Slow:
    """Answers names that begin with ``?`` when told to, and the others at once."""

    def __init__(self) -> None:
        self.told = trio.Event()

    def respond(self, wire: bytes, client: Address, is_tcp: bool) -> bytes | Later | None:
        async def later() -> bytes | None:
            await self.told.wait()
            return wire + b"!"

        return later if wire.startswith(b"?") else wire + b"!"


# --- messages in, messages out ---------------------------------------------------------------


def test_query_is_answered_with_its_length() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"query"))
        assert framed(b"query!") == await read_exactly(stream, 8)

    serve(body)


def test_query_may_come_byte_by_byte() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        for byte in framed(b"query"):
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.1)
        assert framed(b"query!") == await read_exactly(stream, 8)

    serve(body)


@pytest.mark.parametrize("count", [3, VISIT_MESSAGES, 500, 5_000])
def test_pipelined_queries_are_all_answered_in_order(count: int) -> None:
    messages = [b"%d" % number for number in range(count)]

    async def body(world: World) -> None:
        stream = world.dial()
        expected = framed(*(message + b"!" for message in messages))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, framed(*messages))
            assert expected == await read_exactly(stream, len(expected))

    serve(body)


def test_answers_of_one_read_go_out_together() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"one", b"two", b"three"))
        assert framed(b"one!", b"two!", b"three!") == await stream.receive_some(1_000)

    serve(body)


def test_longest_message_is_answered() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, framed(bytes(65_535)))
            assert framed(b"ok") == await read_exactly(stream, 4)

    serve(body, lambda wire, _client, _is_tcp: b"ok" if len(wire) == 65_535 else None)


def test_client_that_has_finished_sending_gets_all_answers() -> None:
    messages = [b"%d" % number for number in range(500)]

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(*messages))
        await stream.send_eof()
        assert framed(*(message + b"!" for message in messages)) == await read_to_end(stream)

    serve(body)


@pytest.mark.parametrize("junk", [b"", b"x", bytes(11)], ids=["empty", "short", "eleven"])
def test_message_that_is_no_query_ends_the_connection_after_the_answers_before_it(junk: bytes) -> None:
    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        return wire + b"!" if len(wire) >= 12 else None

    async def body(world: World) -> None:
        stream = world.dial()
        begun = trio.current_time()
        await stream.send_all(framed(QUERY, junk, QUERY))
        assert framed(QUERY + b"!") == await read_to_end(stream)
        assert trio.current_time() - begun < 1

    serve(body, respond)


def test_fault_in_the_responder_is_answered_servfail() -> None:
    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        raise RuntimeError("a bug")

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(QUERY))
        assert framed(bytes.fromhex("1234 8102 0000 0000 0000 0000")) == await read_exactly(stream, 14)
        assert 1 == world.metrics.value("nodedns_dns_errors_total", transport="tcp")

    serve(body, respond)


def test_reply_too_long_for_its_length_field_is_servfail() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(QUERY))
        assert framed(bytes.fromhex("1234 8102 0000 0000 0000 0000")) == await read_exactly(stream, 14)

    serve(body, lambda _wire, _client, _is_tcp: bytes(65_536))


# --- replies that somebody else must be asked for ------------------------------------------------


def test_reply_that_takes_waiting_is_overtaken() -> None:
    slow = Slow()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"?one", b"two", b"three"))
        assert framed(b"two!", b"three!") == await read_exactly(stream, 14)
        await stream.send_all(framed(b"four"))
        assert framed(b"four!") == await read_exactly(stream, 7)
        slow.told.set()
        assert framed(b"?one!") == await read_exactly(stream, 7)

    serve(body, slow.respond)


def test_waiting_for_a_reply_is_no_silence() -> None:
    slow = Slow()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"?"))
        await trio.sleep(60)
        slow.told.set()
        assert framed(b"?!") == await read_exactly(stream, 4)

    serve(body, slow.respond)


def test_client_that_has_finished_sending_gets_the_late_replies() -> None:
    slow = Slow()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"?one", b"two"))
        await stream.send_eof()
        assert framed(b"two!") == await read_exactly(stream, 6)
        slow.told.set()
        assert framed(b"?one!") == await read_to_end(stream)

    serve(body, slow.respond)


def test_pending_replies_of_a_connection_are_bounded_and_the_rest_waits_its_turn() -> None:
    slow = Slow()
    started: list[bytes] = []

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | Later | None:
        started.append(wire)
        return slow.respond(wire, client, is_tcp)

    async def body(world: World) -> None:
        stream = world.dial()
        messages = [b"?%d" % number for number in range(7)]
        await stream.send_all(framed(*messages, b"last"))
        await settled()
        assert messages[:3] == started
        slow.told.set()
        size = len(framed(*messages, b"last")) + 8
        assert sorted([*messages, b"last"]) == sorted(unframed(await read_exactly(stream, size)))

    serve(body, respond, DnsTcpLimits(pending=3))


def unframed(stream: bytes) -> list[bytes]:
    messages: list[bytes] = []
    while stream:
        end = 2 + int.from_bytes(stream[:2], "big")
        messages.append(stream[2:end].removesuffix(b"!"))
        stream = stream[end:]
    return messages


def test_pending_replies_in_all_are_bounded_by_servfail() -> None:
    slow = Slow()

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | Later | None:
        return slow.respond(b"?", client, is_tcp)

    async def body(world: World) -> None:
        first = world.dial()
        await first.send_all(framed(*[QUERY] * MAX_PENDING))
        await settled()
        second = world.dial()
        await second.send_all(framed(QUERY))
        assert framed(bytes.fromhex("1234 8102 0000 0000 0000 0000")) == await read_exactly(second, 14)
        assert 1 == world.dropped("too-many-pending")
        slow.told.set()
        await read_exactly(first, 4 * MAX_PENDING)
        await second.send_all(framed(QUERY))
        assert framed(b"?!") == await read_exactly(second, 4)

    serve(body, respond, DnsTcpLimits(pending=MAX_PENDING))


def test_late_reply_to_a_client_that_is_gone_harms_nobody() -> None:
    slow = Slow()

    async def body(world: World) -> None:
        bad, good = world.dial(), world.dial("10.0.0.3")
        await bad.send_all(framed(b"?"))
        await settled()
        await bad.aclose()
        await settled()
        slow.told.set()
        await good.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(good, 4)
        assert 1 == world.server.connections

    serve(body, slow.respond)


def test_client_that_is_gone_while_its_pending_replies_are_at_the_bound_is_noticed() -> None:
    slow = Slow()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"?1", b"?2"))
        await settled()
        await stream.aclose()
        await settled()
        assert 0 == world.server.connections

    serve(body, slow.respond, DnsTcpLimits(pending=1))


def test_late_silence_leaves_the_connection_open() -> None:
    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | Later | None:
        async def later() -> bytes | None:
            return None

        return later if wire == b"?" else wire + b"!"

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"?", b"q"))
        assert framed(b"q!") == await read_exactly(stream, 4)

    serve(body, respond)


# --- times -----------------------------------------------------------------------------------------


def test_silent_connection_is_closed_after_the_idle_time() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        begun = trio.current_time()
        assert b"" == await stream.receive_some(10)
        assert 10 <= trio.current_time() - begun < 10 + LATE_S
        assert 0 == world.server.connections

    serve(body)


def test_trickle_of_an_unfinished_query_does_not_hold_the_connection() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        begun = trio.current_time()

        async def trickle() -> None:
            while True:
                await stream.send_all(b"\x01")
                await trio.sleep(0.5)

        with pytest.raises(trio.BrokenResourceError):
            await trickle()
        assert trio.current_time() - begun == pytest.approx(10, abs=1)
        assert 1 == world.dropped("unfinished-message")

    serve(body)


def test_answered_query_renews_the_idle_time() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        for _ in range(5):
            await trio.sleep(8)
            await stream.send_all(framed(b"q"))
            assert framed(b"q!") == await read_exactly(stream, 4)

    serve(body)


def test_busy_server_closes_the_longest_silent_sooner() -> None:
    async def body(world: World) -> None:
        begun = trio.current_time()
        last, first = world.dial("10.0.0.3"), world.dial()
        await trio.sleep(1)
        await last.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(last, 4)
        assert b"" == await first.receive_some(10)
        assert 2 <= trio.current_time() - begun < 2 + LATE_S
        # Half of the connections are free again, so the other may be silent as long as ever.
        assert b"" == await last.receive_some(10)
        assert 11 <= trio.current_time() - begun < 11 + LATE_S

    serve(body, limits=DnsTcpLimits(connections=2))


def test_slow_reader_is_not_read_from_and_then_cut() -> None:
    asked = 0

    def long_answer(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        nonlocal asked
        asked += 1
        return bytes(60_000)

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(*[b"q"] * 500))
        await trio.sleep(4.9)
        assert asked < 50
        assert 1 == world.server.connections
        await trio.sleep(0.1 + LATE_S)
        assert 0 == world.server.connections
        assert 1 == world.dropped("slow-reader")
        await stream.aclose()

    serve(body, long_answer)


def test_reader_that_takes_its_time_gets_everything() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(*[b"q"] * 100))
        size = 100 * 60_002
        while size:
            await trio.sleep(0.01)
            size -= len(await stream.receive_some(65_536))

    serve(body, lambda _wire, _client, _is_tcp: bytes(60_000))


def test_late_replies_that_nobody_reads_are_bounded() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(*[b"?"] * 60))
        await settled()
        told.set()
        await settled()
        assert 0 == world.server.connections
        assert 1 == world.dropped("slow-reader")
        await stream.aclose()

    told = trio.Event()

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | Later | None:
        async def later() -> bytes | None:
            await told.wait()
            return bytes(60_000)

        return later

    serve(body, respond)


# --- how many ------------------------------------------------------------------------------------------


def test_connections_of_one_client_are_bounded() -> None:
    async def body(world: World) -> None:
        held = [world.dial() for _ in range(2)]
        third = world.dial()
        assert b"" == await third.receive_some(10)
        other = world.dial("10.0.0.3")
        await other.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(other, 4)
        assert 2 == len(held)
        assert 1 == world.dropped("too-many-streams-of-client")

    serve(body, limits=DnsTcpLimits(connections_per_client=2))


def test_connections_of_one_ipv6_network_are_bounded_together() -> None:
    async def body(world: World) -> None:
        held = [world.dial(f"2001:db8::{number}") for number in range(1, 3)]
        third = world.dial("2001:db8::ffff:1:2")
        assert b"" == await third.receive_some(10)
        other = world.dial("2001:db8:0:1::1")
        await other.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(other, 4)
        assert 2 == len(held)

    serve(body, limits=DnsTcpLimits(connections_per_client=2))


def test_thousand_connections_of_one_client_leave_room_for_others() -> None:
    async def body(world: World) -> None:
        limit = DnsTcpLimits().connections_per_client
        for number in range(1_000):
            stream = world.dial()
            await settled()
            if number >= limit:
                assert b"" == await stream.receive_some(10)
                await stream.aclose()
        other = world.dial("10.0.0.3")
        await other.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(other, 4)
        assert 1_000 - limit == world.dropped("too-many-streams-of-client")
        assert limit + 1 == world.metrics.value("nodedns_dns_streams_open")

    serve(body)


def test_connections_in_all_are_bounded_and_come_free_again() -> None:
    async def body(world: World) -> None:
        first, second = world.dial(), world.dial("10.0.0.3")
        refused = world.dial("10.0.0.4")
        assert b"" == await refused.receive_some(10)
        await first.aclose()
        await second.aclose()
        await settled()
        assert 0 == world.metrics.value("nodedns_dns_streams_open")
        assert 2 == world.metrics.value("nodedns_dns_streams_total")
        again = world.dial("10.0.0.4")
        await again.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(again, 4)

    serve(body, limits=DnsTcpLimits(connections=2))


def test_shortage_of_descriptors_is_waited_out(caplog: pytest.LogCaptureFixture) -> None:
    async def body(world: World) -> None:
        held = world.dial("10.0.0.3")
        await held.send_all(framed(b"q"))
        await settled()
        world.source.failures.append(errno.EMFILE)
        begun = trio.current_time()
        stream = world.dial()
        await stream.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(held, 4)
        assert framed(b"q!") == await read_exactly(stream, 4)
        assert trio.current_time() - begun == pytest.approx(0.1)

    with caplog.at_level(logging.WARNING, logger="nodedns"):
        serve(body)
    assert ["accept paused"] == [record.message for record in caplog.records]


def test_error_of_one_connection_is_not_the_listeners() -> None:
    async def body(world: World) -> None:
        world.source.failures.append(errno.ECONNABORTED)
        stream = world.dial()
        await stream.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(stream, 4)

    serve(body)


def test_broken_listener_ends_the_server() -> None:
    async def body(world: World) -> None:
        world.source.failures.append(errno.EBADF)
        world.dial()
        await trio.sleep_forever()

    with pytest.RaisesGroup(
        pytest.RaisesGroup(pytest.RaisesExc(OSError, check=lambda error: error.errno == errno.EBADF))
    ):
        serve(body)


# --- fairness ------------------------------------------------------------------------------------------


def test_long_pipeline_leaves_others_their_turn() -> None:
    order: list[bytes] = []

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        order.append(wire)
        return wire

    async def body(world: World) -> None:
        long, short = world.dial(), world.dial("10.0.0.3")
        await settled()
        await long.send_all(framed(*[b"long"] * 1_000))
        await short.send_all(framed(b"short"))
        assert framed(b"short") == await read_exactly(short, 7)
        # Nearly a turn may have been over before it asked.
        assert order.index(b"short") <= TURN_WORK + 2 * VISIT_MESSAGES
        await read_exactly(long, 6_000)

    serve(body, respond)


def test_other_tasks_run_between_turns() -> None:
    answered = 0

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        nonlocal answered
        answered += 1
        return wire

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(*[b"q"] * 2_000))
        seen = [0]
        while answered < 2_000:
            await trio.lowlevel.checkpoint()
            seen.append(answered)
        steps = [after - before for before, after in itertools.pairwise(seen)]
        # Trio may let one task run twice in a row.
        assert max(steps) < 2 * (TURN_WORK + VISIT_MESSAGES)
        await read_exactly(stream, 6_000)

    serve(body, respond)


def test_queries_that_take_long_are_answered_in_turns() -> None:
    clock = trio.testing.MockClock(autojump_threshold=0)
    answered = 0

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        nonlocal answered
        answered += 1
        clock.jump(TURN_S / 2)
        return wire

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(*[b"q"] * 30))
        seen = [0]
        while answered < 30:
            await trio.lowlevel.checkpoint()
            seen.append(answered)
        # Trio may let one task run twice in a row.
        assert max(after - before for before, after in itertools.pairwise(seen)) <= 4
        assert framed(*[b"q"] * 30) == await read_exactly(stream, 90)

    serve(body, respond, clock=clock)


# --- clients that go ---------------------------------------------------------------------------------


def test_connection_closed_within_a_message_is_counted() -> None:
    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"q") + framed(b"query")[:-1])
        assert framed(b"q!") == await read_exactly(stream, 4)
        await stream.aclose()
        await settled()
        assert 0 == world.server.connections
        assert 1 == world.dropped("unfinished-message")

    serve(body)


def test_client_that_goes_without_reading_harms_nobody() -> None:
    async def body(world: World) -> None:
        bad, good = world.dial(), world.dial("10.0.0.3")
        await bad.send_all(framed(*[b"q"] * 500))
        await bad.aclose()
        await good.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(good, 4)
        await settled()
        assert 1 == world.server.connections

    serve(body)


# --- replies of many messages -----------------------------------------------------------------


class Streams:
    """Answers ``!N...`` with N messages of 60 kB each, and all else at once; knows what was made and how it ended."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.made = 0
        self.ends: list[bool] = []
        self.answered: list[tuple[int, bytes]] = []
        self._fails_at = fails_at

    def respond(self, wire: bytes, client: Address, is_tcp: bool) -> bytes | ReplyStream:
        self.answered.append((self.made, wire))
        if not wire.startswith(b"!"):
            return wire + b"!"
        return ReplyStream(self._messages(wire, int(wire[1:4])), self.ends.append)

    def _messages(self, wire: bytes, count: int) -> Iterator[bytes]:
        for number in range(count):
            if number == self._fails_at:
                raise ValueError("no such message")
            self.made += 1
            yield b"%03d" % number + wire + bytes(60_000)


def heads(stream: bytes) -> list[bytes]:
    return [message[:7].rstrip(b"\0") for message in unframed(stream)]


def wanted(count: int) -> list[bytes]:
    return [b"%03d!%03d" % (number, count) for number in range(count)]


def test_reply_of_many_messages_comes_whole_and_in_order() -> None:
    streams = Streams()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"!040"))
        await stream.send_eof()
        assert wanted(40) == heads(await read_to_end(stream))
        assert [True] == streams.ends

    serve(body, streams.respond)


def test_no_more_is_made_than_the_client_takes() -> None:
    streams = Streams()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"!900"))
        await settled()
        before = streams.made
        assert before < 20
        await read_exactly(stream, 600_000)
        await settled()
        assert before < streams.made < before + 20
        assert [] == streams.ends

    serve(body, streams.respond)
    assert [False] == streams.ends


def test_queries_behind_a_long_reply_are_answered_meanwhile() -> None:
    streams = Streams()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"first", b"!040", b"second"))
        await read_exactly(stream, 600_000)
        await stream.send_all(framed(b"third"))
        await stream.send_eof()
        await read_to_end(stream)
        made = {wire: made for made, wire in streams.answered}
        assert 0 == made[b"second"]
        assert made[b"third"] < 40 == streams.made

    serve(body, streams.respond)


def test_two_long_replies_come_one_after_the_other() -> None:
    streams = Streams()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"!004", b"!003"))
        await stream.send_eof()
        assert [*wanted(4), *wanted(3)] == heads(await read_to_end(stream))
        assert [True, True] == streams.ends

    serve(body, streams.respond)


def test_others_are_answered_between_the_messages_of_a_long_reply() -> None:
    streams = Streams()

    async def body(world: World) -> None:
        slow, other = world.dial("10.0.0.2"), world.dial("10.0.0.3")
        await slow.send_all(framed(b"!300"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_exactly, slow, 300 * 60_009)
            for _ in range(5):
                await other.send_all(framed(b"query"))
                assert framed(b"query!") == await read_exactly(other, 8)
        made = [made for made, wire in streams.answered if wire == b"query"]
        assert made[-1] < 300 == streams.made

    serve(body, streams.respond)


def test_client_that_stops_reading_a_long_reply_is_cut() -> None:
    streams = Streams()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"!900"))
        await trio.sleep(5.0 - LATE_S)
        assert [] == streams.ends
        await trio.sleep(2 * LATE_S)
        assert [False] == streams.ends
        assert (1, 0) == (world.dropped("slow-reader"), world.server.connections)

    serve(body, streams.respond, DnsTcpLimits(write_s=5.0, idle_s=2.0))


def test_client_that_reads_slowly_and_steadily_gets_all_of_it() -> None:
    streams = Streams()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"!020"))
        data = b""
        while len(data) < 20 * 60_009:
            await trio.sleep(1.0)
            data += await read_exactly(stream, min(120_000, 20 * 60_009 - len(data)))
        assert wanted(20) == heads(data)

    serve(body, streams.respond, DnsTcpLimits(write_s=5.0, idle_s=2.0))


def test_client_that_vanishes_ends_all_that_is_streamed_to_it() -> None:
    streams = Streams()

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"!900", b"!900"))
        await read_exactly(stream, 1_000)
        await stream.aclose()
        await settled()
        assert [False, False] == streams.ends
        assert 0 == world.server.connections

    serve(body, streams.respond)


def test_fault_in_a_long_reply_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    streams = Streams(fails_at=3)

    async def body(world: World) -> None:
        stream = world.dial()
        await stream.send_all(framed(b"!040"))
        assert wanted(40)[:3] == heads(await read_to_end(stream))
        assert [False] == streams.ends
        assert 1 == world.metrics.value("nodedns_dns_errors_total", transport="tcp")

    serve(body, streams.respond)
    assert "answering failed" in caplog.text


def test_reply_of_many_messages_over_udp_is_a_fault() -> None:
    streams = Streams()

    async def main() -> None:
        guarded = GuardedResponder(streams.respond, Metrics())
        reply = guarded.reply_to(b"!040" + QUERY[4:], Address.from_text("10.0.0.2", 5), is_tcp=False)
        assert reply is not None
        assert not callable(reply)
        assert (b"!0", 2) == (reply[:2], reply[3])
        assert [False] == streams.ends

    trio.run(main)


def test_tasks_have_their_turn_after_each_message_of_a_long_reply() -> None:
    streams = Streams()

    async def body(world: World) -> None:
        stream = world.dial()
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            await stream.send_all(framed(b"!200"))
            await read_exactly(stream, 200 * 60_009)
            nursery.cancel_scope.cancel()
        assert turns >= 200

    serve(body, streams.respond)


# --- real sockets -----------------------------------------------------------------------------------------


def serve_really(body: Callable[[TcpDnsServer, Metrics], Awaitable[None]], host: str = "127.0.0.1") -> None:
    async def main() -> None:
        metrics = Metrics()
        server = TcpDnsServer(bind_dns_tcp(host, 0), echo, metrics)
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                await nursery.start(server.serve)
                await body(server, metrics)
                nursery.cancel_scope.cancel()

    trio.run(main)


async def dial(server: TcpDnsServer) -> trio.SocketStream:
    return await trio.open_tcp_stream(server.local_address.host, server.local_address.port)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_real_sockets_answer_5000_pipelined_queries(host: str) -> None:
    messages = [b"%d" % number for number in range(5_000)]

    async def body(server: TcpDnsServer, metrics: Metrics) -> None:
        expected = framed(*(message + b"!" for message in messages))
        async with await dial(server) as stream, trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, framed(*messages))
            assert expected == await read_exactly(stream, len(expected))

    serve_really(body, host)


def test_real_connection_that_has_finished_sending_gets_all_answers() -> None:
    async def body(server: TcpDnsServer, metrics: Metrics) -> None:
        async with await dial(server) as stream:
            await stream.send_all(framed(*[b"q"] * 500))
            await stream.send_eof()
            assert framed(*[b"q!"] * 500) == await read_to_end(stream)

    serve_really(body)


def test_real_connection_that_is_reset_harms_nobody() -> None:
    async def body(server: TcpDnsServer, metrics: Metrics) -> None:
        bad, good = await dial(server), await dial(server)
        await bad.send_all(framed(b"q") + b"\0")
        bad.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await bad.aclose()
        await good.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(good, 4)
        while server.connections > 1:
            await trio.lowlevel.checkpoint()
        assert 1 == metrics.value("nodedns_dns_dropped_total", reason="unfinished-message")
        await good.aclose()

    serve_really(body)


def test_port_taken_is_one_line_with_the_flag() -> None:
    taken = bind_dns_tcp("127.0.0.1", 0)
    port = taken.local_address.port
    with pytest.raises(BindError, match=rf"^cannot listen on 127.0.0.1:{port} \(tcp\): EADDRINUSE .* -dns-port$"):
        bind_dns_tcp("127.0.0.1", port)
    taken.close()
