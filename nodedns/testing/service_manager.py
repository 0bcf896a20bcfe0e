"""``NotifySocket``: stands for a service manager that is told by ``NOTIFY_SOCKET``; keeps every message.

It does not judge them.
"""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType

from nodedns.testing.processes import DEADLINE_S, Stopwatch

__all__ = ["NotifySocket"]

MAX_MESSAGE_BYTES = 4096


class NotifySocket:
    """A bound socket; a context manager.

    Args:
        address: A path, or ``@`` and an abstract name.
    """

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(f"\0{self.address[1:]}" if self.address.startswith("@") else self.address)
        self.messages: list[dict[str, str]] = []

    def __enter__(self) -> NotifySocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    def next(self, *, deadline_s: float = DEADLINE_S) -> dict[str, str]:
        """Return the next message, each line as a key and its value. Raises ``TimeoutError``."""
        self._sock.settimeout(deadline_s)
        text = self._sock.recv(MAX_MESSAGE_BYTES).decode()
        message = dict(line.split("=", 1) for line in text.split("\n"))
        self.messages.append(message)
        return message

    def wait(self, key: str, value: str = "1") -> dict[str, str]:
        """Return the next message that has this line; those before it are kept. Raises ``TimeoutError``."""
        watch = Stopwatch()
        while True:
            message = self.next(deadline_s=max(0.001, DEADLINE_S - watch.elapsed_s))
            if message.get(key) == value:
                return message

    def waiting(self) -> list[dict[str, str]]:
        """Return the messages that are there now."""
        found: list[dict[str, str]] = []
        while True:
            try:
                found.append(self.next(deadline_s=0.001))
            except TimeoutError:
                return found
