"""Real ``serf`` agents and ``nodedns`` agents in one pool: each takes the other for one of its own."""

from __future__ import annotations

import json
import signal
from functools import partial

import attrs
import pytest

from nodedns.testing.loopback import HTTP_PORT, free_hosts
from nodedns.testing.mixed_pool import GOSSIP_PORT, STATUS_S, Member, MixedPool, NodednsMember, SerfMember, ask_until
from nodedns.testing.processes import DEADLINE_S, poll

REACHED = "Successfully contacted all live nodes"


@attrs.frozen
class Six:
    """Three of each, all joined; they stay for the whole file."""

    pool: MixedPool
    nodedns: tuple[NodednsMember, ...]
    serf: tuple[SerfMember, ...]

    @property
    def all(self) -> list[Member]:
        return [*self.nodedns, *self.serf]


@pytest.fixture(scope="module")
def six(pool: MixedPool) -> Six:
    dns_1 = pool.start_nodedns("dns-1", "-server", "-bootstrap", "-node-meta=rack:a1")
    serf_1 = pool.start_serf("serf-1", "-tag", "color=red", "-tag", "role=web")
    dns_1.join(serf_1.gossip_address)
    dns_2 = pool.start_nodedns("dns-2", "-node-meta=rack:b2", join=serf_1)
    serf_2 = pool.start_serf("serf-2", "-tag", "color=blue", join=dns_1)
    dns_3 = pool.start_nodedns("dns-3", join=dns_1)
    serf_3 = pool.start_serf("serf-3", join=dns_3)
    six = Six(pool, (dns_1, dns_2, dns_3), (serf_1, serf_2, serf_3))
    pool.wait_all_alive(six.all)
    return six


# --- joining ---------------------------------------------------------------------------


def test_nodedns_joins_serf(own_pool: MixedPool) -> None:
    serf, nodedns = own_pool.start_serf("serf"), own_pool.start_nodedns("dns")

    done = nodedns.command("join", serf.gossip_address)

    assert (0, "Successfully joined cluster by contacting 1 nodes.\n") == (done.code, done.out)
    own_pool.wait_all_alive([serf, nodedns])


def test_serf_joins_nodedns(own_pool: MixedPool) -> None:
    serf, nodedns = own_pool.start_serf("serf"), own_pool.start_nodedns("dns")

    done = serf.command("join", nodedns.gossip_address)

    assert (0, "Successfully joined cluster by contacting 1 nodes.\n") == (done.code, done.out)
    own_pool.wait_all_alive([serf, nodedns])


def test_three_of_each_agree_on_everybody(six: Six) -> None:
    everybody = {member.name: "alive" for member in six.all}

    for member in six.all:
        assert everybody == member.statuses()


def test_restarted_nodedns_finds_serf_by_its_snapshot(own_pool: MixedPool) -> None:
    serf = own_pool.start_serf("serf")
    nodedns = own_pool.start_nodedns("dns", join=serf)
    own_pool.wait_remembered(nodedns, "serf")
    nodedns.process.kill()

    again = own_pool.start_nodedns("dns", host=nodedns.host)

    again.process.wait_line("re-joined to previously known node")
    own_pool.wait_all_alive([serf, again])


def test_restarted_serf_finds_nodedns_by_its_snapshot(own_pool: MixedPool) -> None:
    snapshot = f"-snapshot={own_pool.folder / 'serf.snapshot'}"
    serf = own_pool.start_serf("serf", snapshot)
    nodedns = own_pool.start_nodedns("dns", join=serf)
    own_pool.wait_all_alive([serf, nodedns])

    def remembers() -> bool:
        # Serf keeps a line that comes within half a second of the last flush until it has another one to write.
        serf.command("event", "-coalesce=false", "nudge")
        return "alive: dns " in (own_pool.folder / "serf.snapshot").read_text()

    poll(remembers, "serf remembers dns")
    serf.process.kill()

    again = own_pool.start_serf("serf", snapshot, host=serf.host)

    own_pool.wait_all_alive([again, nodedns])


