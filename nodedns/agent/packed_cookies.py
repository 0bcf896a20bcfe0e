"""``PackedWithCookies``: packed answers for queries that differ by their cookie alone.

A query with a cookie is looked up as the query that it is without, and the cookie
is judged for itself and put into the reply. Only where nothing else hangs on the
cookie: a client that has to be limited or held to a bound without a good one is
asked for the long way, as is whatever does not fit.
"""

from __future__ import annotations

from nodedns.dns.cookies import Cookies
from nodedns.dns.decode import HEADER_BYTES
from nodedns.dns.lone_cookie import LoneCookie
from nodedns.dns.packed import KEY_AT, PackedAnswers
from nodedns.model.address import Address
from nodedns.net.dns_limits import DnsLimits

__all__ = ["PackedWithCookies"]


class PackedWithCookies:
    """Replies over UDP to queries whose only EDNS option is a cookie.

    Args:
        cookies: Judges cookies.
        limits: Who is exempt from limits.
        payload_bytes: The most that is sent over UDP.
    """

    def __init__(self, cookies: Cookies, limits: DnsLimits, payload_bytes: int) -> None:
        self._cookies = cookies
        self._limits = limits
        self._payload_bytes = payload_bytes

    def find(self, packed: PackedAnswers, lone: LoneCookie, client: Address) -> bytes | None:
        """Return the reply to a query with a cookie, counted; None if it is to be asked for.

        Args:
            packed: The answers that are true now, without limits.
            lone: The query, taken apart.
            client: Who sent it.
        """
        found = packed.find(lone.query)
        if found is None:
            return None
        verdict = self._cookies.judge_untrusted(lone.content, client)
        if not verdict.is_valid and (self._cookies.is_required or not self._limits.is_exempt(client.packed)):
            return None
        head, question_end, tail, _, tally, _, _ = found
        bare = b"".join((lone.query[:KEY_AT], head, lone.query[HEADER_BYTES:question_end], tail))
        reply = lone.reply(bare, verdict.content, self._payload_bytes)
        if reply is not None:
            tally.count += 1
        return reply
