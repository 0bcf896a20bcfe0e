"""What a check may be, and what is said of one that may not."""

from __future__ import annotations

import pytest

from nodedns.checks.decode_check import decode_check_untrusted, decode_checks_untrusted
from nodedns.checks.definition import CheckDefinition, check_warnings
from nodedns.checks.encode import encode_check
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
from nodedns.errors import DefinitionError
from nodedns.model.check import CheckStatus
from nodedns.model.service import Service


def check(**keys: object) -> CheckDefinition:
    return decode_check_untrusted({"name": "it", **keys})


def refusal(**keys: object) -> DefinitionError:
    with pytest.raises(DefinitionError) as refused:
        check(**keys)
    return refused.value


def test_number_of_nanoseconds_is_whole_so_that_it_is_the_same_when_it_is_read_again() -> None:
    found = check(tcp="a:1", interval=1_500_000_000.9)
    assert 1.5 == found.interval_s
    assert found == decode_check_untrusted(encode_check(found))


@pytest.mark.parametrize(
    ("keys", "kind", "type_", "timeout_s"),
    [
        ({"args": ["/bin/true", "-x"]}, ScriptKind(("/bin/true", "-x")), "script", 30.0),
        ({"http": "http://a/b"}, HttpKind("http://a/b"), "http", 10.0),
        (
            {"http": "https://a:8443", "method": "put", "header": {"X": ["1", "2"]}, "body": "b"}
            | {"disable_redirects": True, "tls_server_name": "n", "tls_skip_verify": True},
            HttpKind("https://a:8443", "PUT", {"X": ("1", "2")}, "b", False, TlsOptions("n", True)),
            "http",
            10.0,
        ),
        ({"tcp": "a:1"}, TcpKind("a:1"), "tcp", 10.0),
        ({"tcp": "[::1]:1", "tcp_use_tls": True}, TcpKind("[::1]:1", True), "tcp", 10.0),
        ({"udp": "a:1"}, UdpKind("a:1"), "udp", 10.0),
        ({"grpc": "a:1"}, GrpcKind("a:1"), "grpc", 10.0),
        ({"grpc": "a:1/x.y/z", "grpc_use_tls": True}, GrpcKind("a:1", "x.y/z", True), "grpc", 10.0),
        ({"h2ping": "a:1"}, H2PingKind("a:1", True), "h2ping", 10.0),
        ({"h2ping": "a:1", "h2ping_use_tls": False}, H2PingKind("a:1", False), "h2ping", 10.0),
        ({"os_service": "nginx.service"}, OsServiceKind("nginx.service"), "os_service", 30.0),
    ],
)
def test_a_kind_that_is_run_is_read(keys: dict[str, object], kind: Kind, type_: str, timeout_s: float) -> None:
    found = check(interval="5s", **keys)

    assert (kind, type_, 5.0, timeout_s) == (found.kind, found.type, found.interval_s, found.timeout_s)


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({"ttl": "30s"}, TtlKind(30.0)),
        ({"alias_service": "web"}, AliasKind("web")),
        ({"alias_node": "n1"}, AliasKind("", "n1")),
        ({"alias_service": "web", "alias_node": "n1"}, AliasKind("web", "n1")),
    ],
)
def test_a_kind_that_is_not_run_has_neither_interval_nor_timeout(keys: dict[str, object], kind: Kind) -> None:
    found = check(timeout="3s", **keys)

    assert (kind, 0.0, 0.0) == (found.kind, found.interval_s, found.timeout_s)


def test_keys_match_as_files_and_as_requests_spell_them() -> None:
    of_file = {
        "id": "i",
        "name": "n",
        "notes": "o",
        "service_id": "s",
        "status": "warning",
        "args": ["x"],
        "interval": "2m",
        "timeout": "1s",
        "deregister_critical_service_after": "90m",
        "success_before_passing": 3,
        "failures_before_warning": 1,
        "failures_before_critical": 2,
        "output_max_size": 100,
        "token": "t",
    }
    of_request = {
        "CheckID": "i",
        "Name": "n",
        "Notes": "o",
        "ServiceID": "s",
        "Status": "warning",
        "ScriptArgs": ["x"],
        "Interval": "2m",
        "Timeout": 1_000_000_000,
        "DeregisterCriticalServiceAfter": "90m",
        "SuccessBeforePassing": 3,
        "FailuresBeforeWarning": 1,
        "FailuresBeforeCritical": 2,
        "OutputMaxSize": 100,
        "Token": "t",
        "HTTP": "",
        "Header": None,
        "TLSSkipVerify": False,
        "DockerContainerID": "",
        "Shell": "",
    }

    assert decode_check_untrusted(of_file) == decode_check_untrusted(of_request)
    assert 5400.0 == decode_check_untrusted(of_file).deregister_critical_service_after_s