def test_serf_reads_a_snapshot_of_ours_and_passes_over_the_failed_in_it(own_pool: MixedPool) -> None:
    nodedns = own_pool.start_nodedns("dns")
    snapshot = own_pool.folder / "ours.snapshot"
    ours = (
        f"alive: dns {nodedns.gossip_address}\n# failed: gone 127.0.0.1:1\nclock: 3\nevent-clock: 0\nquery-clock: 0\n"
    )
    snapshot.write_text(ours, encoding="ascii")

    serf = own_pool.start_serf("serf", f"-snapshot={snapshot}")

    own_pool.wait_all_alive([serf, nodedns])
    assert [] == serf.process.lines("gone|127.0.0.1:1|[Ss]napshot.*(fail|unrec|unknown)")


def test_nodedns_seeks_a_serf_that_it_saw_fail_after_a_restart(own_pool: MixedPool) -> None:
    serf = own_pool.start_serf("serf")
    nodedns = own_pool.start_nodedns("dns", join=serf)
    own_pool.wait_remembered(nodedns, "serf")
    serf.process.kill()
    nodedns.process.wait_line("EventMemberFailed: name=serf", deadline_s=STATUS_S)
    snapshot = own_pool.folder / f"nodedns-{nodedns.host}" / "data" / "serf" / "local.snapshot"
    poll(lambda: f"# failed: serf {serf.gossip_address}" in snapshot.read_text(), "the failed is remembered")
    nodedns.process.kill()
    again = own_pool.start_nodedns("dns", host=nodedns.host)
    again.process.wait_line("alone in the pool; trying remembered members again", count=2)

    restarted = own_pool.start_serf("serf", host=serf.host)  # without a snapshot: it knows nobody

    own_pool.wait_all_alive([restarted, again])


# --- what is told of each other ---------------------------------------------------------


def test_serf_sees_the_tags_of_nodedns(six: Six) -> None:
    for observer in six.serf:
        tags = observer.tags()["dns-1"]

        assert ("node", "dc1", "1", "a1") == (tags["role"], tags["dc"], tags["server"], tags["nm_rack"])


def test_nodedns_sees_the_tags_of_serf(six: Six) -> None:
    for observer in six.nodedns:
        assert {"color": "red", "role": "web"} == observer.tags()["serf-1"]


def test_nodedns_follows_a_change_of_serfs_tags(six: Six) -> None:
    assert 0 == six.serf[1].command("tags", "-set", "color=green").code

    for observer in six.nodedns:
        poll(partial(_is_green, observer), "the new tags", deadline_s=STATUS_S)


def _is_green(observer: NodednsMember) -> bool:
    return observer.tags()["serf-2"] == {"color": "green"}


def test_serf_members_have_names_in_dns(six: Six) -> None:
    for asked in six.nodedns:
        for member in six.all:
            assert [member.host] == asked.dig(f"{member.name}.node.consul").data
    assert ['"color=red"', '"role=web"'] == six.nodedns[0].dig("serf-1.node.consul", "TXT").data


def test_reachability_query_is_acknowledged_by_all(six: Six) -> None:
    def is_reached() -> bool:
        done = six.serf[0].command("reachability")
        return done.code == 0 and REACHED in done.out

    assert ask_until(is_reached, True)


def test_coordinates_of_nodedns_reach_serf(six: Six) -> None:
    def estimated() -> bool:
        done = six.serf[0].command("rtt", "dns-1", "dns-2")
        return done.code == 0 and "Estimated dns-1 <-> dns-2 rtt: " in done.out

    poll(estimated, "serf rtt between two nodedns agents", deadline_s=2 * DEADLINE_S)


