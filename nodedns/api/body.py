"""``Body``: the JSON object of a request, read as Go's decoder reads it.

Keys match in any letter case, unknown ones are passed over, null counts as absent. A
value of another type is refused with the key's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn

import attrs

from nodedns.errors import ApiError, shorten

__all__ = ["Body"]

MAX_SHOWN_KEY_CHARS = 128
"""Of a map's key in a refusal."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@attrs.frozen
class Body:
    """A JSON object whose keys match in any letter case, as Go's decoder has it."""

    _fields: Mapping[str, object]

    @classmethod
    def decode_untrusted(cls, body: bytes) -> Body:
        """Decode a request's body. Raises ``ApiError`` with status 400, as the methods below."""
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
        return cls({key.lower(): field for key, field in value.items()})

    def has(self, key: str) -> bool:
        """Whether the key is there with a value; null and an empty list are none."""
        return self._fields.get(key.lower()) not in (None, [])

    def text(self, key: str) -> str:
        """Return a string, empty where it is absent."""
        value = self._fields.get(key.lower())
        if value is None:
            return ""
        if not isinstance(value, str):
            _fail_decoding(f"{key} must be a string, not {shorten(value)}")
        return _clean(value)

    def flag(self, key: str) -> bool:
        """Return a boolean, false where it is absent."""
        value = self._fields.get(key.lower())
        if not isinstance(value, bool | None):
            _fail_decoding(f"{key} must be true or false, not {shorten(value)}")
        return bool(value)

    def pairs(self, key: str) -> dict[str, str]:
        """Return a map of strings, empty where it is absent."""
        value = self._fields.get(key.lower())
        if value is None:
            return {}
        if not isinstance(value, dict):
            _fail_decoding(f"{key} must be an object, not {shorten(value)}")
        for pair in value.items():
            if not isinstance(pair[1], str):
                _fail_decoding(f"{key}.{pair[0][:MAX_SHOWN_KEY_CHARS]} must be a string, not {shorten(pair[1])}")
        return {_clean(tag): _clean(text) for tag, text in value.items()}


def _clean(text: str) -> str:
    # JSON escapes can spell half of a surrogate pair, which no file and no answer could hold.
    return _SURROGATE.sub("\ufffd", text)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _fail_decoding(reason: str) -> NoReturn:
    raise ApiError(400, f"Request decode failed: {reason}")
