"""Literals of the filter language, in the forms that Go has: quoted text, whole numbers, booleans.

Source: the Go specification (string literals), and the documentation of Go's strconv.
"""

from __future__ import annotations

import re

__all__ = ["BadLiteral", "parse_flag", "parse_number", "quote", "unquote"]

MAX_CODE_POINT = 0x10FFFF
MAX_OCTAL = 0o377
MAX_INT = 2**63 - 1

_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))", re.DOTALL
)
_INTEGER = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))")
_BASES = (16, 2, 8, 10)
_SHOWN = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
TRUE_WORDS = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE_WORDS = frozenset({"0", "f", "F", "false", "FALSE", "False"})


class BadLiteral(ValueError):
    """A literal is none; the text says why, as Go would."""


def unquote(literal: str) -> str:
    """Return what a literal in double quotes or back quotes stands for.

    Args:
        literal: With its quotes; the closing one is nowhere else in it.

    Raises:
        BadLiteral: An escape is none, or a line ends within double quotes.
    """
    inner = literal[1:-1]
    if literal[0] == "`":
        return inner.replace("\r", "")
    if "\n" in inner:
        raise BadLiteral("invalid syntax")
    # Single bytes may be spelt out, so the text is put together as bytes.
    parts: list[bytes] = []
    at = 0
    for found in _ESCAPE.finditer(inner):
        parts += (_encoded(inner[at : found.start()]), _escaped(found))
        at = found.end()
    parts.append(_encoded(inner[at:]))
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _escaped(found: re.Match[str]) -> bytes:
    simple, byte, octal, short, long, _ = found.groups()
    if simple is not None:
        return _SIMPLE[simple].encode()
    if byte is not None:
        return bytes((int(byte, 16),))
    if octal is not None and int(octal, 8) <= MAX_OCTAL:
        return bytes((int(octal, 8),))
    code = short or long
    if code is None or int(code, 16) > MAX_CODE_POINT or 0xD800 <= int(code, 16) <= 0xDFFF:
        raise BadLiteral("invalid syntax")
    return chr(int(code, 16)).encode()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def parse_number(text: str) -> int:
    """Return the whole number that ``text`` spells, in Go's notation for any base.

    Raises:
        BadLiteral: It is none, or does not fit into 64 bits.
    """
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise BadLiteral(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    digits, base = next((digits, base) for digits, base in zip(found.groups()[1:], _BASES, strict=True) if digits)
    # The text is an expression's, so its length is bounded and with it what this costs.
    number = int(digits, base)
    if number > MAX_INT:
        raise BadLiteral(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return -number if found[1] == "-" else number


def parse_flag(text: str) -> bool:
    """Return the boolean that ``text`` spells. Raises ``BadLiteral``."""
    if text in TRUE_WORDS:
        return True
    if text in FALSE_WORDS:
        return False
    raise BadLiteral(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")


def quote(text: str) -> str:
    """Return ``text`` in double quotes, as errors show it."""
    return '"' + "".join(_SHOWN.get(char, char) for char in text) + '"'
