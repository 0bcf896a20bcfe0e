"""How nodes are spelt in the records of a zone."""

from __future__ import annotations

import pytest

from nodedns.dns.apex import node_owner
from nodedns.dns.name import labels_of


@pytest.mark.parametrize(
    ("name", "datacenter", "expected"),
    [
        ("Web.One", "dc1", "Web.One.node.dc1.lan"),
        ("web", "Node", "web.node.lan"),
        ("web", "addr", "web.node.lan"),
        ("x" * 63, "dc1", f"{'x' * 63}.node.dc1.lan"),
    ],
)
def test_node_is_spelt_with_its_place(name: str, datacenter: str, expected: str) -> None:
    assert labels_of(expected) == node_owner(name, datacenter, (b"lan",))


@pytest.mark.parametrize("name", ["x" * 64, "a..b", ".a", "a.", ".".join(["x" * 60] * 4)])
def test_node_that_dns_cannot_spell_has_no_name(name: str) -> None:
    assert None is node_owner(name, "dc1", (b"lan",))


def test_name_that_is_too_long_only_with_its_domain_is_none() -> None:
    name = ".".join(["x" * 59] * 4)
    assert None is not node_owner(name, "dc1", (b"a",))
    assert None is node_owner(name, "dc1", (b"a" * 10,))
