"""``Listeners``: every socket of an agent, bound before anything else starts.

A port that is taken then ends the start with one line, and not after half of
the agent has begun to run.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack

import attrs

from nodedns.config.schema import AgentConfig
from nodedns.net.dns_tcp_listener import DnsTcpListener, bind_dns_tcp
from nodedns.net.dns_udp import bind_dns_udp
from nodedns.net.http_server import bind_http
from nodedns.net.tcp import TcpListener, bind_gossip
from nodedns.net.udp import UdpTransport

__all__ = ["Listeners", "bind_listeners"]

HTTPS_FLAG = "-https-port"
GOSSIP_FLAG = "-bind, -serf-lan-bind or -serf-lan-port"


@attrs.frozen
class Listeners:
    """The sockets, all bound.

    Attributes:
        gossip_udp: Gossip datagrams.
        gossip_tcp: Gossip streams, on the same port number.
        dns_udp: One socket for each DNS address.
        dns_tcp: Likewise for TCP, on the same port numbers.
        http: One listening socket for each HTTP address.
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


def bind_listeners(config: AgentConfig) -> Listeners:
    """Bind everything that ``config`` asks for.

    Raises:
        BindError: One cannot be had; then none is kept.
    """
    with ExitStack() as undo:
        gossip_udp, gossip_tcp = bind_gossip(config.serf_lan_addr, config.serf_lan_port, GOSSIP_FLAG)
        undo.callback(gossip_udp.close)
        undo.callback(gossip_tcp.close)
        dns_udp: list[socket.socket] = []
        dns_tcp: list[DnsTcpListener] = []
        for host in config.dns_addrs:
            dns_udp.append(bind_dns_udp(host, config.dns_port))
            undo.callback(dns_udp[-1].close)
            dns_tcp.append(bind_dns_tcp(host, config.dns_port))
            undo.callback(dns_tcp[-1].close)
        http = bind_http(config.http_addrs, config.http_port)
        for sock in http:
            undo.callback(sock.close)
        https = bind_http(config.https_addrs, config.https_port, HTTPS_FLAG)
        undo.pop_all()
    return Listeners(gossip_udp, gossip_tcp, tuple(dns_udp), tuple(dns_tcp), tuple(http), tuple(https))
