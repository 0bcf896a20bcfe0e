"""From a layer's untyped values to ``Settings``, with every problem found and none in the way of another.

Keys are checked first, so that an unknown one is named as a typo or as
Consul's; then one cattrs converter with strict hooks reads the values. A value that does not
fit is reported and dropped, and the rest is read again: rules about other keys
can still be checked. A block may be written as a list of one, as HCL and
Consul's own decoder have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import cattrs
from cattrs.errors import BaseValidationError

from nodedns.config.consul_keys import ABSENT_KEYS
from nodedns.config.keys import Given, KeyText, Seconds
from nodedns.config.settings import Settings, block_classes
from nodedns.config.sources import COMMAND_LINE, FLAG_PATHS, Layer
from nodedns.errors import ConfigProblem, shorten
from nodedns.model.durations import parse_duration

__all__ = ["problem_at", "structure"]

_TRANSFER = "dns_config.transfer."
_DEFINITIONS = frozenset(
    {"service", "services", "check", "checks", f"{_TRANSFER}keys", f"{_TRANSFER}allow", f"{_TRANSFER}notify"}
)
_FLAGS_BY_PATH = {path: flag for flag, path in FLAG_PATHS.items()}


def structure(layer: Layer) -> tuple[Settings, list[ConfigProblem]]:
    """Return what ``layer`` sets, as far as it can be read, and every problem with the rest."""
    problems: list[ConfigProblem] = []
    values = _known_keys(layer.values, Settings, "", layer.source, problems)
    while True:
        try:
            return _CONVERTER.structure(values, Settings), problems
        except BaseValidationError as group:
            for path, message in _failures(group, ()):
                problems.append(problem_at(layer.source, ".".join(path), message))
                _drop(values, path)


def problem_at(source: str, path: str, message: str) -> ConfigProblem:
    """Return the problem, naming the flag where the key was set by one."""
    flag = _FLAGS_BY_PATH.get(path)
    return ConfigProblem(source, f"-{flag}" if flag and source == COMMAND_LINE else path, message)


def _known_keys(
    values: Mapping[str, Any], cls: type, prefix: str, source: str, problems: list[ConfigProblem]
) -> dict[str, Any]:
    names = {field.name for field in attrs.fields(cls)}
    blocks = block_classes(cls)
    known: dict[str, Any] = {}
    for key, value in values.items():
        name = key.lower()  # Consul's decoder does not heed the case of keys either
        path = prefix + name
        if path in ABSENT_KEYS:
            message = f"Consul's key {path} is not in nodedns: {ABSENT_KEYS[path]}"
            problems.append(ConfigProblem(source, path, message))
        elif name not in names:
            problems.append(ConfigProblem(source, prefix + key, f"invalid config key {prefix + key}"))
        elif path in _DEFINITIONS:
            known[name] = [*known.get(name, ()), *_definitions(value, path, source, problems)]
        elif name in blocks and isinstance(_only(value), dict):
            known[name] = _known_keys(_only(value), blocks[name], f"{path}.", source, problems)
        else:
            known[name] = value
    return known


def _definitions(value: Any, path: str, source: str, problems: list[ConfigProblem]) -> list[Given]:  # noqa: ANN401 - a file's value
    """Return the definitions of a list of objects, or of one object, not yet read."""
    listed = [(f"{path}[{at}]", each) for at, each in enumerate(value)] if isinstance(value, list) else [(path, value)]
    for where, each in listed:
        if not isinstance(each, dict):
            problems.append(ConfigProblem(source, where, f"must be a block of keys, not {shorten(each)}"))
    return [Given(each, source, where) for where, each in listed if isinstance(each, dict)]


def _read_definitions(value: Any, _: type) -> list[Given]:  # noqa: ANN401 - a file's value
    return list(value)


def _only(value: Any) -> Any:  # noqa: ANN401 - a file's value
    """Return the one element of a list of one object, else the value itself."""
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) else value


def _failures(error: BaseException, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(error, BaseValidationError):
        yield path, str(error)
        return
    for below in error.exceptions:
        steps = [note.name for note in getattr(below, "__notes__", []) if hasattr(note, "name")]
        yield from _failures(below, (*path, *steps[:1]))


def _drop(values: dict[str, Any], path: tuple[str, ...]) -> None:
    for step in path[:-1]:
        values = values[step]
    values.pop(path[-1], None)


def _read_bool(value: Any, _: type) -> bool:  # noqa: ANN401 - a file's value
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {shorten(value)}")  # noqa: TRY004 - one kind of failure
    return value


def _read_int(value: Any, _: type) -> int:  # noqa: ANN401 - a file's value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"must be a whole number, not {shorten(value)}")  # noqa: TRY004 - one kind of failure
    return value


def _read_text(value: Any, _: type) -> str:  # noqa: ANN401 - a file's value
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes, not {shorten(value)}")  # noqa: TRY004 - one kind of failure
    return value


def _read_key_text(value: Any, _: type) -> KeyText:  # noqa: ANN401 - a file's value
    if not isinstance(value, str):
        raise ValueError("must be text in quotes")  # noqa: TRY004 - one kind of failure
    return KeyText(value)


def _read_key_texts(value: Any, _: type) -> list[KeyText]:  # noqa: ANN401 - a file's value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("must be a list of texts")
    return [KeyText(item) for item in value]


def _read_seconds(value: Any, _: type) -> Seconds:  # noqa: ANN401 - a file's value
    if not isinstance(value, str):
        raise ValueError(f'must be a duration such as "10s", not {shorten(value)}')  # noqa: TRY004 - one kind of failure
    try:
        return Seconds(parse_duration(value))
    except ValueError as error:
        raise ValueError(f'invalid duration: "{value}": {error}') from None


def _read_texts(value: Any, _: type) -> list[str]:  # noqa: ANN401 - a file's value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"must be a list of texts, not {shorten(value)}")
    return list(value)


def _read_map(value: Any, _: type) -> dict[str, str]:  # noqa: ANN401 - a file's value
    pairs = _only(value)
    if not isinstance(pairs, dict) or not all(isinstance(item, str) for item in pairs.values()):
        raise ValueError(f"must be a map of texts, not {shorten(value)}")
    return dict(pairs)


def _read_seconds_map(value: Any, _: type) -> dict[str, Seconds]:  # noqa: ANN401 - a file's value
    pairs = _only(value)
    if not isinstance(pairs, dict):
        raise ValueError(f"must be a map of durations, not {shorten(value)}")  # noqa: TRY004 - one kind of failure
    return {str(key): _read_seconds(item, Seconds) for key, item in pairs.items()}


def _is_block(kind: Any) -> bool:  # noqa: ANN401 - any type
    return isinstance(kind, type) and attrs.has(kind)


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    converter.register_structure_hook(bool, _read_bool)
    converter.register_structure_hook(int, _read_int)
    converter.register_structure_hook(str, _read_text)
    converter.register_structure_hook_func(lambda kind: kind is Seconds, _read_seconds)
    converter.register_structure_hook_func(lambda kind: kind is KeyText, _read_key_text)
    converter.register_structure_hook_func(lambda kind: kind == list[str], _read_texts)
    converter.register_structure_hook_func(lambda kind: kind == list[KeyText], _read_key_texts)
    converter.register_structure_hook_func(lambda kind: kind == dict[str, str], _read_map)
    converter.register_structure_hook_func(lambda kind: kind == dict[str, Seconds], _read_seconds_map)
    converter.register_structure_hook_func(lambda kind: kind == list[Given], _read_definitions)

    def block_hook(cls: type) -> Any:  # noqa: ANN401 - a function that cattrs makes
        read: Callable[[Any, Any], Any] = cattrs.gen.make_dict_structure_fn(
            cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True
        )

        def read_block(value: Any, kind: type) -> Any:  # noqa: ANN401 - cattrs' signature
            if isinstance(value, list) and len(value) > 1:
                raise ValueError(f"is given {len(value)} times in one file; one block must hold all of it")
            if not isinstance(value, dict):
                raise ValueError(f"must be a block of keys, not {shorten(value)}")  # noqa: TRY004 - one kind of failure
            return read(value, kind)

        return read_block

    converter.register_structure_hook_factory(_is_block, block_hook)
    return converter


_CONVERTER = _make_converter()
