from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nodedns.config.consul_keys import ABSENT_KEYS
from nodedns.config.interfaces import InterfaceAddress
from nodedns.config.load import load
from nodedns.config.schema import OFF, AgentConfig
from nodedns.config.settings import key_docs
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError

UUID = "6F6BD3E4-6A57-4D0C-9F2E-0D0A1F6F2B11"


def interface(text: str, name: str = "eth0", *, up: bool = True) -> InterfaceAddress:
    return InterfaceAddress(name=name, ip=ipaddress.ip_address(text), prefix_length=24, is_up=up)


LOOPBACK = interface("127.0.0.1", "lo")
ONE_ADDRESS = (LOOPBACK, interface("10.0.0.5"))


class Files:
    """Writes files into one directory and loads them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._paths: list[Path] = []

    def add(self, values: dict[str, Any]) -> Path:
        path = self._directory / f"{len(self._paths)}.json"
        path.write_text(json.dumps(values))
        self._paths.append(path)
        return path

    def load(
        self,
        flags: dict[str, Any] | None = None,
        *,
        dev: bool = False,
        host: str = "host-one",
        interfaces: Sequence[InterfaceAddress] = ONE_ADDRESS,
    ) -> AgentConfig:
        return load(
            ConfigSources(
                paths=tuple(self._paths),
                flags={"data-dir": str(self._directory)} | (flags or {}),
                dev=dev,
                host_name=lambda: host,
                interfaces=lambda: interfaces,
            )
        )

    def problems(self, flags: dict[str, Any] | None = None, **settings: Any) -> list[str]:
        with pytest.raises(ConfigError) as refusal:
            self.load(flags, **settings)
        return [str(problem) for problem in refusal.value.problems]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


# Defaults


def test_defaults_are_those_of_consul(files: Files, tmp_path: Path) -> None:
    config = files.load()
    assert ("host-one", "", "dc1", "consul") == (config.node_name, config.node_id, config.datacenter, config.domain)
    assert ("0.0.0.0", "10.0.0.5") == (config.bind_addr, config.advertise_addr)
    assert ("127.0.0.1",) == config.client_addrs == config.dns_addrs == config.http_addrs
    assert (8600, 8500, 8301) == (config.dns_port, config.http_port, config.serf_lan_port)
    assert (False, False, 0, False) == (config.server, config.bootstrap, config.bootstrap_expect, config.dev_mode)
    assert ((), 30.0, 0, False) == (
        config.retry_join,
        config.retry_interval_s,
        config.retry_max,
        config.rejoin_after_leave,
    )
    assert ("INFO", False, None, tmp_path) == (config.log_level, config.log_json, config.pid_file, config.data_dir)
    assert (0.2, 3, 1.0, 0.5, 4, 4, 30.0) == (
        config.gossip.gossip_interval_s,
        config.gossip.gossip_nodes,
        config.gossip.probe_interval_s,
        config.gossip.probe_timeout_s,
        config.gossip.retransmit_mult,
        config.gossip.suspicion_mult,
        config.gossip.dead_node_reclaim_s,
    )
    assert 72 * 3600 == config.serf.reconnect_timeout_s
    assert () == config.warnings


def test_dev_mode_is_a_quick_server_on_loopback(files: Files) -> None:
    config = files.load({"data-dir": ""}, dev=True)
    assert config.dev_mode
    assert config.server
    assert config.bootstrap
    assert config.data_dir is None
    assert ("127.0.0.1", "127.0.0.1", "DEBUG") == (config.bind_addr, config.advertise_addr, config.log_level)
    assert (0.1, 0.1) == (config.gossip.probe_interval_s, config.gossip.gossip_interval_s)
    assert {"data_dir": "command line"} == config.origins


def test_dev_mode_gives_way_to_files(files: Files) -> None:
    files.add({"log_level": "warn", "bind_addr": "10.0.0.5", "gossip_lan": {"probe_interval": "2s"}})
    config = files.load(dev=True)
    assert ("WARN", "10.0.0.5", 2.0) == (config.log_level, config.bind_addr, config.gossip.probe_interval_s)
    assert 0.1 == config.gossip.gossip_interval_s


def test_dev_mode_says_that_it_keeps_nothing(files: Files, tmp_path: Path) -> None:
    assert (f"data_dir {tmp_path} is not used: -dev keeps nothing on disk",) == files.load(dev=True).warnings


@pytest.mark.parametrize(("server", "leaves", "skips"), [(False, True, False), (True, False, True)])
def test_signals_follow_the_role(files: Files, server: bool, leaves: bool, skips: bool) -> None:
    config = files.load({"server": server})
    assert (leaves, skips) == (config.leave_on_terminate, config.skip_leave_on_interrupt)


def test_signals_follow_the_files_before_the_role(files: Files) -> None:
    files.add({"leave_on_terminate": True, "skip_leave_on_interrupt": False})
    config = files.load({"server": True})
    assert (True, False) == (config.leave_on_terminate, config.skip_leave_on_interrupt)


def test_name_of_a_server_is_not_put_to_the_vote(files: Files) -> None:
    assert files.load().serf.resolve_conflicts
    assert not files.load({"server": True}).serf.resolve_conflicts


# Merging


def test_later_scalar_wins_and_a_flag_beats_files(files: Files) -> None:
    files.add({"datacenter": "a", "domain": "a", "node_name": "a"})
    files.add({"datacenter": "b", "domain": "b"})
    config = files.load({"datacenter": "c"})
    assert ("c", "b", "a") == (config.datacenter, config.domain, config.node_name)


def test_lists_are_put_together_flags_first(files: Files) -> None:
    files.add({"retry_join": ["10.0.0.2"], "start_join": ["10.0.0.9"]})
    files.add({"retry_join": ["10.0.0.3", "10.0.0.1"]})
    config = files.load({"retry-join": ["10.0.0.1"]})
    assert ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1", "10.0.0.9") == config.retry_join


def test_maps_and_blocks_are_merged_by_key(files: Files) -> None:
    files.add({"node_meta": {"a": "1", "b": "1"}, "dns_config": {"node_ttl": "5s", "soa": {"retry": 7, "expire": 8}}})
    files.add({"node_meta": {"b": "2"}, "dns_config": {"soa": {"retry": 9}}, "ports": {"http": 1}})
    config = files.load({"node-meta": {"c": "3"}, "dns-port": 53})
    assert {"a": "1", "b": "2", "c": "3"} == config.node_meta
    assert (5, 9, 8) == (config.dns.node_ttl_s, config.dns.soa_retry_s, config.dns.soa_expire_s)
    assert (53, 1, 8301) == (config.dns_port, config.http_port, config.serf_lan_port)


def test_null_sets_nothing(files: Files) -> None:
    files.add({"datacenter": "a"})
    files.add({"datacenter": None, "ports": None})
    assert "a" == files.load().datacenter


def test_origin_of_each_key_is_the_last_source_that_set_it(files: Files) -> None:
    first = files.add({"datacenter": "a", "ports": {"dns": 1}, "node_meta": {"k": "v"}})
    second = files.add({"ports": {"dns": 2}})
    assert {
        "data_dir": "command line",
        "datacenter": str(first),
        "node_meta": str(first),
        "node_name": "command line",
        "ports.dns": str(second),
    } == dict(sorted(files.load({"node": "n"}).origins.items()))


def test_block_may_be_a_list_of_one(files: Files) -> None:
    files.add({"ports": [{"dns": 53}], "node_meta": [{"a": "b"}], "dns_config": [{"soa": [{"retry": 3}]}]})
    config = files.load()
    assert (53, {"a": "b"}, 3) == (config.dns_port, config.node_meta, config.dns.soa_retry_s)


def test_letter_case_of_keys_does_not_matter(files: Files) -> None:
    files.add({"Datacenter": "a", "PORTS": {"Dns": 53}})
    config = files.load()
    assert ("a", 53) == (config.datacenter, config.dns_port)


def test_whole_float_is_a_whole_number(files: Files) -> None:
    files.add({"retry_max": 3.0})
    assert 3 == files.load().retry_max


# Values that are made from others


@pytest.mark.parametrize(
    ("bind", "interfaces", "advertised"),
    [
        ("10.9.9.9", (), "10.9.9.9"),
        ("0.0.0.0", (LOOPBACK, interface("8.8.8.8"), interface("192.168.1.1")), "192.168.1.1"),
        ("0.0.0.0", (interface("10.0.0.1"), interface("10.0.0.2", up=False)), "10.0.0.1"),
        ("::", (interface("fd00::1"), interface("2a00:1450::5")), "2a00:1450::5"),
        ('{{ GetInterfaceIP "eth7" }}', (interface("10.7.7.7", "eth7"),), "10.7.7.7"),
    ],
)
def test_advertised_address_follows_bind(
    files: Files, bind: str, interfaces: Sequence[InterfaceAddress], advertised: str
) -> None:
    assert advertised == files.load({"bind": bind}, interfaces=interfaces).advertise_addr


def test_advertised_address_may_be_named(files: Files) -> None:
    assert "1.2.3.4" == files.load({"advertise": "1.2.3.4"}, interfaces=()).advertise_addr


def test_client_addresses_may_be_several_and_differ_by_service(files: Files) -> None:
    files.add({"addresses": {"http": "unix:///run/x.sock 127.0.0.1"}})
    config = files.load({"client": "127.0.0.2 [::1]"})
    assert ("127.0.0.2", "::1") == config.client_addrs == config.dns_addrs
    assert ("unix:///run/x.sock", "127.0.0.1") == config.http_addrs


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0.0.0.0 ::", ("::",)),
        ("[::] 127.0.0.1 ::1", ("::",)),
        ("127.0.0.1 0.0.0.0 ::1", ("0.0.0.0", "::1")),
        ("unix:///run/x.sock ::", ("unix:///run/x.sock", "::")),
    ],
)
def test_client_address_that_another_covers_has_no_socket_of_its_own(
    files: Files, given: str, kept: tuple[str, ...]
) -> None:
    files.add({"addresses": {"http": given}})
    assert kept == files.load({}).http_addrs


@pytest.mark.parametrize("port", [0, -1, -5])
def test_port_of_zero_or_less_turns_a_service_off(files: Files, port: int) -> None:
    config = files.load({"dns-port": port})
    assert (OFF, ()) == (config.dns_port, config.dns_addrs)


def test_empty_client_address_is_a_warning(files: Files) -> None:
    config = files.load({"client": ""})
    assert () == config.http_addrs
    assert ("client_addr is empty, client services (DNS, HTTP) will not be listening for connections",) == (
        config.warnings
    )


def test_expectation_of_one_is_bootstrap(files: Files) -> None:
    config = files.load({"server": True, "bootstrap-expect": 1})
    assert (True, 1) == (config.bootstrap, config.bootstrap_expect)
    assert ("BootstrapExpect is set to 1; this is the same as Bootstrap mode.",) == config.warnings


def test_names_are_brought_to_one_form(files: Files) -> None:
    config = files.load({"datacenter": "DC-2", "domain": "Example.ORG.", "node-id": UUID, "node": " Web-1 "})
    assert ("dc-2", "example.org", UUID.lower(), "Web-1") == (
        config.datacenter,
        config.domain,
        config.node_id,
        config.node_name,
    )


@pytest.mark.parametrize(("given", "level"), [("trace", "TRACE"), ("Err", "ERROR"), ("warning", "WARN")])
def test_log_level_is_read_in_any_case(files: Files, given: str, level: str) -> None:
    assert level == files.load({"log-level": given}).log_level


def test_gossip_and_serf_take_their_keys(files: Files) -> None:
    files.add(
        {
            "gossip_lan": {"gossip_nodes": 5, "probe_timeout": "1s", "suspicion_mult": 6},
            "reconnect_timeout": "8h",
            "rejoin_after_leave": True,
        }
    )
    config = files.load()
    assert (5, 1.0, 6) == (config.gossip.gossip_nodes, config.gossip.probe_timeout_s, config.gossip.suspicion_mult)
    assert (28800.0, True, True) == (
        config.serf.reconnect_timeout_s,
        config.serf.rejoin_after_leave,
        config.rejoin_after_leave,
    )


@pytest.mark.parametrize(("block", "is_on"), [({}, False), ({"query_log": True}, True), ({"query_log": False}, False)])
def test_query_log_is_off_unless_told(files: Files, block: dict[str, bool], is_on: bool) -> None:
    files.add({"dns_config": block})
    assert is_on == files.load().dns_query_log


def test_dns_takes_its_keys(files: Files) -> None:
    files.add(
        {
            "dns_config": {
                "node_ttl": "1m1.9s",
                "enable_additional_node_meta_txt": False,
                "udp_payload_bytes": 4096,
                "soa": {"refresh": 1, "min_ttl": 2},
            }
        }
    )
    dns = files.load().dns
    assert (61, False, 4096, 1, 2) == (
        dns.node_ttl_s,
        dns.enable_additional_node_meta_txt,
        dns.udp_payload_bytes,
        dns.soa_refresh_s,
        dns.soa_min_ttl_s,
    )


def test_dns_takes_its_keys_of_services(files: Files) -> None:
    given = {"service_ttl": {"*": "5s", "DB*": "10s"}, "only_passing": True, "a_record_limit": 2, "udp_answer_limit": 3}
    files.add({"dns_config": given})
    dns = files.load().dns
    assert (5, 10) == (dns.service_ttl.of("web"), dns.service_ttl.of("db2"))
    assert (True, 2, 3) == (dns.only_passing, dns.a_record_limit, dns.udp_answer_limit)


@pytest.mark.parametrize(("order", "nearest_first"), [("near", True), ("shuffle", False)])
def test_order_of_services_is_one_of_two(files: Files, order: str, nearest_first: bool) -> None:
    assert not files.load().dns.nearest_first
    files.add({"dns_config": {"service_order": order}})
    assert nearest_first is files.load().dns.nearest_first


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"service_order": "far"}, 'must be "shuffle" or "near", not'),
        ({"a_record_limit": -1}, "dns_config.a_record_limit cannot be -1. Must be greater than or equal to zero"),
        ({"udp_answer_limit": -2}, "dns_config.udp_answer_limit cannot be -2. Must be greater than or equal to zero"),
        ({"service_ttl": {"db": "soon"}}, 'invalid duration: "soon"'),
        ({"service_ttl": ["db"]}, "must be a map of durations"),
        ({"service_ttl": {"db": "-1s"}}, "dns_config.service_ttl.db: must be between 0 and 2147483647, not -1"),
    ],
)
def test_wrong_keys_of_services_in_dns_are_told(files: Files, block: dict[str, object], problem: str) -> None:
    files.add({"dns_config": block})
    with pytest.raises(ConfigError, match=re.escape(problem)):
        files.load()


def test_wrong_entry_of_a_map_is_told_with_its_file(files: Files) -> None:
    file = files.add({"dns_config": {"service_ttl": {"v1.db": "-1s"}}})
    with pytest.raises(ConfigError) as raised:
        files.load()
    assert [(str(file), "dns_config.service_ttl.v1.db")] == [
        (problem.source, problem.path) for problem in raised.value.problems
    ]


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (
            {"node": "x" * 64},
            f'Node name "{"x" * 64}" will not be discoverable via DNS due to it being too long. '
            "Valid lengths are between 1 and 63 bytes.",
        ),
        (
            {"node": "a..b"},
            'Node name "a..b" will not be discoverable via DNS due to a dot at an end, or two in a row.',
        ),
        (
            {"node": ".".join(["x" * 62] * 2), "domain": ".".join(["y" * 63] * 2)},
            "it being too long. With its domain it has more than 255 bytes.",
        ),
        ({"datacenter": "node"}, 'Datacenter "node" is a word of DNS names too: nodes are NAME.node.consul there'),
        ({"datacenter": "a_b"}, 'Datacenter "a_b" is no DNS label'),
    ],
)
def test_name_that_dns_dislikes_is_a_warning(files: Files, flags: dict[str, Any], part: str) -> None:
    (warning,) = files.load(flags).warnings
    assert part in warning


# Problems


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"data-dir": ""}, "command line: -data-dir: data_dir cannot be empty"),
        ({"data-dir": "/dev/null"}, 'command line: -data-dir: data_dir "/dev/null" is not a directory'),
        ({"node": " "}, "command line: -node: node_name cannot be empty"),
        ({"node": "a\nb"}, "command line: -node: node_name cannot contain control characters: 'a\\nb'"),
        ({"node-id": "7"}, "command line: -node-id: specified NodeID is invalid: '7' is no UUID"),
        (
            {"datacenter": "a b"},
            "command line: -datacenter: datacenter can only contain lowercase alphanumeric, - or _ characters. "
            'received: "a b"',
        ),
        ({"domain": "a..b"}, "command line: -domain: domain must be a DNS name, not 'a..b'"),
        ({"domain": "."}, "command line: -domain: domain must be a DNS name, not '.'"),
        ({"bind": ""}, "command line: -bind: bind_addr cannot be empty"),
        (
            {"bind": "1.1.1.1 2.2.2.2"},
            "command line: -bind: bind_addr cannot contain multiple addresses. "
            "Use 'addresses.{dns,http,https}' instead.",
        ),
        ({"bind": "unix:///x"}, "command line: -bind: bind_addr cannot be a unix socket"),
        ({"bind": "eth0"}, "command line: -bind: bind_addr must be an ip address, not 'eth0'"),
        ({"bind": "{{ GetX }}"}, "command line: -bind: bind_addr: GetX with 0 arguments is no source of addresses "
         "that nodedns knows"),
        ({"advertise": "0.0.0.0"}, "command line: -advertise: Advertise address cannot be 0.0.0.0, :: or [::]"),
        ({"advertise": "::"}, "command line: -advertise: Advertise address cannot be 0.0.0.0, :: or [::]"),
        (
                {"advertise": "x"},
                "command line: -advertise: advertise_addr must be an ip address, with a port or "
                "without, such as 10.0.0.5, 10.0.0.5:8301 or [fd00::5]:8301, not 'x'",
            ),
        ({"client": "localhost"}, "command line: -client: client_addr: invalid ip address: 'localhost'"),
        ({"client": "unix:///x"}, "command line: -client: DNS address cannot be a unix socket"),
        ({"dns-port": 65536}, "command line: -dns-port: ports.dns cannot be 65536; a port is at most 65535"),
        ({"serf-lan-port": 0}, "command line: -serf-lan-port: ports.serf_lan cannot be 0; gossip must have a port"),
        (
            {"dns-port": 8500},
            "command line: -dns-port: HTTP address 127.0.0.1:8500 already configured for DNS",
        ),
        ({"bootstrap": True}, "command line: -bootstrap: 'bootstrap = true' requires 'server = true'"),
        (
            {"bootstrap-expect": 3},
            "command line: -bootstrap-expect: 'bootstrap_expect > 0' requires 'server = true'",
        ),
        (
            {"bootstrap-expect": -1, "server": True},
            "command line: -bootstrap-expect: bootstrap_expect cannot be -1. Must be greater than or equal to zero",
        ),
        (
            {"bootstrap-expect": 3, "bootstrap": True, "server": True},
            "command line: -bootstrap-expect: 'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive",
        ),
        (
            {"retry-join": ["provider=aws tag_key=x"]},
            "command line: -retry-join: cloud auto-join is not in nodedns: 'provider=aws tag_key=x'; name members by "
            "address or by DNS name",
        ),
        ({"retry-interval": "0s"}, "command line: -retry-interval: retry_interval must be more than zero, not 0s"),
        (
            {"retry-interval": "30"},
            'command line: -retry-interval: invalid duration: "30": time: missing unit in duration "30"',
        ),
        ({"retry-max": -1}, "command line: -retry-max: retry_max cannot be -1. Must be greater than or equal to zero"),
        (
            {"log-level": "loud"},
            "command line: -log-level: Invalid log level: loud. Valid log levels are: [TRACE DEBUG INFO WARN ERROR]",
        ),
    ],
)  # fmt: skip
def test_bad_flag_is_one_problem_with_its_name(files: Files, flags: dict[str, Any], problem: str) -> None:
    assert [problem] == files.problems(flags)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"foo": 1}, "foo: invalid config key foo"),
        ({"dns_config": {"soa": {"foo": 1}}}, "dns_config.soa.foo: invalid config key dns_config.soa.foo"),
        ({"server": "yes"}, "server: must be true or false, not 'yes'"),
        ({"retry_max": True}, "retry_max: must be a whole number, not True"),
        ({"retry_max": 1.5}, "retry_max: must be a whole number, not 1.5"),
        ({"node_name": 5}, "node_name: must be text in quotes, not 5"),
        ({"retry_join": "10.0.0.1"}, "retry_join: must be a list of texts, not '10.0.0.1'"),
        ({"retry_join": [1]}, "retry_join: must be a list of texts, not [1]"),
        ({"node_meta": {"a": 1}}, "node_meta: must be a map of texts, not {'a': 1}"),
        ({"ports": 1}, "ports: must be a block of keys, not 1"),
        ({"ports": [{}, {}]}, "ports: is given 2 times in one file; one block must hold all of it"),
        ({"retry_interval": 30}, "retry_interval: must be a duration such as \"10s\", not 30"),
        ({"gossip_lan": {"probe_interval": "0s"}}, "gossip_lan.probe_interval: must be between 10ms and 10m0s, not 0s"),
        ({"gossip_lan": {"gossip_nodes": -1}}, "gossip_lan.gossip_nodes: must be between 1 and 128, not -1"),
        ({"reconnect_timeout": "-1s"}, "reconnect_timeout: reconnect_timeout must be more than zero, not -1s"),
        ({"dns_config": {"node_ttl": "-1s"}}, "dns_config.node_ttl: must be between 0 and 2147483647, not -1"),
        ({"dns_config": {"udp_payload_bytes": 1}}, "dns_config.udp_payload_bytes: must be between 512 and 4096, not 1"),
        ({"dns_config": {"soa": {"retry": -1}}}, "dns_config.soa.retry: must be between 0 and 2147483647, not -1"),
        ({"addresses": {"dns": "unix:///x"}}, "addresses.dns: DNS address cannot be a unix socket"),
        ({"addresses": {"http": "{{"}}, "addresses.http: addresses.http: a template is not closed in '{{'"),
        ({"addresses": {"http": "unix://"}}, "addresses.http: addresses.http: invalid ip address: 'unix://'"),
    ],
)  # fmt: skip
def test_bad_key_is_one_problem_with_its_file(files: Files, values: dict[str, Any], problem: str) -> None:
    path = files.add(values)
    assert [f"{path}: {problem}"] == files.problems()


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("", "v", "Key cannot be blank"),
        ("a b", "v", "Key contains invalid characters"),
        ("k" * 129, "v", "Key is too long (limit: 128 characters)"),
        ("consul-x", "v", "Key prefix 'consul-' is reserved for internal use"),
        ("k", "v" * 513, "Value is too long (limit: 512 characters)"),
    ],
)
def test_bad_meta_pair_is_named(files: Files, key: str, value: str, fault: str) -> None:
    (problem,) = files.problems({"node-meta": {key: value}})
    assert problem.startswith("command line: -node-meta: node_meta invalid: Couldn't load metadata pair ('")
    assert problem.endswith(f"'): {fault}")


def test_too_many_meta_pairs_are_refused(files: Files) -> None:
    files.load({"node-meta": {f"k{number}": "v" for number in range(64)}})
    assert ["command line: -node-meta: Node metadata cannot contain more than 64 key/value pairs"] == files.problems(
        {"node-meta": {f"k{number}": "v" for number in range(65)}}
    )


@pytest.mark.parametrize(
    ("bind", "interfaces", "part"),
    [
        ("0.0.0.0", (LOOPBACK,), "No private IPv4 address found"),
        ("::", (LOOPBACK,), "No public IPv6 address found"),
        (
            "0.0.0.0",
            (interface("10.0.0.1"), interface("10.0.0.2")),
            "Multiple private IPv4 addresses found. Please configure one with 'bind' and/or 'advertise'. "
            "Found: 10.0.0.1, 10.0.0.2",
        ),
    ],
)
def test_address_that_cannot_be_guessed_must_be_named(
    files: Files, bind: str, interfaces: Sequence[InterfaceAddress], part: str
) -> None:
    (problem,) = files.problems({"bind": bind}, interfaces=interfaces)
    assert problem.startswith(f"default: advertise_addr: {part}")


def test_expectation_is_not_for_dev_mode(files: Files) -> None:
    assert ["command line: -bootstrap-expect: 'bootstrap_expect > 0' not allowed in dev mode"] == files.problems(
        {"bootstrap-expect": 3}, dev=True
    )


def test_host_without_a_name_must_be_given_one(files: Files) -> None:
    assert ["default: node_name: node_name cannot be empty"] == files.problems(host="")


def test_long_node_name_is_refused(files: Files) -> None:
    (problem,) = files.problems({"node": "x" * 129})
    assert "node_name cannot be longer than 128 bytes" in problem


def test_long_domain_is_refused(files: Files) -> None:
    (problem,) = files.problems({"domain": ".".join(["abcdefg"] * 17)})
    assert "domain cannot be longer than 128 bytes" in problem


def test_all_problems_come_at_once(files: Files) -> None:
    first = files.add({"foo": 1, "ports": {"dns": "x", "grpc": 1}, "log_level": "loud"})
    second = files.add({"server": 1, "bootstrap_expect": -3, "retry_interval": "x"})
    assert [
        f"{first}: foo: invalid config key foo",
        f"{first}: ports.grpc: Consul's key ports.grpc is not in nodedns: there is no service mesh.",
        f"{first}: ports.dns: must be a whole number, not 'x'",
        f"{second}: server: must be true or false, not 1",
        f'{second}: retry_interval: invalid duration: "x": time: invalid duration "x"',
        f"{second}: bootstrap_expect: bootstrap_expect cannot be -3. Must be greater than or equal to zero",
        "command line: -node-id: specified NodeID is invalid: '1' is no UUID",
        f"{first}: log_level: Invalid log level: loud. Valid log levels are: [TRACE DEBUG INFO WARN ERROR]",
    ] == files.problems({"node-id": "1"})


# Consul's keys


def test_rights_of_a_unix_socket_are_said_to_be_those_of_its_directory() -> None:
    assert "permissions of its directory" in ABSENT_KEYS["unix_sockets"]


@pytest.mark.parametrize("key", sorted(ABSENT_KEYS))
def test_key_of_consul_that_is_not_there_is_named_as_that(files: Files, key: str) -> None:
    values: Any = 1
    for name in reversed(key.split(".")):
        values = {name: values}
    path = files.add(values)
    assert [f"{path}: {key}: Consul's key {key} is not in nodedns: {ABSENT_KEYS[key]}"] == files.problems()


def test_no_key_is_both_there_and_not() -> None:
    assert set() == ABSENT_KEYS.keys() & key_docs().keys()
