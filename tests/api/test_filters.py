"""The filter language: which items stay, and what is said of an expression that cannot be."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from nodedns.api.context import Json
from nodedns.api.filter_fields import (
    CHECK_FIELDS,
    HEALTH_FIELDS,
    MEMBER_FIELDS,
    NODE_FIELDS,
    SERVICE_FIELDS,
    SERVICE_NODE_FIELDS,
    Fields,
)
from nodedns.api.filters import compile_filter, filter_of, kept
from nodedns.api.request import Parameters, Request
from nodedns.errors import ApiError

SERVICE: Mapping[str, Json] = {
    "ID": "web1",
    "Service": "web",
    "Tags": ["v1", "primary"],
    "Address": "10.0.0.7",
    "TaggedAddresses": {"lan": {"Address": "10.0.0.7", "Port": 80}},
    "Meta": {"version": "1.2", "odd key": "yes", "a.b": "dots", "empty": ""},
    "Port": 8080,
    "Weights": {"Passing": 10, "Warning": 1},
    "EnableTagOverride": False,
    "Proxy": {"Mode": ""},
}
HEALTH: Mapping[str, Json] = {
    "Node": {"ID": "x", "Node": "agent-one", "Address": "10.0.0.1", "Datacenter": "dc1", "Meta": {"rack": "a7"}},
    "Service": SERVICE,
    "Checks": [
        {"CheckID": "serfHealth", "Status": "passing", "ServiceTags": []},
        {"CheckID": "service:web1", "Status": "critical", "ServiceTags": ["v1"]},
    ],
}


def is_kept(text: str, item: Mapping[str, Json] = SERVICE, fields: Fields = SERVICE_FIELDS) -> bool:
    return compile_filter(text, fields)(item)


def said_of(text: str, fields: Fields = SERVICE_FIELDS) -> str:
    with pytest.raises(ApiError) as caught:
        compile_filter(text, fields)
    assert 500 == caught.value.status
    prefix, _, reason = caught.value.message.partition(": ")
    assert "Failed to create boolean expression evaluator" == prefix
    return reason


@pytest.mark.parametrize(
    ("text", "is_wanted"),
    [
        ('Service == "web"', True),
        ("Service == `web`", True),
        ("Service == web", True),
        ("Service==web", True),
        ("Service != web", False),
        ("Service == Web", False),
        ("Port == 8080", True),
        ('Port == "8080"', True),
        ('Port == "0x1F90"', True),
        ("Port != 8080", False),
        ("Port == -1", False),
        ("EnableTagOverride == false", True),
        ("EnableTagOverride == T", False),
        ("EnableTagOverride != true", True),
        ("Weights.Passing == 10", True),
        ("v1 in Tags", True),
        ('"v2" in Tags', False),
        ("v2 not in Tags", True),
        ("Tags contains v1", True),
        ("Tags not contains v1", False),
        ("Tags contains prim", False),
        ("Tags is empty", False),
        ("Tags is not empty", True),
        ("we in Service", True),
        ("Service contains eb", True),
        ("Service not contains x", True),
        ('Service matches "^w.b$"', True),
        ("Service matches `e`", True),
        ('Service not matches "^x"', True),
        ("version in Meta", True),
        ("Meta contains absent", False),
        ("Meta is not empty", True),
        ("Meta.version == 1.2", True),
        ('Meta["odd key"] == yes', True),
        ('Meta[ `odd key` ] != "yes"', False),
        ('Meta["a.b"] == dots', True),
        ("Meta.empty == `x`", False),
        ('Meta.empty == ""', True),
        ("TaggedAddresses.lan.Port == 80", True),
        ("lan in TaggedAddresses", True),
        ("TaggedAddresses.wan.Port == 80", False),
        ("TaggedAddresses.wan.Port != 80", True),
        ('Address == "\\x31\\u0030.0.0.7"', True),
        ('Address matches "10\\\\.0"', True),
        ('Kind == ""', True),
        ("Kind != connect-proxy or Service == web", None),
        ('Kind != "connect-proxy"', True),
        ('Proxy.DestinationServiceName == ""', True),
        ("Connect.Native == true", False),
        ("Ports is empty", True),
        ("Ports.Port == 80", False),
    ],
)
def test_match_is_decided_as_consul_does(text: str, is_wanted: bool | None) -> None:
    if is_wanted is None:
        said_of(text)  # a value with a dash has to be quoted
    else:
        assert is_wanted is is_kept(text)


@pytest.mark.parametrize(
    ("text", "is_wanted"),
    [
        ("Meta.absent == x", False),
        ("Meta.absent != x", True),
        ("x in Meta.absent", False),
        ("x not in Meta.absent", True),
        ('Meta.absent matches ".*"', False),
        ('Meta.absent not matches ".*"', True),
    ],
)
def test_absent_key_is_unequal_and_contains_nothing(text: str, is_wanted: bool) -> None:
    assert is_wanted is is_kept(text)


@pytest.mark.parametrize(
    ("text", "is_wanted"),
    [
        ("Service == x or Service == web and Port == 1", False),
        ("Service == web or Service == web and Port == 1", True),
        ("(Service == web or Service == x) and Port == 1", False),
        ("not Service == x and Port == 8080", True),
        ("not (Service == web and Port == 8080)", False),
        ("not not Service == web", True),
        ("Service == web and not Port == 1 or Port == 2", True),
        (" ( Service == web ) ", True),
        ("((Service == web)) and\n\tPort == 8080", True),
        ("Service == x or Service == y or Service == web", True),
    ],
)
def test_and_binds_closer_than_or_and_not_closest(text: str, is_wanted: bool) -> None:
    assert is_wanted is is_kept(text)


@pytest.mark.parametrize(
    ("text", "is_wanted"),
    [
        ("Checks.Status == critical", True),
        ("Checks.Status != critical", True),
        ("not Checks.Status == critical", False),
        ("Checks.Status == warning", False),
        ("v1 in Checks.ServiceTags", True),
        ("Checks is empty", False),
        ("Node.Meta.rack == a7 and Service.Meta.version == 1.2", True),
        ('Service.Tags contains v1 and Node.Node matches "^agent"', True),
    ],
)
def test_one_of_several_checks_is_enough(text: str, is_wanted: bool) -> None:
    assert is_wanted is is_kept(text, HEALTH, HEALTH_FIELDS)


@pytest.mark.parametrize(
    ("fields", "text", "reason"),
    [
        (SERVICE_FIELDS, "Name == web", 'Selector "Name" is not valid'),
        (NODE_FIELDS, "Node.Meta == x", 'Selector "Node.Meta" is not valid'),
        (CHECK_FIELDS, "CreateIndex == 1", 'Selector "CreateIndex" is not valid'),
        (HEALTH_FIELDS, "Service.Weights.Failing == 1", 'Selector "Service.Weights.Failing" is not valid'),
        (SERVICE_FIELDS, "Meta == x", 'Invalid match operator "Equal" for selector "Meta"'),
        (SERVICE_FIELDS, "Port matches `8`", 'Invalid match operator "Matches" for selector "Port"'),
        (SERVICE_FIELDS, "Meta.version is empty", 'Invalid match operator "Is Empty" for selector "Meta.version"'),
        (SERVICE_FIELDS, "Weights != 1", 'Invalid match operator "Not Equal" for selector "Weights"'),
        (
            SERVICE_NODE_FIELDS,
            "ServicePort == http",
            'Failed to coerce value "http" for selector "ServicePort":'
            ' strconv.ParseInt: parsing "http": invalid syntax',
        ),
        (
            MEMBER_FIELDS,
            "Port == 9223372036854775808",
            'Failed to coerce value "9223372036854775808" for selector "Port":'
            ' strconv.ParseInt: parsing "9223372036854775808": value out of range',
        ),
        (
            SERVICE_FIELDS,
            "EnableTagOverride == yes",
            'Failed to coerce value "yes" for selector "EnableTagOverride":'
            ' strconv.ParseBool: parsing "yes": invalid syntax',
        ),
        (
            SERVICE_FIELDS,
            "Service matches `we(b`",
            'Failed to compile regular expression "we(b": error parsing regexp: missing closing ): `we(b`',
        ),
        (
            SERVICE_FIELDS,
            'Service matches "(?=x)"',
            'Failed to compile regular expression "(?=x)":'
            " error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
        ),
        (SERVICE_FIELDS, "Meta[odd] == x", "1:6 (5): rule index: Invalid index"),
        (SERVICE_FIELDS, 'Meta["odd" == x', "1:12 (11): rule index: Unclosed index expression"),
        (SERVICE_FIELDS, '"x" in 5', "1:8 (7): rule match: Invalid selector"),
        (SERVICE_FIELDS, "Address == 10.0.0.7", "1:16 (15): rule number: Invalid number literal"),
        (SERVICE_FIELDS, 'Service == "web', "1:12 (11): rule string: Unterminated string literal"),
        (SERVICE_FIELDS, 'Service == "\\d"', "1:16 (15): rule string: invalid syntax"),
        (SERVICE_FIELDS, '"\n" in Tags', "2:2 (3): rule string: invalid syntax"),
        (SERVICE_FIELDS, "(Service == web", "1:16 (15): rule grouping: Unmatched parentheses"),
    ],
)
def test_what_cannot_be_is_said_in_consuls_words(fields: Fields, text: str, reason: str) -> None:
    assert reason == said_of(text, fields)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (" ", "1:2 (1)"),
        ("Service", "1:8 (7)"),
        ("Service = web", "1:9 (8)"),
        ("Service == web and", "1:19 (18)"),
        ("Service == web && Port == 1", "1:16 (15)"),
        ("Service == web) or x == y", "1:15 (14)"),
        ("Tags is full", "1:9 (8)"),
        ("Service\n== é", "2:4 (11)"),
        ("_x == y", "1:1 (0)"),
    ],
)
def test_what_is_no_expression_is_shown_where_it_ends(text: str, place: str) -> None:
    assert said_of(text).startswith(f"{place}: no match found, expected: ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x" * 4_097, "the expression is too long (limit: 4096 characters)"),
        ("(" * 33 + "Service == web", "1:34 (33): rule grouping: nested deeper than 32"),
        ("not " * 33 + "Service == web", "1:133 (132): rule grouping: nested deeper than 32"),
        (" or ".join(["Port == 1"] * 65), "Number of match expressions (65) exceeds the limit (64)"),
        ("Meta" + ".x" * 8 + " == 1", "1:21 (20): rule selector: more than 8 parts"),
        (
            "Service matches `(a{100}){10}|(b{100}){10}`",
            'Failed to compile regular expression "(a{100}){10}|(b{100}){10}": '
            "error parsing regexp: the pattern is too large (limit: 1000 instructions)",
        ),
    ],
)
def test_limits_hold(text: str, reason: str) -> None:
    assert reason == said_of(text)


def test_what_is_within_the_limits_is_taken() -> None:
    assert is_kept("(" * 32 + "Service == web" + ")" * 32)
    assert is_kept(" or ".join(["Port == 8080"] * 64))


def test_hostile_pattern_takes_time_in_proportion_to_the_text() -> None:
    wanted = compile_filter('Service matches "^(a+)+(a|a)*([a-z]+)*!$"', SERVICE_FIELDS)
    started = time.perf_counter()

    assert not wanted({**SERVICE, "Service": "a" * 4_096})
    assert time.perf_counter() - started < 1


def test_name_that_is_no_utf8_is_matched_byte_for_byte() -> None:
    name = b"web-\xff".decode("utf-8", "surrogateescape")

    assert is_kept('Service == "web-\\xff"', {**SERVICE, "Service": name})
    assert is_kept("Service matches `^web-`", {**SERVICE, "Service": name})


def test_kept_items_stay_in_their_order() -> None:
    request = Request("GET", "/", Parameters.from_query_untrusted(b"filter=Port%20!=%202"))
    items: list[Mapping[str, Json]] = [{"Port": port} for port in (3, 2, 1)]

    assert [{"Port": 3}, {"Port": 1}] == kept(items, filter_of(request, SERVICE_FIELDS))
    assert items == kept(items, filter_of(Request("GET", "/"), SERVICE_FIELDS))
