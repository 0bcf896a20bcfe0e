"""``Connector``: TCP and TLS connections for checks, with errors in the words of Go's ``net``.

Names are looked up in threads of their own number, so that a name server that does not answer
holds up checks and nothing else: files are written by the threads that everybody shares. Each
address of a name gets an equal part of the time that is left.

Source: Go's net.Dialer and crypto/tls for the texts.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import TypeAlias

import trio

from nodedns.checks.kinds import TlsOptions

__all__ = ["Connector", "SocketAddress", "reason_of"]

SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""What a socket connects to, as the system's resolver gives it."""

MAX_LOOKUPS_AT_ONCE = 16
"""Threads that wait for the system's resolver; ours."""
MAX_ADDRESSES = 8
"""Of one name that are tried; ours."""


class Connector:
    """Opens connections; one serves all checks of an agent."""

    def __init__(self) -> None:
        self._lookups = trio.CapacityLimiter(MAX_LOOKUPS_AT_ONCE)
        self._contexts: dict[tuple[bool, tuple[str, ...]], ssl.SSLContext] = {}

    async def addresses(self, host: str, port: int, kind: socket.SocketKind) -> list[tuple[int, SocketAddress]]:
        """Return families and addresses of ``host``, IP text or a name. Raises ``OSError``."""
        try:
            found = await trio.to_thread.run_sync(
                _look_up, host, port, kind, limiter=self._lookups, abandon_on_cancel=True
            )
        except (OSError, UnicodeError) as error:
            raise OSError(f"lookup {host}: {_lookup_reason(error)}") from error
        return found[:MAX_ADDRESSES]

    async def open_tcp(self, host: str, port: int) -> trio.SocketStream:
        """Return a connection; the caller bounds the time. Raises ``OSError`` with Go's text."""
        try:
            found = await self.addresses(host, port, socket.SOCK_STREAM)
        except OSError as error:
            raise OSError(f"dial tcp: {error}") from error
        failure = OSError(f"dial tcp: lookup {host}: no such host")
        for position, (family, address) in enumerate(found):
            left_s = trio.current_effective_deadline() - trio.current_time()
            shown = f"dial tcp {_shown(address)}"
            try:
                with trio.fail_after(left_s / (len(found) - position)):
                    return await _connect(family, address)
            except trio.TooSlowError:
                failure = OSError(f"{shown}: i/o timeout")
            except OSError as error:
                failure = OSError(f"{shown}: connect: {reason_of(error)}")
        raise failure

    async def open_tls(
        self, host: str, port: int, options: TlsOptions, protocols: tuple[str, ...] = ()
    ) -> trio.SSLStream[trio.SocketStream]:
        """Return a connection after its handshake; the caller bounds the time.

        Args:
            host: IP text or a name.
            port: 1 to 65535.
            options: Of the check.
            protocols: To offer (ALPN).

        Raises:
            OSError: With Go's text.
        """
        context = await self._context(options.is_unverified, protocols)
        inner = await self.open_tcp(host, port)
        stream = trio.SSLStream(inner, context, server_hostname=options.server_name or host, https_compatible=True)
        try:
            await stream.do_handshake()
        except BaseException as error:
            await trio.aclose_forcefully(inner)
            if isinstance(error, trio.BrokenResourceError | ssl.CertificateError | ssl.SSLError | ValueError):
                raise OSError(f"tls: {reason_of(error.__cause__ or error)}") from error
            raise
        return stream

    async def _context(self, is_unverified: bool, protocols: tuple[str, ...]) -> ssl.SSLContext:
        key = (is_unverified, protocols)
        if key not in self._contexts:
            # Reading the system's certificates takes tens of milliseconds, hence a thread, and once.
            self._contexts[key] = await trio.to_thread.run_sync(_make_context, *key)
        return self._contexts[key]


def reason_of(error: BaseException) -> str:
    """Return an error in a few words of Go's, as far as there are any."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"failed to verify certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, trio.BrokenResourceError) and error.__cause__ is not None:
        return reason_of(error.__cause__)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__


def _look_up(host: str, port: int, kind: socket.SocketKind) -> list[tuple[int, SocketAddress]]:
    found = socket.getaddrinfo(host, port, type=kind)
    # Where Python is built without IPv6 an address of that family is not text, and of no use.
    return [(family, address) for family, *_, address in found if isinstance(address[0], str)]


def _lookup_reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror) and error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}:
        return "no such host"
    return str(error.strerror).lower() if isinstance(error, OSError) else "no such host"


async def _connect(family: int, address: SocketAddress) -> trio.SocketStream:
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        await sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)


def _shown(address: SocketAddress) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _make_context(is_unverified: bool, protocols: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if is_unverified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
