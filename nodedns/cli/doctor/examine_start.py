"""``examine_start``: what an agent would meet if it were started now, looked at without starting one.

Ports are looked up in ``/proc`` and not bound, so that no program that starts meanwhile finds one taken. The
configuration is read as the agent itself reads it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import attrs

from nodedns.cli.doctor.facts import Port, StartFacts
from nodedns.cli.doctor.listening import Listeners, is_own_address, may_bind
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError, GossipWireError
from nodedns.serf.keyring_file import decode_keyring_file_untrusted

__all__ = ["examine_start", "load_given"]

KEYRING = "serf/local.keyring"
_WIDE = "0.0.0.0"  # noqa: S104 - where gossip listens by default; read, not bound
DEFAULT_PORTS = (
    Port(service="DNS", flag="-dns-port", host="127.0.0.1", number=8600, protocol="udp"),
    Port(service="DNS", flag="-dns-port", host="127.0.0.1", number=8600, protocol="tcp"),
    Port(service="HTTP", flag="-http-port", host="127.0.0.1", number=8500, protocol="tcp"),
    Port(service="gossip", flag="-serf-lan-port", host=_WIDE, number=8301, protocol="udp"),
    Port(service="gossip", flag="-serf-lan-port", host=_WIDE, number=8301, protocol="tcp"),
)


def load_given(paths: Sequence[Path]) -> tuple[AgentConfig | None, tuple[str, ...]]:
    """Return the configuration in files and directories, and what is wrong with it; neither without ``paths``."""
    if not paths:
        return None, ()
    try:
        return load(ConfigSources(paths=tuple(paths))), ()
    except ConfigError as error:
        return None, tuple(map(str, error.problems))


def examine_start(config: AgentConfig | None, problems: tuple[str, ...], listeners: Listeners) -> StartFacts:
    """Look at what a start needs.

    Args:
        config: What the agent would be told; None for the defaults.
        problems: What is wrong with what was given instead.
        listeners: Who listens where.
    """
    ports = DEFAULT_PORTS if config is None else _ports(config)
    facts = StartFacts(
        is_configured=config is not None or bool(problems),
        problems=problems,
        ports=tuple(_looked_at(port, listeners) for port in ports),
    )
    if config is None or config.data_dir is None:
        return facts
    data_dir_error = _directory_error(config.data_dir)
    keyring_error, note = ("", "") if data_dir_error else _keyring(config, config.data_dir / KEYRING)
    return attrs.evolve(
        facts,
        data_dir=str(config.data_dir),
        data_dir_error=data_dir_error,
        keyring_error=keyring_error,
        keyring_note=note,
    )


def _ports(config: AgentConfig) -> list[Port]:
    both, one = ("udp", "tcp"), ("tcp",)
    wanted: list[tuple[str, str, str, int, tuple[str, ...]]]
    wanted = [("gossip", "-serf-lan-port", config.serf_lan_addr, config.serf_lan_port, both)]
    wanted += [("DNS", "-dns-port", host, config.dns_port, both) for host in config.dns_addrs]
    wanted += [("HTTP", "-http-port", host, config.http_port, one) for host in config.http_addrs]
    wanted += [("HTTPS", "-https-port", host, config.https_port, one) for host in config.https_addrs]
    return [
        Port(service=service, flag=flag, host=host, number=number, protocol=protocol)
        for service, flag, host, number, protocols in wanted
        if not host.startswith("unix://")
        for protocol in protocols
    ]


def _looked_at(port: Port, listeners: Listeners) -> Port:
    listener = listeners.at(port.host, port.number, port.protocol)
    return attrs.evolve(
        port,
        is_taken=listener is not None,
        holder="" if listener is None else listeners.program(listener),
        is_local=is_own_address(port.host),
        is_permitted=may_bind(port.number),
    )


def _directory_error(directory: Path) -> str:
    """Return why it cannot be used; where it is not there yet, its parents decide."""
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{place} is no directory"
    return "" if os.access(place, os.R_OK | os.W_OK | os.X_OK) else f"{place} is not for this user to write in"


def _keyring(config: AgentConfig, path: Path) -> tuple[str, str]:
    if not config.encryption.keyring_file:
        return "", ""
    try:
        keys = decode_keyring_file_untrusted(path.read_bytes())
    except FileNotFoundError:
        return "", ""
    except OSError as error:
        return f"{path} cannot be read: {(error.strerror or str(error)).lower()}", ""
    except GossipWireError as problem:
        return f"{path} is no keyring: {problem}", ""
    given = config.encryption.key.reveal()
    if given and given not in keys:
        return "", f"{path} does not have the key of encrypt, and counts"
    return "", ""
