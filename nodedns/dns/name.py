"""Domain names as tuples of labels, leftmost first, without the root.

A label is bytes: any octet may stand in it (RFC 2181 section 11), a dot too,
so a name is never kept as text. Only ASCII letters fold (RFC 4343), which is
what ``bytes.lower`` does. There are no escapes and no IDNA in what is read: text comes
from configuration and from the node table, where a dot always parts labels.
``presentation`` writes any name, for people, with the escapes of RFC 1035.
"""

from __future__ import annotations

from nodedns.model.names import MAX_LABEL_BYTES

__all__ = [
    "MAX_NAME_BYTES",
    "Labels",
    "fold_labels",
    "labels_of",
    "name_end",
    "packed_name",
    "presentation",
    "text_bytes",
    "wire_bytes",
]

Labels = tuple[bytes, ...]

_SPECIAL = frozenset(b'"$().;@\\')
_PRESENTED = tuple(
    f"\\{byte:03}" if not 0x21 <= byte <= 0x7E else f"\\{chr(byte)}" if byte in _SPECIAL else chr(byte)
    for byte in range(256)
)
"""How each byte of a label is written."""

MAX_NAME_BYTES = 255  # RFC 1035 section 2.3.4, length bytes and root included


def text_bytes(text: str) -> bytes:
    """Return ``text`` as UTF-8, bytes that were none when received as they were received."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # JSON can spell lone surrogates that no bytes decode to.
        return text.encode("utf-8", "replace")


def labels_of(text: str) -> Labels | None:
    """Return the labels of ``text``; None if no domain name can be spelt so.

    A final dot is not removed: it makes an empty label, hence None.
    """
    labels = tuple(text_bytes(text).split(b"."))
    if not all(labels) or max(map(len, labels)) > MAX_LABEL_BYTES:
        return None
    return labels if wire_bytes(labels) <= MAX_NAME_BYTES else None


def wire_bytes(labels: Labels) -> int:
    """Return the length of the name on the wire, uncompressed."""
    return sum(map(len, labels)) + len(labels) + 1


def packed_name(labels: Labels) -> bytes:
    """Return the name as on the wire, uncompressed, its root included."""
    return b"".join([bytes((len(label),)) + label for label in labels]) + b"\0"


def fold_labels(labels: Labels) -> Labels:
    """Return ``labels`` with ASCII letters lower-cased."""
    return tuple([label.lower() for label in labels])


def name_end(wire: bytes, offset: int = 0) -> int:
    """Return where an uncompressed, well-formed name ends, its root included."""
    while (length := wire[offset]) != 0:
        offset += length + 1
    return offset + 1


def presentation(wire: bytes) -> str:
    r"""Return a name for people, with the final dot, in printable ASCII whatever it holds.

    Special characters get a backslash, all that is no printable ASCII becomes
    ``\DDD`` (RFC 1035 section 5.1, RFC 4343 section 2.1).

    Args:
        wire: An uncompressed name, well formed, with its root; anything after that is left alone.
    """
    text: list[str] = []
    offset = 0
    while (length := wire[offset]) != 0:
        offset += 1
        text.extend(map(_PRESENTED.__getitem__, wire[offset : offset + length]))
        text.append(".")
        offset += length
    return "".join(text) or "."
