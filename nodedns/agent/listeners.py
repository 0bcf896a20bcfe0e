"""``Listeners``: every socket of an agent, bound before anything else starts.

A port that is taken then ends the start with one line, and not after half of
the agent has begun to run. Sockets that a service manager handed over are served besides those
configured; an address that one of them has already is not bound again.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack

import attrs

from nodedns.config.schema import AgentConfig
from nodedns.net.dns_tcp_listener import DnsTcpListener, bind_dns_tcp
from nodedns.net.dns_udp import bind_dns_udp
from nodedns.net.http_server import bind_http
from nodedns.net.inherited import Inherited, covers
from nodedns.net.tcp import TcpListener, bind_gossip
from nodedns.net.udp import UdpTransport
from nodedns.net.unix import UNIX_PREFIX

__all__ = ["Listeners", "bind_listeners"]

HTTPS_FLAG = "-https-port"
GOSSIP_FLAG = "-bind, -serf-lan-bind or -serf-lan-port"


@attrs.frozen
class Listeners:
    """The sockets, all bound.

    Attributes:
        gossip_udp: Gossip datagrams.
        gossip_tcp: Gossip streams, on the same port number.
        dns_udp: Those handed over, then one socket for each other DNS address.
        dns_tcp: Likewise for TCP.
        http: Those handed over, then one listening socket for each other HTTP address.
        https: Likewise for HTTP over TLS.
    """

    gossip_udp: UdpTransport
    gossip_tcp: TcpListener
    dns_udp: tuple[socket.socket, ...]
    dns_tcp: tuple[DnsTcpListener, ...]
    http: tuple[socket.socket, ...]
    https: tuple[socket.socket, ...] = ()

    def close(self) -> None:
        """Close them all; closing twice does nothing."""
        self.gossip_udp.close()
        self.gossip_tcp.close()
        for sock in (*self.dns_udp, *self.http, *self.https):
            sock.close()
        for listener in self.dns_tcp:
            listener.close()


def bind_listeners(config: AgentConfig, inherited: Inherited | None = None) -> Listeners:
    """Bind everything that ``config`` asks for.

    Args:
        config: Checked and complete.
        inherited: What listens already; the caller closes it where this raises.

    Raises:
        BindError: One cannot be had; then none is kept.
    """
    inherited = inherited or Inherited()
    with ExitStack() as undo:
        gossip_udp, gossip_tcp = bind_gossip(config.serf_lan_addr, config.serf_lan_port, GOSSIP_FLAG)
        undo.callback(gossip_udp.close)
        undo.callback(gossip_tcp.close)
        dns_udp: list[socket.socket] = []
        dns_tcp: list[DnsTcpListener] = []
        for host in config.dns_addrs:
            if not covers(inherited.dns_udp, host, config.dns_port):
                dns_udp.append(bind_dns_udp(host, config.dns_port))
                undo.callback(dns_udp[-1].close)
            if not covers(inherited.dns_tcp, host, config.dns_port):
                dns_tcp.append(bind_dns_tcp(host, config.dns_port))
                undo.callback(dns_tcp[-1].close)
        http = bind_http(_http_hosts(config, inherited), config.http_port)
        for sock in http:
            undo.callback(sock.close)
        https = bind_http(config.https_addrs, config.https_port, HTTPS_FLAG)
        undo.pop_all()
    return Listeners(
        gossip_udp,
        gossip_tcp,
        (*inherited.dns_udp, *dns_udp),
        (*(DnsTcpListener(sock) for sock in inherited.dns_tcp), *dns_tcp),
        (*inherited.http, *http),
        tuple(https),
    )


def _http_hosts(config: AgentConfig, inherited: Inherited) -> list[str]:
    return [
        host
        for host in config.http_addrs
        if host.startswith(UNIX_PREFIX) or not covers(inherited.http, host, config.http_port)
    ]
