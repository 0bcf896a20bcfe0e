"""Names: what a node may be called, and how two spellings are told to be one.

Gossip compares node names byte for byte; Consul's catalog and DNS fold ASCII
case (RFC 4343). ``fold`` is the one place where that folding happens.
"""

from __future__ import annotations

import string
from typing import NewType

__all__ = ["MAX_LABEL_BYTES", "NodeName", "fold", "is_dns_label", "is_dotted_name", "is_service_name"]

NodeName = NewType("NodeName", str)

MAX_LABEL_BYTES = 63  # RFC 1035 section 2.3.4

_FOLDED = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_LABEL_CHARS = frozenset(string.ascii_letters + string.digits + "-")


def fold(name: str) -> str:
    """Return ``name`` with ASCII letters lower-cased and all else untouched (RFC 4343 section 3)."""
    # By far most names are ASCII, for which str.lower does the same, and sooner.
    return name.lower() if name.isascii() else name.translate(_FOLDED)


def is_dns_label(name: str) -> bool:
    """Whether ``name`` is one label of letters, digits and dashes, 1 to 63 bytes long."""
    return 0 < len(name) <= MAX_LABEL_BYTES and all(char in _LABEL_CHARS for char in name)


def is_dotted_name(name: str) -> bool:
    """Whether ``name`` is such labels with dots between them, as names of nodes and tags may be; one label is."""
    return all(map(is_dns_label, name.split(".")))


def is_service_name(host: str) -> bool:
    """Whether ``host`` names a service, as ``_gossip._tcp.example.com`` does, and not a host (RFC 2782)."""
    service, _, rest = host.partition(".")
    proto, _, domain = rest.partition(".")
    return len(service) > 1 and len(proto) > 1 and service[0] == proto[0] == "_" and domain.strip(".") != ""
