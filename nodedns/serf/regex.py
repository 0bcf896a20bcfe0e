"""``Pattern``: RE2's regular expressions for query filters, matched in time linear in the value.

A filter is written by a stranger and tried against our tags. Python's ``re``
would accept what RE2 refuses and can take exponential time on a hostile
pattern, which no limit on lengths prevents. So a pattern becomes a small
automaton here whose states are all followed at once, bounded in states; a
pattern beyond a bound counts as bad.

Source: Thompson 1968, "Regular expression search algorithm"; syntax in
``regex_syntax.py``.
"""

from __future__ import annotations

from nodedns.serf.regex_syntax import BadPattern, parse_pattern
from nodedns.serf.regex_tree import Choice, Edge, Node, One, Repeat, Sequence

__all__ = ["BadPattern", "Pattern", "compile_pattern"]

MAX_STATES = 400  # times the 512 bytes a tag can have: some 0.1 s at the very worst
MAX_BUILD_STEPS = 4 * MAX_STATES  # repeating what is empty adds no state but takes time

_Step = One | Edge | None


class Pattern:
    """A compiled pattern: states, each with what it takes and where it goes.

    A state with a ``One`` takes a character, with an ``Edge`` it wants a
    place, with None it is free; state 0 is the match.
    """

    __slots__ = ("_build_steps", "_goes_to", "_start", "_steps")

    def __init__(self, node: Node) -> None:
        self._build_steps = 0
        self._steps: list[_Step] = [None]
        self._goes_to: list[list[int]] = [[]]
        self._start = self._add(node, 0)

    @property
    def states(self) -> int:
        """How many states it has; a search takes at most so many steps for each character, and once more."""
        return len(self._steps)

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in ``text``."""
        current: list[int] = []
        for at in range(len(text) + 1):
            reached = self._closure([*current, self._start], text, at)
            if 0 in reached:
                return True
            if at == len(text):
                return False
            char = text[at]
            current = []
            for state in reached:
                step = self._steps[state]
                if isinstance(step, One) and step.takes(char):
                    current += self._goes_to[state]
        return False

    def _closure(self, states: list[int], text: str, at: int) -> dict[int, None]:
        """Return every state reachable without taking a character, in the order found."""
        reached: dict[int, None] = {}
        while states:
            state = states.pop()
            if state in reached:
                continue
            reached[state] = None
            step = self._steps[state]
            if step is None or (isinstance(step, Edge) and step.holds(text, at)):
                states += self._goes_to[state]
        return reached

    def _state(self, step: _Step, goes_to: list[int]) -> int:
        if len(self._steps) >= MAX_STATES:
            raise BadPattern("pattern too complex")
        self._steps.append(step)
        self._goes_to.append(goes_to)
        return len(self._steps) - 1

    def _add(self, node: Node, after: int) -> int:
        """Add the states of ``node``, going on to ``after``; return the entry."""
        self._build_steps += 1
        if self._build_steps > MAX_BUILD_STEPS:
            raise BadPattern("pattern too complex")
        if isinstance(node, One | Edge):
            return self._state(node, [after])
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                after = self._add(part, after)
            return after
        if isinstance(node, Choice):
            return self._state(None, [self._add(option, after) for option in node.options])
        return self._add_repeat(node, after)

    def _add_repeat(self, node: Repeat, after: int) -> int:
        entry = after
        if node.most is None:
            entry = self._state(None, [after])
            self._goes_to[entry].append(self._add(node.part, entry))
        else:
            for _ in range(node.most - node.least):
                entry = self._state(None, [after, self._add(node.part, entry)])
        for _ in range(node.least):
            entry = self._add(node.part, entry)
        return entry


def compile_pattern(pattern: str) -> Pattern:
    """Compile a pattern in RE2's syntax.

    Raises:
        BadPattern: RE2 would refuse it, or it is beyond our bounds.
    """
    return Pattern(parse_pattern(pattern))
