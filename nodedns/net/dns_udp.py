"""``UdpDnsServer``: DNS over UDP, drained in batches, packed answers written over their queries.

One loop: wait until the socket is readable, then receive a batch, answer and
send it without awaiting, and after a bound of time let others have their turn; so
a DNS flood cannot make gossip late. A query whose answer is packed
(``nodedns.dns.packed``) is answered where it lies, without being parsed; any
other goes to ``respond``, which gives the same bytes.

A reply that the socket will not take is counted and forgotten: UDP clients ask
again. What to answer, and whether packed answers may be used now, is decided by
the owner.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from nodedns.dns.decode import HEADER_BYTES
from nodedns.dns.packed import KEY_AT, PackedAnswers, slipped
from nodedns.dns.rate_limit import Verdict
from nodedns.dns.recursion import FLAG_RA, FLAGS_LOW_AT
from nodedns.model.address import Address
from nodedns.net.datagram_batch import BATCH, GATHER_S, SLOT_BYTES
from nodedns.net.dns_guard import GuardedResponder, Later, Respond
from nodedns.net.dns_limits import DnsLimits
from nodedns.net.mmsg_batch import make_batch
from nodedns.net.transport import (
    address_of,
    errno_name,
    is_transient_receive_error,
    is_transient_send_error,
)
from nodedns.net.udp import bind_udp
from nodedns.net.vitals import Vital, is_readable
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import DNS_DROPPED, Metrics

__all__ = ["FastPath", "UdpDnsServer", "UdpFastPath", "bind_dns_udp"]

MAX_PENDING = 1_024  # replies being waited for; BIND's recursive-clients is 1,000
TURN_S = 0.004  # time between two turns of everybody else
BUSY_QUERIES = 8
"""So many in one turn, and the next is waited for here: a wait through trio costs as much as ten answers."""
SMALL_BATCH = BATCH // 2
"""In a smaller one the system calls, and the ways of the single replies (``Segments``), cost more than the answers."""
GATHERED = 14
"""So many queries must come in ``GATHER_S`` to make gathering worth while: 140,000 a second, as clients send that have
many under way. To others it would be a delay, and they would ask the less."""
PORT_FLAG = "-dns-port"

LONGEST_PACKED = 300  # a name of 255 bytes, header, question and an OPT record without options, and some
# Takes half the time of slicing a memoryview, which is a tenth of all that a hit costs here.
READ_KEY = tuple(struct.Struct(f"{max(length - KEY_AT, 0)}s").unpack_from for length in range(LONGEST_PACKED + 1))

_DNS = logger("dns")


class FastPath(Protocol):
    """Where packed answers come from."""

    def packed_now(self) -> PackedAnswers | None:
        """Return those that are true at this moment; None if each query is to be asked.

        What is noted with an answer is a tally, raised each time the answer is given.
        """
        ...

    def offers_recursion(self) -> Callable[[bytes], bool] | None:
        """Return what says whether a client, by its packed IP, may have recursion; None if nobody may."""
        ...

    def note_packed(self, batches: Sequence[tuple[float, int]], misses: int) -> None:
        """Take note of what was answered from packed answers.

        Args:
            batches: Seconds that a batch took, and how many queries it answered so.
            misses: Queries that were not answered so.
        """
        ...


class UdpFastPath(FastPath, Protocol):
    """The same for clients that may be forged as well."""

    def bounded_now(self) -> PackedAnswers | None:
        """Return what ``packed_now`` does, for clients that the amplification limit is for."""
        ...


def bind_dns_udp(host: str, port: int) -> socket.socket:
    """Return a socket for ``UdpDnsServer``. Raises ``BindError``."""
    return bind_udp(host, port, PORT_FLAG)


class _PackedTurn:
    """What is packed, for one turn, and what came of it.

    Args:
        source: Where packed answers come from.
    """

    __slots__ = ("_source", "answers", "batches", "may_recurse", "misses")

    def __init__(self, source: UdpFastPath) -> None:
        self._source = source
        self.answers = source.packed_now()
        self.may_recurse = source.offers_recursion()
        self.batches: list[tuple[float, int]] = []
        self.misses = 0

    def bounded(self) -> PackedAnswers | None:
        """Return what is packed for clients that the amplification limit is for."""
        return self._source.bounded_now()

    def note(self) -> None:
        """Have it counted."""
        if self.batches:
            self._source.note_packed(self.batches, self.misses)


class UdpDnsServer:
    """Serves one bound UDP socket, which it owns from now on.

    Args:
        sock: From ``bind_dns_udp``.
        respond: Decides each reply.
        metrics: Counts what was dropped.
        fast_path: Where packed answers come from; None to ask for each.
        limits: What clients may not have of packed answers; None for no limits. ``respond`` keeps to its own.
        clock: Monotonic seconds, those of ``limits``; asked twice a batch, so the fewer steps it takes the better.
    """

    def __init__(
        self,
        sock: socket.socket,
        respond: Respond,
        metrics: Metrics,
        fast_path: UdpFastPath | None = None,
        limits: DnsLimits | None = None,
        *,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._sock = sock
        self._clock = clock
        self._local_address = address_of(sock.getsockname())
        self._batch = make_batch(sock)
        # Sums and slices that every query would else make anew.
        self._places = tuple(
            (slot, start, start + KEY_AT, slice(start + KEY_AT, start + HEADER_BYTES))
            for slot, start in enumerate(self._batch.starts)
        )
        self._responder = GuardedResponder(respond, metrics)
        self._metrics = metrics
        self._fast_path = fast_path
        self._limits = limits
        self._pending = 0
        self._turns = 0
        self._left: Sequence[tuple[int, int]] = ()  # slots of queries not yet looked at, and the queries' lengths

    @property
    def local_address(self) -> Address:
        """The address and port it serves."""
        return self._local_address

    def vital(self) -> Vital:
        """Return the sign by which to tell whether it turns."""
        return Vital(f"DNS {self._local_address} udp", lambda: self._turns, lambda: is_readable(self._sock.fileno()))

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer queries until cancelled, then close the socket; raises only when it is broken."""
        remote_log = RemoteLog(_DNS, trio.current_time)
        with self._sock:
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    await trio.lowlevel.wait_readable(self._sock)
                    while self.answer_turn(remote_log, nursery) >= BUSY_QUERIES or self._left:
                        await trio.lowlevel.checkpoint()

    def answer_turn(self, remote_log: RemoteLog, nursery: trio.Nursery, *, turn_s: float = TURN_S) -> int:
        """Answer at least one batch, and others that come within ``turn_s``; return how many queries there were.

        Nothing else runs meanwhile, so what is packed stays true, and is asked for and counted but once.
        """
        self._turns += 1
        packed = None if self._fast_path is None else _PackedTurn(self._fast_path)
        now = self._clock()
        began, ends = now, now + turn_s
        answered = 0
        while True:
            # Whoever waits for a recursor is not helped by everybody waiting for more queries.
            may_wait = answered >= BUSY_QUERIES and not self._pending
            count, now = self._answer_batch(packed, remote_log, nursery, may_wait=may_wait)
            answered += count
            if not count or now >= ends:
                break
            if may_wait and count < SMALL_BATCH and answered * GATHER_S >= GATHERED * (now - began):
                self._batch.gather()
        if packed is not None:
            packed.note()
        return answered

    def _answer_batch(
        self, packed: _PackedTurn | None, remote_log: RemoteLog, nursery: trio.Nursery, *, may_wait: bool
    ) -> tuple[int, float]:
        """Answer what is waiting, at most ``BATCH`` queries, for about ``TURN_S``.

        What there was no time for is answered when this is called again, before anything else is received.

        Returns:
            How many were answered, and what time it was shortly before they were sent.
        """
        if self._left:
            lengths, left = [0] * BATCH, self._left
            count, now = len(left), self._clock()
        else:
            lengths = self._receive(may_wait=may_wait)
            now = self._clock()
            if not lengths:
                return 0, now
            count, left = len(lengths), ()
            if packed is None or packed.answers is None:
                left = list(enumerate(lengths))
            else:
                others = self._answer_packed(packed, packed.answers, lengths, now)
                began, now = now, self._clock()
                packed.batches.append((now - began, count - len(others)))
                if others:
                    left = [(slot, lengths[slot]) for slot in others]
                    packed.misses += len(others)
        if left:
            self._left = self._ask_some(left, lengths, remote_log, nursery)
            now = self._clock()
        for unsent in self._batch.send(lengths):
            self._note_unsent(unsent, remote_log)
        return count - len(self._left), now

    def _receive(self, *, may_wait: bool) -> list[int]:
        try:
            return self._batch.receive(may_wait=may_wait)
        except OSError as error:
            if not is_transient_receive_error(error):
                raise
            self._metrics.count(DNS_DROPPED, reason="receive-error")
            return []

    def _ask_some(
        self, left: Sequence[tuple[int, int]], lengths: list[int], remote_log: RemoteLog, nursery: trio.Nursery
    ) -> Sequence[tuple[int, int]]:
        """Have queries answered until the time is over; return those that are left.

        A query can take a hundred times as long as most, and whoever sends those sends many of them.
        """
        ends = self._clock() + TURN_S
        for position, (slot, length) in enumerate(left, 1):
            lengths[slot] = self._ask(slot, length, remote_log, nursery)
            if self._clock() >= ends:
                rest = left[position:]
                for unasked, _ in rest:
                    lengths[unasked] = 0
                return rest
        return ()

    def _answer_packed(
        self, turn: _PackedTurn, answers: PackedAnswers, lengths: list[int], now: float
    ) -> Sequence[int]:
        """Answer what is packed; return the slots of the other queries."""
        limits = self._limits
        if limits is None or not limits.is_any or self._batch.come_from(limits.exempt_octets, len(lengths)):
            others = self._give_packed(answers, lengths)
        else:
            # Asked for None: what is packed is false while it is empty.
            bounded = turn.bounded()
            others = self._give_limited(limits, answers, answers if bounded is None else bounded, lengths, now)
        if turn.may_recurse is not None:
            self._offer_recursion(turn.may_recurse, others, len(lengths))
        return others

    def _give_packed(self, packed: PackedAnswers, lengths: list[int]) -> list[int]:
        """Write the answers that are packed over their queries; return the slots of the others.

        The one hot loop of the server: no calls but dict look-ups, no attribute read twice.
        """
        buffer, find, template = self._batch.buffer, packed.hot.get, packed.template
        others: list[int] = []
        for (slot, start, key_at, head_at), length in zip(self._places, lengths, strict=False):
            if length > LONGEST_PACKED:
                others.append(slot)
                continue
            (key,) = READ_KEY[length](buffer, key_at)
            found = find(key)
            if found is None:
                folded = key.lower()
                found = find(folded) or template(folded)
                if found is None:
                    others.append(slot)
                    continue
            head, question_end, tail, end, tally, _, tails = found
            if tails is not None:
                tail = next(tails)
                if tail is None:
                    others.append(slot)
                    continue
            buffer[head_at] = head
            buffer[start + question_end : start + end] = tail
            lengths[slot] = end
            tally.count += 1
        return others

    def _give_limited(
        self, limits: DnsLimits, packed: PackedAnswers, bounded: PackedAnswers, lengths: list[int], now: float
    ) -> list[int]:
        """Do the same for a batch in which clients are limited."""
        buffer = self._batch.buffer
        others: list[int] = []
        for slot, (start, length) in enumerate(zip(self._batch.starts, lengths, strict=False)):
            ip = self._batch.sender_ip(slot)
            is_exempt = limits.is_exempt(ip)
            found = (packed if is_exempt else bounded).find(bytes(buffer[start : start + length]))
            if found is None:
                others.append(slot)
                continue
            verdict = Verdict.SEND if is_exempt else limits.verdict(ip, found[5], now)
            head, question_end, tail, end, tally, _, _ = slipped(found, length) if verdict is Verdict.SLIP else found
            buffer[start + KEY_AT : start + HEADER_BYTES] = head
            buffer[start + question_end : start + end] = tail
            lengths[slot] = 0 if verdict is Verdict.DROP else end
            tally.count += 1
        return others

    def _offer_recursion(self, may_recurse: Callable[[bytes], bool], others: list[int], count: int) -> None:
        """Set RA in what was packed, for the clients that may have recursion."""
        buffer, starts, sender_ip = self._batch.buffer, self._batch.starts, self._batch.sender_ip
        passed_over = set(others)
        for slot in range(count):
            if slot not in passed_over and may_recurse(sender_ip(slot)):
                buffer[starts[slot] + FLAGS_LOW_AT] |= FLAG_RA

    def _ask(self, slot: int, length: int, remote_log: RemoteLog, nursery: trio.Nursery) -> int:
        """Have one query answered and write the reply over it; return the reply's length, 0 for none yet."""
        start = self._batch.starts[slot]
        # One byte more than there is of a query too long for its slot: it has something left over, so it is malformed.
        wire = self._batch.buffer[start : start + min(length, SLOT_BYTES + 1)].tobytes()
        client = address_of(self._batch.sender(slot))
        if client.port == 0:
            self._metrics.count(DNS_DROPPED, reason="port-zero")
            return 0
        reply = self._responder.reply_to(wire, client, is_tcp=False)
        if isinstance(reply, bytes):
            if len(reply) > SLOT_BYTES:
                self._metrics.count(DNS_DROPPED, reason="send-error")
                return 0
            self._batch.buffer[start : start + len(reply)] = reply
            return len(reply)
        if reply is not None:
            self._ask_later(reply, slot, remote_log, nursery)
        return 0

    def _ask_later(self, later: Later, slot: int, remote_log: RemoteLog, nursery: trio.Nursery) -> None:
        if self._pending >= MAX_PENDING:
            self._metrics.count(DNS_DROPPED, reason="too-many-pending")
            return
        self._pending += 1
        nursery.start_soon(self._answer_later, later, self._batch.replier(slot), remote_log)

    async def _answer_later(self, later: Later, send: Callable[[bytes], None], remote_log: RemoteLog) -> None:
        try:
            reply = await later()
        finally:
            self._pending -= 1
        if reply is None:
            return
        try:
            send(reply)
        except OSError as error:
            self._note_unsent(error, remote_log)

    def _note_unsent(self, error: OSError, remote_log: RemoteLog) -> None:
        if isinstance(error, BlockingIOError):
            self._metrics.count(DNS_DROPPED, reason="send-buffer-full")
        elif is_transient_send_error(error):
            self._metrics.count(DNS_DROPPED, reason="send-error")
            remote_log.debug("reply not sent", self._local_address.host, error=errno_name(error))
        else:
            raise error
