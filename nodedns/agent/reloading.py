"""``Reloader``: another configuration for an agent that goes on running, wholly or not at all.

Strategy: files are read in a thread, since that takes as long as there are files, and
nobody's question may wait for it. Then every part of the agent prepares: it looks at the new
configuration, does what may fail (opens files, encodes tags), and returns what makes it
effective. Only when all have prepared are those called, one after the other without
a pause between them: no query is answered by half of the rules, and where anything is
wrong, nothing has changed. What is told by gossip, this node's meta, is known a
moment later, here as elsewhere; and services and checks, of which there may be thousands, are
taken a few at a time, before the reload counts as done.

What takes a restart is named and not begun (``config/reload.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import trio

from nodedns.agent.access import LiveAccess
from nodedns.agent.dns_service import DnsService
from nodedns.agent.failed_nodes import FailedNodes
from nodedns.agent.local_member import own_tags
from nodedns.config.reload import ReadAgain, Reloaded
from nodedns.config.schema import AgentConfig
from nodedns.errors import AgentError, ConfigError, LocalProtocolError, NodednsError
from nodedns.observe.logs import logger, set_level
from nodedns.serf.serf import Serf

__all__ = ["Commit", "Prepare", "Reloader", "access_part", "dns_part", "failed_nodes_part", "log_part", "tags_part"]

Commit = Callable[[], Iterator[None] | None]
"""Makes effective what was prepared; at once, and without fail. Where that takes long, what is left of it is returned
as steps, between which others have their turn."""

Prepare = Callable[[AgentConfig], Commit]
"""What a part of the agent does first with a configuration that is to be its next. Changes nothing; raises
``NodednsError`` where the part cannot have it."""

_LOG = logger("agent")


class Reloader:
    """Reads the configuration again and has the parts of the agent take it.

    Args:
        config: What the agent was started with.
        read_again: Reads what it was made of; None where there is nothing to be read.
        parts: They prepare and take in this order.
    """

    def __init__(self, config: AgentConfig, read_again: ReadAgain | None, parts: Sequence[Prepare]) -> None:
        self._config = config
        self._read_again = read_again
        self._parts = parts
        self._one_at_a_time = trio.Lock()

    @property
    def config(self) -> AgentConfig:
        """What the agent runs with."""
        return self._config

    async def reload(self) -> None:
        """Take the configuration as it is written now.

        Raises:
            AgentError: In one line, why it cannot be taken; nothing has changed.
        """
        # Reading takes a while; who reads first must not be the one to be heard last.
        async with self._one_at_a_time:
            _LOG.info("Reloading configuration...")
            try:
                reloaded = await self._read()
                commits = [prepare(reloaded.config) for prepare in self._parts]
            except NodednsError as problem:
                text = _in_one_line(problem)
                _LOG.error("configuration not reloaded, nothing has changed", error=text)
                raise AgentError(text) from None
            rests = [commit() for commit in commits]
            self._config = reloaded.config
            # From here on it is done whole, whoever asked for it and is gone.
            with trio.CancelScope(shield=True):
                for rest in rests:
                    for _ in rest or ():
                        await trio.lowlevel.checkpoint()
            _tell(reloaded)

    async def _read(self) -> Reloaded:
        if self._read_again is None:
            raise AgentError("this agent was not started from flags and files that could be read again")
        return await trio.to_thread.run_sync(self._read_again, self._config, abandon_on_cancel=True)


def _in_one_line(problem: NodednsError) -> str:
    texts = [str(each) for each in problem.problems] if isinstance(problem, ConfigError) else [str(problem)]
    return " ".join("; ".join(texts).split())


def _tell(reloaded: Reloaded) -> None:
    for warning in reloaded.warnings:
        _LOG.warning(warning)
    if reloaded.needs_restart:
        _LOG.warning("what was changed here takes a restart", keys=",".join(reloaded.needs_restart))
    _LOG.info("configuration reloaded", changed=",".join(reloaded.changed) or "nothing")


# --- the parts that need no more than a function -------------------------------------------


def log_part(config: AgentConfig) -> Commit:
    """Prepare another level of the log."""
    return partial(set_level, config.log_level)


def dns_part(dns: DnsService) -> Prepare:
    """Return what prepares other answers."""
    return lambda config: partial(dns.update, config)


def failed_nodes_part(failed_nodes: FailedNodes) -> Prepare:
    """Return what prepares another grace."""
    return lambda config: lambda: failed_nodes.update(config.failed_nodes_grace_s, trio.current_time())


def access_part(access: LiveAccess) -> Prepare:
    """Return what prepares other rules for the HTTP API."""
    return access.prepare


def tags_part(serf: Serf, wake: Callable[[], None], config: AgentConfig, node_id: str) -> Prepare:
    """Return what prepares other tags, which tell the pool of this node's meta.

    Args:
        serf: Announces them.
        wake: Called after that.
        config: What the tags are made of now.
        node_id: UUID text.
    """
    announced = own_tags(config, node_id)

    def prepare(config: AgentConfig) -> Commit:
        tags = own_tags(config, node_id)

        def announce() -> None:
            nonlocal announced
            if tags == announced:
                return
            try:
                serf.set_tags(tags, trio.current_time())
            except LocalProtocolError:
                return  # we are leaving: there is nobody left to tell
            announced = tags
            wake()

        return announce

    return prepare
