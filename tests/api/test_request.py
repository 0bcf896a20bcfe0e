"""What a query string and a path mean."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.api.request import MAX_PARAMETERS, Parameters, Request
from nodedns.errors import ApiError


def test_parameter_is_true_by_being_there() -> None:
    parameters = Parameters.from_query_untrusted(b"stale&consistent=&wan=1")
    assert [True, True, True, False] == [parameters.has(key) for key in ("stale", "consistent", "wan", "pretty")]


def test_parameter_may_come_many_times() -> None:
    parameters = Parameters.from_query_untrusted(b"node-meta=a%3Ab&x=1&node-meta=c+d:%26")
    assert ("a:b", "c d:&") == parameters.every("node-meta")
    assert "a:b" == parameters.first("node-meta")
    assert "" == parameters.first("absent")


@pytest.mark.parametrize("query", [b"a=%zz", b"a=%4", b"%=1", b"a;b", b"a&" * (MAX_PARAMETERS + 1)])
def test_malformed_query_is_500_without_text(query: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        Parameters.from_query_untrusted(query)
    assert (500, "") == (raised.value.status, raised.value.message)


def test_path_is_decoded_once() -> None:
    request = Request.from_wire_untrusted("GET", b"/v1/a%2Fb%2541%C3%A9%FF", b"", {}, b"")
    assert "/v1/a/b%41é\udcff" == request.path


@pytest.mark.parametrize("path", [b"/v1/a%00", b"/v1/a%0Ab", b"/v1/%7F", b"/v1/%C2%A0"])
def test_path_that_cannot_be_printed_is_400(path: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        Request.from_wire_untrusted("GET", path, b"", {}, b"")
    assert 400 == raised.value.status


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_give_a_request_or_an_api_error(path: bytes, query: bytes) -> None:
    request = None
    with contextlib.suppress(ApiError):
        request = Request.from_wire_untrusted("GET", path, query, {}, b"")
    assert request is None or request.method == "GET"
