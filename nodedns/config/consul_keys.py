"""Consul's keys and flags that nodedns does not have, so that each can be named as that and not as a typo.

Source: the keys and flags of Consul 1.22's agent. A block that is missing as
a whole stands once; of a block that nodedns has in part, the missing
keys are listed. The reason is printed behind the key.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ABSENT_FLAGS", "ABSENT_KEYS"]

NO_ACL = "tokens may read or write; there are no policies, roles or auth methods, and no copies between datacenters."
AGENTS_TRUST = "agents trust each other by gossip (encrypt), and need no tokens."
OLD_ACL = "it is the name that Consul gave up; see acl.tokens and acl.default_policy."
NO_AGENT_TLS = "checks do not show the agent's own certificate."
NO_WATCHES = "the agent runs no handlers."
NO_CLOUD = "there is no HashiCorp Cloud, and nothing calls home."
NO_ENTERPRISE = "it belongs to Consul Enterprise."
NO_KV = "there is no key-value store, and there are no sessions."
NO_LIMITS = "it is a fixed limit, or a part, of Consul's own servers."
NO_LOG_FILES = "the log goes to the standard output; redirect it, or let systemd keep it."
NO_MESH = "there is no service mesh."
NO_METRICS = "metrics cannot be configured."
NO_RAFT = "there is no Raft: every agent answers from its own memory."
NO_RECURSOR = "it is a list, recursors."
NO_GRPC_TLS = "only the HTTP API is served with TLS; see tls.https."
NO_OWN_CA = "certificates come from files; see tls.https."
OLD_TLS = "it is the older name of a key of the same name in tls.https or tls.defaults."
NO_UI = "there is no web interface."
NO_WAN = "there is one pool of members, the LAN's."
NOT_SETTABLE = "what it changes is fixed."
SOCKET_DIRECTORY = "who may use a Unix socket is what the permissions of its directory say."

_REASONS: Mapping[str, tuple[str, ...]] = {
    NO_ACL: ("acl_datacenter", "acl_down_policy", "acl_enable_key_list_policy", "acl_enforce_version_8", "acl_ttl",
             "enable_acl_replication", "primary_datacenter", "acl.down_policy", "acl.enable_key_list_policy",
             "acl.enable_token_persistence", "acl.enable_token_replication", "acl.msp_disable_bootstrap",
             "acl.policy_ttl", "acl.role_ttl", "acl.token_ttl", "acl.tokens.managed_service_provider"),
    AGENTS_TRUST: ("acl.tokens.agent", "acl.tokens.agent_master", "acl.tokens.agent_recovery",
                     "acl.tokens.config_file_service_registration", "acl.tokens.replication"),
    OLD_ACL: ("acl_agent_master_token", "acl_agent_token", "acl_default_policy", "acl_master_token",
              "acl_replication_token", "acl_token", "acl.tokens.master"),
    NO_AGENT_TLS: ("enable_agent_tls_for_checks",),
    NO_WATCHES: ("watches",),
    NO_CLOUD: ("cloud", "disable_anonymous_signature", "disable_update_check"),
    NO_ENTERPRISE: ("audit", "license_path", "namespace", "partition", "segment", "segments", "non_voting_server",
                    "read_replica", "reporting", "dns_config.prefer_namespace"),
    NO_KV: ("session_ttl_min", "kv_max_value_size", "txn_max_req_len"),
    NO_LIMITS: ("limits.kv_max_value_size", "limits.request_limits",
                "limits.rpc_client_timeout", "limits.rpc_handshake_timeout", "limits.rpc_max_burst",
                "limits.rpc_max_conns_per_client", "limits.rpc_rate", "limits.txn_max_req_len",
                "http_config.max_header_bytes", "http_config.use_cache",
                "performance", "rpc", "cache",
                "discovery_max_stale", "use_streaming_backend", "enable_debug",
                "peering", "experiments", "locality", "default_intention_policy", "xds", "ports.server"),
    NO_LOG_FILES: ("log_file", "log_rotate_bytes", "log_rotate_duration", "log_rotate_max_files", "enable_syslog",
                   "syslog_facility"),
    NO_MESH: ("connect", "config_entries", "enable_central_service_config", "proxy", "ports.grpc", "ports.grpc_tls",
              "ports.proxy_min_port", "ports.proxy_max_port", "ports.sidecar_min_port", "ports.sidecar_max_port",
              "ports.expose_min_port", "ports.expose_max_port", "addresses.grpc", "addresses.grpc_tls"),
    NO_METRICS: ("telemetry", "statsd_addr", "statsite_addr", "statsite_prefix", "dogstatsd_addr", "dogstatsd_tags"),
    NO_RAFT: ("autopilot", "protocol", "raft_protocol", "raft_boltdb", "raft_logstore", "raft_snapshot_interval",
              "raft_snapshot_threshold", "raft_trailing_logs", "server_rejoin_age_max", "disable_remote_exec",
              "dns_config.allow_stale", "dns_config.max_stale", "dns_config.use_cache", "dns_config.cache_max_age"),
    NO_RECURSOR: ("recursor",),
    NO_GRPC_TLS: ("tls.grpc", "tls.internal_rpc", "tls.defaults.verify_outgoing", "tls.https.verify_outgoing",
                  "tls.defaults.verify_server_hostname", "tls.https.verify_server_hostname", "server_name",
                  "tls_prefer_server_cipher_suites", "verify_incoming_rpc", "verify_outgoing",
                  "verify_server_hostname"),
    NO_OWN_CA: ("auto_config", "auto_encrypt"),
    OLD_TLS: ("ca_file", "ca_path", "cert_file", "key_file", "tls_cipher_suites", "tls_min_version",
              "verify_incoming", "verify_incoming_https"),
    SOCKET_DIRECTORY: ("unix_sockets",),
    NO_UI: ("ui", "ui_config", "ui_dir", "ui_content_path"),
    NO_WAN: ("advertise_addr_wan", "advertise_addr_wan_ipv4", "advertise_addr_wan_ipv6", "gossip_wan",
             "reconnect_timeout_wan", "retry_interval_wan", "retry_join_wan", "retry_max_wan", "start_join_wan",
             "serf_wan", "serf_wan_allowed_cidrs", "translate_wan_addrs", "ports.serf_wan"),
    NOT_SETTABLE: ("bootstrap_wan",
                   "disable_host_node_id", "disable_http_unprintable_char_filter", "dns_config.disable_compression",
                   "dns_config.enable_truncate", "ports.rpc"),
}  # fmt: skip

ABSENT_KEYS: Mapping[str, str] = {key: reason for reason, keys in _REASONS.items() for key in keys}
"""Dotted path of a key, and why nodedns does not have it."""

ABSENT_FLAGS: Mapping[str, str] = {
    "advertise-wan": NO_WAN,
    "disable-host-node-id": NOT_SETTABLE,
    "grpc-port": NO_MESH,
    "grpc-tls-port": NO_MESH,
    "hcl": "put the fragment into a file and name it with -config-file.",
    "join-wan": NO_WAN,
    "log-file": NO_LOG_FILES,
    "log-rotate-bytes": NO_LOG_FILES,
    "log-rotate-duration": NO_LOG_FILES,
    "log-rotate-max-files": NO_LOG_FILES,
    "non-voting-server": NO_ENTERPRISE,
    "primary-gateway": NO_WAN,
    "protocol": NO_RAFT,
    "raft-protocol": NO_RAFT,
    "read-replica": NO_ENTERPRISE,
    "retry-interval-wan": NO_WAN,
    "retry-join-wan": NO_WAN,
    "retry-max-wan": NO_WAN,
    "segment": NO_ENTERPRISE,
    "serf-wan-allowed-cidrs": NO_WAN,
    "serf-wan-bind": NO_WAN,
    "serf-wan-port": NO_WAN,
    "server-port": NO_RAFT,
    "syslog": NO_LOG_FILES,
    "ui": NO_UI,
    "ui-content-path": NO_UI,
    "ui-dir": NO_UI,
}
"""Name of a flag, and why ``nodedns agent`` does not have it."""
