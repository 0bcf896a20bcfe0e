"""The answers of all members added up: as Serf does, and with those that lag behind named."""

from __future__ import annotations

from nodedns.agent.keyrings import tally
from nodedns.gossip.key_text import encode_key_text
from nodedns.model.names import NodeName
from nodedns.serf.messages import KeyRequest, KeyResponse, encode_message

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
