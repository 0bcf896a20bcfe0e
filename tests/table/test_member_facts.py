"""What tags of every make of member mean."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodedns.model.host_key import Fingerprint
from nodedns.model.member import SerfMember
from nodedns.serf.tags import MAX_META_BYTES, encode_tags
from nodedns.table.member_facts import MemberFacts, facts_of, tags_for

MakeMember = Callable[..., SerfMember]

NODE_ID = "40e4a748-2192-161a-0510-9bf59fe950b5"


def test_own_tags_are_read_back(make_member: MakeMember) -> None:
    tags = tags_for(
        version="0.1.0",
        datacenter="dc9",
        node_id=NODE_ID,
        is_server=True,
        dns_port=8600,
        meta={"rack": "r1"},
        expect=3,
        bootstrap=True,
    )
    expected = MemberFacts("dc9", NODE_ID, "server", "0.1.0", "2", True, 8600, {"rack": "r1"}, 3, True)
    assert expected == facts_of(make_member("one", tags=tags), "dc1")


def test_own_server_never_takes_the_role_of_consuls() -> None:
    tags = tags_for(version="1", datacenter="dc1", node_id=NODE_ID, is_server=True, dns_port=8600, meta={})
    assert ("node", "1") == (tags["role"], tags["server"])


def test_client_announces_neither_expectation_nor_a_closed_dns_port() -> None:
    tags = tags_for(
        version="1", datacenter="dc1", node_id=NODE_ID, is_server=False, dns_port=-1, meta={}, expect=3, bootstrap=True
    )
    assert not {"server", "expect", "bootstrap", "dns"} & set(tags)


def test_second_address_is_announced_and_read_back(make_member: MakeMember) -> None:
    tags = tags_for(
        version="1", datacenter="dc1", node_id=NODE_ID, is_server=False, dns_port=0, meta={}, ipv6="2001:db8::1"
    )
    facts = facts_of(make_member("one", tags=tags), "dc1")
    assert ("", "2001:db8::1") == (facts.ipv4, facts.ipv6)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("lan_ipv4", "2001:db8::1"),
        ("lan_ipv6", "10.0.0.1"),
        ("lan_ipv4", "10.0.0.256"),
        ("lan_ipv4", "host"),
        ("lan_ipv4", "0.0.0.0"),
        ("lan_ipv4", "224.0.0.1"),
        ("lan_ipv6", "::"),
        ("lan_ipv6", "fe80::1%eth0"),
        ("lan_ipv6", "::ffff:10.0.0.1"),
        ("lan_ipv6", "\0" * 100),
    ],
)
def test_second_address_that_is_none_reads_as_absent(make_member: MakeMember, tag: str, text: str) -> None:
    facts = facts_of(make_member("one", tags={"nodedns": "1", tag: text}), "dc1")
    assert ("", "") == (facts.ipv4, facts.ipv6)


@pytest.mark.parametrize(("told", "expected"), [("8h0m0s", "8h0m0s"), ("", None)])
def test_time_to_be_remembered_is_announced_where_it_is_set(told: str, expected: str | None) -> None:
    tags = tags_for(
        version="1", datacenter="dc1", node_id=NODE_ID, is_server=False, dns_port=0, meta={}, reconnect_timeout=told
    )
    assert expected == tags.get("rc_tm")


@pytest.mark.parametrize(
    ("tags", "kind", "is_server", "meta"),
    [
        ({"role": "consul", "build": "1.22.0:abc", "vsn": "2"}, "server", True, {"consul-version": "1.22.0"}),
        ({"role": "node", "build": "1.22.0:abc", "vsn": "2"}, "client", False, {"consul-version": "1.22.0"}),
        ({"role": "node", "nodedns": "1", "nm_a": "b"}, "client", False, {"a": "b"}),
        ({"role": "consul", "nodedns": "1", "server": "1"}, "server", True, {}),
        ({"role": "web", "zone": "a"}, "unknown", False, {"role": "web", "zone": "a"}),
        ({}, "unknown", False, {}),
    ],
)
def test_kind_of_member_follows_from_its_tags(
    make_member: MakeMember, tags: dict[str, str], kind: str, is_server: bool, meta: dict[str, str]
) -> None:
    facts = facts_of(make_member("one", tags=tags), "dc1")
    assert (kind, is_server, meta) == (facts.kind, facts.is_server, facts.meta)


def test_plain_member_is_taken_to_be_local(make_member: MakeMember) -> None:
    facts = facts_of(make_member("one"), "dc7")
    assert ("dc7", "", "", 0) == (facts.datacenter, facts.build, facts.protocol, facts.dns_port)


def test_derived_node_id_is_one_per_name_and_the_same_everywhere(make_member: MakeMember) -> None:
    first, again, other = (facts_of(make_member(name), "dc1").node_id for name in ("one", "one", "two"))
    assert (first, True) == (again, first != other)


def test_node_id_that_is_no_uuid_is_replaced(make_member: MakeMember) -> None:
    facts = facts_of(make_member("one", tags={"id": "<script>"}), "dc1")
    assert facts_of(make_member("one"), "dc1").node_id == facts.node_id


@pytest.mark.parametrize("name", [chr(0xDCFF), chr(0xD800)])
def test_name_that_is_not_utf8_has_a_derived_id(make_member: MakeMember, name: str) -> None:
    assert 36 == len(facts_of(make_member(name), "dc1").node_id)


@pytest.mark.parametrize("number", ["", "-1", "65536", "1e3", "٣", "9" * 5000, " 53"])
def test_number_out_of_range_reads_as_unknown(make_member: MakeMember, number: str) -> None:
    facts = facts_of(make_member("one", tags={"nodedns": "1", "server": "1", "dns": number, "expect": number}), "dc1")
    assert (0, 0) == (facts.dns_port, facts.expect)


def test_meta_beyond_64_pairs_is_cut_by_key(make_member: MakeMember) -> None:
    tags = {f"k{number:03}": "v" for number in reversed(range(100))}
    assert [f"k{number:03}" for number in range(64)] == list(facts_of(make_member("one", tags=tags), "dc1").meta)


def test_host_keys_are_announced_in_short_and_read_back_as_meta(make_member: MakeMember) -> None:
    keys = [Fingerprint(algorithm, 2, bytes([algorithm]) * 32) for algorithm in (1, 3, 4)]
    tags = tags_for(
        version="1",
        datacenter="dc1",
        node_id=NODE_ID,
        is_server=False,
        dns_port=0,
        meta={"rack": "r1", "sshfp-3-2": 64 * "f"},
        host_keys=keys,
    )
    facts = facts_of(make_member("one", tags=tags), "dc1")
    assert {"rack": "r1", "sshfp-1-2": 32 * "01", "sshfp-3-2": 64 * "f", "sshfp-4-2": 32 * "04"} == facts.meta


def test_tag_of_host_keys_that_cannot_be_read_is_none(make_member: MakeMember) -> None:
    tags = {"nodedns": "1", "nm_rack": "r1", "sshfp": "%"}
    assert {"rack": "r1"} == facts_of(make_member("one", tags=tags), "dc1").meta


def test_three_host_keys_leave_room_for_meta_in_gossip() -> None:
    tags = tags_for(
        version="0.1.0",
        datacenter="dc1",
        node_id=NODE_ID,
        is_server=True,
        dns_port=8600,
        meta={},
        expect=3,
        ipv6="2001:db8:1111:2222:3333:4444:5555:6666",
        host_keys=[Fingerprint(algorithm, 2, bytes(32)) for algorithm in (1, 3, 4)],
    )
    assert 150 <= MAX_META_BYTES - len(encode_tags(tags))
