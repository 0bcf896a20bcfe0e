"""Any bytes as a configuration file: HCL if the first byte is even, else JSON.

It is a configuration, in which no number is infinite and every text can be printed, or it is refused with every
problem told. A JSON document says the same in a file of HCL, which allows it.
"""

from __future__ import annotations

import json
import math
import tempfile
from functools import cache
from pathlib import Path

import attrs

from nodedns.config.hcl import HclError, collect, parse_hcl
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError
from nodedns.testing.fuzzing.demands import demand

__all__ = ["checked_config"]


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="nodedns-fuzz-")


def checked_config(data: bytes) -> str:
    """Load ``data``; return the format and whether it was ``taken`` or ``refused``.

    Raises:
        AssertionError: Something does not hold; any other error is one, too.
    """
    file_format = ("hcl", "json")[data[0] % 2 if data else 0]
    path = Path(_folder().name) / f"agent.{file_format}"
    path.write_bytes(data[1:])
    sources = ConfigSources(
        paths=(path,),
        flags={"bind": "127.0.0.1"},
        dev=True,
        host_name=lambda: "host-one",
        interfaces=lambda: (),
        route=lambda _: None,
    )
    _check_json_as_hcl(data[1:])
    try:
        config = load(sources)
    except ConfigError as error:
        demand(error.problems and all(problem.message for problem in error.problems), "refused for no reason")
        str(error).encode()
        return f"{file_format} refused"
    _check_values(config)
    return f"{file_format} taken"


def _check_json_as_hcl(content: bytes) -> None:
    try:
        values = json.loads(content, object_pairs_hook=collect, parse_constant=_refuse)
        text = content.decode()
    except (ValueError, RecursionError):
        return
    if not isinstance(values, dict):
        return
    try:
        found = parse_hcl(text)
    except HclError:
        return  # escapes and depths that HCL has not
    demand("\\" in text or "${" in text or found == values, "a JSON document says something else in HCL")


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _check_values(config: AgentConfig) -> None:
    for field in attrs.fields(AgentConfig):
        value = getattr(config, field.name)
        _check_value(value)


def _check_value(value: object) -> None:
    if isinstance(value, float):
        demand(not math.isnan(value) and not math.isinf(value), "a number without end")
    elif isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict):
        for key, each in value.items():
            _check_value(key)
            _check_value(each)
    elif isinstance(value, tuple | list):
        for each in value:
            _check_value(each)
    elif attrs.has(kind := type(value)):
        for field in attrs.fields(kind):
            _check_value(getattr(value, field.name.lstrip("_"), None))
