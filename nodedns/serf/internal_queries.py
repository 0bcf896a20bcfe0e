"""``InternalQueries``: what the library answers by itself, queries named ``_serf_*``.

- ``ping``: nothing but the ack.
- ``conflict``: whom we know under a name; nothing if it is ours.
- ``install-key``, ``use-key``, ``remove-key``, ``list-keys``: the keyring's
  changes and contents. An agent that kept silent here would make every key
  rotation of the cluster report a failure.

Where strangers may be asking (``Envelope.exposes_keys``), keys are neither told nor changed, and questions
about them are not passed on: they would go out sealed, as if a member had asked.

What comes of a change is answered once it is known (``serf/key_changes.py``).

Source: Serf's internal_query.go (gossip-protocol 4.8).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs

from nodedns.errors import GossipWireError
from nodedns.gossip.key_text import encode_key_text
from nodedns.gossip.keyring import Keyring
from nodedns.model.names import NodeName
from nodedns.serf.key_changes import CHANGES, EXPOSED, KeyChanges
from nodedns.serf.members import MemberTable
from nodedns.serf.messages import (
    ConflictMember,
    ConflictResponse,
    KeyRequest,
    KeyResponse,
    decode_message_untrusted,
    encode_message,
)

__all__ = ["INTERNAL_PREFIX", "LIST_KEYS", "InternalQueries"]

INTERNAL_PREFIX = "_serf_"
CONFLICT = INTERNAL_PREFIX + "conflict"
LIST_KEYS = INTERNAL_PREFIX + "list-keys"

EMPTY_KEYRING = "Keyring is empty (encryption not enabled)"
RESPONSE_OVERHEAD_BYTES = 64  # a response around its payload, the name in From apart


class InternalQueries:
    """Answers to internal queries.

    Args:
        local_name: Our own name.
        table: The members we know.
        keyring: The encryption keys; None without encryption.
        changes: Changes them.
        limit_bytes: Largest encoded query response.
    """

    def __init__(
        self,
        *,
        local_name: NodeName,
        table: MemberTable,
        keyring: Keyring | None,
        changes: KeyChanges,
        limit_bytes: int,
    ) -> None:
        self._local_name = local_name
        self._table = table
        self._keyring = keyring
        self._changes = changes
        self._limit_bytes = limit_bytes

    def withholds(self, name: str) -> bool:
        """Whether a query of that name is not to be passed on."""
        return self._changes.is_exposed and (name == LIST_KEYS or name in CHANGES)

    def answer(self, name: str, payload: bytes, respond: Callable[[bytes], None]) -> None:
        """Have ``respond`` called with the payload of our answer, now or later, if there is one to give."""
        if name == CONFLICT:
            known = self._known_as(payload.decode("utf-8", "surrogateescape"))
            if known is not None:
                respond(known)
        elif name == LIST_KEYS:
            respond(encode_message(self._listed_keys()))
        elif name in CHANGES:
            self._change_keys(name, payload, partial(_respond_encoded, respond))

    def _known_as(self, name: str) -> bytes | None:
        if name == self._local_name:
            return None
        record = self._table.get(name)
        if record is None:
            return encode_message(ConflictResponse(None))
        versions = record.member.versions
        member = ConflictMember(
            name=record.name,
            addr=record.member.address.packed,
            port=record.member.address.port,
            tags=record.shown.tags,
            status=int(record.status),
            protocol_min=versions.protocol_min,
            protocol_max=versions.protocol_max,
            protocol_current=versions.protocol_current,
            delegate_min=versions.delegate_min,
            delegate_max=versions.delegate_max,
            delegate_current=versions.delegate_current,
        )
        return encode_message(ConflictResponse(member))

    def _change_keys(self, name: str, payload: bytes, answer: Callable[[KeyResponse], None]) -> None:
        try:
            request = decode_message_untrusted(payload)
        except GossipWireError as problem:
            answer(KeyResponse(result=False, message=f"Failed to decode key request: {problem.reason}"))
            return
        if isinstance(request, KeyRequest):
            self._changes.request(name, request.key, answer)
        else:
            answer(KeyResponse(result=False, message="Failed to decode key request"))

    def _listed_keys(self) -> KeyResponse:
        keys = () if self._keyring is None else self._keyring.keys
        if not keys:
            return KeyResponse(result=False, message=EMPTY_KEYRING)
        if self._changes.is_exposed:
            return KeyResponse(result=False, message=EXPOSED)
        texts = tuple(map(encode_key_text, keys))
        whole = KeyResponse(result=True, keys=texts, primary_key=texts[0])
        room = self._limit_bytes - RESPONSE_OVERHEAD_BYTES - len(self._local_name.encode("utf-8", "surrogateescape"))
        fitting = whole
        while len(encode_message(fitting)) > room and fitting.keys:
            kept = fitting.keys[:-1]
            note = f"truncated key list response, showing first {len(kept)} of {len(texts)} keys"
            fitting = attrs.evolve(whole, keys=kept, message=note)
        return fitting


def _respond_encoded(respond: Callable[[bytes], None], response: KeyResponse) -> None:
    respond(encode_message(response))
