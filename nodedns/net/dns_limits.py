"""``DnsLimits``: what a client over UDP may not have, because its address may be forged.

Both ways to an answer, the whole one and the one from packed answers, ask here
whether a client is exempt, how many bytes a reply may have for one of the
query, and whether the response is one too many for the client's network. What
is limited is counted, and a flood is told in the log when it begins, at a
bounded rate.

A client that has proved itself (TCP, or a cookie) is never limited. The rules
are ``dns/rate_limit.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.dns.client_networks import ClientNetworks
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.rate_limit import ERROR_CLASS, RateLimiter, RateLimitPolicy, Verdict
from nodedns.dns.responder import Reply, held_to
from nodedns.dns.truncation import truncated
from nodedns.model.address import Address
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import DNS_LIMITED, Metrics

__all__ = ["DnsLimits"]

_DNS = logger("dns")


class DnsLimits:
    """The limits of one agent, for all its UDP sockets together.

    Args:
        policy: Knobs.
        secret: ``rate_limit.SECRET_BYTES`` that no client can guess.
        metrics: Counts what is limited.
        clock: Monotonic seconds.

    Attributes:
        amplification_limit: Bytes out for one byte in, to a client that is neither proved nor exempt; 0 for no limit.
        is_rate_limited: Whether ``verdict`` can be anything but ``SEND``.
        is_any: Whether there is a limit at all.
        exempt_octets: First bytes of IPv4 addresses that are exempt whatever follows; a quick look at many clients.
    """

    def __init__(self, policy: DnsPolicy, secret: bytes, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._rate_limit: RateLimitPolicy | None = None
        self.update(policy)
        self._actions = {
            verdict: metrics.tally(DNS_LIMITED, action=verdict.name.lower()) for verdict in (Verdict.SLIP, Verdict.DROP)
        }
        self._clock = clock
        self._remote_log = RemoteLog(_DNS, clock)

    def update(self, policy: DnsPolicy) -> None:
        """Take other knobs. Responses are counted anew if it is those of the rate limit."""
        self.amplification_limit = policy.amplification_limit
        if policy.rate_limit != self._rate_limit:
            self._rate_limit = policy.rate_limit
            self.is_rate_limited = bool(policy.rate_limit.responses_per_second)
            self._exempt = ClientNetworks(policy.rate_limit.exempt)
            self.exempt_octets = b"".join(prefix for prefix in self._exempt.ipv4 if len(prefix) == 1)
            self._limiter = RateLimiter(policy.rate_limit, self._secret) if self.is_rate_limited else None
        self.is_any = self.is_rate_limited or bool(self.amplification_limit)

    def is_exempt(self, packed: bytes) -> bool:
        """Return whether no limit is for a client, given its address of 4 or 16 bytes."""
        return self._exempt.covers(packed)

    def class_key(self, kind: bytes) -> int:
        """Return what ``verdict`` takes for a ``Reply.kind``; it is worth keeping beside a packed answer."""
        return self._limiter.class_key(kind) if self._limiter is not None else 0

    def verdict(self, packed: bytes, class_key: int, now: float) -> Verdict:
        """Count one response to a client that is neither proved nor exempt, and say what becomes of it.

        Args:
            packed: The client's address, 4 or 16 bytes.
            class_key: From ``class_key``.
            now: Monotonic seconds.
        """
        limiter = self._limiter
        if limiter is None:
            return Verdict.SEND
        verdict = limiter.verdict(limiter.prefix_of(packed), class_key, now)
        if verdict:
            self._actions[verdict].count += 1
            if limiter.has_crossed:
                self._remote_log.warning("responses limited", Address(packed, 0).host)
        return verdict

    def passed(self, reply: Reply, client: Address, query_bytes: int) -> bytes | None:
        """Return what is sent for ``reply``: all of it, what is left without its records and with TC, or nothing.

        Args:
            reply: What was to be said.
            client: To whom.
            query_bytes: How long the query was.
        """
        if reply.is_proved or self.is_exempt(client.packed):
            return reply.wire
        wire = held_to(reply, self.amplification_limit * query_bytes).wire
        verdict = self.verdict(client.packed, self.class_key(reply.kind), self._clock())
        if verdict is Verdict.SLIP and reply.kind != ERROR_CLASS:
            # An error goes out as it is (BIND does so): over TCP the client would be told no more.
            return truncated(wire, len(wire))
        return None if verdict is Verdict.DROP else wire
