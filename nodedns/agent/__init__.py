"""The agent: the one place where configuration, cores and shells are wired together and run."""

from __future__ import annotations

from nodedns.agent.demo import run_demo
from nodedns.agent.run import run_agent

__all__ = ["run_agent", "run_demo"]
