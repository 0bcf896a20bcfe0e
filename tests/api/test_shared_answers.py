"""Which requests share an answer."""

from __future__ import annotations

import pytest

from nodedns.api.request import Parameters, Request, Response
from nodedns.api.shared_answers import SharedAnswers


def a_request(target: str, **headers: str) -> Request:
    path, _, query = target.partition("?")
    return Request("GET", path, Parameters.from_query_untrusted(query.encode()), headers)


def answers(*asked: tuple[str, int]) -> list[Response]:
    shared = SharedAnswers()
    return [shared.response(a_request(target), index, Response) for target, index in asked]


@pytest.mark.parametrize("other", ["/v1/a?x=1&index=9&wait=5s", "/v1/a?index=3&x=1", "/v1/a?x=1"])
def test_how_long_to_wait_makes_no_difference(other: str) -> None:
    one, two = answers(("/v1/a?x=1&index=7", 8), (other, 8))
    assert one is two


@pytest.mark.parametrize(
    "other", [("/v1/b?x=1", 8), ("/v1/a?x=2", 8), ("/v1/a?x=1&x=1", 8), ("/v1/a?x", 8), ("/v1/a?x=1", 9)]
)
def test_path_parameters_and_index_do(other: tuple[str, int]) -> None:
    one, two = answers(("/v1/a?x=1", 8), other)
    assert one is not two