def test_coordinates_of_serf_reach_nodedns(six: Six) -> None:
    observer = six.nodedns[0]

    def estimated(*names: str) -> bool:
        done = observer.command("rtt", *names)
        return done.code == 0 and f"Estimated {names[0]} <-> {names[-1]} rtt: " in done.out

    poll(lambda: estimated("serf-1", "serf-2"), "nodedns rtt between two serf agents", deadline_s=2 * DEADLINE_S)
    poll(lambda: estimated("serf-3", observer.name), "nodedns rtt to a serf agent", deadline_s=2 * DEADLINE_S)


def test_user_event_from_serf_is_accepted(six: Six) -> None:
    assert 0 == six.serf[2].command("event", "-coalesce=false", "deploy", "v1").code

    for observer in six.nodedns:
        observer.process.wait_line("user event: name=deploy", deadline_s=STATUS_S)


def test_user_event_reaches_serf_through_nodedns_alone(own_pool: MixedPool) -> None:
    first = own_pool.start_serf("first")
    nodedns = own_pool.start_nodedns("between", join=first)
    second = own_pool.start_serf("second", join=nodedns)
    own_pool.wait_all_alive([first, nodedns, second])

    first.command("event", "-coalesce=false", "deploy")

    second.process.wait_line("messageUserEventType: deploy", deadline_s=STATUS_S)
    nodedns.process.wait_line("user event: name=deploy", deadline_s=STATUS_S)


def test_query_from_serf_is_answered_by_serf_past_nodedns(six: Six) -> None:
    everybody = sorted(member.name for member in six.all)

    def acks() -> list[str]:
        done = six.serf[0].command("query", "-format=json", "-timeout=2s", "uptime")
        assert 0 == done.code
        return sorted(json.loads(done.out)["Acks"])

    assert everybody == ask_until(acks, everybody)


# --- tuning ------------------------------------------------------------------------------


def test_tuned_agents_agree_and_say_how_long_they_are_remembered(own_pool: MixedPool) -> None:
    config = 'advertise_reconnect_timeout = "90m" gossip_lan { indirect_checks = 0 push_pull_interval = "5s" }'
    nodedns = own_pool.start_nodedns("dns", "-profile=local", config=config)
    serf = own_pool.start_serf("serf", "-profile=local", join=nodedns)

    own_pool.wait_all_alive([serf, nodedns])

    assert "1h30m0s" == serf.tags()["dns"]["rc_tm"]


def test_serf_outside_the_networks_allowed_is_not_let_in(own_pool: MixedPool) -> None:
    host = next(free_hosts(GOSSIP_PORT, HTTP_PORT))
    nodedns = own_pool.start_nodedns("dns", f"-serf-lan-allowed-cidrs={host}/32", host=host)
    serf = own_pool.start_serf("serf")

    serf.command("join", nodedns.gossip_address)

    nodedns.process.wait_line("address-not-allowed")
    assert {"dns": "alive"} == nodedns.statuses()


# --- going away --------------------------------------------------------------------------


def test_serf_that_leaves_is_left_for_all(six: Six) -> None:
    goer = six.pool.start_serf("goer-serf", join=six.nodedns[0])
    six.pool.wait_status("goer-serf", "alive", *six.all)

    assert 0 == goer.command("leave").code

    six.pool.wait_status("goer-serf", "left", *six.all)
    assert "NXDOMAIN" == six.nodedns[2].dig("goer-serf.node.consul").status


def test_nodedns_that_leaves_is_left_for_all(six: Six) -> None:
    goer = six.pool.start_nodedns("goer-dns", join=six.serf[0])
    six.pool.wait_status("goer-dns", "alive", *six.all)

    goer.process.send(signal.SIGINT)

    assert 0 == goer.process.wait_exit()
    six.pool.wait_status("goer-dns", "left", *six.all)


@attrs.frozen
class Killed:
    """Members that were killed after all six had seen them, by what will be done to them."""

    hosts: dict[str, str]


