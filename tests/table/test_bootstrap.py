"""When the cluster counts as known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodedns.model.member import MemberStatus, SerfMember
from nodedns.table.bootstrap import Expectation

MakeMember = Callable[..., SerfMember]

EXPECTS_TWO = {"nodedns": "1", "server": "1", "expect": "2", "dc": "dc1"}


def is_met(expect: int, *members: SerfMember) -> bool:
    return Expectation(expect).is_met(members, "DC1")


def test_who_expects_nobody_waits_for_nobody() -> None:
    assert is_met(0)


def test_as_many_servers_as_expected_make_it_known(make_member: MakeMember) -> None:
    one, two = (make_member(name, tags=EXPECTS_TWO) for name in ("one", "two"))
    assert [False, True] == [is_met(2, one), is_met(2, one, two)]


@pytest.mark.parametrize(
    "tags",
    [
        {**EXPECTS_TWO, "expect": "3"},
        {**EXPECTS_TWO, "server": "0"},
        {**EXPECTS_TWO, "dc": "dc2"},
        {},
    ],
    ids=["expects another number", "client", "other datacenter", "plain serf"],
)
def test_member_that_is_no_such_server_does_not_count(make_member: MakeMember, tags: dict[str, str]) -> None:
    assert not is_met(2, make_member("one", tags=EXPECTS_TWO), make_member("two", tags=tags))


def test_failed_server_does_not_count(make_member: MakeMember) -> None:
    failed = make_member("two", tags=EXPECTS_TWO, status=MemberStatus.FAILED)
    assert not is_met(2, make_member("one", tags=EXPECTS_TWO), failed)


def test_one_server_told_to_bootstrap_is_enough(make_member: MakeMember) -> None:
    assert is_met(2, make_member("one", tags={"nodedns": "1", "server": "1", "bootstrap": "1"}))
