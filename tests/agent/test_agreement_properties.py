"""DNS, the HTTP API and the ``members`` command give the same answer from one view, whatever is in the table."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import dns.message
import dns.rcode
from hypothesis import given
from hypothesis import strategies as st

from nodedns.api.context import AgentFacts, ApiContext
from nodedns.api.request import Request, Response
from nodedns.api.router import handle
from nodedns.cli.commands.members import member_table
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName, fold
from nodedns.table.changes import (
    Change,
    ExternalNode,
    MemberForgotten,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
)
from nodedns.table.node_table import NodeTable
from nodedns.table.view import TableView

VERSIONS = Versions(bytes([1, 5, 2, 2, 5, 5]))
POOL = ("alpha", "Alpha", "beta", "gamma-1", "d.elta")
NAMES = st.sampled_from([NodeName(name) for name in POOL])
HOSTS = st.integers(1, 4).map(lambda last: f"10.0.0.{last}")
STATUSES = st.sampled_from([MemberStatus.ALIVE, MemberStatus.LEAVING, MemberStatus.FAILED, MemberStatus.LEFT])
TAGS = st.sampled_from(
    [{}, {"color": "blue"}, {"role": "node", "nodedns": "0.1.0", "dc": "dc1", "vsn": "2", "build": "0.1.0:x"}]
)


def member(name: NodeName, host: str, status: MemberStatus, tags: dict[str, str]) -> Change:
    return MemberUpserted(SerfMember(name, Address.from_text(host, 8301), tags, status, VERSIONS))


CHANGES = st.one_of(
    st.builds(member, NAMES, HOSTS, STATUSES, TAGS),
    st.builds(MemberForgotten, NAMES),
    st.builds(lambda name, host: NodeRegistered(ExternalNode(name, "", host)), NAMES, HOSTS),
    st.builds(NodeDeregistered, NAMES),
)


def ask_http(view: TableView, path: str) -> Any:
    facts = AgentFacts(node_name="alpha", node_id="", datacenter="dc1", version="0.1.0")
    request = Request.from_wire_untrusted("GET", path.encode(), b"", {}, b"")
    response = handle(request, ApiContext(view=view, facts=facts, rng=Random(1)))
    assert isinstance(response, Response)
    return json.loads(response.body)


def ask_dns(view: TableView, name: str) -> list[str] | None:
    """Return the A records of a node's name, or None for NXDOMAIN."""
    context = QueryContext(None, Transport.TCP, view, Zones((Zone.of_domain("consul"),)), DnsPolicy(), Random(1))
    reply = respond(dns.message.make_query(f"{name}.node.consul.", "A").to_wire(), context)
    assert isinstance(reply, Reply)
    message = dns.message.from_wire(reply.wire)
    if message.rcode() == dns.rcode.NXDOMAIN:
        return None
    assert message.rcode() == dns.rcode.NOERROR
    return [item.to_text() for rrset in message.answer for item in rrset]


@given(st.lists(CHANGES, max_size=12))
def test_dns_http_and_the_command_line_agree_on_every_name(changes: list[Change]) -> None:
    table = NodeTable("dc1", NodeName("alpha"), 100)
    for change in changes:
        table.apply([change])
    view = table.view
    catalog = {fold(node["Node"]): node["Address"] for node in ask_http(view, "/v1/catalog/nodes")}
    for name in POOL:
        single = ask_http(view, f"/v1/catalog/node/{name}")
        by_http = [single["Node"]["Address"]] if single else None
        listed = [catalog[fold(name)]] if fold(name) in catalog else None
        assert ask_dns(view, name) == by_http == listed


@given(st.lists(CHANGES, max_size=12))
def test_members_in_http_and_on_the_command_line_are_those_of_the_view(changes: list[Change]) -> None:
    table = NodeTable("dc1", NodeName("alpha"), 100)
    table.apply(changes)
    answer = ask_http(table.view, "/v1/agent/members")
    expected = {(m.name, str(m.address), m.status.word) for m in table.view.members()}
    assert expected == {(m["Name"], f"{m['Addr']}:{m['Port']}", MemberStatus(m["Status"]).word) for m in answer}
    printed = [line.split()[:3] for line in member_table(answer).splitlines()[1:]]
    assert sorted(expected) == sorted((name, address, status) for name, address, status in printed)
