"""The rules for services and checks in files: each read by itself, then all held against each other.

Every definition is read whatever is wrong with the others, and each problem has the file
and the key in it. What a definition may hold is decided by ``nodedns.checks``; here is what
only all of them show: one ID defined twice, and scripts where none may be run.

Source: Consul's loadServices and loadChecks (agent/agent.go) and its texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import attrs

from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.decode_service import decode_service_untrusted
from nodedns.checks.definition import (
    MAX_OUTPUT_BYTES,
    CheckDefinition,
    ServiceDefinition,
    check_warnings,
    service_warnings,
)
from nodedns.checks.scripts import ScriptRights
from nodedns.config.draft import Draft
from nodedns.config.keys import Given
from nodedns.errors import ConfigProblem, DefinitionError
from nodedns.model.check import NODE_MAINTENANCE, SERF_HEALTH, SERVICE_MAINTENANCE_PREFIX

__all__ = ["Definitions", "check_output_max_size", "definitions", "script_rights"]

T = TypeVar("T")


@attrs.frozen
class Definitions:
    """What files define.

    Attributes:
        services: Each with its checks; no two with one ID.
        checks: Of the node, or of a service by its ID; no two checks in all have one ID.
    """

    services: tuple[ServiceDefinition, ...]
    checks: tuple[CheckDefinition, ...]


def script_rights(draft: Draft) -> ScriptRights:
    """Return who may have programs run."""
    settings = draft.settings
    return ScriptRights(bool(settings.enable_script_checks), bool(settings.enable_local_script_checks))


def check_output_max_size(draft: Draft) -> int:
    """Return how many bytes of a check's output are kept at most."""
    given = draft.settings.check_output_max_size
    if given is None:
        return MAX_OUTPUT_BYTES
    if not 1 <= given <= MAX_OUTPUT_BYTES:
        message = f"must be between 1 and {MAX_OUTPUT_BYTES}, since every agent keeps every output; it is {given}"
        draft.problem("check_output_max_size", message)
        return MAX_OUTPUT_BYTES
    return given


def definitions(draft: Draft) -> Definitions:
    """Return the services and checks of all files, in the order in which they are written."""
    settings = draft.settings
    limit = check_output_max_size(draft)
    services = _decoded(draft, (*(settings.services or ()), *(settings.service or ())), decode_service_untrusted)
    checks = _decoded(draft, (*(settings.checks or ()), *(settings.check or ())), decode_check_untrusted)
    _refuse_twins(draft, [(given, service.service.id) for given, service in services], "service")
    _refuse_twins(draft, _check_ids(services, checks), "check")
    _refuse_scripts(draft, [(given, service.checks) for given, service in services])
    _refuse_scripts(draft, [(given, (check,)) for given, check in checks])
    for _, service in services:
        draft.warnings.extend(service_warnings(service))
    for _, check in checks:
        draft.warnings.extend(check_warnings(check))
    return Definitions(
        tuple(
            attrs.evolve(service, checks=tuple(_limited(check, limit) for check in service.checks))
            for _, service in services
        ),
        tuple(_limited(check, limit) for _, check in checks),
    )


def _decoded(
    draft: Draft, written: Sequence[Given], decode: Callable[[Mapping[str, object]], T]
) -> list[tuple[Given, T]]:
    found: list[tuple[Given, T]] = []
    for given in written:
        try:
            found.append((given, decode(given.values)))
        except DefinitionError as error:
            draft.problems.append(ConfigProblem(given.source, error.inside(given.path).path, error.reason))
    return found


def _check_ids(
    services: Sequence[tuple[Given, ServiceDefinition]], checks: Sequence[tuple[Given, CheckDefinition]]
) -> list[tuple[Given, str]]:
    inside = [(given, check.id) for given, service in services for check in service.checks]
    return [*inside, *((given, check.id) for given, check in checks)]


def _refuse_twins(draft: Draft, found: Sequence[tuple[Given, str]], what: str) -> None:
    first: dict[str, Given] = {}
    for given, key in found:
        message = ""
        if key in first:
            other = first[key]
            message = f'{what} ID "{key}" is defined already, by {other.path} of {other.source}'
        elif what == "check" and (key in (SERF_HEALTH, NODE_MAINTENANCE) or key.startswith(SERVICE_MAINTENANCE_PREFIX)):
            message = f'check ID "{key}" is one that the agent itself uses'
        if message:
            draft.problems.append(ConfigProblem(given.source, given.path, message))
        first.setdefault(key, given)


def _refuse_scripts(draft: Draft, found: Sequence[tuple[Given, Sequence[CheckDefinition]]]) -> None:
    rights = script_rights(draft)
    for given, checks in found:
        refusal = rights.refusal(checks, is_remote=False)
        if refusal:
            draft.problems.append(ConfigProblem(given.source, given.path, refusal))


def _limited(check: CheckDefinition, limit: int) -> CheckDefinition:
    return attrs.evolve(check, output_max_size=min(check.output_max_size, limit))
