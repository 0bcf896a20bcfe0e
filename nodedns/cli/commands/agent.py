"""``nodedns agent``: from flags and files to a running agent.

The flags have Consul's names. Each is one key of the configuration
(``config.sources.FLAG_PATHS``); this file only gathers them, loads the
configuration and hands it to ``nodedns.agent``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, int_flag, list_flag, text_flag
from nodedns.config.consul_keys import ABSENT_FLAGS

if TYPE_CHECKING:
    from nodedns.config.sources import ConfigSources

__all__ = ["agent", "config_sources"]

EXAMPLE = "nodedns agent -server -bootstrap-expect=1 -node=agent-one -bind=172.20.20.10 -data-dir=/var/lib/nodedns"

UNDERSCORED = frozenset({"check_output_max_size"})
"""The flags that Consul writes with underscores."""

FLAGS: tuple[Callable[[Any], Any], ...] = (
    text_flag(
        "advertise",
        "ip[:port]",
        "IP that the others are told, and the port if it is not that of gossip. Default: -bind, or a private IPv4 of "
        "this machine: of several, the one from which the first -retry-join is reached.",
    ),
    list_flag(
        "allow-write-http-from",
        "cidr",
        "A network whose clients may change things over HTTP, such as 10.0.0.0/8; others may only read. May be "
        "repeated. Default: all.",
    ),
    text_flag("alt-domain", "name", "A further domain that DNS answers for, beside -domain."),
    bool_flag("auto-reload-config", "Reload whenever one of the files of -config-file or -config-dir has changed."),
    text_flag(
        "bind", "ip", "IP to gossip on, or a template such as '{{ GetInterfaceIP \"eth0\" }}'. Default: 0.0.0.0."
    ),
    bool_flag("bootstrap", "This server is the whole cluster: it need not wait for others to answer with authority."),
    int_flag(
        "bootstrap-expect",
        "number",
        "Servers that must have met, all with this same number, before DNS answers for the cluster's names with "
        "anything but SERVFAIL. 1 is the same as -bootstrap.",
    ),
    int_flag(
        "check_output_max_size", "bytes", "Bytes of a check's output that are kept, at most. Default: 4096, the most."
    ),
    text_flag(
        "client", "ips", "IPs and unix:// paths to serve DNS and HTTP on, separated by blanks. Default: 127.0.0.1."
    ),
    list_flag(
        "config-file",
        "path",
        "A file in JSON or HCL, or a directory whose *.json and *.hcl files are read by name. May be repeated; later "
        "ones win.",
        alias="config-dir",
    ),
    text_flag("config-format", "hcl|json", "Read every file as this, whatever its name ends in."),
    text_flag("data-dir", "path", "Directory for what must outlive a restart. Needed, except with -dev."),
    text_flag("datacenter", "name", "Datacenter of this agent. Default: dc1."),
    text_flag("default-query-time", "duration", "How long a blocking query waits that does not say. Default: 300s."),
    bool_flag(
        "dev", "A server on 127.0.0.1 that keeps nothing on disk, gossips fast and logs much. To try things out."
    ),
    bool_flag(
        "disable-keyring-file", "Keep the gossip keys in memory only: after a restart there is -encrypt's key alone."
    ),
    int_flag("dns-port", "port", "Port of DNS, UDP and TCP; -1 turns it off. Default: 8600."),
    text_flag("domain", "name", "Domain that DNS answers for. Default: consul."),
    bool_flag("enable-local-script-checks", "Take checks that run programs, as this agent's user, from files."),
    bool_flag(
        "enable-script-checks",
        "Take such checks over HTTP as well. Whoever may register a check can then run programs on this machine.",
    ),
    text_flag(
        "encrypt",
        "key",
        "Gossip key of the cluster, from nodedns keygen; all agents have the same. Kept in the data directory, which "
        "from then on counts. Better in a file than here, where every user of this machine can see it.",
    ),
    int_flag("http-port", "port", "Port of the HTTP API; -1 turns it off. Default: 8500."),
    int_flag("https-port", "port", "Port of the HTTP API over TLS, with tls.https in a file. Default: off."),
    bool_flag("log-json", "Write each log line as one JSON object."),
    text_flag("log-level", "trace|debug|info|warn|error", "The lowest level to log. Default: info."),
    text_flag("max-query-time", "duration", "How long a blocking query waits at most. Default: 600s."),
    text_flag("node", "name", "Name of this node; must be unique in the cluster. Default: the host's name."),
    text_flag("node-id", "uuid", "UUID of this node. Default: made once and kept in the data directory."),
    list_flag("node-meta", "key:value", "A fact about this node, shown over HTTP and in DNS. May be repeated."),
    text_flag("pid-file", "path", "File to keep the process id in while the agent runs."),
    text_flag(
        "profile",
        "lan|wan|local",
        "Timings of gossip: for machines on one network, far apart, or agents on one machine. Default: lan.",
    ),
    list_flag(
        "recursor",
        "ip[:port]",
        "A DNS server to ask about names outside the domain, for clients in dns_config.allow_recursion. May be "
        "repeated. Default: none; such names are refused.",
    ),
    bool_flag("rejoin", "Join the remembered members again even after a graceful leave."),
    text_flag("retry-interval", "duration", "Pause between two rounds of -retry-join. Default: 30s."),
    list_flag(
        "retry-join",
        "address",
        "A member to join at start: IP or host name, with :port if it is not 8301, or a service whose SRV records "
        "name members (_gossip._tcp.example.com). Looked up anew and tried until it works. May be repeated.",
        alias="join",
    ),
    int_flag(
        "retry-max",
        "number",
        "Further rounds of -retry-join before the agent gives up and exits; 0 for no end. Default: 0.",
    ),
    list_flag(
        "serf-lan-allowed-cidrs",
        "cidr",
        "A network that members may be in, such as 10.0.0.0/8; others are not let in. May be repeated. Default: all.",
    ),
    text_flag("serf-lan-bind", "ip", "IP to gossip on. Default: -bind."),
    int_flag("serf-lan-port", "port", "Port of gossip, UDP and TCP. Default: 8301."),
    bool_flag("server", "Run as a server: named in the zone's NS records, and not expected to leave."),
    click.argument("args", nargs=-1),
)


def _declare(function: Callable[..., int]) -> Callable[..., int]:
    for flag in reversed(FLAGS):
        function = flag(function)
    return function


@click.command(
    cls=GoCommand,
    example=EXAMPLE,
    absent=ABSENT_FLAGS,
    help="""Runs an agent until it is told to stop. It gossips with the other agents, answers DNS for every member, and
    serves an HTTP API that the other commands ask.

    Configuration comes from files in Consul's JSON or HCL and from flags; flags win over files, and lists are
    put together. Ctrl-C makes a client leave the cluster; a server just stops, and is expected back.""",
)
@_declare
def agent(*, args: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401 - text, number, boolean or list, by flag
    """Load the configuration and run."""
    if args:
        raise CommandError(f"Unexpected extra arguments: [{' '.join(args)}]")
    # Imported here: the help of this command should not wait for what an agent is made of.
    from nodedns.config.load import load  # noqa: PLC0415
    from nodedns.config.reload import reload  # noqa: PLC0415
    from nodedns.errors import ConfigError  # noqa: PLC0415

    sources = config_sources(**flags)
    try:
        config = load(sources)
    except ConfigError as error:
        raise CommandError("\n".join(f"==> {problem}" for problem in error.problems)) from error
    from nodedns.agent.run import run_agent  # noqa: PLC0415

    return run_agent(config, partial(reload, sources))


def config_sources(
    *,
    config_file: tuple[str, ...],
    config_format: str | None,
    dev: bool | None,
    args: tuple[str, ...] = (),
    **flags: Any,  # noqa: ANN401 - text, number, boolean or list, by flag
) -> ConfigSources:
    """Return where the configuration comes from, given the values that click parsed."""
    del args
    from nodedns.config.sources import ConfigSources  # noqa: PLC0415

    return ConfigSources(
        paths=tuple(map(Path, config_file)),
        file_format=config_format or "",
        flags=_given(flags),
        dev=bool(dev),
    )


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    """Return the flags that were given, by their names; lists as lists, node meta as a map."""
    given: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None or value == ():
            continue
        flag = name if name in UNDERSCORED else name.replace("_", "-")
        if flag == "node-meta":
            given[flag] = dict(_meta_pair(pair) for pair in value)
        else:
            given[flag] = list(value) if isinstance(value, tuple) else value
    return given


def _meta_pair(pair: str) -> tuple[str, str]:
    key, _, value = pair.partition(":")
    return key, value
