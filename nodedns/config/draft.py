"""``Draft``: merged settings on their way to an ``AgentConfig``, and what was found wrong with them so far."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from nodedns.config.converter import problem_at
from nodedns.config.settings import Settings
from nodedns.errors import ConfigProblem

__all__ = ["Draft"]

DEFAULT = "default"


@attrs.define
class Draft:
    """What the rules read and report to.

    Attributes:
        settings: All layers merged.
        origins: Which source set each key, by dotted path.
        dev: Whether ``-dev`` was given.
        problems: Everything wrong so far.
        warnings: Sentences to log at start.
    """

    settings: Settings
    origins: Mapping[str, str]
    dev: bool
    problems: list[ConfigProblem] = attrs.field(factory=list)
    warnings: list[str] = attrs.field(factory=list)

    def problem(self, path: str, message: str) -> None:
        """Report that the key at ``path``, or entry of a map there, breaks a rule; its source is looked up."""
        key = path
        while key and key not in self.origins:
            key = key.rpartition(".")[0]  # a map is one key
        self.problems.append(problem_at(self.origins.get(key, DEFAULT), path, message))

    @property
    def server(self) -> bool:
        """Whether this is a server."""
        return bool(self.settings.server)
