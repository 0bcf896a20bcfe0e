"""``MissingName``: a name that DNS was asked for and that does not exist, with how often."""

from __future__ import annotations

import attrs

__all__ = ["MissingName", "MissingSummary"]


@attrs.frozen
class MissingName:
    """One such name.

    Attributes:
        name: In presentation form, lower case, with the final dot.
        count: How often it was asked for.
        client: IP text of one who asked for it, the one who brought it into the table; empty where not known.
    """

    name: str
    count: int
    client: str


@attrs.frozen
class MissingSummary:
    """The most asked ones.

    Attributes:
        names: Most asked first.
        total: Questions for missing names in all.
        error: By how much each count may be too low; none is too high, unless it is an estimate.
        is_estimate: Whether of large batches only some were counted, for all.
    """

    names: tuple[MissingName, ...] = ()
    total: int = 0
    error: int = 0
    is_estimate: bool = False
