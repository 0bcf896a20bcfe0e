from __future__ import annotations

import ipaddress

import attrs
import pytest

from nodedns.model.address import Address
from nodedns.model.check import Check, CheckStatus
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.model.service import Service, Weights
from nodedns.table.changes import (
    Change,
    CheckDeregistered,
    CheckRegistered,
    ExternalNode,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.table.node_table import NodeTable

FOO, BAR = NodeName("Foo"), NodeName("bar")
WEB = Service("web1", "Web", tags=("v1",), port=80)
PING = Check("ping", "Ping", CheckStatus.PASSING)
OF_WEB = Check("service:web1", "Of web", CheckStatus.WARNING, service_id="web1", service_name="Web")


@pytest.fixture
def table() -> NodeTable:
    table = NodeTable("dc1", NodeName("self"), 100)
    table.apply([NodeRegistered(ExternalNode(name, "", "10.0.0.1")) for name in (FOO, BAR)])
    return table


def member(name: str, status: MemberStatus, *, is_server: bool = False) -> MemberUpserted:
    tags = {"nodedns": "1", "server": "1"} if is_server else {}
    address = Address(ipaddress.ip_address("10.0.0.9").packed, 8301)
    return MemberUpserted(SerfMember(NodeName(name), address, tags, status, Versions(bytes((1, 5, 2, 2, 5, 4)))))


def statuses(table: NodeTable, service: str) -> list[tuple[str, str, str]]:
    group = table.view.service(service)
    assert group is not None
    return [(instance.row.name, instance.service.id, instance.status.value) for instance in group.instances]


def test_an_instance_shows_with_the_checks_of_its_node_and_its_own(table: NodeTable) -> None:
    table.apply([ServiceRegistered(FOO, WEB), CheckRegistered(FOO, PING), CheckRegistered(FOO, OF_WEB)])
    group = table.view.service("wEB")
    assert group is not None
    (instance,) = group.instances
    assert ["ping", "service:web1"] == [row.check.id for row in instance.checks]
    assert CheckStatus.WARNING is instance.status
    assert ("web", "Web", ("v1",)) == (group.folded, group.name, group.tags)


def test_weight_follows_health(table: NodeTable) -> None:
    weighed = attrs.evolve(WEB, weights=Weights(10, 3))
    table.apply([ServiceRegistered(FOO, weighed)])
    assert [10] == [instance.weight for instance in table.view.services()[0].instances]
    table.apply([CheckRegistered(FOO, OF_WEB)])
    assert [3] == [instance.weight for instance in table.view.services()[0].instances]


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        (CheckRegistered(FOO, attrs.evolve(PING, status=CheckStatus.CRITICAL)), True),
        (CheckRegistered(FOO, attrs.evolve(OF_WEB, output="other words")), True),
        (NodeRegistered(ExternalNode(FOO, "", "10.0.0.7")), True),
        (ServiceRegistered(FOO, attrs.evolve(WEB, port=81)), True),
        (ServiceRegistered(FOO, Service("db", "db")), False),
        (CheckRegistered(FOO, Check("of-db", "of db", CheckStatus.CRITICAL, service_id="db")), False),
        (CheckRegistered(BAR, PING), False),
        (ServiceRegistered(FOO, WEB), False),
    ],
)
def test_index_of_a_service_moves_with_what_an_answer_about_it_holds(
    table: NodeTable, change: Change, moves: bool
) -> None:
    table.apply([ServiceRegistered(FOO, WEB), CheckRegistered(FOO, PING), CheckRegistered(FOO, OF_WEB)])
    before = table.view.service("web")
    view = table.apply([change])
    after = view.service("web")
    assert before is not None
    assert after is not None
    assert moves is (after is not before)
    assert after.index == (view.index if moves else before.index)
    assert moves is ("web" in [changed.folded for changed in table.service_changes] and after is not before)


