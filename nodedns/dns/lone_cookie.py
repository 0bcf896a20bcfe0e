"""A query whose only EDNS option is a cookie, taken apart, and its reply put together.

BIND, Knot Resolver and dig send a cookie with every query, so their queries differ
in each byte string where all else is the same. Taken apart there is the same
query without the cookie, whose reply may be kept packed, and the cookie, which is
judged for each client anew.

What this does not recognise goes the long way through ``responder.respond``, which
gives the same bytes.

Source: RFC 6891 section 6.1.2, RFC 7873 section 4.
"""

from __future__ import annotations

from typing import Final

import attrs

from nodedns.dns.codec import reply_limit
from nodedns.dns.question import Edns, Transport

__all__ = ["LoneCookie", "find_lone_cookie"]

_CONTENT_BYTES: Final = (8, 24)  # a client cookie alone, and with a server cookie such as we make (RFC 9018)
_OPT_BYTES: Final = 11
_OPTION_HEAD_BYTES: Final = 4
_OPT_START: Final = b"\0\0\x29"  # the root, type 41
_COOKIE: Final = b"\0\x0a"
_NO_OPTIONS: Final = b"\0\0"
_ONE_ADDITIONAL: Final = b"\0\x01"
_ADDITIONALS_AT: Final = 10
_SIZE_AT: Final = 3  # in an OPT record, after the root and the type


@attrs.frozen
class LoneCookie:
    """A query taken apart.

    Attributes:
        query: The query with an OPT record that has no options.
        content: Of its COOKIE option.
    """

    query: bytes
    content: bytes

    def reply(self, bare: bytes, content: bytes, payload_bytes: int) -> bytes | None:
        """Return ``bare``, the UDP reply to ``query``, with a COOKIE option in its OPT record, which ends it.

        Args:
            bare: The reply, not truncated.
            content: Of the option.
            payload_bytes: The most that we send over UDP.

        Returns:
            The reply; None if it would be too long, so that something has to be left out of it, or if its OPT
            record has an option already, such as an extended error.
        """
        if not bare.startswith(_OPT_START, len(bare) - _OPT_BYTES):
            return None
        option = _COOKIE + len(content).to_bytes(2, "big") + content
        size_at = len(self.query) - _OPT_BYTES + _SIZE_AT
        size = int.from_bytes(self.query[size_at : size_at + 2], "big")
        edns = Edns(version=0, payload_bytes=size, wants_dnssec=False)
        if len(bare) + len(option) > reply_limit(edns, Transport.UDP, payload_bytes):
            return None
        return bare[: -len(_NO_OPTIONS)] + len(option).to_bytes(2, "big") + option


def find_lone_cookie(query: bytes) -> LoneCookie | None:
    """Take ``query`` apart; None if it does not end in an OPT record with a cookie of ordinary length and no more."""
    if query[_ADDITIONALS_AT : _ADDITIONALS_AT + 2] != _ONE_ADDITIONAL:
        return None
    for size in _CONTENT_BYTES:
        option_at = len(query) - size - _OPTION_HEAD_BYTES
        opt_at = option_at - _OPT_BYTES
        lengths = (size + _OPTION_HEAD_BYTES).to_bytes(2, "big") + _COOKIE + size.to_bytes(2, "big")
        if opt_at > 0 and query.startswith(_OPT_START, opt_at) and query.startswith(lengths, option_at - 2):
            return LoneCookie(query[: option_at - 2] + _NO_OPTIONS, query[-size:])
    return None
