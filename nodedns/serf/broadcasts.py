"""``Broadcasts``: Serf's three queues of messages waiting to be gossiped.

Intents go before queries, queries before user events, each in its own
``BroadcastQueue`` and none replacing another. A message too large for any
packet is never queued: gossip could not send it, it would only hold memory.

Source: Serf's delegate GetBroadcasts and checkQueueDepth (gossip-protocol 3.8, 4.12).
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.gossip.broadcast import BroadcastQueue

__all__ = ["Broadcasts"]


class Broadcasts:
    """What Serf piggybacks on gossip.

    Args:
        retransmit_mult: See ``gossip.broadcast.retransmit_limit``.
        min_depth: Floor of the bound on each queue.
        max_message_bytes: Messages longer than this are not queued.
    """

    __slots__ = ("_max_message_bytes", "_min_depth", "events", "intents", "queries")

    def __init__(self, retransmit_mult: int, min_depth: int, max_message_bytes: int) -> None:
        self._min_depth = min_depth
        self._max_message_bytes = max_message_bytes
        # Between two depth checks a queue may grow to twice its floor, not without end.
        self.intents = BroadcastQueue(retransmit_mult, 2 * min_depth)
        self.queries = BroadcastQueue(retransmit_mult, 2 * min_depth)
        self.events = BroadcastQueue(retransmit_mult, 2 * min_depth)

    def queue_intent(self, message: bytes, on_finished: Callable[[], None] | None = None) -> None:
        """Queue a join or leave intent; ``on_finished`` as in ``BroadcastQueue.queue``."""
        if self._fits(message):
            self.intents.queue(None, message, on_finished)
        elif on_finished is not None:
            on_finished()

    def queue_query(self, message: bytes) -> None:
        """Queue a query."""
        if self._fits(message):
            self.queries.queue(None, message)

    def queue_event(self, message: bytes) -> None:
        """Queue a user event."""
        if self._fits(message):
            self.events.queue(None, message)

    def take(self, overhead_bytes: int, limit_bytes: int, members: int) -> list[bytes]:
        """Return what fits into one packet: intents first, then queries, then events."""
        taken: list[bytes] = []
        for queue in (self.intents, self.queries, self.events):
            if not len(queue):
                continue
            batch = queue.take(overhead_bytes, limit_bytes, members)
            limit_bytes -= sum(overhead_bytes + len(message) for message in batch)
            taken += batch
        return taken

    def check_depth(self, members: int) -> None:
        """Cut each queue to max(floor, 2 * members), the most transmitted first."""
        depth = max(self._min_depth, 2 * members)
        for queue in (self.intents, self.queries, self.events):
            queue.prune(depth)

    def _fits(self, message: bytes) -> bool:
        return len(message) <= self._max_message_bytes
