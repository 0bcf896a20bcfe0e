"""What differs between what an agent has and what the catalog says of its node."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from nodedns.agent.anti_entropy import Published, differences, overridden_tags
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
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
