"""``PortForward``: an address and port that lead to another, UDP and TCP, as a NAT's port mapping does.

What comes to the outer address goes to the inner one. Datagrams pass inward
only: an agent answers to the address that a message names. Streams pass both
ways. It counts what passes, so a test can tell that its traffic came this way.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

__all__ = ["PortForward"]

BLOCK_BYTES = 65_536


class PortForward:
    """Forwards from ``outer`` to ``inner``, each an IP text and a port, while the ``with`` block lasts."""

    def __init__(self, outer: tuple[str, int], inner: tuple[str, int]) -> None:
        self._inner = inner
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(outer)
        self._tcp = socket.create_server(outer)
        self.datagrams = 0
        self.streams = 0

    def __enter__(self) -> PortForward:
        for work in (self._carry_datagrams, self._accept):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in (self._udp, self._tcp):
            # Closing does not wake a thread that waits on the socket; this does, though UDP calls it an error.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _carry_datagrams(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inward:
            while True:
                try:
                    payload = self._udp.recv(BLOCK_BYTES)
                except OSError:
                    return
                if payload:
                    inward.sendto(payload, self._inner)
                    self.datagrams += 1

    def _accept(self) -> None:
        while True:
            try:
                outside, _ = self._tcp.accept()
            except OSError:
                return
            self.streams += 1
            threading.Thread(target=self._carry_stream, args=(outside,), daemon=True).start()

    def _carry_stream(self, outside: socket.socket) -> None:
        with outside, suppress(OSError), socket.create_connection(self._inner) as inside:
            back = threading.Thread(target=_pump, args=(inside, outside), daemon=True)
            back.start()
            _pump(outside, inside)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    # An error says that one side has gone; the other will find out.
    with suppress(OSError):
        while block := source.recv(BLOCK_BYTES):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)
