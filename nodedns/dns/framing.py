"""``TcpFraming``: DNS messages in a TCP byte stream, each after two bytes of length.

A sans-IO machine: bytes in as they come, whole messages out. Several messages
may come in one piece and one in several (RFC 7766 section 6.2.1.1). The buffer
holds one message in the making and one read; the caller takes out all messages
before it reads on, which is also what holds back a client that asks faster
than it is answered.

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

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive_data(self, data: bytes) -> None:
        """Take in what was read, at most ``MAX_READ_BYTES``. Take out all messages after calling.

        Raises:
            LocalProtocolError: More was fed than a caller that takes messages out can have.
        """
        if len(self._buffer) + len(data) > LENGTH_BYTES + MAX_MESSAGE_BYTES + MAX_READ_BYTES:
            raise LocalProtocolError("messages must be taken out before more is fed")
        self._buffer += data

    def next_message(self) -> bytes | None:
        """Return the next whole message, None if more bytes are needed."""
        buffer = self._buffer
        if len(buffer) < LENGTH_BYTES:
            return None
        end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if len(buffer) < end:
            return None
        message = bytes(buffer[LENGTH_BYTES:end])
        del buffer[:end]
        return message

    @property
    def is_mid_message(self) -> bool:
        """Whether a message has begun and not ended: a close now cuts it off."""
        return bool(self._buffer)
