"""Members: the identity an agent announces, and the two vocabularies of its state.

memberlist knows ``NodeState`` (alive, suspect, dead, left). Serf, above it,
knows ``MemberStatus`` (alive, leaving, left, failed), which is what users see.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from nodedns.model.address import Address
from nodedns.model.names import NodeName

__all__ = ["NODEDNS_TAG", "Member", "MemberStatus", "NodeState", "SerfMember", "Versions"]

NODEDNS_TAG = "nodedns"
"""The tag by which a nodedns agent says what it is; its value is the version."""
VERSIONS_BYTES = 6


class NodeState(enum.IntEnum):
    """memberlist's state of a node, with its numbers on the wire."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


class MemberStatus(enum.IntEnum):
    """Serf's status of a member, with its numbers in Consul's HTTP API."""

    NONE = 0
    ALIVE = 1
    LEAVING = 2
    LEFT = 3
    FAILED = 4

    @property
    def word(self) -> str:
        """The word that commands print: ``none``, ``alive``, ``leaving``, ``left``, ``failed``."""
        return self.name.lower()


@attrs.frozen
class Versions:
    """The ``Vsn`` bytes of an alive message, kept as received.

    Layout: protocol min, max, current; delegate min, max, current. Shorter or
    empty byte strings occur on the wire; absent ones read as 0.
    """

    packed: bytes

    def _at(self, index: int) -> int:
        return self.packed[index] if index < len(self.packed) else 0

    @property
    def is_complete(self) -> bool:
        """Whether all six bytes were announced."""
        return len(self.packed) >= VERSIONS_BYTES

    @property
    def protocol_min(self) -> int:
        """Lowest memberlist protocol understood."""
        return self._at(0)

    @property
    def protocol_max(self) -> int:
        """Highest memberlist protocol understood (3: TCP ping, 4: nack, 5: CRC)."""
        return self._at(1)

    @property
    def protocol_current(self) -> int:
        """Memberlist protocol spoken."""
        return self._at(2)

    @property
    def delegate_min(self) -> int:
        """Lowest Serf protocol understood."""
        return self._at(3)

    @property
    def delegate_max(self) -> int:
        """Highest Serf protocol understood."""
        return self._at(4)

    @property
    def delegate_current(self) -> int:
        """Serf protocol spoken."""
        return self._at(5)


@attrs.frozen
class Member:
    """A member's identity as it announced it (memberlist calls this a node).

    Attributes:
        name: Compared byte for byte in gossip.
        address: Where its UDP and TCP gossip port is.
        meta: Encoded tags, at most 512 bytes, passed on byte for byte.
        versions: Protocol versions, passed on byte for byte.
    """

    name: NodeName
    address: Address
    meta: bytes
    versions: Versions


@attrs.frozen
class SerfMember:
    """A member as Serf sees it: identity, decoded tags, and status.

    Attributes:
        name: Node name.
        address: Gossip address and port.
        tags: Decoded from the member's meta; empty where it announced none.
        status: What ``members`` shows.
        versions: Protocol versions.
    """

    name: NodeName
    address: Address
    tags: Mapping[str, str]
    status: MemberStatus
    versions: Versions
