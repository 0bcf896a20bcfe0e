"""What the HTTP API tells of a member's last changes, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from nodedns.api.context import ApiContext, Chronicle
from nodedns.api.request import Response
from nodedns.model.address import Address
from nodedns.model.history import ChangeKind, HistoryEntry, MemberHistory, ProbeReport
from nodedns.model.names import NodeName, fold

WALL = 1_700_000_000.0  # 2023-11-14T22:13:20Z
NOW = 1_000.0
ONE, TWO, THREE = NodeName("one"), NodeName("two"), NodeName("three")
TARGET = Address(bytes([10, 0, 0, 2]), 8301)
REPORT = ProbeReport(TARGET, 0.5, 1.0, (THREE, NodeName("four")), 2, 2, "connection refused", 0)

Ask = Callable[..., Any]
Get = Callable[..., Any]


def entry(kind: ChangeKind, ago: float, **facts: Any) -> HistoryEntry:
    return HistoryEntry(at=NOW - ago, number=0, name=facts.pop("name", TWO), kind=kind, **facts)


def remembering(ctx: ApiContext, *entries: HistoryEntry, **facts: Any) -> ApiContext:
    """``ctx`` in which these entries, and what is given of their member's probes, are remembered."""
    by_name = {fold(entry.name): entry.name for entry in entries}

    def history(name: str) -> MemberHistory | None:
        found = by_name.get(fold(name))
        own = tuple(entry for entry in entries if entry.name == found)
        return None if found is None else MemberHistory(name=found, entries=own, **facts)

    chronicle = Chronicle(now=NOW, wall_now=WALL, history=history, latest=lambda count: entries[-count:])
    return attrs.evolve(ctx, chronicle=chronicle)


def texts(ctx: ApiContext, get: Get) -> list[str]:
    return [told["Text"] for told in get(ctx, "/v1/agent/why/two")["Entries"]]


def test_story_of_a_death(ctx: ApiContext, get: Get) -> None:
    accusers = (ONE, THREE)
    story = get(
        remembering(
            ctx,
            entry(ChangeKind.SUSPECTED, 9.0, by=ONE, probe=REPORT),
            entry(ChangeKind.CONFIRMED, 7.0, by=THREE, accusers=accusers, wanted=2),
            entry(ChangeKind.DEAD, 3.5, by=ONE, accusers=accusers, wanted=2),
            entry(ChangeKind.FAILED, 3.5),
            status_at=NOW - 3.5,
        ),
        "/v1/agent/why/TWO",
    )
    assert ("two", "10.0.0.2:8301", "failed", False) == (
        story["Name"], story["Address"], story["Status"], story["IsSuspected"],
    )  # fmt: skip
    assert ("2023-11-14T22:13:16.500Z", 3.5) == (story["Since"], story["SinceSeconds"])
    assert [
        "suspected by this agent: no ack from 10.0.0.2:8301 over UDP in 500 ms, "
        "asked three and four to ping it (0 acks, 2 of 2 nacks), TCP ping failed: connection refused; "
        "own health score 0",
        "confirmed by three (1 of 2)",
        "declared dead by this agent after 1 of 2 confirmations",
        "failed: gone without having said that it leaves",
    ] == [told["Text"] for told in story["Entries"]]
    first = story["Entries"][0]
    assert ("2023-11-14T22:13:11.000Z", 9.0, "suspected", "one") == (
        first["At"], first["SecondsAgo"], first["What"], first["By"],
    )  # fmt: skip
    assert [] == story["Hints"]


