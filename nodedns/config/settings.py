# ruff: noqa: RUF009 - _key makes an attrs field, which is no mutable default
"""``Settings``: every key that a configuration file may hold, with Consul's names, types and one line each.

One file, or the flags, is one ``Settings`` in which everything may be missing;
``merge`` lays a later one over an earlier one by Consul's rules: scalars are
replaced, lists appended, maps and blocks merged key by key. A key is one
field here; ``converter`` reads the types, ``docs/config.rst`` and ``conf.d``
are tested against the names. The field also says whether a running agent takes
another value of the key; ``taken_over`` makes the settings that it then runs with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_type_hints

import attrs

from nodedns.config.access_settings import AclSettings, HttpSettings, LimitSettings, TlsSettings
from nodedns.config.keys import Given, KeyText, Seconds
from nodedns.config.keys import key as _key

__all__ = [
    "AddressSettings",
    "CookieSettings",
    "DnsSettings",
    "DnsTcpSettings",
    "GossipSettings",
    "KeyText",
    "PortSettings",
    "RateLimitSettings",
    "Seconds",
    "Settings",
    "SoaSettings",
    "TransferSettings",
    "block_classes",
    "changed_keys",
    "key_docs",
    "leaves",
    "merge",
    "reloadable_keys",
    "taken_over",
]


@attrs.frozen(kw_only=True)
class AddressSettings:
    """Where single services listen, instead of ``client_addr``."""

    dns: str | None = _key("IPs to serve DNS on, separated by blanks.")
    http: str | None = _key("IPs and unix:// paths to serve HTTP on, separated by blanks.")
    https: str | None = _key("IPs to serve HTTPS on, separated by blanks.")


@attrs.frozen(kw_only=True)
class PortSettings:
    """The ports."""

    dns: int | None = _key("DNS over UDP and TCP; -1 turns it off.")
    http: int | None = _key("The HTTP API; -1 turns it off.")
    https: int | None = _key("The HTTP API over TLS; off unless given.")
    serf_lan: int | None = _key("Gossip over UDP and TCP.")


@attrs.frozen(kw_only=True)
class GossipSettings:
    """How members watch each other and spread the news; those after ``suspicion_mult`` are nodedns's own keys."""

    gossip_interval: Seconds | None = _key("Queued news is sent this often.")
    gossip_nodes: int | None = _key("How many members get each round of news.")
    probe_interval: Seconds | None = _key("One member is probed this often.")
    probe_timeout: Seconds | None = _key("How long a probed member may take to answer.")
    retransmit_mult: int | None = _key("Scales how often a piece of news is sent on.")
    suspicion_mult: int | None = _key("Scales how long a silent member stays suspected before it counts as failed.")
    suspicion_max_timeout_mult: int | None = _key("Longest suspicion, as a multiple of the shortest.")
    awareness_max_multiplier: int | None = _key("How far an agent that is slow itself stretches its probes.")
    indirect_checks: int | None = _key("How many others are asked to ping a silent member.")
    tcp_timeout: Seconds | None = _key("How long a stream may take to be dialled, and its exchange as a whole.")
    push_pull_interval: Seconds | None = _key("The whole state is exchanged with one member this often; 0s for never.")
    gossip_to_the_dead: Seconds | None = _key("How long a failed member still gets the news, so that it can refute.")
    dead_node_reclaim: Seconds | None = _key("After how long a failed member's name is free for another address.")


@attrs.frozen(kw_only=True)
class SoaSettings:
    """The numbers of the zone's SOA record, in seconds."""

    refresh: int | None = _key("How often a secondary looks for changes.")
    retry: int | None = _key("How soon a secondary tries again.")
    expire: int | None = _key("How long a secondary may answer without its primary.")
    min_ttl: int | None = _key("How long a negative answer may be cached.")


@attrs.frozen(kw_only=True)
class RateLimitSettings:
    """Bounds on alike DNS responses over UDP to one network; all nodedns's own keys."""

    responses_per_second: int | None = _key("Alike responses to one network in a second; 0 for no limit.")
    slip: int | None = _key("Every how many-th limited response goes out truncated; 0 for none.")
    window: Seconds | None = _key("How long a flood that has ended is held against its network at most.")
    ipv4_prefix_length: int | None = _key("IPv4 clients of one network of this length count as one.")
    ipv6_prefix_length: int | None = _key("IPv6 clients of one network of this length count as one.")
    exempt: list[str] | None = _key("Networks that neither this nor the amplification limit is for.")
    table_size: int | None = _key("Buckets that responses are counted in.")


