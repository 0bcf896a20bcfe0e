"""``IntentBuffer``: join and leave intents that arrived before the member they speak of.

One intent a name is kept, the one of the highest Lamport time, until the member
appears or the intent grows old. The buffer is bounded: when it is full the
oldest entry makes room, so that a flood of invented names costs a fixed amount
and at worst forgets a true intent, which push/pull brings again.

Source: Serf's recent intents (gossip-protocol 4.5).
"""

from __future__ import annotations

import enum

import attrs

from nodedns.model.names import NodeName

__all__ = ["Intent", "IntentBuffer", "IntentKind"]

MAX_NAME_CHARS = 1024  # no member with a longer name could be announced in one datagram


class IntentKind(enum.Enum):
    """What a member wants."""

    JOIN = "join"
    LEAVE = "leave"


@attrs.frozen
class Intent:
    """One buffered intent."""

    kind: IntentKind
    ltime: int
    heard_at: float


class IntentBuffer:
    """Intents about unknown members, by name.

    Args:
        timeout_s: How long an intent is kept.
        max_entries: How many are kept at once.
    """

    __slots__ = ("_by_name", "_max_entries", "_timeout_s")

    def __init__(self, timeout_s: float, max_entries: int) -> None:
        self._timeout_s = timeout_s
        self._max_entries = max_entries
        self._by_name: dict[NodeName, Intent] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def store(self, name: NodeName, kind: IntentKind, ltime: int, now: float) -> bool:
        """Keep the intent if it is newer than the one held; return whether it is to be passed on.

        One that another had to make room for is kept but not passed on: the other would
        be news again when it comes back, and the two would go round the cluster for ever.
        """
        if len(name) > MAX_NAME_CHARS:
            return False
        held = self._by_name.get(name)
        if held is not None:
            if ltime <= held.ltime:
                return False
            # Stored anew at the end: the buffer stays ordered by age.
            del self._by_name[name]
        is_full = len(self._by_name) >= self._max_entries
        if is_full:
            del self._by_name[next(iter(self._by_name))]
        self._by_name[name] = Intent(kind, ltime, now)
        return not is_full

    def get(self, name: NodeName) -> Intent | None:
        """Return the intent held about ``name``, or None."""
        return self._by_name.get(name)

    def expire(self, now: float) -> None:
        """Forget the intents that are older than the timeout."""
        while self._by_name:
            name, oldest = next(iter(self._by_name.items()))
            if now - oldest.heard_at <= self._timeout_s:
                return
            del self._by_name[name]