def test_suspect_that_is_not_yet_dead_is_said_to_be_suspected(ctx: ApiContext, get: Get) -> None:
    told = remembering(ctx, entry(ChangeKind.JOINED, 9.0), entry(ChangeKind.SUSPECTED, 2.0, by=THREE))
    assert get(told, "/v1/agent/why/two")["IsSuspected"] is True


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (entry(ChangeKind.JOINED, 1.0, address=TARGET), "joined at 10.0.0.2:8301"),
        (entry(ChangeKind.LEAVING, 1.0), "said that it leaves"),
        (entry(ChangeKind.REAPED, 1.0), "forgotten"),
        (entry(ChangeKind.DEAD, 1.0, by=THREE), "declared dead by three"),
        (
            entry(ChangeKind.SUSPECTED, 1.0, by=ONE, probe=ProbeReport(TARGET, 0.5, 1.0, (THREE,), 0, 0, "", 1)),
            "suspected by this agent: no ack from 10.0.0.2:8301 over UDP in 500 ms, asked three to ping it (0 acks); "
            "own health score 1",
        ),
        (
            entry(ChangeKind.DEAD, 1.0, by=ONE, accusers=(ONE,)),
            "declared dead by this agent, in a pool too small for anybody to confirm",
        ),
        (
            entry(ChangeKind.REFUTED, 1.0, accusers=(ONE, THREE), detail="incarnation 4"),
            "refuted the suspicion itself (incarnation 4), held by one and three",
        ),
        (
            entry(ChangeKind.ACCUSED, 1.0, by=THREE, detail="suspect; we announced incarnation 4"),
            "three called this agent suspect; we announced incarnation 4",
        ),
        (
            entry(ChangeKind.ACCUSED, 1.0, by=ONE, detail="dead; we announced incarnation 4"),
            "a list of members called this agent dead; we announced incarnation 4",
        ),
        (
            entry(ChangeKind.MOVED, 1.0, address=TARGET, detail="10.0.0.9:8301"),
            "moved to 10.0.0.2:8301: nobody answered for it any more at 10.0.0.9:8301",
        ),
        (entry(ChangeKind.CONFLICT, 1.0, detail="claimed by x"), "another agent uses its name: claimed by x"),
        (
            entry(ChangeKind.TCP_ONLY, 1.0, probe=ProbeReport(TARGET, 0.5, 1.0, (), 0, 0, "acked", 1)),
            "answers over TCP, not over UDP: no ack from 10.0.0.2:8301 over UDP in 500 ms, TCP ping acked; "
            "own health score 1",
        ),
    ],
)
def test_each_change_has_its_sentence(ctx: ApiContext, get: Get, told: HistoryEntry, expected: str) -> None:
    assert [expected] == texts(remembering(ctx, told), get)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([entry(ChangeKind.TCP_ONLY, 5.0, probe=REPORT)], "is a firewall in between?"),
        ([entry(ChangeKind.TCP_ONLY, 5.0, probe=REPORT), entry(ChangeKind.UPDATED, 4.0)], "gets no answer"),
        (
            [entry(ChangeKind.SUSPECTED, 5.0, by=ONE, probe=attrs.evolve(REPORT, health_score=3))],
            "this agent's own health score was 3 when it accused",
        ),
        (
            [
                entry(ChangeKind.SUSPECTED, 8.0, by=ONE, name=NodeName("a")),
                entry(ChangeKind.SUSPECTED, 7.0, by=ONE, name=NodeName("b")),
                entry(ChangeKind.SUSPECTED, 5.0, by=ONE, probe=REPORT),
            ],
            "this agent suspected 3 members within 60 s of it",
        ),
        ([entry(ChangeKind.REFUTED, 9.0), entry(ChangeKind.REFUTED, 5.0)], "it refuted 2 suspicions"),
        ([entry(ChangeKind.DEAD, 5.0, by=THREE, accusers=(THREE,), wanted=2)], "only three accused it"),
    ],
)
def test_cause_that_can_be_told_is_hinted_at(
    ctx: ApiContext, get: Get, entries: list[HistoryEntry], expected: str
) -> None:
    (hint,) = get(remembering(ctx, *entries), "/v1/agent/why/two")["Hints"]
    assert expected in hint


@pytest.mark.parametrize(
    "entries",
    [
        [entry(ChangeKind.TCP_ONLY, 5.0, probe=REPORT), entry(ChangeKind.JOINED, 1.0)],
        [entry(ChangeKind.TCP_ONLY, 5.0, probe=REPORT), entry(ChangeKind.MOVED, 1.0)],
        [entry(ChangeKind.REFUTED, 5.0)],
        [entry(ChangeKind.DEAD, 5.0, by=THREE, accusers=(THREE,))],
        [entry(ChangeKind.DEAD, 5.0, by=THREE, accusers=(THREE, ONE), wanted=2)],
        [entry(ChangeKind.SUSPECTED, 5.0, by=THREE)],
    ],
)
def test_no_cause_is_made_up(ctx: ApiContext, get: Get, entries: list[HistoryEntry]) -> None:
    assert [] == get(remembering(ctx, *entries), "/v1/agent/why/two")["Hints"]


def test_finding_about_udp_stands_in_for_flapping(ctx: ApiContext, get: Get) -> None:
    refuted = [entry(ChangeKind.REFUTED, 9.0 - number) for number in range(4)]
    udp = entry(ChangeKind.UDP_CHECKED, 60.0, detail="UDP from one to two does not arrive")
    assert ["UDP from one to two does not arrive"] == get(remembering(ctx, *refuted, udp=udp), "/v1/agent/why/two")[
        "Hints"
    ]


def test_udp_that_gets_through_at_times_is_called_lossy_and_not_blocked(ctx: ApiContext, get: Get) -> None:
    told = entry(ChangeKind.TCP_ONLY, 5.0, probe=REPORT)
    (hint,) = get(remembering(ctx, told, acked_at=NOW - 6.0, misses=1), "/v1/agent/why/two")["Hints"]
    assert "UDP between it and this agent is lossy" in hint
    (hint,) = get(remembering(ctx, told, acked_at=NOW - 60.0, misses=2), "/v1/agent/why/two")["Hints"]
    assert "is a firewall in between?" in hint


