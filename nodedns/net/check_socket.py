"""TCP and UDP checks: whether somebody is there.

A TCP check connects, with TLS where it is asked for, and says nothing. A UDP check sends an
empty datagram: an answer passes, and silence does, since most servers do not answer what they
do not understand; only an ICMP refusal tells that nobody is there.

Source: Consul's CheckTCP and CheckUDP (agent/checks).
"""

from __future__ import annotations

import socket

import trio

from nodedns.checks.decode_kind import split_target
from nodedns.checks.kinds import TcpKind, UdpKind
from nodedns.checks.outcome import Outcome, cut_note
from nodedns.model.check import CheckStatus
from nodedns.net.check_connect import Connector, reason_of

__all__ = ["run_tcp", "run_udp"]

MAX_ANSWER_BYTES = 65_535


async def run_tcp(kind: TcpKind, connector: Connector, timeout_s: float, limit_bytes: int) -> Outcome:
    """Run a TCP check once."""
    host, port = split_target(kind.target)
    try:
        with trio.fail_after(timeout_s):
            stream = await (
                connector.open_tls(host, port, kind.tls) if kind.has_tls else connector.open_tcp(host, port)
            )
            await trio.aclose_forcefully(stream)
    except trio.TooSlowError:
        return Outcome(CheckStatus.CRITICAL, cut_note(f"dial tcp {kind.target}: i/o timeout", limit_bytes))
    except OSError as error:
        return Outcome(CheckStatus.CRITICAL, cut_note(str(error), limit_bytes))
    return Outcome(CheckStatus.PASSING, f"TCP connect {kind.target}: Success")


async def run_udp(kind: UdpKind, connector: Connector, timeout_s: float, limit_bytes: int) -> Outcome:
    """Run a UDP check once."""
    host, port = split_target(kind.target)
    has_sent = False
    with trio.move_on_after(timeout_s):
        try:
            found = await connector.addresses(host, port, socket.SOCK_DGRAM)
            family, address = found[0]
            with trio.socket.socket(family, socket.SOCK_DGRAM) as sock:
                await sock.connect(address)
                await sock.send(b"")
                has_sent = True
                await sock.recv(MAX_ANSWER_BYTES)
        except OSError as error:
            said = f"udp {kind.target}: {reason_of(error)}"
            return Outcome(CheckStatus.CRITICAL, cut_note(said, limit_bytes))
    if not has_sent:
        return Outcome(CheckStatus.CRITICAL, cut_note(f"dial udp {kind.target}: i/o timeout", limit_bytes))
    return Outcome(CheckStatus.PASSING, f"UDP connect {kind.target}: Success")