@attrs.frozen(kw_only=True)
class CookieSettings:
    """DNS cookies; nodedns's own keys."""

    enabled: bool | None = _key("Whether DNS cookies are answered.")
    secrets: list[KeyText] | None = _key("What cookies are signed with, in hex: the first signs, all are accepted.")
    required: bool | None = _key("Whether a client that sends a cookie must have one of ours, or else come by TCP.")


@attrs.frozen(kw_only=True)
class DnsTcpSettings:
    """What clients may hold over TCP; nodedns's own keys."""

    max_connections: int | None = _key("DNS connections over TCP in all.")
    max_connections_per_client: int | None = _key("DNS connections over TCP of one address, or of one IPv6 /64.")
    idle_timeout: Seconds | None = _key("Silence after which a DNS connection is closed.")


@attrs.frozen(kw_only=True)
class TransferSettings:
    """Zone transfer; nodedns's own keys."""

    keys: list[Given] | None = _key("Keys that transfers and notices are signed with: name, algorithm and secret.")
    allow: list[Given] | None = _key("Who may have our zones: by address, by key, or by both.")
    notify: list[Given] | None = _key("Who is told when a zone has changed: address, and the key to sign with.")


@attrs.frozen(kw_only=True)
class DnsSettings:
    """How DNS answers are made."""

    node_ttl: Seconds | None = _key("TTL of a node's records.")
    ptr_ttl: Seconds | None = _key("TTL of PTR records, if it is to be another; nodedns's own key.")
    failed_nodes: str | None = _key("keep, or drop the names of failed nodes; nodedns's own key.")
    failed_nodes_grace: Seconds | None = _key("How long a failed node keeps its names; nodedns's own key.")
    ssh_host_keys: str | None = _key("Directory with the SSH host keys of this machine; nodedns's own key.")
    reverse_zones: list[str] | None = _key("Prefixes or zones to answer reverse lookups for; nodedns's own key.")
    enable_additional_node_meta_txt: bool | None = _key("Whether address answers carry the node's meta as TXT.")
    service_ttl: dict[str, Seconds] | None = _key("TTLs of services' records by name, or its beginning and *.")
    service_order: str | None = _key("shuffle a service's records, or those near this agent first; nodedns's own key.")
    only_passing: bool | None = _key("Whether an instance with a warning is left out of answers.")
    a_record_limit: int | None = _key("Most addresses of a service in one answer; 0 for all.")
    udp_answer_limit: int | None = _key("Most records of a service in a small UDP reply; 0 for all that fit.")
    soa: SoaSettings | None = _key("The numbers of the SOA record.")
    udp_payload_bytes: int | None = _key("Largest DNS reply over UDP; nodedns's own key.")
    amplification_limit: int | None = _key("Bytes out for one byte in, over UDP to a client that may be forged.")
    rate_limit: RateLimitSettings | None = _key("Bounds on alike responses over UDP to one network.")
    nsid: str | None = _key("Which server this is, for who asks by NSID or id.server; nodedns's own key.")
    version: str | None = _key("What version.bind and version.server say; nodedns's own key.")
    cookies: CookieSettings | None = _key("DNS cookies.")
    recursor_strategy: str | None = _key("Order in which recursors are asked: sequential or random.")
    recursor_timeout: Seconds | None = _key("How long each recursor may take to answer.")
    allow_recursion: list[str] | None = _key("Networks whose clients may have recursion; nodedns's own key.")
    query_log: bool | None = _key("Whether each DNS query is logged from the start; nodedns's own key.")
    tcp: DnsTcpSettings | None = _key("What clients may hold over TCP.")
    transfer: TransferSettings | None = _key("Who may have our zones as a whole, and is told of changes.")


