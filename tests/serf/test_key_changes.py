"""Changes to the keyring: checked, stored, and only then made."""

from __future__ import annotations

import pytest

from nodedns.errors import LocalProtocolError
from nodedns.gossip.keyring import Keyring
from nodedns.serf.events import KeyringChanged, KeyringToStore
from nodedns.serf.key_changes import INSTALL_KEY, MAX_WAITING, REMOVE_KEY, USE_KEY, KeyChanges
from nodedns.serf.messages import KeyResponse

OLD, NEW = b"0123456789abcdef", b"fedcba9876543210"
DONE = KeyResponse(result=True)


class Ring:
    """A keyring under change, with what was emitted and answered."""

    def __init__(self, *keys: bytes, is_stored: bool) -> None:
        self.keyring = Keyring(keys)
        self.emitted: list[KeyringToStore | KeyringChanged] = []
        self.answers: list[KeyResponse] = []
        self.changes = KeyChanges(self.keyring, is_stored=is_stored, emit=self.emitted.append)

    def ask(self, query: str, key: bytes) -> None:
        self.changes.request(query, key, self.answers.append)


def test_ring_without_a_file_changes_at_once() -> None:
    ring = Ring(OLD, is_stored=False)
    ring.ask(INSTALL_KEY, NEW)
    ring.ask(USE_KEY, NEW)
    ring.ask(REMOVE_KEY, OLD)
    assert (NEW,) == ring.keyring.keys
    assert [DONE] * 3 == ring.answers
    assert [KeyringChanged(INSTALL_KEY, 2), KeyringChanged(USE_KEY, 2), KeyringChanged(REMOVE_KEY, 1)] == ring.emitted


def test_step_run_again_is_done_and_called_no_change() -> None:
    ring = Ring(OLD, is_stored=False)
    ring.ask(INSTALL_KEY, NEW)
    ring.ask(INSTALL_KEY, NEW)
    ring.ask(USE_KEY, OLD)
    assert [DONE] * 3 == ring.answers
    assert [KeyringChanged(INSTALL_KEY, 2)] == ring.emitted


def test_change_counts_only_once_it_is_stored() -> None:
    ring = Ring(OLD, is_stored=True)
    ring.ask(INSTALL_KEY, NEW)
    assert [KeyringToStore((OLD, NEW))] == ring.emitted
    assert ((OLD,), []) == (ring.keyring.keys, ring.answers)
    ring.changes.stored("")
    assert ((OLD, NEW), [DONE]) == (ring.keyring.keys, ring.answers)
    assert KeyringChanged(INSTALL_KEY, 2) == ring.emitted[-1]


def test_change_that_cannot_be_stored_is_refused_with_the_reason_and_changes_nothing() -> None:
    ring = Ring(OLD, NEW, is_stored=True)
    ring.ask(USE_KEY, NEW)
    ring.changes.stored("the disk is full")
    assert (OLD, NEW) == ring.keyring.keys
    assert [KeyResponse(result=False, message="the disk is full")] == ring.answers
    ring.ask(USE_KEY, NEW)
    ring.changes.stored("")
    assert NEW == ring.keyring.primary


def test_changes_wait_for_each_other_and_see_what_the_earlier_made() -> None:
    ring = Ring(OLD, is_stored=True)
    ring.ask(INSTALL_KEY, NEW)
    ring.ask(USE_KEY, NEW)
    ring.ask(REMOVE_KEY, NEW)
    ring.ask(REMOVE_KEY, OLD)
    assert [KeyringToStore((OLD, NEW))] == ring.emitted
    ring.changes.stored("")
    ring.changes.stored("")
    ring.changes.stored("")
    assert (NEW,) == ring.keyring.keys
    refused = KeyResponse(result=False, message="Removing the primary key is not allowed")
    assert [DONE, DONE, refused, DONE] == ring.answers


def test_key_installed_again_is_stored_again_since_the_file_may_be_lost() -> None:
    ring = Ring(OLD, is_stored=True)
    ring.ask(INSTALL_KEY, OLD)
    assert [KeyringToStore((OLD,))] == ring.emitted


@pytest.mark.parametrize(
    ("query", "key", "reason"),
    [
        (INSTALL_KEY, b"short", "key size must be 16, 24 or 32 bytes"),
        (USE_KEY, NEW, "Requested key is not in the keyring"),
        (REMOVE_KEY, OLD, "Removing the primary key is not allowed"),
    ],
)
@pytest.mark.parametrize("is_stored", [False, True])
def test_bad_change_is_refused_before_anything_is_stored(
    query: str, key: bytes, reason: str, *, is_stored: bool
) -> None:
    ring = Ring(OLD, is_stored=is_stored)
    ring.ask(query, key)
    assert [KeyResponse(result=False, message=reason)] == ring.answers
    assert [] == ring.emitted


def test_ring_without_keys_is_not_changed() -> None:
    ring = Ring(is_stored=True)
    ring.ask(INSTALL_KEY, NEW)
    assert [KeyResponse(result=False, message="No keyring to modify (encryption not enabled)")] == ring.answers
    assert () == ring.keyring.keys


def test_waiting_changes_are_bounded() -> None:
    ring = Ring(OLD, is_stored=True)
    for _ in range(MAX_WAITING + 1):
        ring.ask(INSTALL_KEY, NEW)
    assert ["64 changes of the keyring are waiting already"] == [answer.message for answer in ring.answers]


def test_nothing_can_be_stored_that_was_not_to_be() -> None:
    with pytest.raises(LocalProtocolError):
        Ring(OLD, is_stored=True).changes.stored("")


def test_keys_are_not_in_the_text_of_an_event() -> None:
    assert OLD.decode() not in repr(KeyringToStore((OLD,)))
