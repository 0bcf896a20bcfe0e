"""``GossipParams``: every knob of the gossip core, with its unit and trade-off, and the three profiles.

Source: memberlist's defaults for LAN, WAN and local use; Consul's values where
they differ are set by the config room. The limits at the end are ours, each
with its precedent.
"""

from __future__ import annotations

import ipaddress

import attrs

__all__ = ["DEV", "LAN", "LOCAL", "PROFILES", "WAN", "GossipParams", "IpNetwork"]

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@attrs.frozen(kw_only=True)
class GossipParams:
    """Knobs of failure detection and dissemination. Times are seconds."""

    tcp_timeout_s: float = 10.0
    """Limit on dialling a stream, and on the whole exchange over it."""
    probe_interval_s: float = 1.0
    """One member is probed this often; shorter finds failures sooner and costs traffic."""
    probe_timeout_s: float = 0.5
    """Wait for the direct ack; should exceed the 99th percentile of the round trip."""
    indirect_checks: int = 3
    """How many others are asked to ping a silent member; 0 turns indirect probes off."""
    suspicion_mult: int = 4
    """Scales the time a suspect has to refute; larger tolerates slower members."""
    suspicion_max_timeout_mult: int = 6
    """The longest suspicion, as a multiple of the shortest (Lifeguard); 1: it has one length, as in plain SWIM."""
    buddy_system: bool = True
    """Whether a suspect is told of the suspicion with the next ping it gets, instead of by gossip alone (Lifeguard)."""
    retransmit_mult: int = 4
    """A broadcast is sent retransmit_mult * ceil(log10(n + 1)) times."""
    gossip_interval_s: float = 0.2
    """Queued broadcasts are sent this often; shorter spreads faster."""
    gossip_nodes: int = 3
    """How many members get each round of broadcasts."""
    gossip_to_the_dead_s: float = 30.0
    """A dead member is still gossiped to for this long, so that it can refute."""
    push_pull_interval_s: float = 30.0
    """Full state exchange with one random member; 0 turns it off. Scaled up past 32 members."""
    join_follow_up_s: float = 1.0
    """A join is followed by one more push/pull with a random member, this long after it give or take half.

    A claim is gossiped only a few times in a small cluster, so during many joins at once one may be missed; without
    this it would be learnt at the next push/pull, half a minute later. Ours; 0 turns it off.
    """
    awareness_max_multiplier: int = 8
    """Upper bound of the probe interval's stretch by our own health score (Lifeguard); 1: our health is ignored."""
    dead_node_reclaim_s: float = 0.0
    """After this long dead, a name may be taken by another address; 0: only once it has left."""
    tcp_pings: bool = True
    """Whether a silent member is also tried over TCP."""
    allowed_cidrs: tuple[IpNetwork, ...] = ()
    """Networks that members may be in, and their claims come from (memberlist's CIDRsAllowed); none: all."""
    udp_payload_bytes: int = 1400
    """Largest datagram payload we build (memberlist's UDPBufferSize); a checksum's 5 bytes come on top, as there."""
    compression: bool = True
    """Whether gossip and streams are sent compressed; what others compress is understood either way.

    A push/pull of 5,000 members is a quarter as long, for 0.2 s of work on either side, done in slices.
    """

    max_members: int = 131_072
    """Names kept; a hostile peer cannot make the table grow past it."""
    max_streams: int = 128
    """Inbound exchanges served at once (memberlist refuses the 128th push/pull)."""
    max_stream_bytes: int = 20 * 1024 * 1024
    """Bytes taken from one stream (memberlist's limit on an encrypted block)."""
    max_inbound_bytes: int = 128 * 1024 * 1024
    """Bytes kept of all unfinished inbound exchanges; ours: real agents take 128 streams of any length."""
    max_push_pull_nodes: int = 131_072
    """Members in one push/pull: as many as we could keep (memberlist takes 1,048,576)."""
    max_queued_broadcasts: int = 262_144
    """Bound of the broadcast queue; the most transmitted are dropped first."""
    max_relayed_pings: int = 1024
    """Indirect pings for others under way at once (memberlist's inbound queue depth)."""


LAN = GossipParams()
"""For machines on one network: memberlist's ``DefaultLANConfig``."""

WAN = GossipParams(
    tcp_timeout_s=30.0,
    probe_interval_s=5.0,
    probe_timeout_s=3.0,
    suspicion_mult=6,
    gossip_interval_s=0.5,
    gossip_nodes=4,
    gossip_to_the_dead_s=60.0,
    push_pull_interval_s=60.0,
)
"""For machines far apart: memberlist's ``DefaultWANConfig``."""

LOCAL = GossipParams(
    tcp_timeout_s=1.0,
    probe_timeout_s=0.2,
    indirect_checks=1,
    suspicion_mult=3,
    retransmit_mult=2,
    gossip_interval_s=0.1,
    gossip_to_the_dead_s=15.0,
    push_pull_interval_s=15.0,
)
"""For agents on one machine: memberlist's ``DefaultLocalConfig``."""

DEV = GossipParams(
    probe_interval_s=0.1,
    probe_timeout_s=0.1,
    suspicion_mult=3,
    gossip_interval_s=0.1,
    dead_node_reclaim_s=30.0,
)
"""What Consul's ``-dev`` sets: everything at 100 ms."""

PROFILES = {"lan": LAN, "wan": WAN, "local": LOCAL}
