"""``KeyChanges``: installs, uses and removals of keys, one after the other, each stored before it counts.

Strategy: a change is checked against the ring of the moment. Where a keyring
file is kept, the ring as it would be goes to the owner (``KeyringToStore``),
and only once that is on the disk does the ring in memory change and the asker
get its yes. If it cannot be written, nothing has changed anywhere, and the asker
is told why. So memory and file never differ but for a crash between the two, after
which the file, with the newer ring, is read. Serf changes its memory first and
keeps the change where the file then fails.

A change that comes while one is being stored waits; at most ``MAX_WAITING``.

While gossip is taken or sent without encryption too (a pool on its way to it), nothing is changed: the asker may be
a stranger, who would have a key of its own installed and used. Serf and Consul obey.

What it does not do: files, or reading queries. Source: Serf's internal_query.go
for what is answered (gossip-protocol 4.8).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import attrs

from nodedns.errors import LocalProtocolError
from nodedns.gossip.keyring import Keyring, with_installed, with_removed, with_used
from nodedns.serf.events import KeyringChanged, KeyringToStore
from nodedns.serf.messages import KeyResponse

__all__ = ["CHANGES", "EXPOSED", "INSTALL_KEY", "NO_KEYRING", "REMOVE_KEY", "USE_KEY", "KeyChanges"]

INSTALL_KEY = "_serf_install-key"
USE_KEY = "_serf_use-key"
REMOVE_KEY = "_serf_remove-key"

CHANGES: Mapping[str, Callable[[Sequence[bytes], bytes], tuple[bytes, ...]]] = {
    INSTALL_KEY: with_installed,
    USE_KEY: with_used,
    REMOVE_KEY: with_removed,
}
"""What each query makes of the keys."""

MAX_WAITING = 64  # ours; as many as a keyring has keys
NO_KEYRING = "No keyring to modify (encryption not enabled)"
EXPOSED = "keys are neither told nor changed while encrypt_verify_incoming or encrypt_verify_outgoing is false"
TOO_MANY = f"{MAX_WAITING} changes of the keyring are waiting already"

Answer = Callable[[KeyResponse], None]


@attrs.frozen
class _Change:
    query: str
    key: bytes = attrs.field(repr=False)
    answer: Answer


class KeyChanges:
    """The one way by which a running agent's keyring changes.

    Args:
        keyring: Changed in place; None without encryption.
        is_stored: Whether the owner keeps a keyring file, and calls ``stored`` for each ``KeyringToStore``.
        emit: Takes the events.
        is_exposed: Whether gossip is taken or sent without encryption although there are keys.
    """

    def __init__(
        self,
        keyring: Keyring | None,
        *,
        is_stored: bool,
        emit: Callable[[KeyringToStore | KeyringChanged], None],
        is_exposed: bool = False,
    ) -> None:
        self._keyring = keyring
        self.is_exposed = is_exposed
        """Whether gossip is taken or sent without encryption although there are keys."""
        self._is_stored = is_stored
        self._emit = emit
        self._waiting: deque[_Change] = deque()
        self._storing: tuple[bytes, ...] | None = None

    @property
    def refusal(self) -> str:
        """Why no key may be changed, nor one be sent to others to that end; empty if it may."""
        if self._keyring is None or not self._keyring.keys:
            return NO_KEYRING
        return EXPOSED if self.is_exposed else ""

    def request(self, query: str, key: bytes, answer: Answer) -> None:
        """Take a change.

        Args:
            query: One of ``CHANGES``.
            key: As the asker sent it.
            answer: Called once, now or after ``stored``.
        """
        if self._keyring is None or self.refusal:
            answer(KeyResponse(result=False, message=self.refusal))
        elif len(self._waiting) >= MAX_WAITING:
            answer(KeyResponse(result=False, message=TOO_MANY))
        else:
            self._waiting.append(_Change(query, key, answer))
            self._go_on(self._keyring)

    def stored(self, error: str) -> None:
        """Take that the ring of the last ``KeyringToStore`` is on the disk, or why it is not.

        Raises:
            LocalProtocolError: None was to be stored.
        """
        keys, self._storing = self._storing, None
        if self._keyring is None or keys is None:
            raise LocalProtocolError("no keyring was to be stored")
        change = self._waiting.popleft()
        if error:
            change.answer(KeyResponse(result=False, message=error))
        else:
            self._take(self._keyring, change, keys)
        self._go_on(self._keyring)

    def _go_on(self, keyring: Keyring) -> None:
        while self._waiting and self._storing is None:
            change = self._waiting[0]
            try:
                keys = CHANGES[change.query](keyring.keys, change.key)
            except LocalProtocolError as problem:
                self._waiting.popleft()
                change.answer(KeyResponse(result=False, message=str(problem)))
                continue
            # Also where nothing changes: the file may have been lost since.
            if self._is_stored:
                self._storing = keys
                self._emit(KeyringToStore(keys))
            else:
                self._waiting.popleft()
                self._take(keyring, change, keys)

    def _take(self, keyring: Keyring, change: _Change, keys: tuple[bytes, ...]) -> None:
        if keys != keyring.keys:  # a step may be run again, and then changes nothing
            keyring.replace(keys)
            self._emit(KeyringChanged(change.query, len(keys)))
        change.answer(KeyResponse(result=True))
