"""One pool to ask, and two ways to ask it: with raw bytes, and as a client would through dnspython."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import attrs
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import pytest

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service
from nodedns.table.changes import Change, ExternalNode, MemberUpserted, NodeRegistered, ServiceRegistered
from nodedns.table.member_facts import tags_for
from nodedns.table.node_table import NodeTable

FIRST_INDEX = 1_700_000_000

MakeContext = Callable[..., QueryContext]


def member(name: str, host: str, *, is_server: bool = False, **meta: str) -> Change:
    tags = tags_for(version="0.1.0", datacenter="dc1", node_id="", is_server=is_server, dns_port=8600, meta=meta)
    return MemberUpserted(
        SerfMember(NodeName(name), Address.from_text(host, 8301), tags, MemberStatus.ALIVE, Versions(b""))
    )


def external(name: str, address: str, tagged: dict[str, str] | None = None, **meta: str) -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address, tagged or {}, meta))


def service(node: str, name: str, *, service_id: str = "", **given: Any) -> Change:
    return ServiceRegistered(NodeName(node), Service(service_id or name, name, port=8080, **given))


POOL = (
    member("Agent-One", "172.20.20.10", is_server=True),
    member("agent-two", "172.20.20.11", rack="r2"),
    member("agent-six", "2001:db8::6", is_server=True),
    external("foo", "127.0.0.1", {"wan": "127.0.0.2"}, key="value"),
    external("bar", "2001:db8::42"),
    external("dual", "10.1.1.1", {"lan_ipv6": "2001:db8::1"}, b="2", a="1"),
    external("google", "www.google.com", {}, key="value"),
    external("a.b.c", "10.1.1.2"),
    external("Under_Score", "10.1.1.3"),
    external("müller", "10.1.1.4"),
    external("broken", "no..name"),
    service("foo", "web", tags=("v1.primary", "Primary"), meta={"path": "/"}),
    service("agent-two", "web", service_id="w2", tags=("udp",), address="10.7.7.7"),
    service("broken", "web", service_id="lost", ports=(NamedPort("http", 80),)),
    service("google", "Db"),
    service("a.b.c", "other", address="www.example.com"),
    service("foo", "not.spelt"),
)


@pytest.fixture(scope="session")
def pool() -> tuple[Change, ...]:
    """What ``make_context`` makes a context on, to be added to."""
    return POOL


@pytest.fixture(scope="session")
def server() -> Callable[[str, str], Change]:
    """Make a server agent of this name and address."""
    return partial(member, is_server=True)


@pytest.fixture(scope="session")
def make_context() -> MakeContext:
    """Make a context on the pool; or on ``changes``, seen from the agent ``local``."""

    def make(
        changes: tuple[Change, ...] = POOL,
        local: str = "agent-one",
        policy: DnsPolicy | None = None,
        transport: Transport = Transport.UDP,
        datacenter: str = "dc1",
        **table: bool,
    ) -> QueryContext:
        node_table = NodeTable(datacenter, NodeName(local), FIRST_INDEX - len(changes), **table)
        node_table.apply(changes)
        rng = Random(0)
        zones = Zones((Zone.of_domain("consul."),))
        return QueryContext(None, transport, node_table.view, zones, policy or DnsPolicy(), rng)

    return make


@pytest.fixture(scope="session")
def context(make_context: MakeContext) -> QueryContext:
    return make_context()


@pytest.fixture(scope="session")
def ask(context: QueryContext) -> Callable[..., dns.message.Message]:
    """Ask ``name type`` and return the reply as an independent parser reads it."""

    def ask_pool(
        what: str | dns.message.Message,
        of: QueryContext = context,
        **changed: Any,
    ) -> dns.message.Message:
        query = what
        if isinstance(query, str):
            name, rtype = query.split()
            query = dns.message.make_query(name, dns.rdatatype.from_text(rtype))
        reply = respond(query.to_wire(), attrs.evolve(of, **changed))
        assert isinstance(reply, Reply)
        message = dns.message.from_wire(reply.wire)
        assert query.is_response(message)
        assert (int(message.rcode()), bool(message.flags & dns.flags.TC)) == (int(reply.rcode), reply.is_truncated)
        return message

    return ask_pool
