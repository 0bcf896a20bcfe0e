"""``TcpFraming``: DNS messages in a TCP byte stream, each after two bytes of length.

A sans-IO machine: bytes in as they come, whole messages out. Several messages
may come in one piece and one in several (RFC 7766 section 6.2.1.1). The buffer
holds one message in the making and one read; the caller takes out all messages,
in as many goes as it likes, before it reads on, which is also what holds back a
client that asks faster than it is answered.

Source: RFC 1035 section 4.2.2, RFC 7766 section 8.
"""

from __future__ import annotations

from typing import Final

from nodedns.errors import LocalProtocolError, TooBig

__all__ = ["MAX_MESSAGE_BYTES", "MAX_READ_BYTES", "TcpFraming", "frame"]

LENGTH_BYTES: Final = 2
MAX_MESSAGE_BYTES: Final = 65_535  # what two bytes of length can say
MAX_READ_BYTES: Final = 65_536  # the largest piece a caller may feed at once


def frame(message: bytes) -> bytes:
    """Return ``message`` with its length before it, to be sent in one write (RFC 7766 section 8).

    Raises:
        TooBig: The message is longer than ``MAX_MESSAGE_BYTES``.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise TooBig("DNS message", len(message), MAX_MESSAGE_BYTES)
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


class TcpFraming:
    """The receiving side of one connection."""

    __slots__ = ("_at", "_buffer")

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0

    def receive_data(self, data: bytes) -> None:
        """Take in what was read, at most ``MAX_READ_BYTES``. Take out all messages after calling.

        Raises:
            LocalProtocolError: More was fed than a caller that takes messages out can have.
        """
        rest = self._buffer[self._at :]
        if len(rest) + len(data) > LENGTH_BYTES + MAX_MESSAGE_BYTES + MAX_READ_BYTES:
            raise LocalProtocolError("messages must be taken out before more is fed")
        self._buffer = rest + data if rest else data
        self._at = 0

    def next_message(self) -> bytes | None:
        """Return the next whole message, None if more bytes are needed."""
        end = self._end()
        if not end:
            return None
        message = self._buffer[self._at + LENGTH_BYTES : end]
        if end == len(self._buffer):
            self.clear()
        else:
            self._at = end
        return message

    def clear(self) -> None:
        """Forget what was read."""
        self._buffer = b""
        self._at = 0

    @property
    def has_message(self) -> bool:
        """Whether a whole message is there to be taken out."""
        return self._end() > 0

    @property
    def is_mid_message(self) -> bool:
        """Whether a message has begun and not been taken out: a close now cuts it off."""
        return self._at < len(self._buffer)

    def _end(self) -> int:
        """Return where the next message ends, 0 if that has not come yet."""
        buffer, at = self._buffer, self._at
        if len(buffer) - at < LENGTH_BYTES:
            return 0
        end = at + LENGTH_BYTES + (buffer[at] << 8 | buffer[at + 1])
        return end if end <= len(buffer) else 0
