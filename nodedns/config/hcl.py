"""HCL as Consul reads it: the first version of the language, not the second.

The parsers for Python that are kept up read HCL 2, which refuses what Consul's
files are full of: quoted keys (``"rack" = "a7"``), commas between the items of
a block, and JSON in a file called ``.hcl``. HCL 1 is a small language without
expressions, so this file reads it: one regular expression for the words, one
descent for the structure.

An object, written ``name { ... }`` or ``name = { ... }``, becomes a dict; an
object whose name comes again becomes a list of dicts, in order; anything else
that comes again replaces what came before. Labels nest: ``a "b" { }`` is
``{"a": {"b": {}}}``. Text with ``${...}`` is kept as it is written: Consul has
no interpolation either.

Source: the HCL 1 description of its syntax (comments, heredocs, numbers and
escapes), and how Consul's own decoder treats repeated objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

__all__ = ["HclError", "collect", "parse_hcl"]

MAX_DEPTH = 64  # Consul's deepest block is 4 levels down; this only keeps the descent off Python's stack limit

_WORD = re.compile(
    r"""
    (?P<blank>[ \t\r\n]+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
  | (?P<heredoc><<(?P<dash>-?)(?P<marker>\w+)[ \t]*\r?\n)
  | (?P<number>-?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.]))
  | (?P<name>[^\W\d][\w.-]*)
  | (?P<punctuation>[{}\[\]=,:])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{3})|([abfnrtv\\\"']))")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}
_LITERALS = {"true": True, "false": False, "null": None}


class HclError(ValueError):
    """The text is not HCL; the message says where."""


class _Token(NamedTuple):
    kind: str  # text, number, name, end, or the punctuation itself
    value: Any
    position: int


def parse_hcl(text: str) -> dict[str, Any]:
    """Return the file's items.

    Raises:
        HclError: With line and column.
    """
    return _Parser(text).parse_file()


def collect(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the items as a dict; objects of one name become a list, anything else is replaced by the later one."""
    collected: dict[str, Any] = {}
    repeated: set[str] = set()
    for key, value in items:
        earlier = collected.get(key)
        if isinstance(value, dict) and isinstance(earlier, dict):
            collected[key] = [earlier, value]
            repeated.add(key)
        elif isinstance(value, dict) and key in repeated:
            collected[key].append(value)
        else:
            collected[key] = value
            repeated.discard(key)
    return collected


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = next(self._tokens)

    def parse_file(self) -> dict[str, Any]:
        # A JSON document, which HCL allows, is one object without a name.
        braced = self._next.kind == "{"
        if braced:
            self._take()
        items = self._object("}" if braced else "end", 0)
        if self._next.kind != "end":
            raise self._error("end of file", self._next)
        return items

    def _object(self, closing: str, depth: int) -> dict[str, Any]:
        items: list[tuple[str, Any]] = []
        while self._next.kind != closing:
            items.append(self._item(depth))
            if self._next.kind == ",":
                self._take()
        if closing != "end":
            self._take()
        return collect(items)

    def _item(self, depth: int) -> tuple[str, Any]:
        keys = [self._key()]
        while self._next.kind in ("name", "text"):
            keys.append(self._key())
        if self._next.kind in ("=", ":") and len(keys) == 1:
            self._take()
            value = self._value(depth)
        elif self._next.kind == "{":
            value = self._value(depth)
        else:
            raise self._error("= or {", self._next)
        for label in reversed(keys[1:]):
            value = {label: value}
        return keys[0], value

    def _key(self) -> str:
        token = self._take()
        if token.kind not in ("name", "text"):
            raise self._error("a key", token)
        return str(token.value)

    def _value(self, depth: int) -> Any:  # noqa: ANN401 - whatever the file says
        token = self._take()
        if depth >= MAX_DEPTH:
            raise HclError(f"{_where(self._text, token.position)}: nested more than {MAX_DEPTH} deep")
        if token.kind in ("text", "number"):
            return token.value
        if token.kind == "{":
            return self._object("}", depth + 1)
        if token.kind == "[":
            return self._list(depth + 1)
        if token.kind == "name" and token.value in _LITERALS:
            return _LITERALS[token.value]
        raise self._error("a value", token)

    def _list(self, depth: int) -> list[Any]:
        values: list[Any] = []
        while self._next.kind != "]":
            values.append(self._value(depth))
            if self._next.kind == ",":
                self._take()
            elif self._next.kind != "]":
                raise self._error(", or ]", self._next)
        self._take()
        return values

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _error(self, wanted: str, token: _Token) -> HclError:
        found = "the end of the file" if token.kind == "end" else repr(token.value)
        return HclError(f"{_where(self._text, token.position)}: expected {wanted}, found {found}")


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        if text[position] == '"':
            value, end = _quoted(text, position)
            yield _Token("text", value, position)
            position = end
            continue
        word = _WORD.match(text, position)
        if word is None:
            raise HclError(f"{_where(text, position)}: {text[position]!r} has no meaning here")
        start, position = position, word.end()
        if word["heredoc"]:
            value, position = _heredoc(text, word)
            yield _Token("text", value, start)
        elif word["number"]:
            yield _Token("number", _number(word["number"]), start)
        elif word["name"]:
            yield _Token("name", word["name"], start)
        elif word["punctuation"]:
            yield _Token(word["punctuation"], word["punctuation"], start)
    yield _Token("end", "", len(text))


def _number(text: str) -> int | float:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    if digits[:2] in ("0x", "0X"):
        return sign * int(digits, 16)
    if not digits.isdigit():
        return sign * float(digits)
    is_octal = digits.startswith("0") and all(digit in "01234567" for digit in digits)
    return sign * int(digits, 8 if is_octal else 10)


def _quoted(text: str, start: int) -> tuple[str, int]:
    """Return the text in the quotes that open at ``start``, and the position behind it."""
    parts: list[str] = []
    position = start + 1
    depth = 0  # of ${ ... }, in which quotes do not end the text
    while position < len(text):
        char = text[position]
        if char == '"' and not depth:
            return "".join(parts), position + 1
        if char == "\n" and not depth:
            break
        if char == "\\" and not depth:
            escape = _ESCAPE.match(text, position)
            if escape is None:
                raise HclError(f"{_where(text, position)}: unknown escape {text[position : position + 2]!r}")
            parts.append(_unescape(escape))
            position = escape.end()
            continue
        if text.startswith("${", position) or (depth and char == "{"):
            depth += 1
            width = 2 if char == "$" else 1
        else:
            depth -= 1 if depth and char == "}" else 0
            width = 1
        parts.append(text[position : position + width])
        position += width
    raise HclError(f"{_where(text, start)}: the quotes that open here are not closed")


def _unescape(escape: re.Match[str]) -> str:
    short, long, byte, octal, letter = escape.groups()
    if letter is not None:
        return _ESCAPED[letter]
    code = int(octal, 8) if octal is not None else int(short or long or byte, 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def _heredoc(text: str, opening: re.Match[str]) -> tuple[str, int]:
    closing = re.compile(rf"^([ \t]*){opening['marker']}[ \t]*(?=\r?$)", re.MULTILINE).search(text, opening.end())
    if closing is None:
        raise HclError(f"{_where(text, opening.start())}: no line closes <<{opening['marker']}")
    body = text[opening.end() : closing.start()]
    indent = closing[1]
    if opening["dash"] and indent:
        lines = body.splitlines(keepends=True)
        if all(line.startswith(indent) for line in lines):
            body = "".join(line.removeprefix(indent) for line in lines)
    return body, closing.end()


def _where(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return f"line {line}, column {column}"
