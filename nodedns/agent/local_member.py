"""``make_serf``: this agent as a member of the pool; its name, address, tags and what it remembers.

It turns the configuration and the data directory into the Serf core, and another
configuration into other tags. What the core is then connected to is ``agent.py``'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from nodedns import __version__
from nodedns.agent.memory import Memory
from nodedns.config.schema import AgentConfig
from nodedns.errors import AgentError, TooBig
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.keyring import Keyring
from nodedns.model.address import Address
from nodedns.model.durations import format_duration
from nodedns.model.names import NodeName
from nodedns.observe.logs import logger
from nodedns.serf.merge import MergePolicy
from nodedns.serf.serf import Serf
from nodedns.serf.tags import encode_tags
from nodedns.table.member_facts import tags_for

__all__ = ["make_serf", "own_tags"]

_LOG = logger("agent")


def make_serf(
    config: AgentConfig, memory: Memory, bound_port: int, *, rng: Random, entropy: Callable[[int], bytes]
) -> Serf:
    """Return the core of this agent, not started yet. Reads snapshot and keyring, which blocks.

    Args:
        config: Checked and complete.
        memory: The data directory.
        bound_port: The port that the gossip socket has.
        rng: Every random choice is drawn from it.
        entropy: Returns that many random bytes.

    Raises:
        AgentError: Our tags, node meta among them, do not fit into gossip, or the keyring cannot be used.
    """
    name = NodeName(config.node_name)
    return Serf(
        config.serf,
        config.gossip,
        name,
        Address.from_text(config.advertise_addr, config.advertise_port or bound_port),
        own_tags(config, memory.node_id),
        rng,
        entropy,
        remembered=memory.remembered(),
        merge_policy=MergePolicy(name, memory.node_id, config.datacenter),
        envelope=_envelope(config, memory, entropy),
        is_keyring_stored=memory.keyring is not None,
    )


def own_tags(config: AgentConfig, node_id: str) -> dict[str, str]:
    """Return the tags by which this agent makes itself known.

    Raises:
        AgentError: They do not fit into gossip.
    """
    remembered_s = config.advertise_reconnect_timeout_s
    tags = tags_for(
        version=__version__,
        datacenter=config.datacenter,
        node_id=node_id,
        is_server=config.server,
        dns_port=config.dns_port if config.dns_addrs else 0,
        meta=config.node_meta,
        host_keys=config.host_keys,
        expect=config.bootstrap_expect,
        bootstrap=config.bootstrap,
        ipv4=_unless(config.advertise_addr_ipv4, config.advertise_addr),
        ipv6=_unless(config.advertise_addr_ipv6, config.advertise_addr),
        reconnect_timeout=format_duration(remembered_s) if remembered_s else "",
    )
    try:
        encode_tags(tags)
    except TooBig as problem:
        what = "node_meta, with the host keys of dns_config.ssh_host_keys," if config.host_keys else "node_meta"
        raise AgentError(
            f"{what} does not fit into gossip: {problem}; give fewer or shorter -node-meta pairs"
        ) from None
    return tags


def _unless(told: str, known: str) -> str:
    return "" if told == known else told


def _envelope(config: AgentConfig, memory: Memory, entropy: Callable[[int], bytes]) -> Envelope:
    settings = config.encryption
    keys = memory.gossip_keys(settings.key.reveal())
    if keys and not settings.verify_incoming:
        _LOG.warning("gossip that is not encrypted is taken too, since encrypt_verify_incoming is false")
    if keys and not settings.verify_outgoing:
        _LOG.warning("gossip is sent without encryption, since encrypt_verify_outgoing is false")
    return Envelope(
        settings.label.encode(errors="surrogateescape"),
        Keyring(keys) if keys else None,
        verify_incoming=settings.verify_incoming,
        verify_outgoing=settings.verify_outgoing,
        entropy=entropy,
    )
