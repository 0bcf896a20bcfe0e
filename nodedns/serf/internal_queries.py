"""``InternalQueries``: what the library answers by itself, queries named ``_serf_*``.

- ``ping``: nothing but the ack.
- ``conflict``: whom we know under a name; nothing if it is ours.
- ``install-key``, ``use-key``, ``remove-key``, ``list-keys``: the keyring's
  changes and contents. An agent that kept silent here would make every key
  rotation of the cluster report a failure.

A keyring's file is the shell's business.

Source: Serf's internal_query.go (gossip-protocol 4.8).
"""

from __future__ import annotations

import base64

import attrs

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip.envelope import Keyring
from nodedns.model.names import NodeName
from nodedns.serf.members import MemberTable
from nodedns.serf.messages import (
    ConflictMember,
    ConflictResponse,
    KeyRequest,
    KeyResponse,
    decode_message_untrusted,
    encode_message,
)

__all__ = ["INTERNAL_PREFIX", "InternalQueries"]

INTERNAL_PREFIX = "_serf_"
CONFLICT = INTERNAL_PREFIX + "conflict"
LIST_KEYS = INTERNAL_PREFIX + "list-keys"
INSTALL_KEY = INTERNAL_PREFIX + "install-key"
USE_KEY = INTERNAL_PREFIX + "use-key"
REMOVE_KEY = INTERNAL_PREFIX + "remove-key"
KEY_CHANGES = (INSTALL_KEY, USE_KEY, REMOVE_KEY)

NO_KEYRING = "No keyring to modify (encryption not enabled)"
EMPTY_KEYRING = "Keyring is empty (encryption not enabled)"
RESPONSE_OVERHEAD_BYTES = 64  # a response around its payload, the name in From apart


class InternalQueries:
    """Answers to internal queries.

    Args:
        local_name: Our own name.
        table: The members we know.
        keyring: The encryption keys; None without encryption.
        limit_bytes: Largest encoded query response.
    """

    def __init__(
        self,
        *,
        local_name: NodeName,
        table: MemberTable,
        keyring: Keyring | None,
        limit_bytes: int,
    ) -> None:
        self._local_name = local_name
        self._table = table
        self._keyring = keyring
        self._limit_bytes = limit_bytes

    def answer(self, name: str, payload: bytes) -> bytes | None:
        """Return the payload of our answer, or None where there is none to give."""
        if name == CONFLICT:
            return self._known_as(payload.decode("utf-8", "surrogateescape"))
        if name == LIST_KEYS:
            return encode_message(self._listed_keys())
        if name in KEY_CHANGES:
            return encode_message(self._change_keys(name, payload))
        return None

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

    def _change_keys(self, name: str, payload: bytes) -> KeyResponse:
        if self._keyring is None or not self._keyring.keys:
            return KeyResponse(result=False, message=NO_KEYRING)
        try:
            request = decode_message_untrusted(payload)
            if not isinstance(request, KeyRequest):
                return KeyResponse(result=False, message="Failed to decode key request")
            _apply_change(self._keyring, name, request.key)
        except GossipWireError as problem:
            return KeyResponse(result=False, message=f"Failed to decode key request: {problem.reason}")
        except LocalProtocolError as problem:
            return KeyResponse(result=False, message=str(problem))
        return KeyResponse(result=True)

    def _listed_keys(self) -> KeyResponse:
        keys = () if self._keyring is None else self._keyring.keys
        if not keys:
            return KeyResponse(result=False, message=EMPTY_KEYRING)
        texts = tuple(base64.b64encode(key).decode("ascii") for key in keys)
        whole = KeyResponse(result=True, keys=texts, primary_key=texts[0])
        room = self._limit_bytes - RESPONSE_OVERHEAD_BYTES - len(self._local_name.encode("utf-8", "surrogateescape"))
        fitting = whole
        while len(encode_message(fitting)) > room and fitting.keys:
            kept = fitting.keys[:-1]
            note = f"truncated key list response, showing first {len(kept)} of {len(texts)} keys"
            fitting = attrs.evolve(whole, keys=kept, message=note)
        return fitting


def _apply_change(keyring: Keyring, name: str, key: bytes) -> None:
    if name == INSTALL_KEY:
        keyring.install(key)
    elif name == USE_KEY:
        keyring.use(key)
    else:
        keyring.remove(key)