@attrs.frozen(kw_only=True)
class Settings:
    """One source's keys; ``None`` is a key that it does not set."""

    node_name: str | None = _key("This agent's name in the cluster.")
    node_id: str | None = _key("This agent's UUID.")
    node_meta: dict[str, str] | None = _key("Facts about this node, shown by HTTP and as TXT in DNS.", reloads=True)
    datacenter: str | None = _key("The datacenter that this agent is in.")
    domain: str | None = _key("The domain that DNS answers for.")
    alt_domain: str | None = _key("A further domain that DNS answers for.")
    alt_domains: list[str] | None = _key("Any number of further domains; nodedns's own key.")
    data_dir: str | None = _key("Where the agent keeps what it must know after a restart.")
    server: bool | None = _key("Whether this agent is a server.")
    bootstrap: bool | None = _key("Whether this server is the whole cluster.")
    bootstrap_expect: int | None = _key("How many servers must have met before the cluster counts as known.")
    bind_addr: str | None = _key("IP to gossip on.")
    advertise_addr: str | None = _key("IP that the others are told, and the port if it is another.")
    advertise_addr_ipv4: str | None = _key("IPv4 under which this agent can be reached too, for DNS.")
    advertise_addr_ipv6: str | None = _key("IPv6 under which this agent can be reached too, for DNS.")
    serf_lan: str | None = _key("IP to gossip on, instead of bind_addr.")
    serf_lan_allowed_cidrs: list[str] | None = _key("Networks that members may be in.")
    client_addr: str | None = _key("IPs and unix:// paths to serve DNS and HTTP on, separated by blanks.")
    addresses: AddressSettings | None = _key("Where single services listen.")
    ports: PortSettings | None = _key("The ports.")
    retry_join: list[str] | None = _key("Members to join at start, tried until one answers.")
    start_join: list[str] | None = _key("Older name of retry_join.")
    retry_interval: Seconds | None = _key("Pause between two tries of retry_join.")
    retry_max: int | None = _key("Further tries of retry_join before the agent gives up; 0 for no end.")
    rejoin_after_leave: bool | None = _key("Whether a restart after a graceful leave joins again.")
    reconnect_timeout: Seconds | None = _key("A failed member is forgotten after this long.")
    advertise_reconnect_timeout: Seconds | None = _key("The others forget this agent so long after it is gone.")
    disable_coordinates: bool | None = _key("Whether no network coordinates are kept.")
    leave_on_terminate: bool | None = _key("Whether SIGTERM leaves the cluster gracefully.")
    skip_leave_on_interrupt: bool | None = _key("Whether SIGINT stops without leaving.")
    encrypt: KeyText | None = _key("Gossip key of the cluster, in base64.")
    encrypt_verify_incoming: bool | None = _key("Whether gossip that is not encrypted is refused.")
    encrypt_verify_outgoing: bool | None = _key("Whether gossip is sent encrypted.")
    disable_keyring_file: bool | None = _key("Whether the gossip keys are kept in memory only.")
    gossip_label: str | None = _key("Keeps pools apart whose gossip could meet; nodedns's own key.")
    service: list[Given] | None = _key("A service of this node, with its checks.", reloads=True)
    services: list[Given] | None = _key("Services of this node.", reloads=True)
    check: list[Given] | None = _key("A check of this node, or of one of its services.", reloads=True)
    checks: list[Given] | None = _key("Checks of this node and its services.", reloads=True)
    enable_script_checks: bool | None = _key("Whether files and HTTP may have checks that run programs.")
    enable_local_script_checks: bool | None = _key("Whether files may have checks that run programs.")
    check_output_max_size: int | None = _key("Bytes of a check's output that are kept.")
    check_update_interval: Seconds | None = _key("A check's output alone is told to others this often.")
    discard_check_output: bool | None = _key("Whether what checks say is not kept, only how they are.", reloads=True)
    default_query_time: Seconds | None = _key("How long a blocking query waits that does not say.", reloads=True)
    max_query_time: Seconds | None = _key("How long a blocking query waits at most.", reloads=True)
    log_level: str | None = _key("trace, debug, info, warn or error.", reloads=True)
    auto_reload_config: bool | None = _key("Whether the agent reloads by itself when its files change.")
    log_json: bool | None = _key("Whether each log line is one JSON object.")
    pid_file: str | None = _key("File that holds the process id while the agent runs.")
    gossip_profile: str | None = _key("Defaults of gossip_lan: lan, wan or local.")
    gossip_lan: GossipSettings | None = _key("How members watch each other.")
    recursors: list[str] | None = _key("Addresses of servers to ask about names outside the domain.", reloads=True)
    dns_config: DnsSettings | None = _key("How DNS answers are made.", reloads=True)
    acl: AclSettings | None = _key("Who may read and write.", reloads=True)
    http_config: HttpSettings | None = _key("What the HTTP API takes and sends.", reloads=True)
    limits: LimitSettings | None = _key("What one client may take.", reloads=True)
    tls: TlsSettings | None = _key("TLS.", reloads=True)