@pytest.fixture(scope="module")
def killed(six: Six) -> Killed:
    victims: list[Member] = [
        six.pool.start_serf("forced-by-nodedns", join=six.nodedns[1]),
        six.pool.start_nodedns("forced-by-serf", join=six.serf[1]),
        six.pool.start_serf("pruned-by-nodedns", join=six.nodedns[2]),
        six.pool.start_nodedns("pruned-by-serf", join=six.serf[2]),
    ]
    for victim in victims:
        six.pool.wait_status(victim.name, "alive", *six.all)
    for victim in victims:
        victim.process.kill()
    return Killed({victim.name: victim.host for victim in victims})


def test_killed_members_of_both_kinds_are_failed_for_all(six: Six, killed: Killed) -> None:
    for name, host in killed.hosts.items():
        six.pool.wait_status(name, "failed", *six.all)
        assert [host] == six.nodedns[0].dig(f"{name}.node.consul").data


@pytest.mark.parametrize("by", ["nodedns", "serf"])
def test_force_leave_makes_a_failed_member_left_for_all(six: Six, killed: Killed, by: str) -> None:
    name = f"forced-by-{by}"
    six.pool.wait_status(name, "failed", *six.all)
    actor = six.nodedns[0] if by == "nodedns" else six.serf[2]

    assert 0 == actor.command("force-leave", name).code

    six.pool.wait_status(name, "left", *six.all)
    assert "NXDOMAIN" == six.nodedns[0].dig(f"{name}.node.consul").status


# Not of one that left: Serf raises the time of such a member with every push/pull, at times beyond that of the prune.
@pytest.mark.parametrize("by", ["nodedns", "serf"])
def test_force_leave_with_prune_has_all_forget_a_failed_member(six: Six, killed: Killed, by: str) -> None:
    name = f"pruned-by-{by}"
    six.pool.wait_status(name, "failed", *six.all)
    actor = six.nodedns[0] if by == "nodedns" else six.serf[0]

    assert 0 == actor.command("force-leave", "-prune", name).code

    def is_forgotten() -> bool:
        nobody: list[Member] = []
        knowing = ask_until(lambda: [member for member in six.all if name in member.statuses()], nobody)
        for member in knowing:  # whom gossip has missed learns of a prune no more, until it is told itself
            member.command("force-leave", "-prune", name)
        return not knowing

    poll(is_forgotten, f"{name} is forgotten by all", deadline_s=STATUS_S)


# --- one name, two agents ------------------------------------------------------------------


def test_nodedns_that_claims_a_serf_members_name_gives_way(six: Six) -> None:
    claimant = six.pool.start_nodedns("serf-1")
    claimant.command("join", six.nodedns[0].gossip_address)

    assert 1 == claimant.process.wait_exit(deadline_s=2 * DEADLINE_S)

    assert [] != claimant.process.lines("our node name belongs to another agent; stopping")
    assert [six.serf[0].host] == six.nodedns[0].dig("serf-1.node.consul").data
    assert six.serf[0].process.is_running


def test_serf_that_claims_a_nodedns_members_name_gives_way(six: Six) -> None:
    claimant = six.pool.start_serf("dns-2")
    claimant.command("join", six.serf[0].gossip_address)

    claimant.process.wait_exit(deadline_s=2 * DEADLINE_S)

    assert [] != claimant.process.lines("minority in name conflict resolution|conflict")
    assert [six.nodedns[1].host] == six.nodedns[0].dig("dns-2.node.consul").data
    assert six.nodedns[1].process.is_running


# --- the last look ---------------------------------------------------------------------------


def test_serf_had_nothing_against_our_messages(six: Six) -> None:
    assert all("alive" == member.statuses()[member.name] for member in six.serf)

    assert "" == "\n".join(six.pool.complaints())


def test_nodedns_dropped_nothing_that_serf_sent(six: Six) -> None:
    for member in six.nodedns:
        # A member that was killed in the middle of an exchange sent nothing; what comes from a nodedns member that
        # is not known here yet was not sent by Serf.
        assert [] == member.process.lines("input dropped.*reason=(?!push-pull-failed|peer-message-of-stranger)")
