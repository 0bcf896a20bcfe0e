"""``TransferDesk``: how many zone transfers are sent at once, and what is counted and told of each.

A transfer of one message, as most changes are, is a reply like any other. One of many holds a place until the last
is sent or the client is gone; there are few places, and one client cannot have all. Who finds none is told
SERVFAIL, as by BIND, and asks again later.

Who may have a zone is decided before, by ``transfer``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from nodedns.dns.decode import HEADER_BYTES
from nodedns.dns.name import packed_name, presentation
from nodedns.dns.question import Rcode, RRType
from nodedns.dns.responder import Reply
from nodedns.dns.transfer import ZONE_TYPES, TransferKind, Transfers, TransferStream
from nodedns.dns.tsig import TsigError
from nodedns.model.address import Address
from nodedns.net.dns_stream import ReplyStream
from nodedns.net.dns_tcp_limits import client_key
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import (
    DNS_TRANSFER_BYTES,
    DNS_TRANSFERS,
    DNS_TRANSFERS_OPEN,
    DNS_TSIG_ERRORS,
    Metrics,
)

__all__ = ["MAX_TRANSFERS", "MAX_TRANSFERS_OF_CLIENT", "TransferDesk"]

MAX_TRANSFERS: Final = 10
"""Transfers of many messages at once (BIND's transfers-out)."""
MAX_TRANSFERS_OF_CLIENT: Final = 5
"""Those to one client; ours: half, so that one secondary that stands still leaves room for others."""

_DNS = logger("dns")


class TransferDesk:
    """The transfers of one agent.

    Args:
        transfers: Who may have which zone, and what signatures are judged by.
        metrics: Counts them.
        clock: Monotonic seconds.

    Attributes:
        transfers: As given; may be set to others, which count from the next query on.
    """

    def __init__(self, transfers: Transfers, metrics: Metrics, clock: Callable[[], float]) -> None:
        self.transfers = transfers
        self._metrics = metrics
        self._clock = clock
        self._remote_log = RemoteLog(_DNS, clock)
        self._open = 0
        self._open_by: Counter[bytes] = Counter()
        metrics.set_by(DNS_TRANSFERS_OPEN, lambda: self._open)

    @staticmethod
    def concerns(reply: Reply) -> bool:
        """Whether ``settled`` has anything to do for a reply."""
        return reply.qtype in ZONE_TYPES or bool(reply.tsig_error)

    def settled(self, wire: bytes, reply: Reply, client: Address) -> Reply | ReplyStream:
        """Return what is to be sent, and count and tell what comes of it.

        Args:
            wire: A query that parsed.
            reply: What it came to.
            client: Who asked.

        Returns:
            The reply, or another if there are too many transfers; or all the messages of a transfer.
        """
        if reply.tsig_error:
            self._note_unverified(reply.tsig_error, client)
        elif reply.transfer is None:
            self._note_refused(wire, reply, client)
        elif reply.transfer.is_finished:
            self._note_sent(reply.transfer, client, 0.0, is_whole=True)
        else:
            return self._begun(reply, reply.transfer, client)
        return reply

    def _begun(self, reply: Reply, transfer: TransferStream, client: Address) -> Reply | ReplyStream:
        key = client_key(client)
        if self._open >= MAX_TRANSFERS or self._open_by[key] >= MAX_TRANSFERS_OF_CLIENT:
            told = transfer.transfer
            self._metrics.count(DNS_TRANSFERS, kind=told.kind.value, outcome="busy")
            zone = presentation(packed_name(told.origin))
            self._remote_log.warning("too many zone transfers at once", client.host, zone=zone, open=self._open)
            return attrs.evolve(reply, wire=transfer.refusal(), rcode=Rcode.SERVFAIL, has_answer=False, transfer=None)
        self._open += 1
        self._open_by[key] += 1
        started = self._clock()

        def ended(is_whole: bool) -> None:
            self._open -= 1
            self._open_by[key] -= 1
            if not self._open_by[key]:
                del self._open_by[key]
            self._note_sent(transfer, client, self._clock() - started, is_whole=is_whole)

        return ReplyStream(_messages(reply.wire, transfer), ended)

    def _note_sent(self, stream: TransferStream, client: Address, took_s: float, *, is_whole: bool) -> None:
        transfer = stream.transfer
        outcome = "done" if is_whole else "aborted"
        self._metrics.count(DNS_TRANSFERS, kind=transfer.kind.value, outcome=outcome)
        self._metrics.count(DNS_TRANSFER_BYTES, stream.wire_bytes, kind=transfer.kind.value)
        # That nothing is new is said to each secondary at each refresh.
        tell = self._remote_log.debug if transfer.kind is TransferKind.CURRENT else self._remote_log.info
        tell(
            "zone transferred" if is_whole else "zone transfer broken off",
            client.host,
            zone=presentation(packed_name(transfer.origin)),
            kind=transfer.kind.value,
            from_serial="-" if transfer.from_serial is None else transfer.from_serial,
            serial=transfer.serial,
            key="-" if stream.key is None else stream.key.name,
            records=stream.records,
            messages=stream.messages,
            bytes=stream.wire_bytes,
            took=f"{took_s:.3f}s",
        )

    def _note_refused(self, wire: bytes, reply: Reply, client: Address) -> None:
        kind = TransferKind.AXFR if reply.qtype == RRType.AXFR else TransferKind.IXFR
        self._metrics.count(DNS_TRANSFERS, kind=kind.value, outcome="refused")
        zone = presentation(wire[HEADER_BYTES:])
        self._remote_log.info("zone transfer refused", client.host, zone=zone, kind=kind.value, rcode=reply.rcode.name)

    def _note_unverified(self, error: TsigError, client: Address) -> None:
        self._metrics.count(DNS_TSIG_ERRORS, error=error.name)
        self._remote_log.info("signed query refused", client.host, error=error.name)


def _messages(first: bytes, stream: TransferStream) -> Iterator[bytes]:
    yield first
    while (message := stream.next_message()) is not None:
        yield message
