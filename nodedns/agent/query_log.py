"""``QueryLog``: one line for each DNS query, switched on and off while the agent runs.

Lines are INFO lines of a logger of their own, and are written whatever the
level of the rest: who switches the log on wants to see it. They are bounded in
rate, and how many were held back is told with the next line let through and
when the log goes off. Names are written with RFC 1035's escapes, so whatever a
client puts into one stays on its line.

While it is on, no path may answer without it: look at ``is_on`` once a batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from nodedns.api.context import QueryLogState
from nodedns.dns.decode import HEADER_BYTES
from nodedns.dns.name import presentation
from nodedns.dns.question import RRClass, Transport
from nodedns.dns.responder import Drop, Reply
from nodedns.dns.type_names import type_text
from nodedns.model.address import Address
from nodedns.observe.logs import logger

__all__ = ["QueryLog"]

WINDOW_S = 30.0
"""Length of the window in seconds (journald's RateLimitIntervalSec)."""
WINDOW_LINES = 10_000
"""Lines in a window (journald's RateLimitBurst, which would drop what is more)."""

_FLAGS = (
    (0x8000, "qr"),
    (0x0400, "aa"),
    (0x0200, "tc"),
    (0x0100, "rd"),
    (0x0080, "ra"),
    (0x0020, "ad"),
    (0x0010, "cd"),
)
_NOT_READ = "-"
_CLASSES = {3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}  # RFC 6895 section 3.2

_QUERIES = logger("dns.query")


class QueryLog:
    """The query log of one agent.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._is_on = False
        self._started = float("-inf")
        self._passed = 0
        self._held = 0
        self._lines = 0
        self._suppressed = 0

    @property
    def is_on(self) -> bool:
        """Whether queries are logged."""
        return self._is_on

    def state(self) -> QueryLogState:
        """Return whether it is on, and what it wrote and held back since the agent started."""
        return QueryLogState(self._is_on, self._lines, self._suppressed)

    def switch(self, *, is_on: bool) -> None:
        """Begin to log queries, or stop; says so in the log. Nothing happens if it is so already."""
        if is_on == self._is_on:
            return
        self._is_on = is_on
        if is_on:
            _QUERIES.let_through(logging.INFO)
            _QUERIES.info("query log is on")
        else:
            _QUERIES.info("query log is off", **self._held_back())
            _QUERIES.let_through(None)

    def note(self, wire: bytes, client: Address, transport: Transport, outcome: Reply | Drop, took_s: float) -> None:
        """Log one query and what came of it, unless the log is off or has said enough.

        Args:
            wire: The query.
            client: Who sent it.
            transport: How it came.
            outcome: The reply, or why there is none.
            took_s: Seconds from the query read to its outcome.
        """
        if not self._is_on or not self._may_pass():
            return
        took = f"{took_s * 1e6:.0f}us"
        if isinstance(outcome, Drop):
            _QUERIES.info(
                "dropped",
                client=client,
                transport=transport.value,
                reason=outcome.reason.value,
                query_bytes=len(wire),
                took=took,
                **self._held_back(),
            )
            return
        is_read = outcome.qtype is not None
        _QUERIES.info(
            "query",
            client=client,
            transport=transport.value,
            name=presentation(wire[HEADER_BYTES:]) if is_read else _NOT_READ,
            **(_other_class(wire) if is_read else {}),
            type=_NOT_READ if outcome.qtype is None else type_text(outcome.qtype),
            rcode=outcome.rcode.name,
            flags=_flags_text(outcome.wire),
            query_bytes=len(wire),
            reply_bytes=len(outcome.wire),
            took=took,
            **self._held_back(),
        )

    def _may_pass(self) -> bool:
        now = self._clock()
        if now - self._started >= WINDOW_S:
            self._started = now
            self._passed = 0
        if self._passed >= WINDOW_LINES:
            self._held += 1
            self._suppressed += 1
            return False
        self._passed += 1
        self._lines += 1
        return True

    def _held_back(self) -> dict[str, int]:
        held, self._held = self._held, 0
        return {"suppressed": held} if held else {}


def _other_class(wire: bytes) -> dict[str, str]:
    """Return the class of a query that was read, unless it is IN, without which a refusal would be a riddle."""
    offset = HEADER_BYTES
    while wire[offset]:
        offset += 1 + wire[offset]
    number = int.from_bytes(wire[offset + 3 : offset + 5], "big")
    return {} if number == RRClass.IN else {"class": _CLASSES.get(number) or f"CLASS{number}"}


def _flags_text(wire: bytes) -> str:
    flags = int.from_bytes(wire[2:4], "big")
    return ",".join(name for bit, name in _FLAGS if flags & bit)
