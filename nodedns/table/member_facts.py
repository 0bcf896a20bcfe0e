"""``MemberFacts``: what a member's Serf tags say about it, whoever wrote them.

Strategy: four kinds of member share a pool. nodedns agents carry the tag
``nodedns``; Consul servers ``role=consul``; Consul clients ``role=node`` with
``vsn``; anything else is a plain Serf member, whose tags are its meta. Tags
come from strangers, so every number and id is checked and a bad one reads as
absent; nothing here raises.

nodedns itself says ``role=node`` in both modes, because a Consul leader tries
to make every ``role=consul`` member a Raft peer.

This does not check that encoded tags fit memberlist's 512 bytes; the encoder does.

Source: Consul's tags as its agents announce them (agent/consul server and client Serf set-up).
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Mapping, Sequence

import attrs

from nodedns.model.address import MAX_PORT
from nodedns.model.host_key import Fingerprint, decode_tag_untrusted, encode_tag, meta_of
from nodedns.model.member import NODEDNS_TAG, SerfMember
from nodedns.model.meta import MAX_META_PAIRS

__all__ = [
    "KIND_CLIENT",
    "KIND_SERVER",
    "KIND_UNKNOWN",
    "MemberFacts",
    "facts_of",
    "tags_for",
]

KIND_SERVER = "server"
KIND_CLIENT = "client"
KIND_UNKNOWN = "unknown"

MAX_EXPECT = 1_000  # ours: no cluster has more servers, so a larger claim is nonsense

META_PREFIX = "nm_"
HOST_KEYS_TAG = "sshfp"
# Words of Consul's tagged addresses. A member has one address in gossip; its other family travels here.
IPV4_TAG = "lan_ipv4"
IPV6_TAG = "lan_ipv6"
# Consul's own protocol numbers, which its members and tools read.
PROTOCOL = "2"
PROTOCOL_MIN = "2"
PROTOCOL_MAX = "3"

# A fixed namespace, so that every agent derives one id for a member that announces none.
_NODE_ID_NAMESPACE = uuid.UUID("9f4a7c52-6f0e-5d0b-8a52-3c1d8b7e6a10")


@attrs.frozen
class MemberFacts:
    """A member's tags, understood.

    Attributes:
        datacenter: Where it says it is; the local one for a plain Serf member.
        node_id: UUID text; derived from the name where none is announced.
        kind: ``server``, ``client`` or ``unknown``, as ``members`` prints it.
        build: Version without what follows a colon; empty where none is announced.
        protocol: Consul's protocol number as text; empty where none is announced.
        is_server: Whether it is a server agent, nodedns's or Consul's.
        dns_port: Port of its DNS server, 0 where unknown.
        meta: Node meta.
        expect: Servers it expects before the cluster counts as known, 0 for none.
        bootstrap: Whether it was told to start a cluster alone.
        ipv4: IPv4 text that it wants DNS to give, empty where it announces none.
        ipv6: Likewise, IPv6.
        server_port: A Consul server's port for the other agents, 0 for any other member.
    """

    datacenter: str
    node_id: str
    kind: str
    build: str
    protocol: str
    is_server: bool
    dns_port: int
    meta: Mapping[str, str]
    expect: int
    bootstrap: bool
    ipv4: str = ""
    ipv6: str = ""
    server_port: int = 0


def facts_of(member: SerfMember, datacenter: str) -> MemberFacts:
    """Return what ``member``'s tags say.

    Args:
        member: Any member of the pool, of whatever make.
        datacenter: The local datacenter, assumed where the member names none.
    """
    tags = member.tags
    if NODEDNS_TAG in tags:
        is_server = tags.get("server") == "1"
        kind = KIND_SERVER if is_server else KIND_CLIENT
        meta = _own_meta(tags)
    elif tags.get("role") == "consul":
        is_server, kind, meta = True, KIND_SERVER, _consul_meta(tags)
    elif tags.get("role") == "node" and "vsn" in tags:
        is_server, kind, meta = False, KIND_CLIENT, _consul_meta(tags)
    else:
        is_server, kind, meta = False, KIND_UNKNOWN, _first_pairs(tags)
    return MemberFacts(
        datacenter=tags.get("dc") or datacenter,
        node_id=_node_id(member),
        kind=kind,
        build=tags.get("build", "").partition(":")[0],
        protocol=tags.get("vsn", ""),
        is_server=is_server,
        dns_port=_number(tags.get("dns", ""), MAX_PORT) if NODEDNS_TAG in tags else 0,
        meta=meta,
        expect=_number(tags.get("expect", ""), MAX_EXPECT) if is_server else 0,
        bootstrap=is_server and tags.get("bootstrap") == "1",
        ipv4=_ip_text(tags.get(IPV4_TAG, ""), 4),
        ipv6=_ip_text(tags.get(IPV6_TAG, ""), 6),
        server_port=_number(tags.get("port", ""), MAX_PORT) if tags.get("role") == "consul" else 0,
    )


def tags_for(
    *,
    version: str,
    datacenter: str,
    node_id: str,
    is_server: bool,
    dns_port: int,
    meta: Mapping[str, str],
    expect: int = 0,
    bootstrap: bool = False,
    reconnect_timeout: str = "",
    ipv4: str = "",
    ipv6: str = "",
    host_keys: Sequence[Fingerprint] = (),
) -> dict[str, str]:
    """Return the tags by which a nodedns agent announces itself; ``facts_of`` reads them back.

    Args:
        version: nodedns's version, such as ``0.1.0``.
        datacenter: Local datacenter.
        node_id: UUID text.
        is_server: Whether the agent runs with ``-server``.
        dns_port: Port of its DNS server; none is announced where it is not positive.
        meta: Node meta, at most ``MAX_META_PAIRS`` pairs.
        expect: ``-bootstrap-expect`` of a server, 0 for none.
        bootstrap: ``-bootstrap`` of a server.
        reconnect_timeout: How long the others remember it once it is gone, as Go writes a duration; empty:
            as they were told themselves.
        ipv4: IPv4 text for DNS where gossip's address is not it, or empty.
        ipv6: Likewise, IPv6.
        host_keys: SHA-256 fingerprints of the host's SSH keys; read back they are meta.
    """
    tags = {
        "role": "node",
        "dc": datacenter,
        "id": node_id,
        "vsn": PROTOCOL,
        "vsn_min": PROTOCOL_MIN,
        "vsn_max": PROTOCOL_MAX,
        "build": f"{version}:nodedns",
        "segment": "",
        NODEDNS_TAG: version,
    }
    if dns_port > 0:
        tags["dns"] = str(dns_port)
    if ipv4:
        tags[IPV4_TAG] = ipv4
    if ipv6:
        tags[IPV6_TAG] = ipv6
    if host_keys:
        tags[HOST_KEYS_TAG] = encode_tag(host_keys)
    if reconnect_timeout:
        tags["rc_tm"] = reconnect_timeout
    if is_server:
        tags["server"] = "1"
        if expect > 0:
            tags["expect"] = str(expect)
        if bootstrap:
            tags["bootstrap"] = "1"
    tags.update((META_PREFIX + key, value) for key, value in meta.items())
    return tags


def _own_meta(tags: Mapping[str, str]) -> dict[str, str]:
    meta = {key.removeprefix(META_PREFIX): value for key, value in tags.items() if key.startswith(META_PREFIX)}
    if HOST_KEYS_TAG in tags:
        # What somebody wrote by hand says more than what was found.
        meta = meta_of(decode_tag_untrusted(tags[HOST_KEYS_TAG])) | meta
    return _first_pairs(meta)


def _consul_meta(tags: Mapping[str, str]) -> dict[str, str]:
    build = tags.get("build", "").partition(":")[0]
    return {"consul-version": build} if build else {}


def _first_pairs(tags: Mapping[str, str]) -> dict[str, str]:
    # Sorted first, so that every agent cuts an over-long set at the same place.
    return dict(sorted(tags.items())[:MAX_META_PAIRS])


def _node_id(member: SerfMember) -> str:
    try:
        return str(uuid.UUID(member.tags["id"]))
    except (KeyError, ValueError):
        return str(uuid.uuid5(_NODE_ID_NAMESPACE, member.name.encode("utf-8", "surrogatepass").hex()))


def _ip_text(text: str, version: int) -> str:
    if not text:
        return ""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if ip.version != version or ip.is_unspecified or ip.is_multicast:
        return ""
    # A scope means something to the member alone; a v4-mapped address would be IPv4 to everybody else.
    return "" if isinstance(ip, ipaddress.IPv6Address) and (ip.scope_id or ip.ipv4_mapped) else str(ip)


def _number(text: str, maximum: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(maximum))):
        return 0
    number = int(text)
    return number if number <= maximum else 0
