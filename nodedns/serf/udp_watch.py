"""``UdpWatch``: decides when the way to a member is worth a check over UDP, each direction by itself.

Strategy: the first member that we join is checked, whatever happens, since a firewall that lets TCP
pass and UDP not is the commonest fault of a new agent. After that a member is checked when it answers
over TCP only, or when two probes in a row were saved by others; and, once found blocked, when it
answers directly again. One that stays as it is is looked at again every few minutes.

What it does not do: the check itself (``udp_check``), or telling anybody.

Source: the commonest complaint about memberlist's line "Was able to connect ... over TCP but UDP probes failed".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nodedns.gossip.events import JoinFinished, NameMoved, PingCompleted, ProbeHelped, TcpOnlyAck
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.events import MemberChanged, MemberChangeKind, SerfEvent, UdpChecked

__all__ = ["MAX_WATCHED", "RECHECK_BLOCKED_S", "RECHECK_S", "START_INTERVAL_S", "UdpWatch"]

_Value = TypeVar("_Value")

RECHECK_S = 30.0
"""Ours: between two checks of one member; a way that was open may have been closed since, and a third come to relay."""
RECHECK_BLOCKED_S = 300.0
"""Ours: the same once it is known which direction is blocked: that stays so until somebody mends it."""
START_INTERVAL_S = 5.0
"""Ours: between two checks begun: an agent that is cut off from many must not flood its neighbours."""
MISSES = 2
"""Probes in a row that others had to help with: a single one happens with every lost datagram."""
MAX_WATCHED = 1024
"""Ours: members in trouble that are remembered; with more of them, it is not about single paths."""


class UdpWatch:
    """Begins checks.

    Args:
        check: Begins one; returns whether it did.
        member_at: Returns the name of the member at an address, or None.
    """

    def __init__(
        self, check: Callable[[NodeName, float], bool], member_at: Callable[[Address], NodeName | None]
    ) -> None:
        self._check = check
        self._member_at = member_at
        self._misses: dict[NodeName, int] = {}
        self._not_again: dict[NodeName, float] = {}
        self._blocked: dict[NodeName, None] = {}
        self._has_joined = False
        self._not_before = float("-inf")

    def note(self, event: SerfEvent, now: float) -> bool:
        """Take an event; return whether a check was begun because of it."""
        match event:
            case PingCompleted(member=member):
                return self._answered(member.name, now)
            case TcpOnlyAck(member=member):
                return self._begin(member.name, now)
            case ProbeHelped(member=member):
                return self._helped(member.name, now)
            case JoinFinished(address=address, error=""):
                return self._joined(address, now)
            case UdpChecked():
                self._learn(event, now)
            case MemberChanged(kind=MemberChangeKind.REAP, member=member) | NameMoved(after=member):
                self._forget(member.name)
        return False

    def _joined(self, address: Address, now: float) -> bool:
        if self._has_joined:
            return False
        name = self._member_at(address)
        self._has_joined = name is not None and self._begin(name, now)
        return self._has_joined

    def _answered(self, name: NodeName, now: float) -> bool:
        if name in self._misses:
            del self._misses[name]
        if name not in self._blocked:
            return False
        self._not_again.pop(name, None)
        return self._begin(name, now)

    def _helped(self, name: NodeName, now: float) -> bool:
        misses = _remember(self._misses, name, self._misses.get(name, 0) + 1)
        return misses >= MISSES and self._begin(name, now)

    def _begin(self, name: NodeName, now: float) -> bool:
        if now < self._not_before or now < self._not_again.get(name, now):
            return False
        if not self._check(name, now):
            return False
        self._not_before = now + START_INTERVAL_S
        _remember(self._not_again, name, now + RECHECK_S)
        return True

    def _learn(self, checked: UdpChecked, now: float) -> None:
        is_settled = checked.is_blocked and checked.sent is not None and checked.received is not None
        _remember(self._not_again, checked.member.name, now + (RECHECK_BLOCKED_S if is_settled else RECHECK_S))
        if checked.is_blocked:
            _remember(self._blocked, checked.member.name, None)
        elif checked.is_open:
            self._blocked.pop(checked.member.name, None)

    def _forget(self, name: NodeName) -> None:
        self._misses.pop(name, None)
        self._not_again.pop(name, None)
        self._blocked.pop(name, None)


def _remember(known: dict[NodeName, _Value], name: NodeName, value: _Value) -> _Value:
    known.pop(name, None)
    known[name] = value
    if len(known) > MAX_WATCHED:
        del known[next(iter(known))]
    return value
