"""What a query's OPT record asks for, and what the reply's will say.

``grant_options`` reads the options that we know and answers them in one go:

- NSID: who answers, if that has a name and the client asks (RFC 5001)
- ECS: the client's subnet comes back with scope 0, for our answers are for everyone (RFC 7871)
- COOKIE: comes back with a server cookie; a good one proves the client's address (RFC 7873)
- edns-tcp-keepalive: how long a silent connection is kept (RFC 7828)

All others are ignored and never echoed (RFC 6891 section 6.1.2). A version that
we do not have, a malformed option or a cookie that is asked for first decides
the reply's code; the question is then not looked at.

This knows nothing of names and records. Source: as above.
"""

from __future__ import annotations

import struct
from typing import Final

import attrs

from nodedns.dns.cookies import Cookies, CookieVerdict
from nodedns.dns.name import text_bytes
from nodedns.dns.question import Edns, Rcode, Transport
from nodedns.errors import DnsWireError
from nodedns.model.address import Address

__all__ = ["Granted", "Peer", "grant_options"]

# IANA's numbers.
_OPTION_COOKIE: Final = 10
_OPTION_NSID: Final = 3
_OPTION_ECS: Final = 8
_OPTION_KEEPALIVE: Final = 11

_OPTION_HEAD = struct.Struct("!HH")
#   option code, its length 2, timeout in tenths of a second
_KEEPALIVE = struct.Struct("!HHH")
#   family, source prefix length, scope prefix length
_ECS_HEAD = struct.Struct("!HBB")

_ECS_BITS: Final = {0: 0, 1: 32, 2: 128}  # of the family's addresses; family 0 is how clients opt out without telling
_MAX_KEEPALIVE: Final = 0xFFFF


@attrs.frozen
class Peer:
    """Who asks, and over what.

    Attributes:
        client: Its address; None where that is not known, and then there are no cookies.
        transport: How the query came.
        keepalive_s: How long its connection may be silent; None over UDP, or where that is not told.
    """

    client: Address | None
    transport: Transport
    keepalive_s: float | None = None


@attrs.frozen(kw_only=True)
class Granted:
    """What the options of one query bring.

    Attributes:
        options: EDNS options of the reply, packed.
        rcode: The reply's code where the options decide it; None where the question does.
        cookie: What the client's cookie is worth; None if it sent none.
        is_lasting: Whether the same bytes would bring the same to anyone at any time.
    """

    options: bytes = b""
    rcode: Rcode | None = None
    cookie: CookieVerdict | None = None
    is_lasting: bool = True

    @property
    def is_proved(self) -> bool:
        """Whether a cookie shows that the client's address is its own."""
        return self.cookie is not None and self.cookie.is_valid


_NOTHING = Granted()
_BAD_VERSION = Granted(rcode=Rcode.BADVERS)
_MALFORMED = Granted(rcode=Rcode.FORMERR)


def grant_options(edns: Edns | None, peer: Peer, nsid: str, cookies: Cookies | None) -> Granted:
    """Answer the options of a query. Never raises.

    Args:
        edns: The query's OPT record, if it has one.
        peer: Who sent it.
        nsid: The name of this server; empty for none.
        cookies: Judges cookies; None if they are turned off, and then they are ignored like any unknown option.
    """
    if edns is None:
        return _NOTHING
    if edns.version > 0:
        return _BAD_VERSION
    if not edns.options:
        return _NOTHING
    try:
        return _grant(edns, peer, nsid, cookies)
    except DnsWireError:
        return _MALFORMED


def _grant(edns: Edns, peer: Peer, nsid: str, cookies: Cookies | None) -> Granted:
    options = b""
    if nsid and edns.option(_OPTION_NSID) is not None:
        options += _packed(_OPTION_NSID, text_bytes(nsid))
    subnet = edns.option(_OPTION_ECS)
    if subnet is not None:
        options += _packed(_OPTION_ECS, _global_scope_untrusted(subnet))
    verdict = None
    cookie = edns.option(_OPTION_COOKIE)
    if cookie is not None and cookies is not None and peer.client is not None:
        verdict = cookies.judge_untrusted(cookie, peer.client)
        options += _packed(_OPTION_COOKIE, verdict.content)
    is_lasting = verdict is None
    if peer.keepalive_s is not None and edns.option(_OPTION_KEEPALIVE) is not None:
        is_lasting = False
        tenths = min(round(peer.keepalive_s * 10), _MAX_KEEPALIVE)
        options += _KEEPALIVE.pack(_OPTION_KEEPALIVE, 2, tenths)
    if not options:
        return _NOTHING
    rcode = Rcode.BADCOOKIE if verdict is not None and _is_refused(verdict, peer, cookies) else None
    return Granted(options=options, rcode=rcode, cookie=verdict, is_lasting=is_lasting)


def _is_refused(verdict: CookieVerdict, peer: Peer, cookies: Cookies | None) -> bool:
    is_required = cookies is not None and cookies.is_required
    return is_required and not verdict.is_valid and peer.transport is Transport.UDP


def _packed(code: int, content: bytes) -> bytes:
    return _OPTION_HEAD.pack(code, len(content)) + content


def _global_scope_untrusted(content: bytes) -> bytes:
    """Return the ECS option to answer with.

    Raises:
        DnsWireError: It is malformed (RFC 7871 sections 6 and 7.1.2).
    """
    if len(content) < _ECS_HEAD.size:
        raise DnsWireError("ECS option", 0, "cut off")
    family, source_bits, scope_bits = _ECS_HEAD.unpack_from(content)
    address = content[_ECS_HEAD.size :]
    if family not in _ECS_BITS or source_bits > _ECS_BITS[family] or scope_bits:
        raise DnsWireError("ECS option", 0, "unknown family, or prefix out of range")
    if len(address) != (source_bits + 7) // 8:
        raise DnsWireError("ECS option", _ECS_HEAD.size, "address of another length than its prefix")
    if source_bits % 8 and address[-1] & 0xFF >> source_bits % 8:
        raise DnsWireError("ECS option", _ECS_HEAD.size, "bits behind the prefix")
    return content
