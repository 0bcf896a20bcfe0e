from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]

PATH = "GET /v1/agent/members"


VERSIONS = {"ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2, "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4}


def member(name: str, addr: str = "10.0.0.1", status: int = 1, /, **tags: str) -> dict[str, Any]:
    return {"Name": name, "Addr": addr, "Port": 8301, "Tags": tags, "Status": status, **VERSIONS}


NODEDNS = {"role": "node", "nodedns": "0.1.0", "build": "0.1.0:nodedns", "vsn": "2", "dc": "dc1", "segment": ""}
CONSUL = {"build": "1.22.0:4ee7ca83", "vsn": "2", "dc": "dc1", "segment": ""}

EVERYBODY = [
    member("zoe", "10.0.0.9", **NODEDNS),
    member("plain", "10.0.0.4", 4, colour="red"),
    member("consul-client", "10.0.0.3", 3, role="node", **CONSUL),
    member("agent-one", "fd00::1", **NODEDNS, server="1"),
    member("consul-server", "10.0.0.2", 2, role="consul", **CONSUL),
]


def test_table_is_that_of_consul(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, EVERYBODY)
    code, out, err = shell("members")
    assert (0, "") == (code, err)
    assert [
        "Node           Address         Status   Type     Build   Protocol  DC   Partition  Segment",
        "agent-one      [fd00::1]:8301  alive    server   0.1.0   2         dc1  default    <all>",
        "consul-server  10.0.0.2:8301   leaving  server   1.22.0  2         dc1  default    <all>",
        "plain          10.0.0.4:8301   failed   unknown                                    ",
        "consul-client  10.0.0.3:8301   left     client   1.22.0  2         dc1  default    <default>",
        "zoe            10.0.0.9:8301   alive    client   0.1.0   2         dc1  default    <default>",
    ] == out.splitlines()
    assert ["GET /v1/agent/members?segment=_all"] == fake_agent.asked


def test_detailed_table_shows_every_tag(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, [member("a", role="node", dc="dc1"), member("b", colour="red", size="9")])
    assert [
        "Node  Address        Status  Tags",
        "b     10.0.0.1:8301  alive   colour=red,size=9",
        "a     10.0.0.1:8301  alive   ap=default,dc=dc1,role=node,segment=<default>",
    ] == shell("members", "-detailed")[1].splitlines()


def test_json_is_what_the_agent_said(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, EVERYBODY)
    answer = json.loads(shell("members", "-format=json", "-status=alive")[1])
    assert [EVERYBODY[3], EVERYBODY[0]] == answer


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("alive", ["agent-one", "zoe"]),
        ("^lea", ["consul-server"]),
        ("le", ["consul-client", "consul-server", "plain"]),
        ("failed|left", ["plain", "consul-client"]),
    ],
)
def test_status_is_a_regular_expression(shell: Shell, fake_agent: Any, pattern: str, names: list[str]) -> None:
    fake_agent.answer(PATH, EVERYBODY)
    shown = [line.split()[0] for line in shell("members", f"-status={pattern}")[1].splitlines()[1:]]
    assert sorted(names) == sorted(shown)


def test_no_match_prints_nothing_and_exits_with_2(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, EVERYBODY)
    assert (2, "", "") == shell("members", "-status=xyz")


def test_bad_regular_expression_is_refused(shell: Shell) -> None:
    code, out, err = shell("members", "-status=(")
    assert (1, "") == (code, out)
    assert err.startswith("Failed to compile status regexp: ")


def test_error_of_the_agent_is_shown(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, status=500, text="no\n")
    expected = "Error retrieving members: Unexpected response code: 500 (no)\n"
    assert (1, "", expected) == shell("members")


def test_missing_build_is_an_old_one_and_unknown_status_is_shown(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, [member("a", "10.0.0.1", 9, role="consul", ap="p", segment="s")])
    cells = [cell.strip() for cell in shell("members")[1].splitlines()[1].split("  ") if cell.strip()]
    assert ["a", "10.0.0.1:8301", "unknown(9)", "server", "< 0.3", "p", "s"] == cells


def test_wan_pool_is_refused_honestly(shell: Shell) -> None:
    code, _, err = shell("members", "-wan")
    assert 1 == code
    assert "no WAN pool" in err


@pytest.mark.parametrize("flag", ["-segment=x", "-namespace=x", "-partition=x"])
def test_flag_of_consul_is_named_as_that(shell: Shell, flag: str) -> None:
    code, _, err = shell("members", flag)
    assert 1 == code
    assert err.startswith(f"Consul's flag {flag.partition('=')[0]} is not in nodedns: ")


def test_filter_is_handed_over(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, [])
    assert (2, "", "") == shell("members", '-filter=Tags["dc"] == dc2')
    assert [f"{PATH}?segment=_all&filter=Tags%5B%22dc%22%5D+%3D%3D+dc2"] == fake_agent.asked


CONFLICTS = "GET /v1/agent/conflicts"


def conflict(told_by: str = "agent-one", **rival: object) -> dict[str, Any]:
    return {
        "Name": "web",
        "Kind": "address",
        "Holder": {"Name": "web", "Address": "10.0.0.1:8301", "ID": "id-1", "Incarnation": 4},
        "Rival": {"Name": "web", "Address": "10.0.0.2:8301", "ID": "", "Incarnation": 0, **rival},
        "ToldBy": told_by,
        "ToldByAddress": "10.0.0.9:8301",
        "Since": "2026-01-02T03:04:05.678Z",
        "Seen": "2026-01-02T03:05:05.678Z",
        "IsOurs": False,
    }


def test_conflicts_are_shown_with_both_claimants(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(CONFLICTS, [conflict(), conflict("", Name="WEB")])
    code, out, err = shell("members", "-conflicts")
    assert (0, "") == (code, err)
    assert [
        "Node  Claim   Address        ID    Incarnation  Told by        Since",
        "web   holder  10.0.0.1:8301  id-1  4            -              2026-01-02T03:04:05.678Z",
        "web   rival   10.0.0.2:8301  -     -            agent-one      2026-01-02T03:04:05.678Z",
        "web   holder  10.0.0.1:8301  id-1  4            -              2026-01-02T03:04:05.678Z",
        "WEB   rival   10.0.0.2:8301  -     -            10.0.0.9:8301  2026-01-02T03:04:05.678Z",
    ] == out.splitlines()


def test_no_conflicts_is_said_and_no_error(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(CONFLICTS, [])
    assert (0, "No conflicts.\n", "") == shell("members", "-conflicts")


def test_conflicts_as_json_are_what_the_agent_said(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(CONFLICTS, [conflict()])
    assert [conflict()] == json.loads(shell("members", "-conflicts", "-format=json")[1])


@pytest.mark.parametrize("flag", ["-detailed", "-status=alive"])
def test_flags_about_members_do_not_go_with_conflicts(shell: Shell, flag: str) -> None:
    code, out, err = shell("members", "-conflicts", flag)
    assert (1, "") == (code, out)
    assert "does not go with -conflicts" in err


def test_answer_that_is_no_list_of_conflicts_is_an_error(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(CONFLICTS, [{"Name": "web"}])
    code, out, err = shell("members", "-conflicts")
    assert (1, "") == (code, out)
    assert err.startswith("Error retrieving conflicts: ")
