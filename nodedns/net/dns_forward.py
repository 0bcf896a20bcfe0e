"""``Forwarder``: asks the recursors for what is not ours to say, within bounds.

Strategy: one recursor after the other, each for its time, until one says that the
name is there or is not; any other response code, silence and every fault lead
to the next. When all have failed the client gets SERVFAIL. Each query has a
link of its own and an ID drawn by chance; what comes and does not fit the
query is passed over, so a forger must guess port and ID within the time.

Clients that ask the same at the same time share one search. That also breaks loops:
where a recursor (or its recursor) asks us, the question that comes back joins the
search that it came from, and all of it ends with the time-outs.

Searches are tasks beside the DNS servers' loops, bounded in all and for each
client, so names of our own are answered whatever the recursors do.

Nothing is kept when it is answered: there is no cache. Source: RFC 5452; Consul's recursors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import attrs
import trio

from nodedns.dns.adoption import adopt, give_up
from nodedns.dns.forward import Forward, Key, encode_upstream_query
from nodedns.dns.question import Rcode, Transport
from nodedns.dns.recursion import Recursion, Recursor, Strategy
from nodedns.dns.responder import Reply
from nodedns.dns.rrset import EDE_NETWORK_ERROR, EDE_NO_REACHABLE_AUTHORITY
from nodedns.dns.upstream_records import check_records_untrusted
from nodedns.dns.upstream_reply import UpstreamReply, decode_reply_untrusted, is_reply_to
from nodedns.errors import DnsWireError
from nodedns.model.address import Address
from nodedns.net.dns_upstream import Links, SocketLinks
from nodedns.net.transport import errno_name
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import DNS_FORWARD_SECONDS, DNS_FORWARDS, DNS_FORWARDS_OPEN, DNS_RECURSOR_ERRORS, Metrics

__all__ = ["MAX_SEARCHES", "MAX_WAITING", "MAX_WAITING_OF_CLIENT", "Entropy", "Forwarder"]

MAX_SEARCHES = 256  # a socket each, of the 1,024 files a process usually may have; dnsmasq's dns-forward-max is 150
MAX_WAITING = 1_000  # clients' queries; BIND's recursive-clients is 1,000
MAX_WAITING_OF_CLIENT = 128  # ours: an eighth, so that no client alone can take all
MAX_STRAY_REPLIES = 16  # ours: what does not fit the query; more is an attack, and the search goes on elsewhere
ID_BYTES = 2

Entropy = Callable[[int], bytes]
"""Gives so many bytes that nobody can foresee."""

_DNS = logger("dns")


@attrs.frozen
class _Failure:
    """Nobody knew.

    Attributes:
        ede: Extended DNS error code; None where the recursors were not asked.
    """

    ede: int | None = None


@attrs.define(eq=False)
class _Search:
    """One question under way.

    Attributes:
        done: Set at its end.
        found: What came of it; None if it was called off.
    """

    done: trio.Event = attrs.field(factory=trio.Event)
    found: UpstreamReply | _Failure | None = None


class _UselessReplyError(Exception):
    """A recursor's reply helps nobody; the reason is a metric label."""

    def __init__(self, reason: str, ede: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ede = ede


class Forwarder:
    """Asks recursors.

    Args:
        recursion: Whom, in which order, and for how long.
        rng: For the order.
        entropy: For query IDs, which nobody must foresee.
        metrics: Counts forwards, and what recursors did wrong.
        links: Opens the way to a recursor.
    """

    def __init__(
        self, recursion: Recursion, rng: Random, entropy: Entropy, metrics: Metrics, links: Links | None = None
    ) -> None:
        self._recursion = recursion
        self._rng = rng
        self._entropy = entropy
        self._metrics = metrics
        self._links = links or SocketLinks()
        self._searches: dict[Key, _Search] = {}
        self._waiting = 0
        self._waiting_by_host: Counter[str] = Counter()
        self._log: RemoteLog | None = None
        metrics.set_by(DNS_FORWARDS_OPEN, lambda: self._waiting)

    def update(self, recursion: Recursion) -> None:
        """Ask by other knobs from now on; searches under way keep theirs."""
        self._recursion = recursion

    async def forward(self, forward: Forward, client: Address) -> Reply:
        """Return what to tell ``client``: what a recursor said, or SERVFAIL."""
        if self._waiting >= MAX_WAITING or self._waiting_by_host[client.host] >= MAX_WAITING_OF_CLIENT:
            self._metrics.count(DNS_FORWARDS, outcome="over-limit")
            return give_up(forward, None)
        started = trio.current_time()
        self._count_waiting(client.host, 1)
        try:
            found = await self._found(forward)
        finally:
            self._count_waiting(client.host, -1)
        self._metrics.observe(DNS_FORWARD_SECONDS, trio.current_time() - started)
        if isinstance(found, UpstreamReply):
            self._metrics.count(DNS_FORWARDS, outcome="answered")
            return adopt(forward, found)
        self._metrics.count(DNS_FORWARDS, outcome="over-limit" if found.ede is None else "failed")
        return give_up(forward, found.ede)

    def _count_waiting(self, host: str, change: int) -> None:
        self._waiting += change
        self._waiting_by_host[host] += change
        if not self._waiting_by_host[host]:
            # Else the counter would grow by one entry for every address there is.
            del self._waiting_by_host[host]

    async def _found(self, forward: Forward) -> UpstreamReply | _Failure:
        key = forward.key
        while (search := self._searches.get(key)) is not None:
            await search.done.wait()
            if search.found is not None:
                return search.found
            # Its client went away, and the search with it: whoever comes first takes over.
        if len(self._searches) >= MAX_SEARCHES:
            return _Failure()
        search = self._searches[key] = _Search()
        try:
            search.found = await self._search(forward)
        finally:
            del self._searches[key]
            search.done.set()
        return search.found

    async def _search(self, forward: Forward) -> UpstreamReply | _Failure:
        timeout_s = self._recursion.timeout_s
        ede = EDE_NETWORK_ERROR
        for recursor in self._in_order():
            try:
                with trio.fail_after(timeout_s):
                    return await self._ask(forward, recursor)
            except trio.TooSlowError:
                self._failed(recursor, "timeout", timeout_s=timeout_s)
                ede = EDE_NO_REACHABLE_AUTHORITY
            except OSError as error:
                self._failed(recursor, "network", error=errno_name(error))
            except _UselessReplyError as useless:
                self._failed(recursor, useless.reason)
                ede = EDE_NO_REACHABLE_AUTHORITY if useless.ede is None else useless.ede
        return _Failure(ede)

    def _in_order(self) -> Sequence[Recursor]:
        recursors = self._recursion.recursors
        if self._recursion.strategy is Strategy.RANDOM:
            return self._rng.sample(recursors, len(recursors))
        return recursors

    async def _ask(self, forward: Forward, recursor: Recursor) -> UpstreamReply:
        reply = await self._ask_over(forward, recursor, forward.transport)
        if reply.is_truncated and forward.prefix is not None and forward.transport is Transport.UDP:
            # Whole records go into a reply of our own, so the whole is needed; what then fits is another matter.
            reply = await self._ask_over(forward, recursor, Transport.TCP)
        if not reply.is_final:
            raise _UselessReplyError(_reason(reply.rcode), reply.ede)
        if forward.prefix is not None:
            _check_whole(reply)
        return reply

    async def _ask_over(self, forward: Forward, recursor: Recursor, transport: Transport) -> UpstreamReply:
        query = encode_upstream_query(forward, int.from_bytes(self._entropy(ID_BYTES), "big"))
        is_udp = transport is Transport.UDP
        with await (self._links.open_udp(recursor) if is_udp else self._links.open_tcp(recursor)) as link:
            await link.send(query)
            for _ in range(MAX_STRAY_REPLIES):
                wire = await link.receive()
                if is_reply_to(wire, query):
                    try:
                        return decode_reply_untrusted(wire)
                    except DnsWireError:
                        raise _UselessReplyError("malformed") from None
                self._metrics.count(DNS_RECURSOR_ERRORS, reason="stray")
        raise _UselessReplyError("malformed")

    def _failed(self, recursor: Recursor, reason: str, **fields: object) -> None:
        self._metrics.count(DNS_RECURSOR_ERRORS, reason=reason)
        self._log = self._log or RemoteLog(_DNS, trio.current_time)
        self._log.warning("recursor failed", str(recursor), reason=reason, **fields)


def _check_whole(reply: UpstreamReply) -> None:
    try:
        check_records_untrusted(reply)
    except DnsWireError:
        raise _UselessReplyError("malformed") from None
    if reply.is_truncated:
        raise _UselessReplyError("truncated")


def _reason(rcode: int) -> str:
    try:
        return Rcode(rcode).name.lower()
    except ValueError:
        return "rcode"
