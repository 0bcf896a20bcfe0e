"""Streams for who has no driver: an exchange's work done to its end, a message read from a socket that blocks."""

from __future__ import annotations

from collections.abc import Callable

from nodedns.gossip.core import StreamExchange
from nodedns.gossip.slices import STARVED
from nodedns.gossip.stream_reader import StreamMessage, StreamReader

__all__ = ["read_message", "work_through"]

MAX_SLICES = 100_000


def work_through(exchange: StreamExchange, now: float) -> int:
    """Do what work there is and return the number of slices; ``AssertionError`` where it does not end."""
    for count in range(MAX_SLICES):
        if not exchange.has_work:
            return count
        exchange.work(now)
    raise AssertionError(f"still at work after {MAX_SLICES} slices")


def read_message(reader: StreamReader, receive: Callable[[], bytes]) -> StreamMessage | None:
    """Read one message, calling ``receive`` for bytes; None where they end before it. Raises ``GossipWireError``."""
    steps = reader.read()
    try:
        cost = next(steps)
        while True:
            if cost == STARVED:
                data = receive()
                if not data:
                    return None
                reader.feed(data)
            cost = steps.send(0.0)
    except StopIteration as end:
        message: StreamMessage = end.value
        return message