def test_loss_of_long_ago_is_no_longer_told(ctx: ApiContext, get: Get) -> None:
    told = entry(ChangeKind.TCP_ONLY, 301.0, probe=REPORT)
    assert [] == get(remembering(ctx, told, acked_at=NOW - 1.0), "/v1/agent/why/two")["Hints"]


def test_member_without_our_key_is_told_apart_from_one_that_is_gone(ctx: ApiContext, get: Get) -> None:
    report = attrs.evolve(REPORT, tcp="remote error: no installed keys could decrypt the message")
    told = entry(ChangeKind.SUSPECTED, 5.0, by=THREE)
    (hint,) = get(remembering(ctx, told, failure=report, misses=1), "/v1/agent/why/two")["Hints"]
    assert "it does not have the key that this agent encrypts with" in hint
    assert [] == get(remembering(ctx, told, failure=report, misses=0), "/v1/agent/why/two")["Hints"]


def test_agent_accused_by_several_is_told_so_of_itself(ctx: ApiContext, get: Get) -> None:
    accused = [entry(ChangeKind.ACCUSED, 5.0, name=ONE, by=who, detail="suspect") for who in (TWO, THREE)]
    (hint,) = get(remembering(ctx, *accused), "/v1/agent/why/one")["Hints"]
    assert "2 members called this agent suspect or dead (two and three)" in hint


@pytest.mark.parametrize("accusers", [(TWO,), (TWO, TWO), (TWO, ONE)])
def test_single_accuser_of_this_agent_proves_nothing(ctx: ApiContext, get: Get, accusers: tuple[NodeName, ...]) -> None:
    accused = [entry(ChangeKind.ACCUSED, 5.0, name=ONE, by=who, detail="suspect") for who in accusers]
    assert [] == get(remembering(ctx, *accused), "/v1/agent/why/one")["Hints"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"failure": REPORT}, "no ack from 10.0.0.2:8301 over UDP in 500 ms"),
        ({"helper": THREE}, "no ack in time, but three could ping it"),
        ({}, "its ack came late"),
    ],
)
def test_probes_are_summed_up(ctx: ApiContext, get: Get, facts: dict[str, Any], expected: str) -> None:
    joined = entry(ChangeKind.JOINED, 9.0)
    told = remembering(ctx, joined, acked_at=NOW - 4, rtt_s=0.0012, failed_at=NOW - 2, misses=3, **facts)
    probe = get(told, "/v1/agent/why/two")["Probe"]
    assert (4.0, 0.0012, 2.0, 3) == (
        probe["LastAckSecondsAgo"], probe["LastRTTSeconds"], probe["LastMissSecondsAgo"], probe["MissesInARow"],
    )  # fmt: skip
    assert probe["LastMissDetail"].startswith(expected)


def test_member_without_a_past_has_an_empty_story(ctx: ApiContext, get: Get) -> None:
    story = get(ctx, "/v1/agent/why/Two")
    assert ("two", "failed", [], None) == (story["Name"], story["Status"], story["Entries"], story["Since"])


def test_forgotten_member_has_its_past_and_no_status(ctx: ApiContext, get: Get) -> None:
    told = remembering(ctx, entry(ChangeKind.REAPED, 5.0, name=NodeName("gone")), status_at=NOW - 5)
    story = get(told, "/v1/agent/why/gone")
    assert ("unknown", "", 5.0) == (story["Status"], story["Address"], story["SinceSeconds"])


def test_unknown_name_is_not_found(ctx: ApiContext, ask: Ask) -> None:
    response = ask(ctx, "/v1/agent/why/nobody")
    assert isinstance(response, Response)
    assert (404, b"No member named 'nobody' is known here, nor is one remembered") == (response.status, response.body)


def test_last_changes_of_all_members(ctx: ApiContext, get: Get) -> None:
    entries = [entry(ChangeKind.JOINED, 9.0 - number, name=NodeName(f"n{number}")) for number in range(3)]
    told = remembering(ctx, *entries)
    assert ["n1", "n2"] == [change["Name"] for change in get(told, "/v1/agent/why?last=2")]
    for path in ("/v1/agent/why", "/v1/agent/why/"):
        assert ["n0", "n1", "n2"] == [change["Name"] for change in get(told, path)]


@pytest.mark.parametrize("last", ["x", "-1", "12345", "%C2%B2"])
def test_number_of_changes_is_checked(ctx: ApiContext, ask: Ask, last: str) -> None:
    assert 400 == ask(ctx, f"/v1/agent/why?last={last}").status
