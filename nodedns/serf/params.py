"""``SerfParams``: the knobs and limits of the Serf layer, with units and precedents."""

from __future__ import annotations

import attrs

__all__ = ["SerfParams"]

HOUR_S = 3600.0


@attrs.frozen(kw_only=True)
class SerfParams:
    """Knobs of the Serf layer. Times are seconds; defaults are Serf's, Consul's where it says so."""

    reap_interval_s: float = 15.0
    """How often members past their time are looked for."""
    reconnect_interval_s: float = 30.0
    """How often a failed member may be tried again."""
    reconnect_timeout_s: float = 72 * HOUR_S
    """A failed member is forgotten after this long (Consul; Serf: 24 h). Tag ``rc_tm`` overrides it."""
    tombstone_timeout_s: float = 24 * HOUR_S
    """A member that left is forgotten after this long."""
    recent_intent_timeout_s: float = 300.0
    """An intent about an unknown member is kept this long, and a leave intent about one that stays counts as long."""
    broadcast_timeout_s: float = 5.0
    """Longest wait for our own leave to be sent to the limit."""
    leave_propagate_delay_s: float = 3.0
    """How long we stay and answer pings after leaving (Consul; Serf: 1 s)."""
    queue_check_interval_s: float = 30.0
    """How often over-long broadcast queues are cut."""
    min_queue_depth: int = 4096
    """Floor of the bound on queued intents, events and queries; the bound is max(this, 2 * members)."""
    event_buffer_slots: int = 512
    """User events remembered, by Lamport time modulo this."""
    query_buffer_slots: int = 512
    """Queries remembered, by Lamport time modulo this."""
    max_events_per_slot: int = 64
    """User events kept at one Lamport time; ours, so that one slot cannot grow without bound."""
    max_buffered_intents: int = 4096
    """Intents about unknown members kept at once; ours, against floods of invented names."""
    user_event_limit_bytes: int = 512
    """Largest name plus payload of a user event we send."""
    query_limit_bytes: int = 1024
    """Largest encoded query."""
    query_response_limit_bytes: int = 1024
    """Largest encoded query response."""
    rejoin_after_leave: bool = False
    """Whether a restart after a graceful leave joins the remembered members again."""
    disable_coordinates: bool = False
    """Whether no network coordinates are kept, and none ride in acks."""
    resolve_conflicts: bool = True
    """Whether a conflict about our own name is put to the vote (Consul: off on servers)."""
    snapshot_flush_interval_s: float = 0.5
    """Snapshot lines wait at most this long before they are written."""
    snapshot_min_compact_bytes: int = 128 * 1024
    """The snapshot is rewritten above max(this, members * 128 * 2) bytes."""
