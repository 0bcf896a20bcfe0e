"""``judge``: facts in, findings out, in the order in which a name travels back from the agent to a program.

Pure: the same facts give the same findings.
"""

from __future__ import annotations

from nodedns.cli.doctor.facts import Facts
from nodedns.cli.doctor.finding import Finding
from nodedns.cli.doctor.judging_agent import judge_agent, judge_gossip, judge_spelling
from nodedns.cli.doctor.judging_host import judge_files, judge_lookups, judge_resolved
from nodedns.cli.doctor.judging_servers import judge_servers
from nodedns.cli.doctor.judging_start import judge_start

__all__ = ["judge"]


def judge(facts: Facts) -> list[Finding]:
    """Return all findings."""
    return [
        *judge_start(facts),
        *judge_agent(facts),
        *judge_spelling(facts),
        *judge_servers(facts),
        *judge_resolved(facts),
        *judge_files(facts),
        *judge_lookups(facts),
        *judge_gossip(facts),
    ]
