"""``AgentConfig``: the whole configuration of one agent, checked and complete.

What stands in files and flags is ``settings.Settings``, in which every key may
be missing. ``load.load`` merges those and resolves them to this class, which has no
optional meaning left: defaults are filled in, templates are expanded, the
advertised address is known. The rooms' own params are composed here; the
rooms never see this class.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from nodedns.api.access import AccessRules
from nodedns.api.context import QueryTimes
from nodedns.checks.definition import CheckDefinition, ServiceDefinition
from nodedns.checks.scripts import ScriptRights
from nodedns.config.cookies import CookieParams
from nodedns.config.encryption import Encryption
from nodedns.config.settings import Settings
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.recursion import Recursion
from nodedns.dns.transfer_params import TransferParams
from nodedns.gossip.params import GossipParams
from nodedns.model.host_key import Fingerprint
from nodedns.net.dns_tcp_limits import DnsTcpLimits
from nodedns.net.http_endpoint import HttpParams
from nodedns.net.tls import TlsParams
from nodedns.serf.params import SerfParams
from nodedns.table.address_index import Digits

__all__ = ["OFF", "AgentConfig"]

OFF = -1
"""A DNS or HTTP port with this value is not opened."""


@attrs.frozen(kw_only=True)
class AgentConfig:
    """Everything that an agent is told before it starts.

    Attributes:
        node_name: This agent's name in the cluster; never empty.
        node_id: UUID text in lower case, or empty: made by the agent and kept in the data directory.
        node_meta: At most 64 pairs.
        datacenter: Lower case.
        domain: The first domain that DNS answers for, lower case, without the final dot.
        alt_domains: The further ones, likewise.
        data_dir: Where state is kept; ``None`` in dev mode, which keeps nothing.
        server: Server or client.
        bootstrap: Whether this server counts as the whole cluster (``-bootstrap``, or an expectation of 1).
        bootstrap_expect: Servers that must agree before the cluster counts as known; 0 when not given.
        dev_mode: Whether ``-dev`` was given.
        bind_addr: IP text; where the agent gossips unless ``serf_lan`` says otherwise.
        serf_lan_addr: IP text to listen on for gossip.
        advertise_addr: IP text told to the others; never unspecified.
        advertise_port: 1..65535, told to the others; 0 for ``serf_lan_port``.
        advertise_addr_ipv4: IPv4 text that DNS gives for this agent; empty for ``advertise_addr``, if it is one.
        advertise_addr_ipv6: Likewise, IPv6.
        advertise_note: How ``advertise_addr`` was chosen and what was passed over; empty without a choice.
        client_addrs: What ``client_addr`` came to: IP texts and ``unix://`` paths.
        dns_addrs: IP texts to serve DNS on; empty when off.
        http_addrs: IP texts and ``unix://`` paths to serve HTTP on; empty when off.
        https_addrs: IP texts to serve HTTPS on; empty when off.
        dns_port: 1..65535, or ``OFF``.
        http_port: 1..65535, or ``OFF``.
        https_port: 1..65535, or ``OFF``.
        serf_lan_port: 1..65535, for UDP and TCP gossip.
        retry_join: Addresses to join, in order; ``-join`` and ``start_join`` are aliases, as in Consul.
        retry_interval_s: Seconds between two rounds of ``retry_join``.
        retry_max: Rounds after the first, after which the agent gives up and exits; 0 for never.
        rejoin_after_leave: Whether a restart after a graceful leave joins the remembered members.
        advertise_reconnect_timeout_s: For how long the others remember this agent once it is gone; 0: as they like.
        leave_on_terminate: Whether SIGTERM leaves the cluster gracefully.
        skip_leave_on_interrupt: Whether SIGINT stops without leaving.
        encryption: The gossip key, what it is enforced on, and the label of the pool.
        services: What files define, each with its checks; no two of one ID.
        checks: Further checks that files define; no two checks in all have one ID.
        scripts: From where checks that run programs are taken.
        check_output_max_size: Bytes of a check's output that are kept at most; those of ``services`` and ``checks``
            obey it already.
        check_update_interval_s: Between two times that a check's output alone is published.
        discard_check_output: Whether output is not kept at all.
        query_times: How long blocking queries wait.
        log_level: ``TRACE``, ``DEBUG``, ``INFO``, ``WARN`` or ``ERROR``.
        config_paths: The files and directories that were read.
        watched_paths: Those of them and others whose change is one of the configuration.
        auto_reload_config: Whether they are looked at, and read again when they change.
        log_json: Whether each log line is one JSON object.
        pid_file: Where the process id is written, and removed at the end.
        gossip: Params of failure detection and dissemination.
        serf: Params of the Serf layer.
        dns: How DNS answers are made.
        host_keys: Fingerprints of this machine's SSH host keys, to be published with the node.
        reverse_zones: Prefixes of the reverse zones to serve; ``None`` for those of the nodes' addresses.
        dns_cookies: How DNS cookies are made.
        failed_nodes_grace_s: For how long DNS answers for a node that has failed; ``None`` for as long as it is listed.
        recursion: Who is asked about names outside ours, and for whom.
        dns_query_log: Whether each DNS query is logged from the start.
        dns_tcp: What clients may hold over TCP.
        transfer: Who may have our zones as a whole, and is told of changes.
        access: Who may use the HTTP API, and ask DNS.
        http: Limits of the HTTP server.
        https: How the HTTP API is encrypted on ``https_port``; None where that is off.
        origins: Which file or ``command line`` set each key, by dotted path; defaults are absent.
        warnings: Sentences to log at start.
        given: What files and flags say, merged; with secrets in it. For a reload to be compared with.
    """

    node_name: str
    node_id: str
    node_meta: Mapping[str, str]
    datacenter: str
    domain: str
    alt_domains: tuple[str, ...]
    data_dir: Path | None
    server: bool
    bootstrap: bool
    bootstrap_expect: int
    dev_mode: bool
    bind_addr: str
    serf_lan_addr: str
    advertise_addr: str
    advertise_port: int
    advertise_addr_ipv4: str
    advertise_addr_ipv6: str
    advertise_note: str
    client_addrs: tuple[str, ...]
    dns_addrs: tuple[str, ...]
    http_addrs: tuple[str, ...]
    https_addrs: tuple[str, ...]
    dns_port: int
    http_port: int
    https_port: int
    serf_lan_port: int
    retry_join: tuple[str, ...]
    retry_interval_s: float
    retry_max: int
    rejoin_after_leave: bool
    advertise_reconnect_timeout_s: float
    leave_on_terminate: bool
    skip_leave_on_interrupt: bool
    encryption: Encryption
    services: tuple[ServiceDefinition, ...]
    checks: tuple[CheckDefinition, ...]
    scripts: ScriptRights
    check_output_max_size: int
    check_update_interval_s: float
    discard_check_output: bool
    query_times: QueryTimes
    log_level: str
    config_paths: tuple[Path, ...]
    watched_paths: tuple[Path, ...]
    auto_reload_config: bool
    log_json: bool
    pid_file: Path | None
    gossip: GossipParams
    serf: SerfParams
    dns: DnsPolicy
    host_keys: tuple[Fingerprint, ...]
    reverse_zones: tuple[Digits, ...] | None
    dns_cookies: CookieParams
    failed_nodes_grace_s: float | None
    recursion: Recursion
    dns_query_log: bool
    dns_tcp: DnsTcpLimits
    transfer: TransferParams
    access: AccessRules
    http: HttpParams
    https: TlsParams | None
    origins: Mapping[str, str]
    warnings: tuple[str, ...]
    given: Settings = attrs.field(repr=False)
