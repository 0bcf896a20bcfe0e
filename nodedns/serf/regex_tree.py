"""What a regular expression is made of: characters, places between them, and ways to combine these.

Plain values; ``regex_syntax.py`` builds them from text, ``regex.py`` matches with them.
"""

from __future__ import annotations

import string

import attrs

__all__ = ["WORD_CHARS", "Choice", "Edge", "Node", "One", "Ranges", "Repeat", "Sequence"]

Ranges = tuple[tuple[int, int], ...]
"""A set of characters: pairs of first and last code point."""

WORD_CHARS = frozenset(string.ascii_letters + string.digits + "_")


@attrs.frozen
class One:
    """One character out of a set."""

    ranges: Ranges
    folds_case: bool

    def takes(self, char: str) -> bool:
        """Whether ``char`` is in the set."""
        spellings = {char, char.lower(), char.upper()} if self.folds_case else (char,)
        return any(
            low <= ord(spelling) <= high for spelling in spellings if len(spelling) == 1 for low, high in self.ranges
        )


@attrs.frozen
class Edge:
    """A place between characters: A, z, b, B, or ^ and $ of lines."""

    kind: str

    def holds(self, text: str, at: int) -> bool:
        """Whether position ``at`` of ``text`` is such a place."""
        before = text[at - 1] if at > 0 else ""
        after = text[at] if at < len(text) else ""
        if self.kind == "A":
            return at == 0
        if self.kind == "z":
            return at == len(text)
        if self.kind == "^":
            return before in ("", "\n")
        if self.kind == "$":
            return after in ("", "\n")
        is_boundary = (before in WORD_CHARS) != (after in WORD_CHARS)
        return is_boundary == (self.kind == "b")


@attrs.frozen
class Sequence:
    """One after the other."""

    parts: tuple[Node, ...]


@attrs.frozen
class Choice:
    """Any one of them."""

    options: tuple[Node, ...]


@attrs.frozen
class Repeat:
    """``least`` to ``most`` times; None: without end."""

    part: Node
    least: int
    most: int | None


Node = One | Edge | Sequence | Choice | Repeat
