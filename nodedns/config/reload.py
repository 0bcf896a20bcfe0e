"""``reload``: the same files and flags read again, as a running agent takes them.

The new whole must be good, as at a start. Of it the agent takes the keys that
``settings`` declares so; every other keeps the value that it runs with, and is
named. What is taken is resolved together with what is kept: a new value that does not
fit a kept one is a problem, and nothing that is derived from a kept key changes.

Source: Consul's list of what it reloads.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from nodedns.config.draft import Draft
from nodedns.config.load import merged, resolved
from nodedns.config.schema import AgentConfig
from nodedns.config.settings import changed_keys, reloadable_keys, taken_over
from nodedns.config.sources import ConfigSources

__all__ = ["RELOADED_FIELDS", "ReadAgain", "Reloaded", "reload"]

RELOADED_FIELDS = (
    "node_meta",
    "log_level",
    "dns",
    "host_keys",
    "watched_paths",
    "reverse_zones",
    "dns_cookies",
    "failed_nodes_grace_s",
    "recursion",
    "dns_query_log",
    "dns_tcp",
    "transfer",
    "access",
    "http",
    "services",
    "checks",
    "discard_check_output",
    "query_times",
    "https",
)
"""The parts of ``AgentConfig`` that reloadable keys make."""


@attrs.frozen
class Reloaded:
    """What came of reading again.

    Attributes:
        config: What the agent is to run with.
        changed: Keys of which it takes another value, by dotted path.
        needs_restart: Keys that have another value than the one it runs with, and goes on to.
        warnings: Sentences to log that were not there before.
    """

    config: AgentConfig
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]
    warnings: tuple[str, ...]


ReadAgain = Callable[[AgentConfig], Reloaded]
"""Reads a running agent's configuration anew; blocks. Raises ``ConfigError``."""


def reload(sources: ConfigSources, running: AgentConfig) -> Reloaded:
    """Return what an agent that runs with ``running`` takes of ``sources`` now.

    Raises:
        ConfigError: With every problem of the whole; or what was taken does not fit what was kept.
    """
    draft = merged(sources)
    wanted = resolved(draft, sources)
    reloads = frozenset(reloadable_keys())
    changed = changed_keys(running.given, wanted.given)
    given = taken_over(running.given, wanted.given)
    origins = {path: source for path, source in running.origins.items() if path not in reloads}
    origins |= {path: source for path, source in wanted.origins.items() if path in reloads}
    kept_name = attrs.evolve(sources, host_name=lambda: running.node_name)
    taken = resolved(Draft(settings=given, origins=origins, dev=sources.dev), kept_name)
    fields = {name: getattr(taken, name) for name in RELOADED_FIELDS}
    return Reloaded(
        config=attrs.evolve(running, given=given, origins=origins, warnings=wanted.warnings, **fields),
        changed=tuple(path for path in changed if path in reloads),
        needs_restart=tuple(path for path in changed if path not in reloads),
        warnings=tuple(text for text in wanted.warnings if text not in running.warnings),
    )
