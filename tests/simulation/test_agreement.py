"""Gossip, node table and DNS of each member say the same, throughout a scenario."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, given, settings

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.serf.events import MemberChanged, MemberChangeKind
from nodedns.table.changes import ClusterKnown, MemberForgotten, MemberUpserted
from nodedns.table.node_table import NodeTable
from nodedns.testing.builders import Plan, names_of, serf_members
from nodedns.testing.cluster import Cluster
from nodedns.testing.invariants import InvariantBroken
from nodedns.testing.runners import run_on_engine
from nodedns.testing.scenario import Converged, Expect, Kill, Leave, Restart, Scenario, Start, Wait
from nodedns.testing.strategies import scenarios

RESOLVING = (MemberStatus.ALIVE, MemberStatus.LEAVING, MemberStatus.FAILED)
ZONES = Zones((Zone.of_domain("consul"),))


@attrs.define
class Tables:
    """A node table for each member, fed by its events as an agent feeds its own."""

    by_name: dict[str, NodeTable] = attrs.Factory(dict)
    is_deaf: bool = False

    def watch(self, plan: Plan) -> Callable[[object], None]:
        table = NodeTable("dc1", NodeName(plan.name), first_index=1, cluster_known=False)
        table.apply([ClusterKnown()])
        self.by_name[plan.name] = table

        def listen(event: object) -> None:
            match event:
                case MemberChanged(MemberChangeKind.REAP, member):
                    table.apply([MemberForgotten(member.name)])
                case MemberChanged(_, member) if not self.is_deaf:
                    table.apply([MemberUpserted(member)])

        return listen

    def addresses(self, observer: str, name: str) -> list[str]:
        """Ask the observer's DNS for ``name``."""
        context = QueryContext(
            None,
            Transport.UDP,
            self.by_name[observer].view,
            ZONES,
            DnsPolicy(),
            Random(1),
        )
        reply = respond(dns.message.make_query(f"{name}.node.consul", dns.rdatatype.A).to_wire(), context)
        assert isinstance(reply, Reply)
        answer = dns.message.from_wire(reply.wire)
        assert answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
        return [str(record) for rrset in answer.answer for record in rrset]

    def check(self, cluster: Cluster) -> str:
        for observer, running in cluster.running.items():
            view = running.member.view()
            listed = {member.name: member.status for member in self.by_name[observer].view.members()}
            if listed != view:
                return f"the table of {observer} holds {listed}, its gossip {view}"
            for name in cluster.faults.killed | cluster.faults.left | cluster.running:
                is_there = view.get(name, MemberStatus.NONE) in RESOLVING
                expected = [cluster.address(name).host] if is_there else []
                if self.addresses(observer, name) != expected:
                    return f"the DNS of {observer} names {name} though it is {view.get(name)}"
        return ""


def test_table_and_dns_follow_gossip_through_leave_kill_and_return() -> None:
    tables = Tables()
    names = names_of("n", range(5))
    operations = (
        Start(names),
        Expect(Converged(), 70),
        Kill(names[1:2]),
        Leave(names[2]),
        Wait(40),
        Restart(names[1], join=names[0]),
        Restart(names[2], join=names[0]),
        Expect(Converged(), 70),
    )
    outcome = run_on_engine(
        Scenario(seed=1, operations=operations), serf_members(watch=tables.watch), further=[tables.check]
    )
    assert 5 == len(outcome.views)
    assert ["10.1.0.2"] == tables.addresses("n000", "n001")


def test_table_that_misses_an_event_is_noticed() -> None:
    tables = Tables(is_deaf=True)
    with pytest.raises(InvariantBroken, match="the table of n000 holds"):
        run_on_engine(
            Scenario(seed=1, operations=(Start(names_of("n", range(2))), Wait(1))),
            serf_members(watch=tables.watch),
            further=[tables.check],
        )


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(max_members=5, max_faults=4))
def test_table_and_dns_follow_gossip_whatever_happens(scenario: Scenario) -> None:
    tables = Tables()
    run_on_engine(scenario, serf_members(watch=tables.watch), further=[tables.check])
