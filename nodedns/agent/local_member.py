"""``make_serf``: this agent as a member of the pool; its name, address, tags and what it remembers.

It turns the configuration and the data directory into the Serf core. What the
core is then connected to is ``agent.py``'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from nodedns import __version__
from nodedns.agent.memory import Memory
from nodedns.config.durations import format_duration
from nodedns.config.schema import AgentConfig
from nodedns.errors import AgentError, TooBig
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.merge import MergePolicy
from nodedns.serf.serf import Serf
from nodedns.table.member_facts import tags_for

__all__ = ["make_serf"]


def make_serf(
    config: AgentConfig, memory: Memory, bound_port: int, *, rng: Random, entropy: Callable[[int], bytes]
) -> Serf:
    """Return the core of this agent, not started yet. Reads the snapshot, which blocks.

    Args:
        config: Checked and complete.
        memory: The data directory.
        bound_port: The port that the gossip socket has.
        rng: Every random choice is drawn from it.
        entropy: Returns that many random bytes.

    Raises:
        AgentError: Our tags, node meta among them, do not fit into gossip.
    """
    name = NodeName(config.node_name)
    remembered_s = config.advertise_reconnect_timeout_s
    tags = tags_for(
        version=__version__,
        datacenter=config.datacenter,
        node_id=memory.node_id,
        is_server=config.server,
        dns_port=config.dns_port if config.dns_addrs else 0,
        meta=config.node_meta,
        expect=config.bootstrap_expect,
        bootstrap=config.bootstrap,
        reconnect_timeout=format_duration(remembered_s) if remembered_s else "",
    )
    try:
        return Serf(
            config.serf,
            config.gossip,
            name,
            Address.from_text(config.advertise_addr, config.advertise_port or bound_port),
            tags,
            rng,
            entropy,
            remembered=memory.remembered(),
            merge_policy=MergePolicy(name, memory.node_id, config.datacenter),
        )
    except TooBig as problem:
        raise AgentError(
            f"node_meta does not fit into gossip: {problem}; give fewer or shorter -node-meta pairs"
        ) from None
