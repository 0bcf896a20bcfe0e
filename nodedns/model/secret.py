"""``Secret``: bytes that whatever shows a configuration shows as hidden."""

from __future__ import annotations

__all__ = ["Secret"]


class Secret:
    """Bytes that no text, log line or answer shows; empty for none."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes = b"") -> None:
        self._value = value

    def reveal(self) -> bytes:
        """Return the bytes."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "hidden" if self._value else ""
