"""``ReplicaParams``: the knobs of replication, and its limits.

Knobs have defaults that fit a local network of some thousand agents. Limits
are constants: what is past them is refused and counted.
"""

from __future__ import annotations

import attrs

__all__ = [
    "CHUNK_BYTES",
    "DATAGRAM_BYTES",
    "MAX_CENSUSES",
    "MAX_CENSUS_BYTES",
    "MAX_EARLY_BYTES",
    "MAX_EARLY_RANGES",
    "MAX_ENTRIES",
    "MAX_ID_BYTES",
    "MAX_MEMORY_BYTES",
    "MAX_MESSAGE_BYTES",
    "MAX_OUTGOING",
    "MAX_RANGE_ENTRIES",
    "MAX_RUMOURS",
    "MAX_RUMOUR_BYTES",
    "MAX_STREAMS",
    "MAX_STREAM_ENTRIES",
    "MAX_VALUE_BYTES",
    "REPLY_BYTES",
    "RUMOUR_BYTES_A_TICK",
    "SMALL_BYTES",
    "ReplicaParams",
]

DATAGRAM_BYTES = 1_300
"""What goes as a datagram: memberlist's packet of 1,400, less encryption, label and envelope."""
CHUNK_BYTES = 32_768
"""Entries in one message, unless one entry alone is longer; ours: 15 ms of decoding and taking in."""
REPLY_BYTES = 4 * CHUNK_BYTES
"""Entries sent for one digest; who needs more asks again. Ours: a stream's buffers in Linux hold about as much."""
MAX_VALUE_BYTES = 65_536
"""One encoded entry; Consul lets 64 meta pairs of 640 bytes be, and cuts outputs of checks at 4 KiB."""
MAX_MESSAGE_BYTES = 4_194_304
"""One message; ours: the digest of ``MAX_STREAMS`` and some."""
MAX_ID_BYTES = 1_024
"""The name of a node, the ID of a service or check; ours: four times what DNS could carry."""
MAX_ENTRIES = 262_144
"""Entries in all, tombstones included; ours: five times the largest pool that was measured."""
MAX_MEMORY_BYTES = 536_870_912
"""All entries, as ``weight_of`` has it; ours: twice ``MAX_ENTRIES`` at the 1 KiB that those of a real pool take. By
number alone, 16 GiB could be."""
SMALL_BYTES = 8_192
"""An entry up to this weight may take the place of another in a replica that is full; ours: a check with its output."""
MAX_STREAM_ENTRIES = 131_072
"""Entries of one origin; ours: half of all."""
MAX_STREAMS = 65_536
"""Origins, those without entries included: their lines are 2 MiB. Ours: a restart a day for a month of 2,000 agents."""
MAX_RANGE_ENTRIES = 16_384
"""Entries in one range; ours: ``CHUNK_BYTES`` of the shortest there could be."""
MAX_RUMOURS = 4_096
"""Rumours waiting, memberlist's size of a handoff queue times four; what is dropped goes by digest."""
MAX_RUMOUR_BYTES = 16_777_216
"""Their bytes; ours: ``MAX_RUMOURS`` of 4 KiB each. By number alone, 400 MiB could be."""
RUMOUR_BYTES_A_TICK = 16 * DATAGRAM_BYTES
"""Rumours told to one peer in one tick; ours: 16 packets."""
MAX_EARLY_RANGES = 1_024
"""Ranges kept until what stands before them arrives; ours: what a second of many writes may reorder."""
MAX_EARLY_BYTES = 8_388_608
"""Their bytes; ours: ``MAX_EARLY_RANGES`` of 8 KiB each."""
MAX_CENSUSES = 2
"""Whole states being told at a time; each keeps a list of all entries. Ours."""
MAX_CENSUS_BYTES = 134_217_728
"""Whole state being taken in; ours: half of ``MAX_ENTRIES`` at 1 KiB."""
MAX_OUTGOING = 4_096
"""Messages waiting to be taken by the driver, which takes all after each call; ours."""


@attrs.frozen(kw_only=True)
class ReplicaParams:
    """How often, how many, how long."""

    tick_s: float = 0.1
    """Least time between two tellings of rumours; shorter tells sooner, longer puts more into one packet."""
    fanout: int = 3
    """Peers told in each tick (memberlist's gossip nodes)."""
    retransmit_mult: int = 4
    """Times a rumour is told, times the digits of the number of peers (memberlist's retransmit mult)."""
    exchange_s: float = 1.0
    """Time between two comparisons with a random peer; shorter heals sooner, and costs a small packet each."""
    gap_wait_s: float = 0.2
    """How long a range waits for what stands before it until that is asked for."""
    tombstone_s: float = 172_800.0
    """How long it is remembered that something was deleted; agents away for longer need the whole state. Two days."""
    stream_s: float = 2_592_000.0
    """How long an origin without entries is remembered; older state than that may come back. Thirty days."""
    ahead_s: float = 86_400.0
    """How far ahead of our clock a version is believed. A day, as much as clocks in the wrong time zone are off."""
    collect_s: float = 60.0
    """Time between two searches for what can be forgotten."""
    forget_spread_s: float = 60.0
    """Entries of a node that is gone are deleted within this time, by whoever comes first."""
    census_s: float = 10.0
    """How long a census may pause before it is given up."""
    slice_entries: int = 1_024
    """Entries of a census taken in between two turns of others; ours: three milliseconds."""
