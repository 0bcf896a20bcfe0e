r"""RE2's syntax: a pattern's text becomes a tree of characters, places, sequences, choices, repeats.

Understood: alternation, groups, the flags i m s U, the repetitions ``* + ? {n,m}``
(greedy or not is the same when only asking whether it matches), classes with
POSIX names, the escapes d w s D W S b B A z Q..E, hex and octal characters. Not
understood, hence refused: Unicode classes (``\pL``), and all that RE2 lacks,
such as look-around and back-references.

What it does not do: match; that is ``regex.py``. Source: RE2's syntax page;
Go's regexp/syntax.
"""

from __future__ import annotations

import string
from collections.abc import Iterable

import attrs

from nodedns.errors import NodednsError
from nodedns.serf.regex_tree import WORD_CHARS, Choice, Edge, Node, One, Ranges, Repeat, Sequence

__all__ = ["BadPattern", "parse_pattern"]

MAX_PATTERN_CHARS = 1024  # Serf's QuerySizeLimit: a longer one would not fit a query
MAX_DEPTH = 50  # of groups; RE2 allows 1000, the stack of Python less
MAX_REPEAT = 1000  # RE2

_TOP = 0x10FFFF


class BadPattern(NodednsError):
    """The pattern is not RE2 syntax, or beyond our bounds."""


def _chars(text: str) -> Ranges:
    return tuple((ord(char), ord(char)) for char in text)


def _inverted(ranges: Iterable[tuple[int, int]]) -> Ranges:
    gaps = []
    start = 0
    for low, high in sorted(ranges):
        if low > start:
            gaps.append((start, low - 1))
        start = max(start, high + 1)
    if start <= _TOP:
        gaps.append((start, _TOP))
    return tuple(gaps)


_DIGIT: Ranges = ((48, 57),)
_LOWER: Ranges = ((97, 122),)
_UPPER: Ranges = ((65, 90),)
_WORD: Ranges = _DIGIT + _LOWER + _UPPER + _chars("_")
_SPACE: Ranges = _chars("\t\n\f\r ")
_ESCAPED_CLASSES = {
    "d": _DIGIT,
    "w": _WORD,
    "s": _SPACE,
    "D": _inverted(_DIGIT),
    "W": _inverted(_WORD),
    "S": _inverted(_SPACE),
}
_NAMED_CLASSES: dict[str, Ranges] = {
    "alnum": _DIGIT + _LOWER + _UPPER,
    "alpha": _LOWER + _UPPER,
    "ascii": ((0, 127),),
    "blank": _chars("\t "),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": ((33, 126),),
    "lower": _LOWER,
    "print": ((32, 126),),
    "punct": _chars(string.punctuation),
    "space": _chars("\t\n\v\f\r "),
    "upper": _UPPER,
    "word": _WORD,
    "xdigit": (*_DIGIT, (65, 70), (97, 102)),
}
_ESCAPED_CHARS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@attrs.frozen
class _Flags:
    folds_case: bool = False
    is_multi_line: bool = False
    dot_takes_newline: bool = False


