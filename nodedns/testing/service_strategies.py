"""Services by chance: few names, tags and nodes, so that they meet; and the DNS names that ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service, Weights
from nodedns.table.changes import (
    Change,
    CheckDeregistered,
    CheckRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)

__all__ = ["SERVICE_NAMES", "service_changes", "services"]

IDS = ("web", "w2", "Db")
NAMES = ("web", "Db", "web", "a", "_x")
TAGS = ((), ("primary",), ("v1.primary", "udp"), ("Web", "tcp"))
ADDRESSES = (
    "",
    "",
    "10.0.0.9",
    "2001:db8::9",
    "host.example.com",
    "web.service.consul",
    "a.node.consul",
    "db.service.lan",
)
PORTS = ((), (), (NamedPort("http", 80), NamedPort("admin", 81, is_default=True)))
METAS: tuple[dict[str, str], ...] = ({}, {"path": "/x"})
SERVICE_NAMES: Final = (
    *("service", "web.service", "db.service.dc1", "w2.service", "a.service.dc1.dc", "consul.service", "_x.service"),
    *("primary.web.service", "v1.primary.db.service", "web.web.service", "q.web.service", "_web._tcp.service"),
    *("_db._primary.service.dc1", "_web._tcp", "_web._udp", "_db._tcp.dc1", "_tcp", "_q._tcp", "x._web._tcp"),
    *("web.service.http.port", "_db._tcp.service.admin.port", "db.service.q.port", "http.port", "service.q.port"),
    *("me._web._tcp", "a._db._tcp.dc1", "me:w2._web._tcp", "A:web._db._udp", "b.a._web._tcp"),
    *("_services._dns-sd._udp", "b._dns-sd._udp.dc1", "lb._dns-sd._udp", "_dns-sd._udp", "_udp", "r._dns-sd._udp"),
    *("primary._sub._web._tcp", "_sub._db._tcp", "q._sub._web._tcp"),
)
"""Names of services without their domain, there and not there."""


def services(addresses: Sequence[str] = ADDRESSES) -> st.SearchStrategy[Service]:
    """Return instances with one of these addresses."""
    return st.builds(
        Service,
        id=st.sampled_from(IDS),
        name=st.sampled_from(NAMES),
        tags=st.sampled_from(TAGS),
        address=st.sampled_from(addresses),
        port=st.sampled_from([0, 80, 8080]),
        meta=st.sampled_from(METAS),
        ports=st.sampled_from(PORTS),
        weights=st.sampled_from([Weights(), Weights(5, 2)]),
    )


def service_changes(nodes: Sequence[str], addresses: Sequence[str] = ADDRESSES) -> st.SearchStrategy[Change]:
    """Return registrations of services and checks on ``nodes``, and their ends."""
    node = st.sampled_from([NodeName(name) for name in nodes])
    checks = st.builds(
        lambda service_id, status, output: Check("c" + service_id, "c", status, output=output, service_id=service_id),
        st.sampled_from(["", *IDS]),
        st.sampled_from(CheckStatus),
        st.sampled_from(["", "fine"]),
    )
    return st.one_of(
        st.builds(ServiceRegistered, node, services(addresses)),
        st.builds(ServiceRegistered, node, services(addresses)),
        st.builds(ServiceDeregistered, node, st.sampled_from(IDS)),
        st.builds(CheckRegistered, node, checks),
        st.builds(CheckDeregistered, node, st.sampled_from(["c", *("c" + service_id for service_id in IDS)])),
    )
