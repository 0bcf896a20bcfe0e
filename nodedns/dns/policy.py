"""``DnsPolicy``: the knobs of the DNS room, with Consul's defaults where Consul has the knob."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import attrs

from nodedns.dns.name import text_bytes
from nodedns.dns.rate_limit import RateLimitPolicy
from nodedns.model.names import fold

__all__ = ["MAX_SAID_BYTES", "DnsPolicy", "ServiceTtls"]

MAX_TTL_S: Final = 2**31 - 1  # RFC 2181 section 8
MIN_UDP_PAYLOAD_BYTES: Final = 512  # RFC 6891 section 6.2.3
EDNS_PAYLOAD_BYTES: Final = 1232  # DNS flag day 2020, RFC 9715: fits the smallest IPv6 MTU
MAX_UDP_PAYLOAD_BYTES: Final = 4096  # RFC 6891 section 6.2.5: the largest that is worth offering
MAX_AMPLIFICATION: Final = 100  # ours: more than the largest reply is to the smallest query
MAX_SAID_BYTES: Final = 128  # ours: with every other option it fits a reply of 512 bytes to the longest question

_ttl = attrs.validators.and_(attrs.validators.instance_of(int), attrs.validators.ge(0), attrs.validators.le(MAX_TTL_S))
_payload = attrs.validators.and_(
    attrs.validators.instance_of(int),
    attrs.validators.ge(MIN_UDP_PAYLOAD_BYTES),
    attrs.validators.le(MAX_UDP_PAYLOAD_BYTES),
)
_count = attrs.validators.and_(attrs.validators.instance_of(int), attrs.validators.ge(0))
_amplification = attrs.validators.and_(
    attrs.validators.instance_of(int), attrs.validators.ge(0), attrs.validators.le(MAX_AMPLIFICATION)
)


def _said(_: object, field: attrs.Attribute[str], value: str) -> None:
    if len(text_bytes(value)) > MAX_SAID_BYTES:
        raise ValueError(f"{field.name} must have at most {MAX_SAID_BYTES} bytes")


def _folded(ttls: Mapping[str, int]) -> dict[str, int]:
    return {fold(pattern): ttl_s for pattern, ttl_s in ttls.items()}


@attrs.frozen
class ServiceTtls:
    """TTLs of services by name.

    Attributes:
        by_pattern: Seconds by name, in any letter case. A ``*`` at the end stands for whatever follows.
    """

    by_pattern: Mapping[str, int] = attrs.field(
        factory=dict, converter=_folded, validator=attrs.validators.deep_mapping(value_validator=_ttl)
    )

    def of(self, folded_name: str) -> int:
        """Return the TTL of a service: that of its very name, of the longest beginning that is given, or 0."""
        exact = self.by_pattern.get(folded_name)
        if exact is not None:
            return exact
        return next((ttl_s for start, ttl_s in self._by_start if folded_name.startswith(start)), 0)

    @cached_property
    def _by_start(self) -> tuple[tuple[str, int], ...]:
        starts = [(pattern[:-1], ttl_s) for pattern, ttl_s in self.by_pattern.items() if pattern.endswith("*")]
        return tuple(sorted(starts, key=lambda pair: len(pair[0]), reverse=True))


@attrs.frozen(kw_only=True)
class DnsPolicy:
    """Knobs of DNS answers. Building one with a value out of range raises ``ValueError``."""

    node_ttl_s: int = attrs.field(default=0, validator=_ttl)
    """TTL of node, name server and glue records. 0: a change is seen at once, and nothing is cached."""
    ptr_ttl_s: int = attrs.field(default=0, validator=_ttl)
    """TTL of PTR records."""
    soa_refresh_s: int = attrs.field(default=3600, validator=_ttl)
    """SOA REFRESH: how often a secondary looks for changes."""
    soa_retry_s: int = attrs.field(default=600, validator=_ttl)
    """SOA RETRY: how soon a secondary tries again."""
    soa_expire_s: int = attrs.field(default=86400, validator=_ttl)
    """SOA EXPIRE: how long a secondary may answer without us."""
    soa_min_ttl_s: int = attrs.field(default=0, validator=_ttl)
    """SOA MINIMUM and TTL: how long a missing name may be cached (RFC 2308)."""
    udp_payload_bytes: int = attrs.field(default=EDNS_PAYLOAD_BYTES, validator=_payload)
    """Largest UDP reply we send, and the size we offer. Larger replies may be fragmented, and lost."""
    amplification_limit: int = attrs.field(default=3, validator=_amplification)
    """Bytes out for one byte in, over UDP to a client that is not proved; 0 for no limit (3 is QUIC's, RFC 9000)."""
    rate_limit: RateLimitPolicy = RateLimitPolicy()  # noqa: RUF009 - it is frozen
    """How many alike responses a network of clients gets over UDP."""
    nsid: str = attrs.field(default="", validator=_said)
    """Which server this is, said to who asks for NSID, ``id.server`` or ``hostname.bind``; empty: nothing is said."""
    version: str = attrs.field(default="", validator=_said)
    """What is said to who asks for ``version.bind`` or ``version.server``; empty: nothing is said."""
    enable_additional_node_meta_txt: bool = True
    """Whether A and AAAA answers of nodes, and SRV answers, carry node meta as TXT in the additional section."""
    service_ttl: ServiceTtls = ServiceTtls()
    """TTLs of services' records."""
    nearest_first: bool = False
    """Whether a service's records are by the distance of their nodes from this one, instead of in any order."""
    only_passing: bool = False
    """Whether an instance with a warning is left out, as one that is critical always is."""
    a_record_limit: int = attrs.field(default=0, validator=_count)
    """Most addresses of a service in one reply, over any transport; 0 for all."""
    udp_answer_limit: int = attrs.field(default=0, validator=_count)
    """Most records of a service in a UDP reply of up to 512 bytes, which says TC then; 0 for all that fit. Above 8 it
    is 8, as in Consul."""
