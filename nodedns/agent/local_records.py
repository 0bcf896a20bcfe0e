"""What is kept of this agent's services and checks in the data directory, as records by key.

| key | what |
|---|---|
| ``service/ID`` | a service that was registered over HTTP |
| ``check/ID`` | a check that was, those of services included |
| ``maintenance/ID`` | that a service, or with an empty ID the node, is in maintenance, and why |
| ``state/ID`` | what a check said last, those of files included, and until when that counts |
| ``alive`` | when this agent was last known to run |

A definition is kept as files have it, so that a later version reads it as it reads files.
Tokens are not kept: nothing here asks for them. What cannot be read any more is said so and passed over.

Source: Consul agent/agent.go (persistService, persistCheck, persistCheckState).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

import attrs

from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.decode_service import decode_service_untrusted
from nodedns.checks.definition import CheckDefinition, ServiceDefinition
from nodedns.checks.encode import encode_check, encode_service
from nodedns.errors import DefinitionError, shorten
from nodedns.model.check import Check, CheckStatus
from nodedns.model.service import Service
from nodedns.observe.logs import logger

__all__ = [
    "ALIVE_KEY",
    "CheckState",
    "Kept",
    "Record",
    "alive_record",
    "check_key",
    "check_record",
    "maintenance_key",
    "read_records",
    "service_key",
    "service_record",
    "state_key",
    "state_record",
]

Record: TypeAlias = Mapping[str, object]
"""A JSON object."""

ALIVE_KEY = "alive"
_SENSELESS = (DefinitionError, KeyError, TypeError, ValueError, AttributeError)

_LOG = logger("agent")
_Read = TypeVar("_Read")


@attrs.frozen
class CheckState:
    """What a check said last.

    Attributes:
        status: In a word.
        output: In words.
        until: Seconds since 1970 until which that counts; 0 where it is the agent's being down that ends it.
    """

    status: CheckStatus
    output: str
    until: float = 0.0


@attrs.define
class Kept:
    """What the data directory remembers, each in the order it was registered.

    Attributes:
        services: Registered over HTTP, by ID.
        checks: Likewise.
        maintenance: Reasons by service ID; the node's under an empty one.
        states: By check ID.
        alive_at: Seconds since 1970 at which the agent last ran; 0 for never.
    """

    services: dict[str, Service] = attrs.field(factory=dict)
    checks: dict[str, CheckDefinition] = attrs.field(factory=dict)
    maintenance: dict[str, str] = attrs.field(factory=dict)
    states: dict[str, CheckState] = attrs.field(factory=dict)
    alive_at: float = 0.0


def service_key(service_id: str) -> str:
    """Return the key of a service's record."""
    return f"service/{service_id}"


def check_key(check_id: str) -> str:
    """Return the key of a check's record."""
    return f"check/{check_id}"


def maintenance_key(service_id: str) -> str:
    """Return the key of the record of maintenance; the node's for an empty ID."""
    return f"maintenance/{service_id}"


def state_key(check_id: str) -> str:
    """Return the key of the record of what a check says."""
    return f"state/{check_id}"


def service_record(service: Service) -> Record:
    """Return what is kept of a service; its checks have records of their own."""
    return encode_service(ServiceDefinition(service))


def check_record(definition: CheckDefinition) -> Record:
    """Return what is kept of a check."""
    return encode_check(attrs.evolve(definition, token=""))


def state_record(check: Check, until: float) -> Record:
    """Return what is kept of what a check says; ``until`` as in ``CheckState``."""
    return {"status": check.status.value, "output": check.output, "until": until}


def alive_record(wall_now: float) -> Record:
    """Return what is kept of the agent's running now."""
    return {"at": wall_now}


def read_records(records: Mapping[str, Record]) -> Kept:
    """Return what ``records`` say."""
    kept = Kept()
    for key, record in records.items():
        match key.partition("/")[0]:
            case "service":
                _take(key, record, kept.services, _service)
            case "check":
                _take(key, record, kept.checks, decode_check_untrusted)
            case "maintenance":
                _take(key, record, kept.maintenance, _reason)
            case "state":
                _take(key, record, kept.states, _state)
            case "alive":
                kept.alive_at = _number(record.get("at"))
            case _:
                _LOG.warning("a record in the data directory is of no known kind", key=shorten(key))
    return kept


def _take(key: str, record: Record, into: dict[str, _Read], read: Callable[[Record], _Read]) -> None:
    try:
        into[key.partition("/")[2]] = read(record)
    except _SENSELESS as error:
        _LOG.error("a registration in the data directory cannot be used", key=shorten(key), error=shorten(str(error)))


def _service(record: Record) -> Service:
    return decode_service_untrusted(record).service


def _reason(record: Record) -> str:
    return str(record.get("reason", ""))


def _state(record: Record) -> CheckState:
    return CheckState(CheckStatus(record["status"]), str(record["output"]), _number(record.get("until")))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