def test_a_check_is_critical_until_it_ran_unless_it_says_otherwise() -> None:
    assert CheckStatus.CRITICAL == check(ttl="1s").status
    assert CheckStatus.PASSING == check(ttl="1s", status="passing").status


def test_id_is_the_name_where_none_is_given() -> None:
    assert ("it", "it") == (check(ttl="1s").id, check(ttl="1s").name)
    assert "other" == check(ttl="1s", id="other").id


def test_warning_takes_as_many_failures_as_critical_where_nothing_is_said() -> None:
    assert 3 == check(ttl="1s", failures_before_critical=3).failures_before_warning


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"ttl": "1s", "interval": "1s"}, "Invalid check: Interval and TTL cannot both be specified"),
        (
            {"http": "http://a"},
            "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks",
        ),
        ({"alias_service": "a", "interval": "1s"}, "Invalid check: Interval cannot be set for Alias checks"),
        ({}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"ttl": "0s"}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"ttl": "-1s"}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"interval": "1s"}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"ttl": "1s", "output_max_size": -1}, "Invalid check: MaxOutputMaxSize must be positive"),
        (
            {"ttl": "1s", "failures_before_warning": 3, "failures_before_critical": 2},
            "Invalid check: FailuresBeforeWarning can't be higher than FailuresBeforeCritical",
        ),
        ({"ttl": "1s", "status": "maintenance"}, "Bad check status"),
        ({"ttl": "1s", "name": ""}, "Missing check name"),
        ({"ttl": "1s", "colour": "red"}, 'Request decode failed: json: unknown field "colour"'),
        ({"ttl": "soon"}, 'Request decode failed: time: invalid duration "soon"'),
        ({"ttl": "10"}, 'Request decode failed: time: missing unit in duration "10"'),
        ({"ttl": True}, 'Request decode failed: ttl must be a duration such as "10s", not True'),
        ({"http": ["x"], "interval": "1s"}, "Request decode failed: http must be a string, not ['x']"),
        (
            {"args": "/bin/true", "interval": "1s"},
            "Request decode failed: args must be a list of strings, not '/bin/true'",
        ),
        (
            {"ttl": "1s", "success_before_passing": "3"},
            "Request decode failed: success_before_passing must be a whole number, not '3'",
        ),
        (
            {"http": "http://a", "interval": "1s", "tls_skip_verify": 1},
            "Request decode failed: tls_skip_verify must be true or false, not 1",
        ),
        (
            {"http": "http://a", "tcp": "a:1", "interval": "1s"},
            "Invalid check: Check type is not valid: it has both http and tcp",
        ),
        ({"ttl": "1s", "alias_node": "a"}, "Invalid check: Check type is not valid: it has both ttl and alias_node"),
        ({"http": "a:80/x", "interval": "1s"}, "Invalid check: http must be an http or https URL, not 'a:80/x'"),
        (
            {"http": "http://a/\n", "interval": "1s"},
            "Invalid check: http must be an http or https URL, not 'http://a/\\n'",
        ),
        (
            {"http": "http://a", "method": "G T", "interval": "1s"},
            "Invalid check: method must be a method of HTTP, not 'G T'",
        ),
        (
            {"http": "http://a", "header": {"X": ["a\r\nB: c"]}, "interval": "1s"},
            "Invalid check: header 'X' is none that can be sent",
        ),
        ({"tcp": "a", "interval": "1s"}, "Invalid check: tcp: address 'a': missing port in address"),
        ({"tcp": "::1:80", "interval": "1s"}, "Invalid check: tcp: address '::1:80': too many colons in address"),
        ({"udp": "a:70000", "interval": "1s"}, "Invalid check: udp: address 'a:70000': invalid port"),
        ({"grpc": ":1/x", "interval": "1s"}, "Invalid check: grpc: address ':1': missing host in address"),
        (
            {"os_service": "--now", "interval": "1s", "docker_container_id": "x"},
            "Request decode failed: docker_container_id is not supported by nodedns: "
            "there are no checks inside containers; let a script do it",
        ),
        (
            {"os_service": "a b", "interval": "1s"},
            "Invalid check: os_service must be the name of a systemd unit, not 'a b'",
        ),
        ({"args": [""], "interval": "1s"}, "Invalid check: args must begin with a program, and hold no NUL"),
        (
            {"script": "exit 0", "interval": "1s"},
            "Request decode failed: script is not supported by nodedns: name a program and its arguments with args",
        ),
    ],
)
def test_what_is_wrong_is_said_in_consul_words(keys: dict[str, object], text: str) -> None:
    assert text == str(refusal(**keys))