def merge(earlier: Settings, later: Settings) -> Settings:
    """Return ``earlier`` with ``later`` laid over it by Consul's rules."""
    return Settings(**_merged_fields(earlier, later))


def _merged_fields(earlier: attrs.AttrsInstance, later: attrs.AttrsInstance) -> dict[str, Any]:
    return {name: _merged(getattr(earlier, name), getattr(later, name)) for name in _names(later)}


def _merged(earlier: Any, later: Any) -> Any:  # noqa: ANN401 - any field's value
    if earlier is None or later is None:
        return earlier if later is None else later
    if isinstance(later, list):
        return [*earlier, *later]
    if isinstance(later, dict):
        return {**earlier, **later}
    if attrs.has(type(later)):
        return type(later)(**_merged_fields(earlier, later))
    return later


def leaves(block: attrs.AttrsInstance, prefix: str = "") -> Iterator[str]:
    """Return the dotted path of every key that ``block`` sets; a map is one key."""
    for name in _names(block):
        value = getattr(block, name)
        if value is None:
            continue
        if attrs.has(type(value)):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@cache
def block_classes(cls: type) -> Mapping[str, type]:
    """Return the keys of ``cls`` that are blocks, each with its class."""
    hints = get_type_hints(cls)
    return {
        name: kind
        for name, hint in hints.items()
        for kind in get_args(hint)
        if isinstance(kind, type) and attrs.has(kind)
    }


def key_docs(cls: type = Settings, prefix: str = "") -> dict[str, str]:
    """Return every key there is, by dotted path, blocks included, with its line."""
    docs: dict[str, str] = {}
    blocks = block_classes(cls)
    for field in attrs.fields(cls):
        docs[f"{prefix}{field.name}"] = field.metadata["doc"]
        if field.name in blocks:
            docs |= key_docs(blocks[field.name], f"{prefix}{field.name}.")
    return docs


def reloadable_keys(cls: type = Settings, prefix: str = "", *, reloads: bool = False) -> list[str]:
    """Return every key of which a running agent takes another value, by dotted path, blocks left out."""
    blocks = block_classes(cls)
    found: list[str] = []
    for field in attrs.fields(cls):
        path, takes = f"{prefix}{field.name}", reloads or field.metadata["reloads"]
        if field.name in blocks:
            found += reloadable_keys(blocks[field.name], f"{path}.", reloads=takes)
        elif takes:
            found.append(path)
    return found


def changed_keys(before: Settings, now: Settings) -> list[str]:
    """Return the dotted path of every key that has another value, is set anew or is no longer set, as declared."""
    were, are = dict(_values(before)), dict(_values(now))
    return [path for path in key_docs() if were.get(path) != are.get(path)]


def taken_over(running: Settings, wanted: Settings) -> Settings:
    """Return ``running`` with the keys of ``wanted`` that a running agent takes, those no longer set among them."""
    return Settings(**_taken_fields(running, wanted, Settings))


def _taken_fields(running: object, wanted: object, cls: type) -> dict[str, Any]:
    blocks = block_classes(cls)
    taken: dict[str, Any] = {}
    for field in attrs.fields(cls):
        kept, new = (getattr(block, field.name, None) for block in (running, wanted))
        if field.metadata["reloads"]:
            taken[field.name] = new
        elif field.name in blocks and (kept is not None or new is not None):
            block = blocks[field.name]
            taken[field.name] = block(**_taken_fields(kept, new, block))
        else:
            taken[field.name] = kept
    return taken


def _values(block: attrs.AttrsInstance, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in _names(block):
        value = getattr(block, name)
        if attrs.has(type(value)):
            yield from _values(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _names(block: attrs.AttrsInstance) -> list[str]:
    return [field.name for field in attrs.fields(type(block))]
