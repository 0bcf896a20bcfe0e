from __future__ import annotations

import pytest

from nodedns.gossip.keyring import Keyring
from nodedns.model.names import NodeName
from nodedns.serf.internal_queries import InternalQueries
from nodedns.serf.key_changes import KeyChanges
from nodedns.serf.members import MemberTable
from nodedns.serf.messages import KeyRequest, KeyResponse, QueryResponse, decode_message_untrusted, encode_message

OLD, NEW = b"0123456789abcdef", b"fedcba9876543210"


def answers(keyring: Keyring | None, name: str, payload: bytes) -> list[bytes]:
    given: list[bytes] = []
    changes = KeyChanges(keyring, is_stored=False, emit=lambda _event: None)
    internal = InternalQueries(
        local_name=NodeName("me"), table=MemberTable(10), keyring=keyring, changes=changes, limit_bytes=1024
    )
    internal.answer(f"_serf_{name}", payload, given.append)
    return given


def ask(keyring: Keyring | None, name: str, payload: bytes) -> KeyResponse:
    (answer,) = answers(keyring, name, payload)
    response = decode_message_untrusted(answer)
    assert isinstance(response, KeyResponse)
    return response


def request(key: bytes) -> bytes:
    return encode_message(KeyRequest(key))


def test_key_is_installed_behind_the_primary() -> None:
    keyring = Keyring([OLD])
    assert ask(keyring, "install-key", request(NEW)) == KeyResponse(result=True)
    assert keyring.keys == (OLD, NEW)


@pytest.mark.parametrize(("name", "key"), [("use-key", NEW), ("remove-key", OLD), ("install-key", b"short")])
def test_change_the_keyring_refuses_is_answered_with_the_reason(name: str, key: bytes) -> None:
    keyring = Keyring([OLD])
    response = ask(keyring, name, request(key))
    assert not response.result
    assert response.message
    assert keyring.keys == (OLD,)


@pytest.mark.parametrize("payload", [b"\x07", b"\x00\x80", b"\x07\x90", encode_message(QueryResponse(1, 1, "x"))])
def test_request_that_is_none_is_answered_with_a_failure(payload: bytes) -> None:
    response = ask(Keyring([OLD]), "install-key", payload)
    assert not response.result
    assert response.message.startswith("Failed to decode key request")


def test_list_that_does_not_fit_an_answer_is_cut_and_says_so() -> None:
    keys = [bytes([number]) * 32 for number in range(60)]
    response = ask(Keyring(keys), "list-keys", b"")
    assert response.result
    assert 10 < len(response.keys) < 60
    assert f"first {len(response.keys)} of 60 keys" in response.message
    whole = QueryResponse(2**32, 2**32 - 1, "me", payload=encode_message(response))
    assert len(encode_message(whole)) <= 1024


def test_unknown_internal_query_is_not_answered() -> None:
    assert [] == answers(None, "no-such", b"")
