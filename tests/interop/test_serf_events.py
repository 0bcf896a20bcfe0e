"""Events and queries between real ``serf`` agents and ``nodedns`` agents, both ways."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import attrs
import consul
import pytest

from nodedns.testing.loopback import HTTP_PORT
from nodedns.testing.mixed_pool import STATUS_S, Member, MixedPool, NodednsMember, SerfMember, ask_until
from nodedns.testing.processes import DEADLINE_S, poll

WAIT = f"{2 * STATUS_S:.0f}s"
"""Longer than an event may take; if it ends without one the event is lost."""
ANSWER = "query:greet=echo hello from $SERF_SELF_NAME to $(cat)"

T = TypeVar("T")


@attrs.frozen
class Four:
    """Two of each, all joined; they stay for the whole file."""

    nodedns: tuple[NodednsMember, NodednsMember]
    serf: tuple[SerfMember, SerfMember]
    seen_by_serf: Path

    @property
    def names(self) -> list[str]:
        return sorted(member.name for member in (*self.nodedns, *self.serf))

    def handled(self, name: str) -> list[str]:
        """What the event handler of ``serf-1`` got for events of a name, oldest first."""
        if not self.seen_by_serf.exists():
            return []
        seen = self.seen_by_serf.read_text(encoding="utf-8", errors="replace").splitlines()
        return [payload for event, _, payload in (line.partition(" ") for line in seen) if event == name]


@pytest.fixture(scope="module")
def four(pool: MixedPool) -> Four:
    seen = pool.folder / "handled"
    handler = f'user=printf "%s %s\\n" "$SERF_USER_EVENT" "$(cat)" >> {seen}'
    serf_1 = pool.start_serf("serf-1", f"-event-handler={handler}", f"-event-handler={ANSWER}", "-tag", "role=web")
    dns_1 = pool.start_nodedns("dns-1", "-server", "-bootstrap", join=serf_1)
    serf_2 = pool.start_serf("serf-2", f"-event-handler={ANSWER}", "-tag", "role=db", join=dns_1)
    dns_2 = pool.start_nodedns("dns-2", "-node-meta=rack:b2", join=serf_2)
    pool.wait_all_alive([serf_1, dns_1, serf_2, dns_2])
    return Four((dns_1, dns_2), (serf_1, serf_2), seen)


def client_of(member: NodednsMember) -> Any:
    return consul.Consul(host=member.host, port=HTTP_PORT)


def heard(probe: Callable[[], T], what: str) -> T:
    """Wait for an event; whom gossip has missed hears of it at the next push/pull."""
    return poll(probe, what, deadline_s=STATUS_S)


def listed(member: NodednsMember, name: str) -> list[dict[str, Any]]:
    _, events = client_of(member).event.list(name=name)
    return list(events)


def fire_plain(member: NodednsMember, name: str, payload: str) -> int:
    connection = http.client.HTTPConnection(member.host, HTTP_PORT, timeout=DEADLINE_S)
    try:
        connection.request("PUT", f"/v1/event/fire/{name}?plain", payload)
        return connection.getresponse().status
    finally:
        connection.close()


# --- events ------------------------------------------------------------------------------


def test_event_fired_by_a_consul_client_is_listed_by_every_nodedns(four: Four) -> None:
    fired = client_of(four.nodedns[0]).event.fire("deploy", "1.4.2", node="^dns-")

    for observer in four.nodedns:
        (event,) = heard(lambda observer=observer: listed(observer, "deploy"), "the event")  # type: ignore[misc]
        assert (fired["ID"], b"1.4.2", "^dns-", 1) == (
            event["ID"],
            event["Payload"],
            event["NodeFilter"],
            event["Version"],
        )
        assert 0 < event["LTime"]


def test_event_for_one_node_is_listed_there_only(four: Four) -> None:
    four.nodedns[0].command("event", "-name=for-2", "-node=2$")
    four.nodedns[0].command("event", "-name=for-all")

    heard(lambda: listed(four.nodedns[1], "for-2"), "the event at dns-2")
    heard(lambda: listed(four.nodedns[0], "for-all"), "the later event at dns-1")
    assert [] == listed(four.nodedns[0], "for-2")


def test_reader_waits_for_the_next_event(four: Four) -> None:
    four.nodedns[0].command("event", "-name=first")
    heard(lambda: listed(four.nodedns[1], "first"), "the first event")
    reader = client_of(four.nodedns[1])
    index, _ = reader.event.list()

    def follow() -> tuple[str, list[dict[str, Any]]]:
        later, events = reader.event.list(index=index, wait=WAIT)
        while events[-1]["Name"] != "second":  # one of an earlier test came late
            later, events = reader.event.list(index=later, wait=WAIT)
        return later, events

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(follow)
        four.serf[1].command("event", "-coalesce=false", "second", "x")
        later, events = waiting.result(timeout=2 * STATUS_S)

    assert index != later
    assert b"x" == events[-1]["Payload"]


def test_event_in_consuls_form_reaches_serfs_handlers_under_its_long_name(four: Four) -> None:
    done = four.nodedns[1].command("event", "-name=packed", "payload")

    fired_id = done.out.removeprefix("Event ID: ").strip()
    (packed,) = heard(lambda: four.handled("consul:event:packed"), "the handler")
    assert fired_id in packed
    assert "payload" in packed


def test_plain_event_reaches_serfs_handlers_as_it_is(four: Four) -> None:
    assert 0 == four.nodedns[1].command("event", "-plain", "-name=restart", "now").code

    assert ["now"] == heard(lambda: four.handled("restart"), "the handler")


def test_event_of_serf_is_listed_by_every_nodedns_under_one_id(four: Four) -> None:
    four.serf[0].command("event", "-coalesce=false", "from-serf", "payload")

    seen = [heard(lambda at=at: listed(at, "from-serf"), "the event") for at in four.nodedns]  # type: ignore[misc]
    assert seen[0] == seen[1]
    assert (b"payload", 0) == (seen[0][0]["Payload"], seen[0][0]["Version"])


def test_serf_hands_on_the_last_of_what_may_coalesce_and_nodedns_lists_all(four: Four) -> None:
    # One by one by command they might be too far apart to coalesce.
    for number in range(3):
        assert 200 == fire_plain(four.nodedns[0], "many", str(number))

    heard(lambda: len(listed(four.nodedns[1], "many")) == 3, "all three at dns-2")
    heard(lambda: four.handled("many")[-1:] == ["2"], "the last at serf-1")
    assert 3 > len(four.handled("many"))


def test_serf_hands_on_each_event_that_may_not_coalesce(four: Four) -> None:
    for number in range(3):
        four.nodedns[0].command("event", "-plain", "-coalesce=false", "-name=each", str(number))

    heard(lambda: sorted(four.handled("each")) == ["0", "1", "2"], "all three at serf-1")


@pytest.mark.parametrize("size", [500, 507])
def test_size_at_which_serf_refuses_a_plain_event_is_ours(four: Four, size: int) -> None:
    payload = "x" * size
    by_serf = four.serf[0].command("event", "-coalesce=true", "sized", payload).code
    by_nodedns = four.nodedns[0].command("event", "-plain", "-name=sized", payload).code

    assert (by_serf, by_serf) == (by_nodedns, 1 if size == 507 else by_serf)


# --- queries ------------------------------------------------------------------------------


def test_query_of_nodedns_is_acked_by_all_and_answered_by_serfs_handlers(four: Four) -> None:
    answers = {"serf-1": "hello from serf-1 to you\n", "serf-2": "hello from serf-2 to you\n"}

    def replies() -> tuple[int, list[str], dict[str, str]]:
        done = four.nodedns[0].command("query", "-format=json", "-timeout=3s", "greet", "you")
        said = json.loads(done.out)
        return done.code, sorted(said["Acks"]), said["Responses"]

    assert (0, four.names, answers) == ask_until(replies, (0, four.names, answers))


@pytest.mark.parametrize(
    ("flags", "answering"),
    [
        (("-node=serf-2",), ["serf-2"]),
        (("-node=serf-1", "-node=dns-2"), ["serf-1"]),
        (("-tag=role=^we",), ["serf-1"]),
        (("-tag=role=web|db", "-relay-factor=2"), ["serf-1", "serf-2"]),
        (("-tag=role=web", "-node=serf-2"), []),
        (("-no-ack",), ["serf-1", "serf-2"]),
    ],
)
def test_query_of_nodedns_with_filters_and_relays_reaches_whom_it_is_for(
    four: Four, flags: tuple[str, ...], answering: list[str]
) -> None:
    def responses() -> list[str]:
        done = four.nodedns[1].command("query", "-format=json", "-timeout=2s", *flags, "greet")
        return sorted(json.loads(done.out)["Responses"])

    assert answering == ask_until(responses, answering)


@pytest.mark.parametrize(
    ("flags", "acking"),
    [
        (("-tag", "role=^node$"), ["dns-1", "dns-2"]),
        (("-tag", "nm_rack=b"), ["dns-2"]),
        (("-node", "dns-1", "-node", "serf-1"), ["dns-1", "serf-1"]),
        (("-node", "dns-2", "-relay-factor=3"), ["dns-2"]),
        (("-tag", "role=^$"), []),
    ],
)
def test_query_of_serf_with_filters_and_relays_is_acked_by_whom_it_is_for(
    four: Four, flags: tuple[str, ...], acking: list[str]
) -> None:
    def acks() -> list[str]:
        done = four.serf[0].command("query", "-format=json", "-timeout=2s", *flags, "greet")
        return sorted(json.loads(done.out)["Acks"] or [])

    assert acking == ask_until(acks, acking)


def test_text_of_a_query_is_that_of_serf(four: Four) -> None:
    question = ("-timeout=2s", "-node=serf-1", "greet", "you")

    def asked_by(member: Member) -> list[str]:
        return sorted(member.command("query", *question).out.splitlines())

    assert ask_until(lambda: asked_by(four.nodedns[0]) == asked_by(four.serf[1]), True)


# --- reachability -------------------------------------------------------------------------


def test_reachability_by_nodedns_is_that_of_serf(four: Four) -> None:
    def both() -> bool:
        ours, theirs = four.nodedns[0].command("reachability"), four.serf[0].command("reachability")
        return (0, theirs.out) == (ours.code, ours.out)

    assert ask_until(both, True)


def test_verbose_reachability_names_every_member(four: Four) -> None:
    wanted = [f"\tAck from '{name}'" for name in four.names]

    def lines() -> list[str]:
        done = four.nodedns[1].command("reachability", "-verbose")
        return sorted(line for line in done.out.splitlines() if line.startswith("\t"))

    assert wanted == ask_until(lines, wanted)


def test_member_that_is_paused_is_missed_by_name(own_pool: MixedPool) -> None:
    nodedns = own_pool.start_nodedns("dns")
    serf = own_pool.start_serf("serf", join=nodedns)
    own_pool.wait_all_alive([serf, nodedns])
    serf.process.send(signal.SIGSTOP)

    done = nodedns.command("reachability", deadline_s=3 * DEADLINE_S)

    assert 1 == done.code
    assert "Received less acks than live nodes! Missing acks from:\n\tserf\n" in done.out
    assert f"\tserf ({serf.gossip_address}): " in done.out


# --- the last look ------------------------------------------------------------------------


def test_serf_had_nothing_against_our_messages(four: Four, pool: MixedPool) -> None:
    assert all(four.names == sorted(member.statuses()) for member in four.serf)

    assert [] == pool.complaints()


def test_nodedns_dropped_nothing_that_serf_sent(four: Four) -> None:
    for member in four.nodedns:
        assert [] == member.process.lines("input dropped.*reason=(?!push-pull-failed|peer-message-of-stranger)")
