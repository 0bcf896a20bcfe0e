"""HTTP on a Unix socket: ``unix:///run/nodedns.sock`` in ``-client`` or ``addresses.http``.

A socket file that nobody answers on any more, left by a crash, is replaced; one
on which somebody does is not. The file goes when the listener is closed. Who may
connect is the matter of the directory's permissions and the umask.

Source: Consul's unix sockets (agent/config).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

import trio

from nodedns.errors import BindError
from nodedns.net.tcp import LISTEN_BACKLOG, accept_connection
from nodedns.net.transport import errno_name

__all__ = ["UNIX_PREFIX", "UnixListener", "bind_unix"]

UNIX_PREFIX = "unix://"
UNIX_CLIENT = "unix"
"""Stands for the client's address: every local user's connections count together."""


def bind_unix(path: str, flag: str) -> socket.socket:
    """Return a non-blocking socket that listens on ``path``.

    Raises:
        BindError: Somebody else listens there, or the file cannot be made.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _remove_if_abandoned(path)
        sock.bind(path)
        sock.listen(LISTEN_BACKLOG)
    except OSError as error:
        sock.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise BindError(
            f"cannot listen on {UNIX_PREFIX}{path}: {errno_name(error)} ({reason}); change it with {flag}"
        ) from error
    return sock


def _remove_if_abandoned(path: str) -> None:
    try:
        is_socket = stat.S_ISSOCK(Path(path).stat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        return  # not ours to remove; bind then says that the path is taken
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        if probe.connect_ex(path) == errno.ECONNREFUSED:
            Path(path).unlink()


class UnixListener:
    """Accepts connections on a listening Unix socket, which it owns from now on."""

    def __init__(self, sock: socket.socket) -> None:
        self._path = Path(sock.getsockname())
        self._sock = trio.socket.from_stdlib_socket(sock)

    @property
    def local_address(self) -> str:
        """Where it listens, as it is configured."""
        return f"{UNIX_PREFIX}{self._path}"

    async def accept(self) -> tuple[trio.SocketStream, str]:
        """Wait for a stream; return it and ``UNIX_CLIENT``. Raises as ``accept_connection``."""
        stream, _ = await accept_connection(self._sock, self.local_address)
        return stream, UNIX_CLIENT

    def close(self) -> None:
        """Stop listening and remove the socket's file; closing twice does nothing."""
        if self._sock.fileno() >= 0:
            self._sock.close()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
