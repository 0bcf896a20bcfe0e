"""``Body``: the JSON object of a request, read as Go's decoder reads it.

Keys match in any letter case, unknown ones are passed over, null counts as absent. A
value of another type is refused with the key's name. What is nested is a body of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn

import attrs

from nodedns.errors import ApiError, shorten

__all__ = ["Body", "decode_object_untrusted"]

MAX_SHOWN_KEY_CHARS = 128
"""Of a map's key in a refusal."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@attrs.frozen
class Body:
    """A JSON object whose keys match in any letter case, as Go's decoder has it."""

    _fields: Mapping[str, object]
    _place: str = ""

    @classmethod
    def decode_untrusted(cls, body: bytes) -> Body:
        """Decode a request's body. Raises ``ApiError`` with status 400, as the methods below."""
        return cls({key.lower(): field for key, field in decode_object_untrusted(body).items()})

    def has(self, key: str) -> bool:
        """Whether the key is there with a value; null and an empty list are none."""
        return self._fields.get(key.lower()) not in (None, [])

    def text(self, key: str) -> str:
        """Return a string, empty where it is absent."""
        value = self._fields.get(key.lower())
        if value is None:
            return ""
        if not isinstance(value, str):
            self._refuse(key, "a string", value)
        return _clean(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings, empty where it is absent."""
        items = self._list(key)
        for item in items:
            if not isinstance(item, str):
                self._refuse(key, "a list of strings", item)
        return tuple(_clean(str(item)) for item in items)

    def number(self, key: str, default: int = 0) -> int:
        """Return a whole number, ``default`` where it is absent."""
        value = self._fields.get(key.lower())
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            self._refuse(key, "a whole number", value)
        return value

    def body(self, key: str) -> Body | None:
        """Return the object below ``key``, None where it is absent."""
        value = self._fields.get(key.lower())
        return None if value is None else self._inner(key, value)

    def bodies(self, key: str) -> tuple[Body, ...]:
        """Return a list of objects, empty where it is absent."""
        return tuple(self._inner(f"{key}[{position}]", item) for position, item in enumerate(self._list(key)))

    def bodies_by_key(self, key: str) -> dict[str, Body]:
        """Return the objects of a map, empty where it is absent."""
        value = self._fields.get(key.lower())
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._refuse(key, "an object", value)
        return {_clean(inner): self._inner(f"{key}.{inner[:MAX_SHOWN_KEY_CHARS]}", value[inner]) for inner in value}

    def raw(self) -> Mapping[str, object]:
        """Return what is there as it came, keys in lower case."""
        return self._fields

    def flag(self, key: str) -> bool:
        """Return a boolean, false where it is absent."""
        value = self._fields.get(key.lower())
        if not isinstance(value, bool | None):
            self._refuse(key, "true or false", value)
        return bool(value)

    def pairs(self, key: str) -> dict[str, str]:
        """Return a map of strings, empty where it is absent."""
        value = self._fields.get(key.lower())
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._refuse(key, "an object", value)
        for pair in value.items():
            if not isinstance(pair[1], str):
                self._refuse(f"{key}.{pair[0][:MAX_SHOWN_KEY_CHARS]}", "a string", pair[1])
        return {_clean(tag): _clean(text) for tag, text in value.items()}

    def _list(self, key: str) -> list[object]:
        value = self._fields.get(key.lower())
        if value is None:
            return []
        if not isinstance(value, list):
            self._refuse(key, "a list", value)
        return value

    def _inner(self, key: str, value: object) -> Body:
        if not isinstance(value, dict):
            self._refuse(key, "an object", value)
        return Body({name.lower(): field for name, field in value.items()}, f"{self._place}{key}.")

    def _refuse(self, key: str, kind: str, value: object) -> NoReturn:
        _fail_decoding(f"{self._place}{key} must be {kind}, not {shorten(value)}")


def decode_object_untrusted(body: bytes) -> dict[str, object]:
    """Decode a request's body to the JSON object it is. Raises ``ApiError`` with status 400."""
    if not body.strip():
        _fail_decoding("EOF")
    try:
        value: object = json.loads(body.decode("utf-8", "replace"), parse_constant=_refuse_constant)
    except RecursionError:
        _fail_decoding("nested too deeply")
    except ValueError as error:
        _fail_decoding(str(error))
    if not isinstance(value, dict):
        _fail_decoding("a JSON object is expected")
    return value


def _clean(text: str) -> str:
    # JSON escapes can spell half of a surrogate pair, which no file and no answer could hold.
    return _SURROGATE.sub("\ufffd", text)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _fail_decoding(reason: str) -> NoReturn:
    raise ApiError(400, f"Request decode failed: {reason}")
