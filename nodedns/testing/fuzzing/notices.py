"""What comes back to the socket from which NOTIFY goes out.

The first byte says whether the secondary has a key, and whether what it sends is signed with it; the rest is what
it sends. By one bit the ID is put right, so that what stands behind it is looked into.
"""

from __future__ import annotations

from nodedns.dns.name import packed_name
from nodedns.dns.notify import Notification, NotifyDesk, Recipient, Verdict
from nodedns.dns.tsig import RequestSigner
from nodedns.model.address import Address
from nodedns.testing.fuzzing.demands import demand
from nodedns.testing.signing import TSIG_256, signed_response

__all__ = ["checked_notice"]

ZONE = (b"consul",)
SECONDARY = Address.from_text("192.0.2.20", 53)
STRANGER = Address.from_text("192.0.2.21", 53)
WALL_S = 1_700_000_000
QUERY_ID = 0x1234
HEADER_BYTES = 12
MAX_COUNT = 0xFFFF
RCODE = 0x0F
HAS_KEY, IS_SIGNED, IS_STRANGER, IS_OURS = 1, 2, 4, 8


def _soa() -> bytes:
    names = packed_name((b"one", b"node", b"consul")) + packed_name((b"hostmaster", b"consul"))
    rdata = names + b"".join(number.to_bytes(4, "big") for number in (7, 3600, 600, 86400, 5))
    return b"\xc0\x0c\0\6\0\1\0\0\0\5" + len(rdata).to_bytes(2, "big") + rdata


def checked_notice(data: bytes) -> str:
    """Have a secondary answer with ``data``; return what it was taken for.

    Raises:
        AssertionError: Something does not hold; any other error is one, too.
    """
    how, wire = data[0] if data else 0, data[1:]
    desk = NotifyDesk(lambda: QUERY_ID)
    signer = RequestSigner(TSIG_256) if how & HAS_KEY else None
    desk.update_recipients([Recipient(SECONDARY, signer)], 0.0)
    desk.publish(ZONE, 7, _soa(), 0.0)
    (sent,) = desk.datagrams_to_send(0.0, WALL_S)
    if how & IS_OURS:
        wire = QUERY_ID.to_bytes(2, "big") + wire
    is_signed = how & IS_SIGNED and len(wire) >= HEADER_BYTES and int.from_bytes(wire[10:12], "big") < MAX_COUNT
    if is_signed:
        wire = signed_response(wire, TSIG_256, WALL_S, request_mac=_mac_of(sent) if how & HAS_KEY else b"")
    source = STRANGER if how & IS_STRANGER else SECONDARY
    heard = desk.receive_untrusted(wire, source, WALL_S)
    is_heard = heard.verdict in {Verdict.ACKNOWLEDGED, Verdict.REFUSED}
    demand(is_heard == (desk.next_deadline() is None), "told again, or not, against what was heard")
    demand(desk.statistics().waiting == (not is_heard), "counted otherwise than it is")
    if is_heard:
        demand(source == SECONDARY and (is_signed or not how & HAS_KEY), "anybody may acknowledge")
        demand((heard.rcode, heard.serial) == (wire[3] & RCODE, 7), "another code or serial")
        demand(desk.receive_untrusted(wire, source, WALL_S).verdict is Verdict.STRAY, "heard twice")
    else:
        demand(desk.receive_untrusted(wire, source, WALL_S).verdict is heard.verdict, "another verdict on the same")
        demand(len(desk.datagrams_to_send(1.0, WALL_S)) == 1, "not told again")
    return heard.verdict.value


def _mac_of(sent: Notification) -> bytes:
    """Return the MAC at the end of a request, before the original ID, the error and the length of no other data."""
    return sent.data[-38:-6]
