"""``Finding``: what is to be said of one hop between a program and an agent, and how to mend it.

Pure. A finding is one line, and a second one with the mend where there is something to do. The
exit status of the whole follows from the verdicts: what is broken counts before what could not be examined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import attrs

from nodedns.cli.tables import printable

__all__ = ["BROKEN", "UNEXAMINED", "WELL", "Finding", "Verdict", "exit_status", "failed", "ok", "rendered", "skipped"]

WELL = 0
BROKEN = 1
UNEXAMINED = 2
MEND = "         -> "
VERDICT_CHARS = 7


class Verdict(Enum):
    """How a hop is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and yet something is worth a look."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """There is nothing to examine, or nothing to learn from it as things are."""
    UNKNOWN = "unknown"
    """It could not be examined."""


@attrs.frozen
class Finding:
    """One line of the report.

    Attributes:
        hop: What was examined, such as ``nameserver 127.0.0.53``.
        verdict: How it is.
        says: What was seen, in one sentence without a final dot.
        mend: What to do about it; empty for nothing.
    """

    hop: str
    verdict: Verdict
    says: str
    mend: str = ""

    def shape(self) -> dict[str, str]:
        """Return it as JSON has it."""
        return {"Hop": self.hop, "Verdict": self.verdict.value, "Says": self.says, "Mend": self.mend}


def ok(hop: str, says: str) -> Finding:
    """Return a finding of something that is well."""
    return Finding(hop, Verdict.OK, says)


def failed(hop: str, says: str, mend: str) -> Finding:
    """Return a finding of something that is broken."""
    return Finding(hop, Verdict.FAILED, says, mend)


def skipped(hop: str, says: str) -> Finding:
    """Return a finding of something that was not looked at."""
    return Finding(hop, Verdict.SKIPPED, says)


def exit_status(findings: Sequence[Finding]) -> int:
    """Return ``BROKEN`` if anything failed, else ``UNEXAMINED`` if anything could not be examined, else ``WELL``."""
    verdicts = [finding.verdict for finding in findings]
    if Verdict.FAILED in verdicts:
        return BROKEN
    return UNEXAMINED if Verdict.UNKNOWN in verdicts else WELL


def rendered(findings: Sequence[Finding]) -> str:
    """Return the report for people, without a final newline."""
    width = max((len(printable(finding.hop)) for finding in findings), default=0)
    lines: list[str] = []
    for finding in findings:
        verdict = finding.verdict.value.ljust(VERDICT_CHARS)
        lines.append(printable(f"{verdict}  {finding.hop.ljust(width)}  {finding.says}"))
        if finding.mend:
            lines.append(printable(f"{MEND}{finding.mend}"))
    return "\n".join([*lines, _summary(_counts(findings))])


def _counts(findings: Sequence[Finding]) -> Mapping[Verdict, int]:
    return {verdict: sum(finding.verdict is verdict for finding in findings) for verdict in Verdict}


def _summary(counts: Mapping[Verdict, int]) -> str:
    told = [
        f"{counts[verdict]} {word}"
        for verdict, word in (
            (Verdict.FAILED, "failed"),
            (Verdict.WARNING, "to look at"),
            (Verdict.UNKNOWN, "could not be examined"),
        )
        if counts[verdict]
    ]
    if not told:
        return "All is well."
    return f"{', '.join(told)}, {counts[Verdict.OK]} ok."
