"""``TransferParams``: who may have our zones as a whole, who is told of changes, and the keys of both.

An entry that names an address and a key is kept by who has both: a network is
no proof of who is in it, and a key may get about.

This verifies no signature; ``tsig`` does.
"""

from __future__ import annotations

import enum
import ipaddress
from typing import Final

import attrs

from nodedns.dns.name import Labels, fold_labels, labels_of
from nodedns.errors import LocalProtocolError
from nodedns.model.address import Address
from nodedns.model.secret import Secret

__all__ = [
    "DEFAULT_PORT",
    "MAX_ALLOWED",
    "MAX_KEYS",
    "MAX_NOTIFIED",
    "NO_TRANSFER",
    "AllowedClient",
    "NotifyTarget",
    "TransferParams",
    "TsigAlgorithm",
    "TsigKey",
]

MAX_KEYS: Final = 64
"""Ours; a key for each secondary, and some that are on their way out."""
MAX_ALLOWED: Final = 256
"""Ours; each is compared with every client that wants a zone."""
MAX_NOTIFIED: Final = 64
"""Ours; each gets a packet at every change."""
DEFAULT_PORT: Final = 53

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TsigAlgorithm(enum.Enum):
    """What messages are signed with; the words are the algorithms' names (RFC 8945 section 6)."""

    HMAC_SHA256 = "hmac-sha256"
    HMAC_SHA512 = "hmac-sha512"


@attrs.frozen(kw_only=True)
class TsigKey:
    """A secret that we share with a secondary.

    Attributes:
        name: A domain name in lower case, without its final dot.
        algorithm: What it signs with; never another (RFC 8945 section 5.2.1).
        secret: Any bytes.
    """

    name: str
    algorithm: TsigAlgorithm = TsigAlgorithm.HMAC_SHA256
    secret: Secret

    @property
    def labels(self) -> Labels:
        """The name, folded. Raises ``LocalProtocolError`` if no domain name is spelt so."""
        labels = labels_of(self.name)
        if labels is None:
            raise LocalProtocolError(f"not a domain name: {self.name!r}")
        return fold_labels(labels)


@attrs.frozen
class AllowedClient:
    """Who may have a zone.

    Attributes:
        network: Where it must be; None for anywhere.
        key: Name of the key that it must have signed with; empty for none.
    """

    network: Network | None
    key: str = ""


@attrs.frozen
class NotifyTarget:
    """Who is told of changes.

    Attributes:
        host: IP text.
        port: 1..65535.
        key: Name of the key that the notice is signed with; empty for none.
    """

    host: str
    port: int = DEFAULT_PORT
    key: str = ""


@attrs.frozen(kw_only=True)
class TransferParams:
    """Knobs of zone transfer; every key that an entry names is among ``keys``.

    Attributes:
        keys: At most ``MAX_KEYS``, no two of one name.
        allow: At most ``MAX_ALLOWED``; without any, nobody may have a zone.
        notify: At most ``MAX_NOTIFIED``.
    """

    keys: tuple[TsigKey, ...] = ()
    allow: tuple[AllowedClient, ...] = ()
    notify: tuple[NotifyTarget, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether anybody may have a zone, or is told of changes."""
        return bool(self.allow or self.notify)

    def key(self, name: str) -> TsigKey | None:
        """Return the key of this name; None if there is none, and for the empty name."""
        return next((key for key in self.keys if key.name == name), None)

    def allows(self, client: Address | None, key: TsigKey | None) -> bool:
        """Whether a client may have a zone.

        Args:
            client: Where it is; None if that is not known, and then no entry with an address is for it.
            key: The key that its query was found to be signed with; None for an unsigned query.
        """
        ip = None if client is None else client.ip
        name = "" if key is None else key.name
        return any(
            (not entry.key or entry.key == name)
            and (
                entry.network is None
                or (ip is not None and ip.version == entry.network.version and ip in entry.network)
            )
            for entry in self.allow
        )


NO_TRANSFER: Final = TransferParams()
"""Nobody may have a zone."""
