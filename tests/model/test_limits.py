"""What one registration may hold at most, and what is said of what holds more."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from nodedns.model.check import Check, CheckStatus
from nodedns.model.limits import (
    MAX_DEFINITION_CHARS,
    MAX_NAME_CHARS,
    MAX_TAG_CHARS,
    MAX_TAGS,
    MAX_TAGS_TIMES_PORTS,
    check_excess,
    node_excess,
    service_excess,
)
from nodedns.model.service import NamedPort, Service, ServiceAddress

NAME = "n" * MAX_NAME_CHARS


def tags(count: int) -> tuple[str, ...]:
    return tuple(f"t{number}" for number in range(count))


def ports(count: int) -> tuple[NamedPort, ...]:
    return tuple(NamedPort(f"p{number}", 80, not number) for number in range(count))


def meta(count: int) -> dict[str, str]:
    return {f"{number:0128}": "v" * 512 for number in range(count)}


def addresses(count: int) -> dict[str, ServiceAddress]:
    return {f"{number:0{MAX_NAME_CHARS}}": ServiceAddress(NAME, 80) for number in range(count)}


@pytest.mark.parametrize(
    "service",
    [
        Service(NAME, NAME, ("t" * MAX_TAG_CHARS, *tags(MAX_TAGS - 1)), NAME, 80, meta(64), addresses(64)),
        Service("s", "s", ports=ports(64), tags=tags(MAX_TAGS_TIMES_PORTS // 64), socket_path=NAME),
    ],
)
def test_service_with_as_much_as_it_may_have_is_within_every_limit(service: Service) -> None:
    assert "" == service_excess(service)


@pytest.mark.parametrize(
    ("service", "text"),
    [
        (Service("s", "s", tags(257)), "Service.Tags cannot contain more than 256 tags"),
        (Service("s", "s", ("t" * 4_097,)), "Service.Tags is too long (limit: 4096 characters)"),
        (Service("s", "s", ports=ports(65)), "Service.Ports cannot contain more than 64 ports"),
        (
            Service("s", "s", tags(205), ports=ports(5)),
            "Service.Tags times Service.Ports is 1025 (limit: 1024, a name in DNS for each pair)",
        ),
        (Service("s", NAME + "n"), "Service.Service is too long (limit: 512 characters)"),
        (Service(NAME + "n", "s"), "Service.ID is too long (limit: 512 characters)"),
        (Service("s", "s", address=NAME + "n"), "Service.Address is too long (limit: 512 characters)"),
        (Service("s", "s", socket_path=NAME + "n"), "Service.SocketPath is too long (limit: 512 characters)"),
        (Service("s", "s", ports=(NamedPort(NAME + "n", 1),)), "Ports.Name is too long (limit: 512 characters)"),
        (
            Service("s", "s", tagged_addresses=addresses(65)),
            "Service.TaggedAddresses cannot contain more than 64 addresses",
        ),
        (
            Service("s", "s", tagged_addresses={NAME + "n": ServiceAddress("a")}),
            "Service.TaggedAddresses is too long (limit: 512 characters)",
        ),
        (
            Service("s", "s", tagged_addresses={"lan": ServiceAddress(NAME + "n")}),
            "Service.TaggedAddresses is too long (limit: 512 characters)",
        ),
        (Service("s", "s", meta=meta(65)), "Service metadata cannot contain more than 64 key/value pairs"),
    ],
)
def test_service_beyond_a_limit_is_told_which(service: Service, text: str) -> None:
    assert text == service_excess(service)


@pytest.mark.parametrize(
    ("address", "tagged", "pairs", "text"),
    [
        (NAME, {"k" * 128: "v" * 512}, {"k" * 128: "v" * 512}, ""),
        (NAME + "a", {}, {}, "Address is too long (limit: 512 characters)"),
        ("a", {}, {"k" * 129: "v"}, f"Couldn't load metadata pair ('{'k' * 56}..., 'v'): Key is too long"),
        ("a", {"k": "v" * 513}, {}, f"Couldn't load tagged address ('k', '{'v' * 56}...): Value is too long"),
        ("a", {str(key): "" for key in range(65)}, {}, "Tagged addresses cannot contain more than 64 key/value pairs"),
    ],
)
def test_node_beyond_a_limit_is_told_which(
    address: str, tagged: Mapping[str, str], pairs: Mapping[str, str], text: str
) -> None:
    assert text == node_excess("node", address, tagged, pairs)[: len(text)]
    assert bool(text) is bool(node_excess("node", address, tagged, pairs))


def test_check_beyond_a_limit_is_told_which() -> None:
    fits = {"HTTP": "h" * (MAX_DEFINITION_CHARS - len('{"HTTP": ""}'))}

    assert "" == check_excess(Check("c", "c", CheckStatus.PASSING, service_tags=tags(256), definition=fits))
    assert "Definition is too long (limit: 4096 characters)" == check_excess(
        Check("c", "c", CheckStatus.PASSING, definition={"HTTP": fits["HTTP"] + "h"})
    )
    assert "Service.Tags cannot contain more than 256 tags" == check_excess(
        Check("c", "c", CheckStatus.PASSING, service_tags=tags(257))
    )