class _Parser:
    """Recursive descent over one pattern."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._flags = _Flags()
        self._depth = 0

    def parse(self) -> Node:
        node = self._choice()
        if self._at < len(self._text):
            raise BadPattern("unmatched )")
        return node

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _next(self, what: str = "pattern ends early") -> str:
        if self._at >= len(self._text):
            raise BadPattern(what)
        self._at += 1
        return self._text[self._at - 1]

    def _skip(self, prefix: str) -> bool:
        if not self._text.startswith(prefix, self._at):
            return False
        self._at += len(prefix)
        return True

    def _choice(self) -> Node:
        options = [self._sequence()]
        while self._skip("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            if self._skip("\\Q"):
                quoted, _, rest = self._text[self._at :].partition("\\E")
                self._at = len(self._text) - len(rest)
                parts += [self._repeated(self._literal(char), index, len(quoted)) for index, char in enumerate(quoted)]
                continue
            atom = self._atom()
            if atom is not None:
                parts.append(self._repeated(atom, 0, 1))
        return Sequence(tuple(parts))

    def _repeated(self, atom: Node, index: int, count: int) -> Node:
        """Return ``atom`` under the repetition that follows, if it is the last of its kind."""
        bounds = self._repetition() if index == count - 1 else None
        if bounds is None:
            return atom
        self._skip("?")
        if self._peek() in ("*", "+", "?") or self._is_counted():
            raise BadPattern("repetition of a repetition")
        return Repeat(atom, *bounds)

    def _is_counted(self) -> bool:
        at = self._at
        is_counted = self._repetition() is not None
        self._at = at
        return is_counted

    def _repetition(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._skip(sign):
                return bounds
        if self._peek() != "{":
            return None
        end = self._text.find("}", self._at)
        least, comma, most = self._text[self._at + 1 : end].partition(",") if end > 0 else ("", "", "")
        if not _is_count(least) or (most and not _is_count(most)):
            return None  # RE2 takes such a brace literally
        self._at = end + 1
        highest = None if comma and not most else int(most or least)
        if int(least) > MAX_REPEAT or (highest is not None and not int(least) <= highest <= MAX_REPEAT):
            raise BadPattern("bad repeat count")
        return int(least), highest

    def _literal(self, char: str) -> One:
        return One(_chars(char), self._flags.folds_case)

    def _atom(self) -> Node | None:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return self._bracket()
        if char == "\\":
            return self._escape()
        if char == ".":
            return One(((0, _TOP),) if self._flags.dot_takes_newline else _inverted(_chars("\n")), folds_case=False)
        if char == "^":
            return Edge("^" if self._flags.is_multi_line else "A")
        if char == "$":
            return Edge("$" if self._flags.is_multi_line else "z")
        if char in "*+?":
            raise BadPattern("nothing to repeat")
        return self._literal(char)

    def _group(self) -> Node | None:
        outer = self._flags
        if self._skip("?") and not self._group_head():
            return None
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadPattern("groups too deep")
        node = self._choice()
        if not self._skip(")"):
            raise BadPattern("missing )")
        self._depth -= 1
        self._flags = outer
        return node

    def _group_head(self) -> bool:
        """Read what follows ``(?``; return False where it only sets flags and is closed."""
        if self._skip("P<") or (self._peek() == "<" and self._text[self._at + 1 : self._at + 2] not in ("=", "!")):
            self._skip("<")
            name, closing, _ = self._text[self._at :].partition(">")
            if not closing or not name or not all(char in WORD_CHARS for char in name):
                raise BadPattern("bad group name")
            self._at += len(name) + 1
            return True
        is_on = True
        while (char := self._next("missing )")) not in ":)":
            if char == "-" and is_on:
                is_on = False
            else:
                self._set_flag(char, is_on=is_on)
        return char == ":"

    def _set_flag(self, char: str, *, is_on: bool) -> None:
        if char == "U":
            return
        field = {"i": "folds_case", "m": "is_multi_line", "s": "dot_takes_newline"}.get(char)
        if field is None:
            raise BadPattern("unknown group flag, or look-around")
        self._flags = attrs.evolve(self._flags, **{field: is_on})

    def _escape(self) -> Node:
        char = self._peek()
        if char and char in "AzbB":
            self._at += 1
            return Edge(char)
        return One(self._escaped_ranges(), self._flags.folds_case)

    def _escaped_ranges(self) -> Ranges:
        """Read what follows a backslash, as a set of characters."""
        char = self._next("backslash at the end")
        if char in _ESCAPED_CLASSES:
            return _ESCAPED_CLASSES[char]
        if char in _ESCAPED_CHARS:
            return _chars(_ESCAPED_CHARS[char])
        if char == "x":
            return _chars(self._hexadecimal())
        if char in "01234567":
            return _chars(self._octal(char))
        if char.isascii() and not char.isalnum():
            return _chars(char)
        raise BadPattern("unknown escape")

    def _hexadecimal(self) -> str:
        if self._skip("{"):
            digits, closing, _ = self._text[self._at :].partition("}")
            self._at += len(digits) + len(closing)
        else:
            digits = self._text[self._at : self._at + 2]
            self._at += 2
            if len(digits) != 2:
                raise BadPattern("bad hex character")
        if not digits or len(digits) > 8 or not all(digit in string.hexdigits for digit in digits):
            raise BadPattern("bad hex character")
        value = int(digits, 16)
        if value > _TOP:
            raise BadPattern("no such character")
        return chr(value)

    def _octal(self, first: str) -> str:
        # A lone digit other than 0 would be a back-reference, which RE2 does not have.
        if first != "0" and (not self._peek() or self._peek() not in string.octdigits):
            raise BadPattern("back-reference")
        digits = first
        while len(digits) < 3 and self._peek() and self._peek() in string.octdigits:
            digits += self._next()
        return chr(int(digits, 8))

    def _bracket(self) -> Node:
        is_negated = self._skip("^")
        ranges: list[tuple[int, int]] = []
        is_first = True
        while is_first or self._peek() != "]":
            is_first = False
            ranges += self._bracket_item()
        self._at += 1
        if not is_negated:
            return One(tuple(ranges), self._flags.folds_case)
        if self._flags.folds_case:
            # The fold belongs inside the negation: [^a] with i takes neither a nor A.
            ranges += [pair for low, high in ranges for pair in _other_case(low, high)]
        return One(_inverted(ranges), folds_case=False)

    def _bracket_item(self) -> Ranges:
        if self._skip("[:"):
            name, closing, _ = self._text[self._at :].partition(":]")
            named = _NAMED_CLASSES.get(name.removeprefix("^"))
            if not closing or named is None:
                raise BadPattern("unknown class name")
            self._at += len(name) + 2
            return _inverted(named) if name.startswith("^") else named
        low = self._bracket_char()
        is_range = self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("", "]")
        if not is_range:
            return low
        self._at += 1
        high = self._bracket_char()
        if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1]:
            raise BadPattern("bad range")
        if low[0][0] > high[0][0]:
            raise BadPattern("range upside down")
        return ((low[0][0], high[0][0]),)

    def _bracket_char(self) -> Ranges:
        char = self._next("missing ]")
        return self._escaped_ranges() if char == "\\" else _chars(char)


def _is_count(text: str) -> bool:
    return 0 < len(text) <= 4 and text.isascii() and text.isdigit()


def _other_case(low: int, high: int) -> Ranges:
    pairs = []
    for first, last, shift in ((65, 90, 32), (97, 122, -32)):
        start, end = max(low, first), min(high, last)
        if start <= end:
            pairs.append((start + shift, end + shift))
    return tuple(pairs)


def parse_pattern(pattern: str) -> Node:
    """Parse a pattern in RE2's syntax.

    Raises:
        BadPattern: RE2 would refuse it, or it is beyond our bounds.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise BadPattern("pattern too long")
    return _Parser(pattern).parse()