def test_an_error_knows_its_key_and_what_to_say_beside_it() -> None:
    with pytest.raises(DefinitionError) as refused:
        decode_checks_untrusted([{"name": "a", "ttl": "1s"}, {"name": "b", "ttl": "x"}])

    assert ("[1].ttl", 'invalid duration: "x": time: invalid duration "x"') == (
        refused.value.path,
        refused.value.reason,
    )


def test_one_check_may_stand_without_a_list() -> None:
    assert ["a"] == [found.id for found in decode_checks_untrusted({"name": "a", "ttl": "1s"})]
    assert ["a"] == [found.id for found in decode_checks_untrusted([{"name": "a", "ttl": "1s"}])]


def test_what_is_too_short_is_raised_and_told() -> None:
    found = check(ttl="", http="http://a", interval="10ms", deregister_critical_service_after="1s", service_id="web")

    assert (1.0, 60.0, 2) == (found.run_interval_s, found.reap_after_s, len(check_warnings(found)))
    assert () == check_warnings(check(ttl="10s", deregister_critical_service_after="2m"))


def test_a_check_of_the_node_deregisters_nothing() -> None:
    assert None is check(ttl="10s", deregister_critical_service_after="2m").reap_after_s


def test_output_is_kept_up_to_the_agents_own_limit() -> None:
    assert (4096, 100, 4096) == (
        check(ttl="1s").output_limit,
        check(ttl="1s", output_max_size=100).output_limit,
        check(ttl="1s", output_max_size=10_000_000).output_limit,
    )


def test_the_catalog_shows_what_consul_shows() -> None:
    service = Service(id="web1", name="web", tags=("v1",))
    shown = check(http="http://a", header={"Authorization": ["secret"]}, interval="90s", notes="see").shown(
        CheckStatus.WARNING, "so so", service
    )

    assert ("it", "it", CheckStatus.WARNING, "see", "so so") == (
        shown.id,
        shown.name,
        shown.status,
        shown.notes,
        shown.output,
    )
    assert ("web1", "web", ("v1",)) == (shown.service_id, shown.service_name, shown.service_tags)
    assert ("http", "1m30s", "10s", {}) == (shown.type, shown.interval, shown.timeout, shown.definition)


def test_a_check_of_the_node_is_shown_without_a_service() -> None:
    shown = check(ttl="10s").shown(CheckStatus.PASSING, "", None)

    assert ("", "", (), "ttl", "", "") == (
        shown.service_id,
        shown.service_name,
        shown.service_tags,
        shown.type,
        shown.interval,
        shown.timeout,
    )


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"id": "i" * 513, "ttl": "1s"}, "id is too long (limit: 512 characters)"),
        ({"notes": "n" * 65_537, "ttl": "1s"}, "notes is too long"),
        ({"success_before_passing": -1, "ttl": "1s"}, "Invalid check: success_before_passing must be positive"),
        (
            {"args": ["x"] * 257, "interval": "1s"},
            "Request decode failed: args must be a list of at most 256, not 'one of 257'",
        ),
        ({"http": "http://[", "interval": "1s"}, "Invalid check: http must be an http or https URL, not 'http://['"),
        (
            {"http": "http://a", "header": {"X": "y"}, "interval": "1s"},
            "Request decode failed: header.X must be a list of strings, not 'y'",
        ),
        (
            {"http": "http://a", "header": ["X"], "interval": "1s"},
            "Request decode failed: header must be an object of at most 256 keys, not 'X'",
        ),
    ],
)
def test_what_no_agent_could_keep_is_refused(keys: dict[str, object], text: str) -> None:
    assert text == str(refusal(**keys))


def test_half_a_surrogate_pair_is_marked() -> None:
    assert "a\ufffd" == check(ttl="1s", notes="a\ud800").notes
