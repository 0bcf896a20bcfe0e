"""Makers of members for the table's tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName

MakeMember = Callable[..., SerfMember]


@pytest.fixture(scope="session")
def make_member() -> MakeMember:
    def make(
        name: str,
        host: str = "10.0.0.1",
        status: MemberStatus = MemberStatus.ALIVE,
        tags: dict[str, str] | None = None,
    ) -> SerfMember:
        return SerfMember(NodeName(name), Address.from_text(host, 8301), tags or {}, status, Versions(b""))

    return make
