"""``Outcome``: what one look at something said, and ``OutputTail``: the end of what a program said.

Output is data of strangers. It is cut by bytes, decoded with a mark for what is no UTF-8, and
never interpreted; whoever logs or prints it escapes it.

Source: the limits and prefixes of Consul's checks (agent/checks).
"""

from __future__ import annotations

import attrs

from nodedns.model.check import CheckStatus

__all__ = ["Outcome", "OutputTail", "RememberedState", "cut_note"]


@attrs.frozen
class Outcome:
    """A status and what there is to say about it."""

    status: CheckStatus
    output: str = ""


@attrs.frozen
class RememberedState:
    """What a check said before a restart or a reload.

    Attributes:
        status: Its status.
        output: In words.
        ttl_left_s: Seconds that what was said last still holds, for checks with a TTL.
    """

    status: CheckStatus
    output: str = ""
    ttl_left_s: float = 0.0


class OutputTail:
    """Takes any amount of output and keeps the end of it.

    Args:
        limit_bytes: How much, at least 1.
    """

    __slots__ = ("_kept", "_limit_bytes", "_total")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept = bytearray()
        self._total = 0

    def add(self, data: bytes | bytearray) -> None:
        """Take the next bytes."""
        self._total += len(data)
        self._kept += data[-self._limit_bytes :]
        del self._kept[: -self._limit_bytes]

    @property
    def total_bytes(self) -> int:
        """How much came in all."""
        return self._total

    def text(self) -> str:
        """Return the end, with a line before it where it is not all."""
        kept = self._kept.decode("utf-8", "replace")
        if self._total <= self._limit_bytes:
            return kept
        return f"Captured {self._limit_bytes} of {self._total} bytes\n...\n{kept}"


def cut_note(text: str, limit_bytes: int) -> str:
    """Return what somebody said of a check, its beginning alone where it is long."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit_bytes:
        return data.decode()
    kept = data[:limit_bytes].decode("utf-8", "ignore")
    return f"{kept} ... (captured {limit_bytes} of {len(data)} bytes)"
