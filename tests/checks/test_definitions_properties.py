"""Whatever stands in a definition: a definition or a ``DefinitionError``, and back again."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.decode_service import decode_service_untrusted
from nodedns.checks.encode import encode_check, encode_service
from nodedns.errors import DefinitionError

CHECK_KEYS = [
    "id",
    "Name",
    "notes",
    "ServiceID",
    "status",
    "interval",
    "Timeout",
    "ttl",
    "args",
    "http",
    "method",
    "header",
    "body",
    "tcp",
    "tcp_use_tls",
    "udp",
    "grpc",
    "h2ping",
    "H2PingUseTLS",
    "os_service",
    "alias_service",
    "AliasNode",
    "tls_skip_verify",
    "deregister_critical_service_after",
    "failures_before_critical",
    "output_max_size",
    "shell",
]
SERVICE_KEYS = [
    "id",
    "name",
    "tags",
    "address",
    "port",
    "ports",
    "meta",
    "tagged_addresses",
    "weights",
    "check",
    "checks",
    "enable_tag_override",
    "socket_path",
    "token",
    "kind",
    "connect",
]
WORDS = ["10s", "web", "a:80", "http://a/", "passing", "", "10.0.0.1", "::"]
OBJECTS = [{"address": "10.0.0.1", "port": 1}, {"ttl": "3s"}, [{"name": "p", "port": 1, "default": True}], {"X": ["y"]}]
LIKELY = st.sampled_from([*WORDS, *OBJECTS, 0, 1, -1, True, None, [], {}, ["a"], [{"ttl": "3s"}]])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(CHECK_KEYS) | st.text(max_size=5), LIKELY | ANYTHING, max_size=6))
def test_any_object_is_a_check_or_a_definition_error(values: dict[str, object]) -> None:
    found = None
    with contextlib.suppress(DefinitionError):
        found = decode_check_untrusted(values)
    assert found is None or found == decode_check_untrusted(json.loads(json.dumps(encode_check(found))))


@given(st.dictionaries(st.sampled_from(SERVICE_KEYS) | st.text(max_size=5), LIKELY | ANYTHING, max_size=6))
def test_any_object_is_a_service_or_a_definition_error(values: dict[str, object]) -> None:
    found = None
    with contextlib.suppress(DefinitionError):
        found = decode_service_untrusted(values)
    assert found is None or found == decode_service_untrusted(json.loads(json.dumps(encode_service(found))))


KINDS = st.sampled_from(
    [
        {"args": ["a"]},
        {"http": "https://a/", "header": {"X": ["y"]}, "disable_redirects": True},
        {"tcp": "a:1"},
        {"udp": "[::1]:1"},
        {"grpc": "a:1/s", "grpc_use_tls": True},
        {"h2ping": "a:1"},
        {"os_service": "x"},
    ]
)


ALIASES = [{"alias_service": "a"}, {"alias_node": "b"}, {"alias_node": "b", "AliasService": "a"}]
WATCHED = st.sampled_from([{"ttl": "90s"}, *ALIASES])


@given(WATCHED, st.text(max_size=9))
def test_what_nobody_runs_is_read_back_too(kind: dict[str, object], notes: str) -> None:
    found = decode_check_untrusted({"name": "n", **kind, "notes": notes})

    assert found == decode_check_untrusted(json.loads(json.dumps(encode_check(found))))


COUNTS = st.tuples(st.integers(0, 9), st.integers(0, 9))


@given(KINDS, st.integers(1, 10**13), st.integers(0, 10**12), COUNTS, st.text(max_size=9))
def test_what_is_written_is_read_back(
    kind: dict[str, object], interval: int, timeout: int, counts: tuple[int, int], notes: str
) -> None:
    found = decode_check_untrusted(
        {"name": "n", **kind, "interval": interval, "timeout": timeout, "notes": notes}
        | {"failures_before_warning": counts[0], "failures_before_critical": sum(counts)}
    )

    assert found == decode_check_untrusted(json.loads(json.dumps(encode_check(found))))
