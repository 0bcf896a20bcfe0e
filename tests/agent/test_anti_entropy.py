"""What differs between what an agent has and what the catalog says of its node."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from nodedns.agent.anti_entropy import Published, differences, overridden_tags, parcels
from nodedns.model.check import Check, CheckStatus
from nodedns.model.limits import service_excess
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service
from nodedns.table.changes import CheckDeregistered, CheckRegistered, ServiceDeregistered, ServiceRegistered
from nodedns.table.node_table import NodeTable

ONE = NodeName("one")
WEB = Service("web", "web", ("v1",))
PING = Check("ping", "ping", CheckStatus.PASSING, service_id="web")


def test_equal_sides_differ_in_nothing() -> None:
    side = Published({"web": WEB}, {"ping": PING})
    assert () == differences(ONE, side, side)


def test_services_come_before_their_checks_and_removals_last() -> None:
    wanted = Published({"web": WEB}, {"ping": PING})
    present = Published({"old": Service("old", "old")}, {"gone": Check("gone", "gone", CheckStatus.CRITICAL)})
    expected = (
        ServiceRegistered(ONE, WEB),
        CheckRegistered(ONE, PING),
        CheckDeregistered(ONE, "gone"),
        ServiceDeregistered(ONE, "old"),
    )
    assert expected == differences(ONE, wanted, present)


def test_tags_are_the_catalog_s_only_where_the_service_lets_it() -> None:
    free = attrs.evolve(WEB, id="free", enable_tag_override=True)
    wanted = Published({"web": WEB, "free": free, "lone": attrs.evolve(free, id="lone")}, {})
    present = Published({"web": attrs.evolve(WEB, tags=("v2",)), "free": attrs.evolve(free, tags=("v3",))}, {})
    assert {"free": ("v3",)} == overridden_tags(wanted, present)


def test_tags_that_are_too_many_for_our_ports_are_not_taken_over() -> None:
    ours = attrs.evolve(WEB, enable_tag_override=True, ports=tuple(NamedPort(f"p{n}", 80, not n) for n in range(8)))
    told = attrs.evolve(ours, tags=tuple(f"t{number}" for number in range(256)), ports=())
    assert "" == service_excess(told)
    assert {} == overridden_tags(Published({"web": ours}, {}), Published({"web": told}, {}))


IDS = st.sampled_from(["a", "b", "c"])
SERVICES = st.dictionaries(IDS, st.sampled_from(["web", "db"])).map(
    lambda found: {key: Service(key, name) for key, name in found.items()}
)
CHECKS = st.dictionaries(IDS, st.sampled_from(CheckStatus)).map(
    lambda found: {key: Check(key, key, status, service_id="a") for key, status in found.items()}
)
SIDES = st.builds(Published, SERVICES, CHECKS)


@given(SIDES, SIDES)
def test_differences_make_the_catalog_what_is_wanted(wanted: Published, present: Published) -> None:
    table = NodeTable("dc1", ONE, 1)
    table.apply(differences(ONE, present, Published({}, {})))
    table.apply(differences(ONE, wanted, Published.of(*table.registered("one"))))
    assert wanted == Published.of(*table.registered("one"))


@given(SIDES, SIDES, st.integers(1, 4))
def test_parcels_do_the_same_and_no_service_comes_without_its_checks(
    wanted: Published, present: Published, size: int
) -> None:
    table = NodeTable("dc1", ONE, 1)
    table.apply(differences(ONE, present, Published({}, {})))
    for parcel in parcels(differences(ONE, wanted, present), size):
        table.apply(parcel)
        shown = Published.of(*table.registered("one"))
        come = [key for key in shown.services if key in wanted.services and key not in present.services]
        checks = {key for key, check in wanted.checks.items() if check.service_id in come}
        assert checks <= shown.checks.keys()
    assert wanted == Published.of(*table.registered("one"))


def test_parcels_are_of_a_size_and_the_later_of_two_changes_counts() -> None:
    changes = [ServiceRegistered(ONE, Service(f"s{number}", "s")) for number in range(10)]
    later = ServiceRegistered(ONE, Service("s3", "renamed"))
    found = parcels([*changes, later, ServiceDeregistered(ONE, "s4")], 4)
    assert [4, 4, 2] == [len(parcel) for parcel in found]
    flat = [change for parcel in found for change in parcel]
    assert [later, ServiceDeregistered(ONE, "s4")] == [each for each in flat if each not in changes]
