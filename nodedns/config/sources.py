"""``ConfigSources``: where configuration comes from, and each source read into a ``Layer``.

The order is Consul's, later wins: defaults, the defaults of ``-dev``, lists
given as flags, files and directories as they stand on the command line (a
directory's files by name), scalars given as flags. This file reads and
parses; what the keys mean is not its matter.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import attrs

from nodedns.config.hcl import collect, parse_hcl
from nodedns.config.interfaces import InterfaceLister, RouteFinder, list_interfaces, route_to
from nodedns.errors import ConfigProblem

__all__ = ["COMMAND_LINE", "DEV_MODE", "FLAG_PATHS", "ConfigSources", "Layer", "read_layers"]

COMMAND_LINE = "command line"
DEV_MODE = "-dev"
FORMATS = ("hcl", "json")

FLAG_PATHS: Mapping[str, str] = {
    "advertise": "advertise_addr",
    "allow-write-http-from": "http_config.allow_write_http_from",
    "alt-domain": "alt_domain",
    "auto-reload-config": "auto_reload_config",
    "bind": "bind_addr",
    "bootstrap": "bootstrap",
    "bootstrap-expect": "bootstrap_expect",
    "check_output_max_size": "check_output_max_size",
    "client": "client_addr",
    "data-dir": "data_dir",
    "datacenter": "datacenter",
    "default-query-time": "default_query_time",
    "disable-keyring-file": "disable_keyring_file",
    "dns-port": "ports.dns",
    "domain": "domain",
    "enable-local-script-checks": "enable_local_script_checks",
    "enable-script-checks": "enable_script_checks",
    "encrypt": "encrypt",
    "http-port": "ports.http",
    "https-port": "ports.https",
    "log-json": "log_json",
    "log-level": "log_level",
    "max-query-time": "max_query_time",
    "node": "node_name",
    "node-id": "node_id",
    "node-meta": "node_meta",
    "pid-file": "pid_file",
    "profile": "gossip_profile",
    "recursor": "recursors",
    "rejoin": "rejoin_after_leave",
    "retry-interval": "retry_interval",
    "retry-join": "retry_join",
    "retry-max": "retry_max",
    "serf-lan-allowed-cidrs": "serf_lan_allowed_cidrs",
    "serf-lan-bind": "serf_lan",
    "serf-lan-port": "ports.serf_lan",
    "server": "server",
}
"""The flag that sets each key; ``-join`` is another name of ``-retry-join``."""

DEV_VALUES: Mapping[str, Any] = {"bind_addr": "127.0.0.1", "server": True, "log_level": "DEBUG"}


def _nothing() -> Mapping[str, Any]:
    return {}


@attrs.frozen(kw_only=True)
class ConfigSources:
    """What was given on the command line, and what this machine says of itself.

    Attributes:
        paths: Files and directories, in the order given.
        file_format: ``hcl`` or ``json`` for every file, or empty: by suffix.
        flags: Values of flags by key of ``FLAG_PATHS``, without those that were not given.
        dev: Whether ``-dev`` was given.
        host_name: Gives the node's name when nothing else does.
        interfaces: Gives this machine's addresses.
        route: Gives which of them leads to an address that will be joined.
    """

    paths: tuple[Path, ...] = ()
    file_format: str = ""
    flags: Mapping[str, Any] = attrs.field(factory=_nothing)
    dev: bool = False
    host_name: Callable[[], str] = socket.gethostname
    interfaces: InterfaceLister = list_interfaces
    route: RouteFinder = route_to


@attrs.frozen
class Layer:
    """One source's values, still untyped.

    Attributes:
        source: A file's path, ``command line``, or ``-dev``.
        values: As the file has them.
    """

    source: str
    values: Mapping[str, Any]


@attrs.define
class _Read:
    layers: list[Layer] = attrs.field(factory=list)
    problems: list[ConfigProblem] = attrs.field(factory=list)
    warnings: list[str] = attrs.field(factory=list)


def read_layers(sources: ConfigSources) -> tuple[list[Layer], list[ConfigProblem], list[str]]:
    """Return the layers, earliest first, every problem of reading them, and warnings."""
    read = _Read()
    if sources.dev:
        read.layers.append(Layer(DEV_MODE, DEV_VALUES))
    read.layers.append(Layer(COMMAND_LINE, _flag_values(sources.flags, lists=True)))
    if sources.file_format not in ("", *FORMATS):
        message = f'-config-format must be hcl or json, not "{sources.file_format}"'
        read.problems.append(ConfigProblem(COMMAND_LINE, "-config-format", message))
    for path in sources.paths:
        _read_path(path, sources.file_format, read)
    read.layers.append(Layer(COMMAND_LINE, _flag_values(sources.flags, lists=False)))
    return read.layers, read.problems, read.warnings


def _flag_values(flags: Mapping[str, Any], *, lists: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for flag, value in flags.items():
        if isinstance(value, list) == lists:
            block, _, key = FLAG_PATHS[flag].rpartition(".")
            (values.setdefault(block, {}) if block else values)[key] = value
    return values


def _read_path(path: Path, file_format: str, read: _Read) -> None:
    try:
        if not path.is_dir():
            _read_file(path, file_format or _format_of(path), read)
            return
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    except OSError as error:
        read.problems.append(_open_failed(path, error))
        return
    for name in names:
        file = path / name
        found = file_format or _format_of(file)
        if found:
            _read_file(file, found, read)
        else:
            read.warnings.append(f"skipping file {file}, extension must be .hcl or .json, or config format must be set")


def _format_of(path: Path) -> str:
    suffix = path.suffix.removeprefix(".")
    return suffix if suffix in FORMATS else ""


def _read_file(path: Path, file_format: str, read: _Read) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        read.problems.append(_open_failed(path, error))
        return
    if not file_format:
        message = f"file {path} has unknown extension; must be .hcl or .json, or config format must be set"
        read.problems.append(ConfigProblem(COMMAND_LINE, "-config-file", message))
        return
    try:
        values = _mended(_parse(content.decode("utf-8-sig"), file_format))
    except (ValueError, RecursionError) as error:
        read.problems.append(ConfigProblem(str(path), "", f"failed to parse: {error}"))
        return
    read.layers.append(Layer(str(path), values))


def _parse(text: str, file_format: str) -> Mapping[str, Any]:
    if not text.strip():
        return {}
    if file_format == "hcl":
        return parse_hcl(text)
    values = json.loads(text, object_pairs_hook=collect, parse_constant=_refuse_constant)
    if not isinstance(values, dict):
        raise ValueError("the file must hold one object")  # noqa: TRY004 - the caller's one kind of failure
    return values


def _mended(value: Any) -> Any:  # noqa: ANN401 - whatever the file says
    """Return what a file says, with each half of a surrogate pair as U+FFFD: escapes can spell it, no bytes can."""
    if isinstance(value, str):
        # HCL's escapes spell a whole pair as two characters.
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(each) for key, each in value.items()}
    return [_mended(each) for each in value] if isinstance(value, list) else value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _open_failed(path: Path, error: OSError) -> ConfigProblem:
    reason = (error.strerror or str(error)).lower()
    return ConfigProblem("config", "", f"Open failed on {path}. open {path}: {reason}")
