"""``ReplyStream``: a reply of many messages, made one by one as the client takes them.

Whoever serves a connection asks for the next message once there is room for it, so what is held for a client is
one message, however long the reply. At the end, whole or not, the maker is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["ReplyStream"]


class ReplyStream:
    """Messages to one client, in order.

    Args:
        messages: Each made when it is asked for.
        ended: Told whether the client was sent all of them; called once.

    Attributes:
        is_over: Whether there will be no more messages.
        is_whole: Whether there were all.
    """

    __slots__ = ("_ended", "_messages", "is_over", "is_whole")

    def __init__(self, messages: Iterator[bytes], ended: Callable[[bool], None]) -> None:
        self._messages = messages
        self._ended = ended
        self.is_over = self.is_whole = False

    def next_message(self) -> bytes | None:
        """Return the next message; None if that was all, and then it is over. Raises what making it raises."""
        message = None if self.is_over else next(self._messages, None)
        if message is None:
            self._end(is_whole=True)
        return message

    def close(self) -> None:
        """Send no more of it; does nothing once it is over."""
        self._end(is_whole=False)

    def _end(self, *, is_whole: bool) -> None:
        if not self.is_over:
            self.is_over, self.is_whole = True, is_whole
            self._ended(is_whole)
