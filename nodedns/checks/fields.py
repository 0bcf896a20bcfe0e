"""``Fields``: the keys of one definition, read strictly, in any of Consul's spellings.

A key matches in any letter case and with or without its underscores, so that
``deregister_critical_service_after`` of a file and ``DeregisterCriticalServiceAfter`` of a
request are one key. An unknown key is an error, and so is one of Consul's that nodedns does
not have; null counts as absent. An object may be written as a list of one, as HCL has it.

Source: Consul's decoders of files (agent/config) and requests (lib/decode, Go's encoding/json).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from nodedns.errors import DefinitionError, shorten
from nodedns.model.durations import parse_duration

__all__ = ["Fields", "KeySet", "object_of", "objects_of"]

MAX_TEXT_CHARS = 65_536
"""Of one value; ours, far above the longest URL that servers take (8 KiB)."""
MAX_ITEMS = 256
"""Of one list or map; ours, four times the pairs of meta."""
MAX_NUMBER = 2**31 - 1

_SURROGATE = re.compile("[\ud800-\udfff]")


@attrs.frozen
class KeySet:
    """The keys that one kind of object may have.

    Attributes:
        names: As files spell them.
        others: Further spellings, in lower case, and the name that each means.
        absent: Consul's names that nodedns does not have, and why.
    """

    names: frozenset[str]
    others: Mapping[str, str] = attrs.field(factory=dict)
    absent: Mapping[str, str] = attrs.field(factory=dict)
    _spellings: Mapping[str, str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        spellings = {name.replace("_", ""): name for name in sorted(self.names | set(self.absent))}
        spellings |= {name: name for name in sorted(self.names | set(self.absent))}
        object.__setattr__(self, "_spellings", {**spellings, **self.others})

    def name_of(self, key: str) -> str | None:
        """Return the name that ``key`` spells; None where there is none."""
        return self._spellings.get(key.lower())


class Fields:
    """One object's values by name.

    Args:
        values: As decoded from JSON or HCL.
        keys: What may be in it.

    Raises:
        DefinitionError: A key is unknown, or nodedns does not have it; as every method below
            does where a value does not fit.
    """

    def __init__(self, values: Mapping[str, object], keys: KeySet) -> None:
        self._values: dict[str, object] = {}
        for key, value in values.items():
            name = keys.name_of(str(key))
            if name is None:
                shown = shorten(str(key))[1:-1]
                text = f'Request decode failed: json: unknown field "{shown}"'
                raise DefinitionError(f"invalid config key {shown}", shown, text)
            if name in keys.absent:
                _refuse_absent(name, value, keys.absent[name])
            elif value is not None:
                self._values[name] = value

    def raw(self, name: str) -> object:
        """Return the value as it is; None where it is absent."""
        return self._values.get(name)

    def text(self, name: str, default: str = "") -> str:
        """Return a string."""
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise _misfit(name, "a string", value)
        return _clean(name, value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise _misfit(name, "true or false", value)
        return value

    def number(self, name: str, default: int = 0) -> int:
        """Return a whole number."""
        value = self._values.get(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_NUMBER:
            raise _misfit(name, "a whole number", value)
        return value

    def seconds(self, name: str) -> float:
        """Return a duration, of Go's text or of nanoseconds; 0 where it is absent."""
        value = self._values.get(name, 0)
        if isinstance(value, str):
            try:
                return parse_duration(value) if value else 0.0
            except ValueError as error:
                reason = f'invalid duration: "{shorten(value)[1:-1]}": {error}'
                raise DefinitionError(reason, name, f"Request decode failed: {error}") from None
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 2**63:
            raise _misfit(name, 'a duration such as "10s"', value)
        return int(value) / 1e9  # Go has no parts of a nanosecond, and neither has what is written to the disk

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings."""
        return _texts(name, self._values.get(name, []))

    def pairs(self, name: str) -> dict[str, str]:
        """Return a map of strings."""
        found = object_of(name, self._values.get(name, {}))
        for key, value in found.items():
            if not isinstance(value, str):
                raise _misfit(f"{name}.{shorten(key)[1:-1]}", "a string", value)
        return {_clean(name, key): _clean(name, str(value)) for key, value in found.items()}

    def lists(self, name: str) -> dict[str, tuple[str, ...]]:
        """Return a map of lists of strings."""
        found = object_of(name, self._values.get(name, {}))
        return {_clean(name, key): _texts(f"{name}.{shorten(key)[1:-1]}", value) for key, value in found.items()}


def object_of(name: str, value: object) -> Mapping[str, object]:
    """Return an object, which may be written as a list of one. Raises ``DefinitionError``."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Mapping) or len(value) > MAX_ITEMS:
        raise _misfit(name, f"an object of at most {MAX_ITEMS} keys", value)
    return value


def objects_of(name: str, value: object) -> list[Mapping[str, object]]:
    """Return a list of objects; one alone may stand for a list of it. Raises ``DefinitionError``."""
    listed = value if isinstance(value, list) else [value]
    if len(listed) > MAX_ITEMS:
        raise _misfit(name, f"a list of at most {MAX_ITEMS}", f"one of {len(listed)}")
    return [object_of(name, each) for each in listed]


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _misfit(name, "a list of strings", value)
    if len(value) > MAX_ITEMS:
        raise _misfit(name, f"a list of at most {MAX_ITEMS}", f"one of {len(value)}")
    return tuple(_clean(name, item) for item in value)


def _clean(name: str, text: str) -> str:
    if len(text) > MAX_TEXT_CHARS:
        raise DefinitionError(f"is too long (limit: {MAX_TEXT_CHARS} characters)", name, f"{name} is too long")
    # JSON escapes can spell half of a surrogate pair, which no file and no answer could hold.
    return _SURROGATE.sub("\ufffd", text)


def _misfit(path: str, expected: str, value: object) -> DefinitionError:
    reason = f"must be {expected}, not {shorten(value)}"
    return DefinitionError(reason, path, f"Request decode failed: {path} {reason}")


def _refuse_absent(name: str, value: object, why: str) -> None:
    if value not in (None, "", False, 0, [], {}, "default"):
        reason = f"{name} is not supported by nodedns: {why}"
        raise DefinitionError(reason, name, f"Request decode failed: {reason}")