def test_an_id_may_become_another_service(table: NodeTable) -> None:
    table.apply([ServiceRegistered(FOO, WEB)])
    view = table.apply([ServiceRegistered(FOO, attrs.evolve(WEB, name="api"))])
    assert ["api"] == [group.name for group in view.services()]
    assert {"web": (True, False), "api": (False, True)} == {
        changed.folded: (changed.before is not None, changed.after is not None) for changed in table.service_changes
    }


def test_services_of_a_node_without_a_row_are_kept_and_not_shown(table: NodeTable) -> None:
    table.apply([ServiceRegistered(FOO, WEB), NodeDeregistered(FOO)])
    assert table.view.service("web") is None
    assert table.view.node_services("foo") is None
    assert ((WEB,), ()) == table.registered("FOO")
    table.apply([NodeRegistered(ExternalNode(FOO, "", "10.0.0.1"))])
    assert [("Foo", "web1", "passing")] == statuses(table, "web")


def test_serf_health_of_a_member_decides_over_its_services(table: NodeTable) -> None:
    table.apply([member("m", MemberStatus.ALIVE), ServiceRegistered(NodeName("m"), WEB)])
    assert [("m", "web1", "passing")] == statuses(table, "web")
    table.apply([member("m", MemberStatus.FAILED)])
    assert [("m", "web1", "critical")] == statuses(table, "web")
    services = table.view.node_services("m")
    assert services is not None
    assert ["Agent not live or unreachable"] == [row.check.output for row in services.checks]
    table.apply([member("m", MemberStatus.LEFT)])
    assert table.view.service("web") is None


def test_server_agents_are_the_service_consul_by_themselves(table: NodeTable) -> None:
    view = table.apply([member("s", MemberStatus.ALIVE, is_server=True), member("c", MemberStatus.ALIVE)])
    group = view.service("consul")
    assert group is not None
    assert [("s", "consul", 8301)] == [(i.row.name, i.service.id, i.service.port) for i in group.instances]
    again = table.apply([member("s", MemberStatus.FAILED, is_server=True)]).service("consul")
    assert again is not None
    assert group.instances[0].create_index == again.instances[0].create_index


def test_indexes_of_the_lists_move_for_their_own_changes_alone(table: NodeTable) -> None:
    one = table.apply([ServiceRegistered(FOO, WEB)])
    two = table.apply([ServiceRegistered(BAR, WEB)])
    assert (one.index, one.checks_index) == (two.services_index, two.checks_index)
    three = table.apply([ServiceRegistered(BAR, attrs.evolve(WEB, tags=("v2",)))])
    assert three.index == three.services_index
    four = table.apply([CheckRegistered(BAR, PING)])
    assert (four.index, three.index) == (four.checks_index, four.services_index)
    five = table.apply([ServiceDeregistered(FOO, "web1"), ServiceDeregistered(BAR, "web1")])
    assert (five.index, four.index) == (five.services_index, five.checks_index)
    assert table.apply([CheckDeregistered(BAR, "ping"), CheckDeregistered(BAR, "ping")]).index == five.index + 1


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        (CheckRegistered(FOO, attrs.evolve(OF_WEB, output="other words")), False),
        (CheckRegistered(FOO, attrs.evolve(OF_WEB, status=CheckStatus.CRITICAL)), True),
        (ServiceRegistered(FOO, attrs.evolve(WEB, port=81)), True),
        (ServiceDeregistered(FOO, "web"), True),
        (ServiceRegistered(BAR, WEB), True),
        (NodeRegistered(ExternalNode(FOO, "", "10.0.0.7")), True),
        (NodeRegistered(ExternalNode(BAR, "", "10.0.0.7")), False),
    ],
)
def test_instances_move_with_all_but_the_words_of_checks(table: NodeTable, change: Change, *, moves: bool) -> None:
    before = table.apply([ServiceRegistered(FOO, WEB), CheckRegistered(FOO, OF_WEB)])
    after = table.apply([change])
    assert (
        moves == (after.instances_index == after.index) == any(each.moves_instances for each in table.service_changes)
    )
    assert after.instances_index >= before.instances_index
