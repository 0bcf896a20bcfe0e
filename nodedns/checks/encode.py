"""Definitions as plain values again, for a file: what ``decode_*`` reads to an equal definition."""

from __future__ import annotations

import attrs

from nodedns.checks.definition import CheckDefinition, ServiceDefinition
from nodedns.checks.kinds import (
    AliasKind,
    GrpcKind,
    H2PingKind,
    HttpKind,
    Kind,
    OsServiceKind,
    ScriptKind,
    TcpKind,
    TlsOptions,
    TtlKind,
    UdpKind,
)
from nodedns.model.durations import format_duration

__all__ = ["encode_check", "encode_service"]


def encode_check(definition: CheckDefinition) -> dict[str, object]:
    """Return the check as an object of a file, its token included."""
    found: dict[str, object] = {
        "id": definition.id,
        "name": definition.name,
        "notes": definition.notes,
        "service_id": definition.service_id,
        "status": definition.status.value,
        "output_max_size": definition.output_max_size,
        "success_before_passing": definition.success_before_passing,
        "failures_before_warning": definition.failures_before_warning,
        "failures_before_critical": definition.failures_before_critical,
        "deregister_critical_service_after": format_duration(definition.deregister_critical_service_after_s),
        "token": definition.token,
    }
    if definition.interval_s:
        found |= {
            "interval": format_duration(definition.interval_s),
            "timeout": format_duration(definition.timeout_s),
        }
    return found | _kind(definition.kind)


def encode_service(definition: ServiceDefinition) -> dict[str, object]:
    """Return the service as an object of a file, its checks and tokens included."""
    service = definition.service
    return {
        "id": service.id,
        "name": service.name,
        "tags": list(service.tags),
        "address": service.address,
        "port": service.port,
        "meta": dict(service.meta),
        "tagged_addresses": {tag: attrs.asdict(address) for tag, address in service.tagged_addresses.items()},
        "weights": attrs.asdict(service.weights),
        "enable_tag_override": service.enable_tag_override,
        "ports": [{"name": port.name, "port": port.port, "default": port.is_default} for port in service.ports],
        "socket_path": service.socket_path,
        "checks": [encode_check(check) for check in definition.checks],
        "token": definition.token,
    }


def _kind(kind: Kind) -> dict[str, object]:
    match kind:
        case ScriptKind(args=args):
            return {"args": list(args)}
        case HttpKind():
            return _http(kind)
        case TcpKind(target=target, has_tls=has_tls, tls=tls):
            return {"tcp": target, "tcp_use_tls": has_tls, **_tls(tls)}
        case UdpKind(target=target):
            return {"udp": target}
        case GrpcKind(target=target, service=service, has_tls=has_tls, tls=tls):
            return {"grpc": f"{target}/{service}" if service else target, "grpc_use_tls": has_tls, **_tls(tls)}
        case H2PingKind(target=target, has_tls=has_tls, tls=tls):
            return {"h2ping": target, "h2ping_use_tls": has_tls, **_tls(tls)}
        case OsServiceKind(name=name):
            return {"os_service": name}
        case TtlKind(ttl_s=ttl_s):
            return {"ttl": format_duration(ttl_s)}
        case AliasKind(service=service, node=node):
            return {"alias_service": service, "alias_node": node}


def _http(kind: HttpKind) -> dict[str, object]:
    return {
        "http": kind.url,
        "method": kind.method,
        "header": {name: list(values) for name, values in kind.header.items()},
        "body": kind.body,
        "disable_redirects": not kind.has_redirects,
        **_tls(kind.tls),
    }


def _tls(tls: TlsOptions) -> dict[str, object]:
    return {"tls_server_name": tls.server_name, "tls_skip_verify": tls.is_unverified}
