"""From what a file or a request holds to a ``CheckDefinition``.

Three places define checks, with one set of keys: ``check`` and ``checks`` of a file, the body
of ``/v1/agent/check/register``, and the checks inside a service. Only IDs, names and the
text about a bad status differ.

Source: Consul's CheckType.Validate and AgentRegisterCheck, their order and texts included.
"""

from __future__ import annotations

from collections.abc import Mapping

from nodedns.checks.decode_kind import KIND_KEYS, decode_kind
from nodedns.checks.definition import MAX_OUTPUT_BYTES, CheckDefinition
from nodedns.checks.fields import MAX_ITEMS, Fields, KeySet, objects_of
from nodedns.checks.kinds import AliasKind, Kind, TtlKind, default_timeout_s
from nodedns.errors import DefinitionError
from nodedns.model.check import CheckStatus
from nodedns.model.limits import MAX_NAME_CHARS
from nodedns.model.service import Service

__all__ = ["decode_check_untrusted", "decode_checks_untrusted", "decode_service_checks"]

_NO_DOCKER = "there are no checks inside containers; let a script do it"
_NO_ENTERPRISE = "it belongs to Consul Enterprise"
_NO_MESH = "there is no service mesh"

_KEYS = KeySet(
    names=frozenset(
        {"id", "name", "notes", "service_id", "token", "status", "interval", "timeout", "output_max_size"}
        | {"deregister_critical_service_after", "success_before_passing", "failures_before_warning"}
        | {"failures_before_critical", *KIND_KEYS, *(key for keys in KIND_KEYS.values() for key in keys)}
    ),
    others={"check_id": "id", "checkid": "id", "script_args": "args", "scriptargs": "args"},
    absent={
        "docker_container_id": _NO_DOCKER,
        "shell": _NO_DOCKER,
        "script": "name a program and its arguments with args",
        "exposed_port": _NO_MESH,
        "proxy_http": _NO_MESH,
        "proxy_grpc": _NO_MESH,
        "namespace": _NO_ENTERPRISE,
        "partition": _NO_ENTERPRISE,
    },
)


def decode_check_untrusted(values: Mapping[str, object]) -> CheckDefinition:
    """Return the check of a file or of a request.

    Raises:
        DefinitionError: With Consul's text.
    """
    fields = Fields(values, _KEYS)
    name = _named(fields, "name")
    if not name:
        raise DefinitionError("Missing check name")
    status = _status(fields, "Bad check status")
    return _decode(fields, (_named(fields, "id") or name, name), _named(fields, "service_id"), status)


def decode_checks_untrusted(value: object) -> tuple[CheckDefinition, ...]:
    """Return the checks of a file: a list of objects, or one. Raises ``DefinitionError``."""
    found = []
    for position, each in enumerate(objects_of("checks", value)):
        try:
            found.append(decode_check_untrusted(each))
        except DefinitionError as error:
            raise error.inside(f"[{position}]" if isinstance(value, list) else "") from None
    return tuple(found)


def decode_service_checks(service: Service, one: object, several: object) -> tuple[CheckDefinition, ...]:
    """Return the checks of a service.

    Args:
        service: Whose they are.
        one: Value of ``check``; None, and an empty object, for none.
        several: Value of ``checks``; None for none.

    Raises:
        DefinitionError: With Consul's text.
    """
    listed = [("check", each) for each in objects_of("check", one) if each] if one is not None else []
    if several is not None:
        listed += [(f"checks[{position}]", each) for position, each in enumerate(objects_of("checks", several))]
    if len(listed) > MAX_ITEMS:
        raise DefinitionError(f"a service may have {MAX_ITEMS} checks", "checks")
    found = []
    for position, (path, values) in enumerate(listed, 1):
        default_id = f"service:{service.id}:{position}" if len(listed) > 1 else f"service:{service.id}"
        try:
            found.append(_decode_inside(service, default_id, values))
        except DefinitionError as error:
            raise error.inside(path) from None
    _refuse_twins(found)
    return tuple(found)


def _decode_inside(service: Service, default_id: str, values: Mapping[str, object]) -> CheckDefinition:
    fields = Fields(values, _KEYS)
    status = _status(fields, "Status for checks must 'passing', 'warning', 'critical'")
    name = _named(fields, "name") or f"Service '{service.name}' check"
    if fields.text("service_id") not in ("", service.id):
        raise _invalid("service_id must be that of the service around it", "service_id")
    return _decode(fields, (_named(fields, "id") or default_id, name), service.id, status)


def _decode(fields: Fields, id_and_name: tuple[str, str], service_id: str, status: CheckStatus) -> CheckDefinition:
    kind = decode_kind(fields)
    interval_s = fields.seconds("interval")
    checked = _check_times(kind, interval_s)
    if fields.number("output_max_size") < 0:
        raise _invalid("MaxOutputMaxSize must be positive", "output_max_size")
    before_critical = fields.number("failures_before_critical")
    before_warning = fields.number("failures_before_warning") or before_critical
    if before_warning > before_critical:
        raise _invalid("FailuresBeforeWarning can't be higher than FailuresBeforeCritical", "failures_before_warning")
    is_run = not isinstance(checked, TtlKind | AliasKind)
    timeout_s = fields.seconds("timeout")
    return CheckDefinition(
        id=id_and_name[0],
        name=id_and_name[1],
        kind=checked,
        notes=fields.text("notes"),
        service_id=service_id,
        status=status,
        interval_s=interval_s if is_run else 0.0,
        timeout_s=(timeout_s if timeout_s > 0 else default_timeout_s(checked)) if is_run else 0.0,
        success_before_passing=_count(fields, "success_before_passing"),
        failures_before_warning=before_warning,
        failures_before_critical=_count(fields, "failures_before_critical"),
        deregister_critical_service_after_s=max(0.0, fields.seconds("deregister_critical_service_after")),
        output_max_size=fields.number("output_max_size") or MAX_OUTPUT_BYTES,
        token=fields.text("token"),
    )


def _check_times(kind: Kind | None, interval_s: float) -> Kind:
    if isinstance(kind, TtlKind) and interval_s > 0:
        raise _invalid("Interval and TTL cannot both be specified", "interval")
    if kind is None:
        raise _invalid("TTL must be > 0 for TTL checks", "ttl")
    if isinstance(kind, AliasKind) and interval_s > 0:
        raise _invalid("Interval cannot be set for Alias checks", "interval")
    if not isinstance(kind, TtlKind | AliasKind) and interval_s <= 0:
        rule = "Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks"
        raise _invalid(rule, "interval")
    return kind


def _status(fields: Fields, refusal: str) -> CheckStatus:
    word = fields.text("status")
    try:
        return CheckStatus(word or "critical")
    except ValueError:
        raise DefinitionError(refusal, "status") from None


def _named(fields: Fields, name: str) -> str:
    text = fields.text(name)
    if len(text) > MAX_NAME_CHARS:
        raise DefinitionError(f"{name} is too long (limit: {MAX_NAME_CHARS} characters)", name)
    return text


def _count(fields: Fields, name: str) -> int:
    count = fields.number(name)
    if count < 0:
        raise _invalid(f"{name} must be positive", name)
    return count


def _refuse_twins(found: list[CheckDefinition]) -> None:
    seen: set[str] = set()
    for position, check in enumerate(found):
        if check.id in seen:
            raise _invalid(f'two checks have the ID "{check.id}"', f"checks[{position}].id")
        seen.add(check.id)


def _invalid(reason: str, path: str) -> DefinitionError:
    return DefinitionError(reason, path, f"Invalid check: {reason}")
