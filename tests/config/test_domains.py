"""Which domains DNS answers for, and what is said at start about names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError


def loaded(**values: Any) -> AgentConfig:
    flags = {"node": "web", "bind": "127.0.0.1", "data-dir": "/nowhere", **values.pop("flags", {})}
    return load(ConfigSources(flags=flags, paths=values.pop("paths", ())))


@pytest.fixture
def of_file(tmp_path: Path) -> Any:
    def read(text: str, **flags: Any) -> AgentConfig:
        path = tmp_path / "a.hcl"
        path.write_text(text)
        return loaded(paths=(path,), flags=flags)

    return read


def refusal(of_file: Any, text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        of_file(text)
    return [f"{problem.path}: {problem.message}" for problem in refused.value.problems]


def test_there_is_one_domain_unless_told_otherwise() -> None:
    assert ("consul", ()) == (loaded().domain, loaded().alt_domains)


def test_alt_domain_comes_before_the_list_and_each_domain_counts_once(of_file: Any) -> None:
    config = of_file('domain = "Corp.Example." alt_domains = ["lan", "ALT.", "corp.example", "lan"] alt_domain = "alt"')
    assert ("corp.example", ("alt", "lan")) == (config.domain, config.alt_domains)


def test_flag_wins_over_the_file(of_file: Any) -> None:
    assert ("flagged",) == of_file('alt_domain = "filed"', **{"alt-domain": "flagged"}).alt_domains


def test_empty_alt_domain_is_none(of_file: Any) -> None:
    assert () == of_file('alt_domain = ""').alt_domains


@pytest.mark.parametrize("alt", ["test.consul", "nodefoo", "node", "consul.node", "x.test.consul", "com"])
def test_domain_that_leaves_the_others_their_names_is_taken(of_file: Any, alt: str) -> None:
    assert (alt,) == of_file(f'alt_domain = "{alt}"').alt_domains


@pytest.mark.parametrize("key", ["alt_domain", "alt_domains"])
@pytest.mark.parametrize("word", ["service", "connect", "node", "query", "addr", "DC1"])
def test_domain_that_starts_with_a_word_of_names_is_refused_as_in_consul(of_file: Any, key: str, word: str) -> None:
    value = f'"{word}.foo."'
    text = f"{key} cannot start with {{service,connect,node,query,addr,dc1}}"
    assert [f"{key}: {text}"] == refusal(of_file, f"{key} = {value if key == 'alt_domain' else f'[{value}]'}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            'alt_domain = "dc.consul"',
            "alt_domain: alt_domain cannot be 'dc.consul' beside 'consul': all names under dc.consul belong to consul",
        ),
        (
            'alt_domain = "web.dc1.consul"',
            "alt_domain: alt_domain cannot be 'web.dc1.consul' beside 'consul': "
            "all names under dc1.consul belong to consul",
        ),
        (
            'alt_domains = ["ns.consul"]',
            "alt_domains: alt_domains cannot be 'ns.consul' beside 'consul': "
            "all names under ns.consul belong to consul",
        ),
        (
            'alt_domains = ["_tcp.consul"]',
            "alt_domains: alt_domains cannot be '_tcp.consul' beside 'consul': "
            "all names under _tcp.consul belong to consul",
        ),
        (
            'domain = "dc1.example.org" alt_domains = ["lan", "example.org"]',
            "alt_domains: alt_domains cannot be 'example.org' beside 'dc1.example.org': "
            "all names under dc1.example.org belong to example.org",
        ),
        (
            'alt_domain = "lan" alt_domains = ["web.node.lan"]',
            "alt_domains: alt_domains cannot be 'web.node.lan' beside 'lan': all names under node.lan belong to lan",
        ),
        ('alt_domain = "a..b"', "alt_domain: alt_domain must be a DNS name, not 'a..b'"),
        ('alt_domains = [""]', "alt_domains: alt_domains must be a DNS name, not ''"),
        ('domain = "a b"', "domain: domain must be a DNS name, not 'a b'"),
    ],
)
def test_domain_that_cannot_be_is_one_clear_line(of_file: Any, text: str, problem: str) -> None:
    assert [problem] == refusal(of_file, text)


@pytest.mark.parametrize(
    ("node", "names"),
    [
        ("web_1", "web_1.node.consul and web_1.node.dc1.consul"),
        ("web.example.org", "web.example.org.node.consul and web.example.org.node.dc1.consul"),
        ("a b", "a\\032b.node.consul and a\\032b.node.dc1.consul"),
        ("mül;ler", "m\\195\\188l\\;ler.node.consul and m\\195\\188l\\;ler.node.dc1.consul"),
    ],
)
def test_name_that_is_no_plain_label_is_told_with_the_names_that_work(node: str, names: str) -> None:
    expected = (
        f'Node name "{node}" is no plain DNS label, so some programs will not look it up; '
        f"letters, digits and dashes are safe. In DNS it is {names}."
    )
    assert (expected,) == loaded(flags={"node": node}).warnings


def test_names_are_told_for_every_domain() -> None:
    (warning,) = loaded(flags={"node": "a.b", "alt-domain": "lan"}).warnings
    assert warning.endswith("a.b.node.consul and a.b.node.dc1.consul and a.b.node.lan and a.b.node.dc1.lan.")


def test_name_that_fits_without_the_datacenter_only_is_told_so() -> None:
    node, domain = ".".join(["x" * 60] * 2), "y" * 63 + "." + "z" * 60
    (warning,) = loaded(flags={"node": node, "domain": domain, "datacenter": "d" * 60}).warnings
    assert warning.endswith(f"In DNS it is {node}.node.{domain}.")


def test_nothing_is_said_about_names_where_dns_is_off() -> None:
    assert () == loaded(flags={"node": "a.b", "dns-port": -1}).warnings
