"""``Inbox``: Serf messages as they come out of gossip, each to the part it is for.

Messages arrive as memberlist user messages, by UDP or stream. What cannot be
decoded, and what has no business arriving this way, is dropped and counted.

A relay (type 9) is sent on to where its header says; its codec lets nothing but
query responses through. A message of nodedns's own type goes to ``PeerMail``.

Source: Serf's delegate NotifyMsg (gossip-protocol 4.1, 4.7).
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.errors import GossipWireError
from nodedns.gossip.events import Dropped
from nodedns.model.address import Address
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.membership import Membership
from nodedns.serf.messages import (
    JoinIntent,
    LeaveIntent,
    PeerData,
    Query,
    QueryResponse,
    Relay,
    UserEvent,
    decode_message_untrusted,
)
from nodedns.serf.outgoing_queries import OutgoingQueries
from nodedns.serf.peer_mail import PeerMail
from nodedns.serf.queries import IncomingQueries
from nodedns.serf.user_events import UserEvents

__all__ = ["Inbox"]


class Inbox:
    """Where user messages go.

    Args:
        peers: Takes what nodedns members tell each other.
        membership: Takes intents.
        events: Takes user events.
        incoming: Takes queries.
        outgoing: Takes acks and answers.
        broadcasts: Where intents are passed on.
        max_relayed_bytes: Largest message relayed for others.
        send: Sends one user message straight to an address.
        emit: Takes ``Dropped``.
    """

    def __init__(
        self,
        *,
        peers: PeerMail,
        membership: Membership,
        events: UserEvents,
        incoming: IncomingQueries,
        outgoing: OutgoingQueries,
        broadcasts: Broadcasts,
        max_relayed_bytes: int,
        send: Callable[[bytes, Address], None],
        emit: Callable[[Dropped], None],
    ) -> None:
        self._peers = peers
        self._membership = membership
        self._events = events
        self._incoming = incoming
        self._outgoing = outgoing
        self._broadcasts = broadcasts
        self._max_relayed_bytes = max_relayed_bytes
        self._send = send
        self._emit = emit

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one message, its type byte first; never raises for what it holds."""
        try:
            message = decode_message_untrusted(data)
        except GossipWireError as problem:
            self._emit(Dropped("bad-serf-message", source, str(problem)))
            return
        match message:
            case PeerData():
                self._peers.receive(message, source)
            case LeaveIntent() | JoinIntent():
                self._take_intent(message, data, now)
            case UserEvent():
                self._events.receive(message, data, source)
            case Query():
                self._incoming.receive(message, data, source, now)
            case QueryResponse():
                self._outgoing.receive(message, source)
            case Relay():
                self._relay(message, source)
            case _:
                self._emit(Dropped("unexpected-serf-message", source))

    def _take_intent(self, intent: LeaveIntent | JoinIntent, data: bytes, now: float) -> None:
        if isinstance(intent, LeaveIntent):
            is_new = self._membership.receive_leave(intent, now)
        else:
            is_new = self._membership.receive_join(intent, now)
        if is_new:
            self._broadcasts.queue_intent(data)

    def _relay(self, relay: Relay, source: Address) -> None:
        destination = Address(relay.addr, relay.port)
        if not destination.is_valid or not relay.port or len(relay.inner) > self._max_relayed_bytes:
            self._emit(Dropped("bad-relay", source))
            return
        self._send(relay.inner, destination)
