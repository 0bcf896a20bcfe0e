"""The answers of all members added up: as Serf does, and with those that lag behind named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from nodedns.agent.keyrings import Keyrings, tally
from nodedns.agent.questions import Replies
from nodedns.api.actions import KeyringReport, KeyringVerb, OperateKeyring
from nodedns.gossip.key_text import encode_key_text
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.serf.key_changes import EXPOSED, NO_KEYRING
from nodedns.serf.messages import KeyRequest, KeyResponse, encode_message
from nodedns.serf.outgoing_queries import QueryParams

A, B = NodeName("a"), NodeName("b")
K1, K2, K3, K4, K5 = (encode_key_text(bytes([number]) * 16) for number in range(1, 6))


def ring(*keys: str, message: str = "") -> bytes:
    return encode_message(KeyResponse(result=True, message=message, keys=keys, primary_key=keys[0]))


def said(result: bool, message: str = "") -> bytes:
    return encode_message(KeyResponse(result=result, message=message))


def test_equal_rings_leave_nothing_to_say() -> None:
    report = tally([A, B], {A: ring(K1, K2), B: ring(K1, K2)})
    assert ("", {}, 2) == (report.error, report.messages, report.nodes)
    assert ({K1: 2, K2: 2}, {K1: 2}) == (report.keys, report.primary_keys)


def test_member_that_lacks_a_key_is_named_with_it() -> None:
    report = tally([A, B], {A: ring(K1, K2), B: ring(K1)})
    assert ("", {B: f"lacks key {K2}"}) == (report.error, report.messages)


def test_only_a_few_lacking_keys_are_named() -> None:
    report = tally([A, B], {A: ring(K1, K2, K3, K4, K5), B: ring(K1)})
    assert {B: f"lacks key {K2}, {K3}, {K4} and 1 more"} == report.messages


def test_member_with_another_primary_than_most_is_named() -> None:
    c = NodeName("c")
    report = tally([A, B, c], {A: ring(K2, K1), B: ring(K1, K2), c: ring(K2, K1)})
    assert {B: f"encrypts with {K1}, most with {K2}"} == report.messages


def test_cut_list_is_not_said_to_lack_what_was_cut_off() -> None:
    report = tally([A, B], {A: ring(K1, K2), B: ring(K1, message="truncated key list response")})
    assert {B: "truncated key list response"} == report.messages


def test_silent_member_is_named_and_the_others_are_counted() -> None:
    report = tally([A, B], {A: said(True)})
    assert ("1/2 nodes reported success", {B: "did not answer"}) == (report.error, report.messages)


def test_refusal_is_told_with_its_reason() -> None:
    report = tally([A, B], {A: said(True), B: said(False, "Requested key is not in the keyring")})
    assert "1/2 nodes reported failure" == report.error
    assert {B: "Requested key is not in the keyring"} == report.messages


def test_member_that_joined_meanwhile_counts() -> None:
    assert 2 == tally([A], {A: said(True), B: said(True)}).nodes


def test_answers_that_are_none_are_failures() -> None:
    hostile = {
        A: b"",
        B: encode_message(KeyRequest(b"x")),
        NodeName("c"): said(False),
        NodeName("d"): ring("\x1b[2J"),
    }
    report = tally(list(hostile), hostile)
    assert "4/4 nodes reported failure" == report.error
    assert report.messages[A].startswith("Failed to decode key query response")
    assert "Invalid key query response type" == report.messages[B]
    assert "failed and did not say why" == report.messages["c"]
    assert "Lists a key that is none: illegal base64 data at input byte 0" == report.messages["d"]
    assert ({}, {}) == (report.keys, report.primary_keys)


# --- asking --------------------------------------------------------------------------


class Pool:
    """Members of which each answers from a certain asking on; the local one is among them."""

    key_refusal = ""

    def __init__(self, **answers_from: int) -> None:
        self.answers_from = answers_from
        self.gone: set[str] = set()
        self.rings: dict[str, tuple[str, ...]] = {}
        self.asked: list[QueryParams] = []

    def members(self) -> list[SerfMember]:
        address, versions = Address(bytes([10, 0, 0, 1]), 8301), Versions(bytes([1, 5, 2, 2, 5, 5]))
        status = {name: MemberStatus.FAILED if name in self.gone else MemberStatus.ALIVE for name in self.answers_from}
        return [SerfMember(NodeName(name), address, {}, status[name], versions) for name in self.answers_from]

    async def ask(self, params: QueryParams, is_enough: Callable[[Replies], bool] | None = None) -> Replies:
        await trio.lowlevel.checkpoint()
        self.asked.append(params)
        replies = Replies()
        for name, first in self.answers_from.items():
            if first <= len(self.asked) and (not params.nodes or name in params.nodes):
                is_list = params.name == "_serf_list-keys" and name in self.rings
                replies.answers[NodeName(name)] = ring(*self.rings[name]) if is_list else said(True)
        assert is_enough is not None
        wanted = params.nodes or [member.name for member in self.members() if member.status is MemberStatus.ALIVE]
        assert is_enough(replies) == (set(wanted) <= replies.answers.keys())
        return replies


def operated(pool: Pool, verb: KeyringVerb = KeyringVerb.INSTALL, key: str = K1) -> KeyringReport:
    return trio.run(Keyrings(pool, pool).operate, OperateKeyring(verb, key, 3))


def test_all_that_answer_at_once_are_asked_once() -> None:
    pool = Pool(a=1, b=1)
    assert KeyringReport(nodes=2) == operated(pool)
    (params,) = pool.asked
    assert ("_serf_install-key", (), 3) == (params.name, params.nodes, params.relay_factor)
    assert encode_message(KeyRequest(bytes([1]) * 16)) == params.payload


def test_member_that_gossip_missed_is_asked_once_more_and_alone() -> None:
    pool = Pool(a=1, b=2, c=1)
    assert KeyringReport(nodes=3) == operated(pool)
    assert [(), ("b",)] == [params.nodes for params in pool.asked]


def test_member_that_keeps_silent_is_named_after_the_second_asking() -> None:
    pool = Pool(a=1, b=3)
    report = operated(pool)
    assert ("1/2 nodes reported success", {"b": "did not answer"}) == (report.error, report.messages)
    assert 2 == len(pool.asked)


def test_names_too_long_for_a_second_query_have_all_asked_again() -> None:
    names = {f"{number:0100}": 2 for number in range(6)}
    pool = Pool(**names)
    assert KeyringReport(nodes=6) == operated(pool)
    assert [(), ()] == [params.nodes for params in pool.asked]


def test_gone_members_are_not_waited_for() -> None:
    pool = Pool(a=1, b=2)
    pool.gone.add("b")
    assert KeyringReport(nodes=1) == operated(pool)
    assert 1 == len(pool.asked)


def test_list_asks_with_a_request_that_is_not_empty() -> None:
    pool = Pool(a=1)
    operated(pool, KeyringVerb.LIST, "")
    assert ("_serf_list-keys", encode_message(KeyRequest(b""))) == (pool.asked[0].name, pool.asked[0].payload)


def test_key_that_is_none_is_refused_before_anybody_is_asked() -> None:
    pool = Pool(a=1)
    assert KeyringReport(error="illegal base64 data at input byte 4", nodes=1) == operated(pool, key="secret")
    assert [] == pool.asked


@pytest.mark.parametrize(
    ("refusal", "verb"),
    [(NO_KEYRING, KeyringVerb.INSTALL), (EXPOSED, KeyringVerb.INSTALL), (EXPOSED, KeyringVerb.LIST)],
)
def test_key_is_not_sent_where_strangers_could_read_it(refusal: str, verb: KeyringVerb) -> None:
    pool = Pool(a=1, b=1)
    pool.key_refusal = refusal
    assert KeyringReport(error=refusal, nodes=2) == operated(pool, verb, "" if verb is KeyringVerb.LIST else K1)
    assert [] == pool.asked


def test_plain_pool_is_asked_for_its_keys_since_that_tells_none() -> None:
    pool = Pool(a=1)
    pool.key_refusal = NO_KEYRING
    operated(pool, KeyringVerb.LIST, "")
    assert ["_serf_list-keys"] == [params.name for params in pool.asked]


@pytest.mark.parametrize("rings", [{"a": (K1, K2), "b": (K2, K1)}, {"a": (K2,), "b": (K2,)}, {}])
def test_key_that_all_have_or_nobody_has_is_put_to_the_members(rings: dict[str, tuple[str, ...]]) -> None:
    pool = Pool(a=1, b=1)
    pool.rings = rings
    assert KeyringReport(nodes=2) == operated(pool, KeyringVerb.USE)
    assert ["_serf_list-keys", "_serf_use-key"] == [params.name for params in pool.asked]


def test_key_that_a_member_lacks_is_not_put_to_use_anywhere() -> None:
    pool = Pool(a=1, b=1, c=1)
    pool.rings = {"a": (K1, K2), "b": (K2,), "c": (K2, K1)}
    report = operated(pool, KeyringVerb.USE)
    assert "1/3 nodes lack the key and would be cut off; install it first" == report.error
    assert {"b": "lacks this key"} == report.messages
    assert ["_serf_list-keys"] == [params.name for params in pool.asked]
