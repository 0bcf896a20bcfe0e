"""``load``: sources in, one checked ``AgentConfig`` or one ``ConfigError`` with every problem out.

Layers are read, each is structured, they are merged, and then the rules that
look at more than one key run over the merged whole. ``nodedns validate`` and
``nodedns agent`` both come through here.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from nodedns.api.access import AccessRules, Right
from nodedns.api.context import QueryTimes
from nodedns.checks.scripts import ScriptRights
from nodedns.config import identity
from nodedns.config.access import access_rules, http_params
from nodedns.config.converter import structure
from nodedns.config.cookies import cookies
from nodedns.config.definitions import check_output_max_size, definitions, script_rights
from nodedns.config.dns import dns_policy, failed_nodes_grace, reverse_zones
from nodedns.config.dns_tcp import dns_tcp_limits
from nodedns.config.domains import alt_domains, domain, warn_of_names
from nodedns.config.draft import Draft
from nodedns.config.encryption import encryption
from nodedns.config.gossip import gossip
from nodedns.config.host_keys import host_key_directory, host_keys
from nodedns.config.network import network, retry_join
from nodedns.config.recursion import recursion
from nodedns.config.schema import OFF, AgentConfig
from nodedns.config.settings import Settings, leaves, merge
from nodedns.config.sources import DEV_MODE, ConfigSources, read_layers
from nodedns.config.tls import https_params
from nodedns.config.transfer import transfer_params
from nodedns.errors import ConfigError
from nodedns.serf.params import SerfParams

__all__ = ["LOG_LEVELS", "load", "merged", "resolved"]

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
LOG_LEVEL_ALIASES = {"ERR": "ERROR", "WARNING": "WARN"}
DEFAULT_LOG_LEVEL = "INFO"
DEFAULT_RETRY_INTERVAL_S = 30.0
DEFAULT_CHECK_UPDATE_INTERVAL_S = 300.0


def load(sources: ConfigSources) -> AgentConfig:
    """Return the configuration that ``sources`` make.

    Raises:
        ConfigError: With every problem found in any source.
    """
    return resolved(merged(sources), sources)


def resolved(draft: Draft, sources: ConfigSources) -> AgentConfig:
    """Return the configuration that merged settings make.

    Args:
        draft: The settings, and what was found wrong with them so far.
        sources: What this machine says of itself.

    Raises:
        ConfigError: With every problem, those of the draft among them.
    """
    config = _resolve(draft, sources)
    if draft.problems:
        raise ConfigError(list(dict.fromkeys(draft.problems)))
    return config


def merged(sources: ConfigSources) -> Draft:
    """Return what all files and flags say, read and merged, with every problem of that."""
    layers, problems, warnings = read_layers(sources)
    settings = Settings()
    origins: dict[str, str] = {}
    for layer in layers:
        found, faults = structure(layer)
        problems += faults
        if layer.source != DEV_MODE:
            origins |= dict.fromkeys(leaves(found), layer.source)
        settings = merge(settings, found)
    return Draft(settings=settings, origins=origins, dev=sources.dev, problems=problems, warnings=warnings)


def _resolve(draft: Draft, sources: ConfigSources) -> AgentConfig:
    settings = draft.settings
    bootstrap, expect = _bootstrap(draft)
    joins = retry_join(draft, sources.interfaces)
    listening = network(draft, joins, sources.interfaces, sources.route)
    node_name, datacenter = identity.node_name(draft, sources.host_name), identity.datacenter(draft)
    domains = _domains(draft, datacenter)
    if listening.dns_addrs:
        warn_of_names(draft, node_name, datacenter, domains)
    scripts, access = script_rights(draft), access_rules(draft)
    if listening.http_addrs:
        _warn_of_scripts(draft, scripts, access)
    defined = definitions(draft)
    return AgentConfig(
        node_name=node_name,
        node_id=identity.node_id(draft),
        node_meta=identity.node_meta(draft),
        datacenter=datacenter,
        domain=domains[0],
        alt_domains=domains[1:],
        data_dir=_data_dir(draft),
        server=draft.server,
        bootstrap=bootstrap,
        bootstrap_expect=expect,
        dev_mode=draft.dev,
        retry_join=joins,
        retry_interval_s=_positive(draft, "retry_interval", settings.retry_interval, DEFAULT_RETRY_INTERVAL_S),
        retry_max=_at_least_zero(draft, "retry_max", settings.retry_max),
        rejoin_after_leave=bool(settings.rejoin_after_leave),
        advertise_reconnect_timeout_s=_advertise_reconnect_timeout(draft),
        # Consul: a client that goes away is gone; a server that goes away is expected back.
        leave_on_terminate=_given(settings.leave_on_terminate, default=not draft.server),
        skip_leave_on_interrupt=_given(settings.skip_leave_on_interrupt, default=draft.server),
        encryption=encryption(draft),
        services=defined.services,
        checks=defined.checks,
        scripts=scripts,
        check_output_max_size=check_output_max_size(draft),
        check_update_interval_s=_check_update_interval(draft),
        discard_check_output=bool(settings.discard_check_output),
        query_times=_query_times(draft),
        log_level=_log_level(draft),
        config_paths=sources.paths,
        watched_paths=_watched_paths(draft, sources),
        auto_reload_config=bool(settings.auto_reload_config),
        log_json=bool(settings.log_json),
        pid_file=Path(settings.pid_file) if settings.pid_file else None,
        gossip=gossip(draft, listening.advertise_addr),
        serf=_serf(draft),
        host_keys=host_keys(draft),
        reverse_zones=reverse_zones(draft),
        dns=dns_policy(draft, node_name),
        dns_cookies=cookies(draft),
        failed_nodes_grace_s=failed_nodes_grace(draft),
        recursion=recursion(draft, listening.dns_addrs, listening.dns_port, sources.interfaces),
        dns_query_log=bool(settings.dns_config and settings.dns_config.query_log),
        dns_tcp=dns_tcp_limits(draft),
        transfer=transfer_params(draft),
        access=access,
        http=http_params(draft),
        https=https_params(draft, is_served=listening.https_port != OFF),
        origins=draft.origins,
        warnings=tuple(draft.warnings),
        given=settings,
        **attrs.asdict(listening, recurse=False),
    )


def _watched_paths(draft: Draft, sources: ConfigSources) -> tuple[Path, ...]:
    directory = host_key_directory(draft)
    return sources.paths if directory is None else (*sources.paths, directory)


def _check_update_interval(draft: Draft) -> float:
    given = draft.settings.check_update_interval
    if given is not None and given < 0:
        draft.problem("check_update_interval", f"check_update_interval cannot be negative: {given:g}s")
    return DEFAULT_CHECK_UPDATE_INTERVAL_S if given is None else given


def _query_times(draft: Draft) -> QueryTimes:
    defaults = QueryTimes()
    return QueryTimes(
        default_s=_positive(draft, "default_query_time", draft.settings.default_query_time, defaults.default_s),
        max_s=_positive(draft, "max_query_time", draft.settings.max_query_time, defaults.max_s),
    )


def _warn_of_scripts(draft: Draft, scripts: ScriptRights, access: AccessRules) -> None:
    """Say what it means that whoever reaches the API may run programs (Consul warns of the same)."""
    if scripts.from_anywhere and access.anonymous is Right.WRITE and not access.write_networks:
        draft.warnings.append(
            "enable_script_checks without acl tokens and without http_config.allow_write_http_from lets everybody who "
            "reaches the HTTP API run programs on this machine; use enable_local_script_checks instead."
        )


def _domains(draft: Draft, datacenter: str) -> tuple[str, ...]:
    first = domain(draft)
    return first, *alt_domains(draft, first, datacenter)


def _data_dir(draft: Draft) -> Path | None:
    given = draft.settings.data_dir
    if draft.dev:
        if given:
            draft.warnings.append(f"data_dir {given} is not used: -dev keeps nothing on disk")
        return None
    if not given:
        draft.problem("data_dir", "data_dir cannot be empty")
        return None
    path = Path(given)
    if path.exists() and not path.is_dir():
        draft.problem("data_dir", f'data_dir "{path}" is not a directory')
    return path


def _bootstrap(draft: Draft) -> tuple[bool, int]:
    bootstrap = bool(draft.settings.bootstrap)
    expect = draft.settings.bootstrap_expect or 0
    if expect < 0:
        rule = f"bootstrap_expect cannot be {expect}. Must be greater than or equal to zero"
        draft.problem("bootstrap_expect", rule)
    if bootstrap and not draft.server:
        draft.problem("bootstrap", "'bootstrap = true' requires 'server = true'")
    if expect > 0 and draft.dev:
        draft.problem("bootstrap_expect", "'bootstrap_expect > 0' not allowed in dev mode")
    elif expect > 0 and not draft.server:
        draft.problem("bootstrap_expect", "'bootstrap_expect > 0' requires 'server = true'")
    if expect > 0 and bootstrap:
        draft.problem("bootstrap_expect", "'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive")
    if expect == 1:
        draft.warnings.append("BootstrapExpect is set to 1; this is the same as Bootstrap mode.")
    return bootstrap or expect == 1 or (draft.dev and draft.server), expect


def _log_level(draft: Draft) -> str:
    given = draft.settings.log_level
    level = (given or DEFAULT_LOG_LEVEL).upper()
    level = LOG_LEVEL_ALIASES.get(level, level)
    if level not in LOG_LEVELS:
        rule = f"Invalid log level: {given}. Valid log levels are: [{' '.join(LOG_LEVELS)}]"
        draft.problem("log_level", rule)
    return level


def _serf(draft: Draft) -> SerfParams:
    defaults = SerfParams()
    return attrs.evolve(
        defaults,
        reconnect_timeout_s=_positive(
            draft, "reconnect_timeout", draft.settings.reconnect_timeout, defaults.reconnect_timeout_s
        ),
        rejoin_after_leave=bool(draft.settings.rejoin_after_leave),
        disable_coordinates=bool(draft.settings.disable_coordinates),
        # Consul: who owns a server's name is not put to the vote.
        resolve_conflicts=not draft.server,
    )


def _advertise_reconnect_timeout(draft: Draft) -> float:
    path = "advertise_reconnect_timeout"
    given = draft.settings.advertise_reconnect_timeout
    if given is not None and draft.server:
        draft.problem(path, f"{path} can only be used on a client")
    return _positive(draft, path, given, 0.0)


def _positive(draft: Draft, path: str, value: float | None, default: float) -> float:
    if value is not None and value <= 0:
        draft.problem(path, f"{path} must be more than zero, not {value:g}s")
    return default if value is None else value


def _at_least_zero(draft: Draft, path: str, value: int | None) -> int:
    if value is not None and value < 0:
        draft.problem(path, f"{path} cannot be {value}. Must be greater than or equal to zero")
    return value or 0


def _given(value: bool | None, *, default: bool) -> bool:
    return default if value is None else value
