"""The first-cluster tutorial, command for command, on two machines of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.dig import DigAnswer
from nodedns.testing.first_cluster import FAST_GOSSIP, ONE, TWO, FirstCluster, first_cluster
from nodedns.testing.processes import Stopwatch, poll

HEADER = ["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Partition", "Segment"]
ONE_ROW = ["agent-one", f"{ONE}:8301", "alive", "server", "0.1.0", "2", "dc1", "default", "<all>"]
TWO_ROW = ["agent-two", f"{TWO}:8301", "alive", "client", "0.1.0", "2", "dc1", "default", "<default>"]
BOTH_ALIVE = {"agent-one": "alive", "agent-two": "alive"}
TWO_NAME = "agent-two.node.consul"

SUSPICION_MIN_S = 4.0  # suspicion_mult 4 * log10 of two members, at least 1 * probe_interval 1 s
PROBE_S = 2.0  # the next probe begins within one interval, and waits for one
BUSY_S = 20.0  # for a machine that runs other tests too; the next push/pull, 30 s later, would be beyond it

both_hosts = pytest.mark.parametrize("asked", [ONE, TWO])


@pytest.fixture(scope="module")
def joined(ip_program: Path, dig_program: Path) -> Iterator[FirstCluster]:
    """Both agents running and joined, for tests that only look."""
    with first_cluster() as cluster:
        cluster.start_both()
        yield cluster


def is_gone(answer: DigAnswer) -> bool:
    return answer.status == "NXDOMAIN" and answer.authority_kinds == ["SOA"] and not answer.answer


def wait_gone(cluster: FirstCluster, asked: str, name: str) -> None:
    poll(lambda: is_gone(cluster.dig(asked, name)), f"NXDOMAIN with SOA for {name}")


# --- looking -------------------------------------------------------------------------


def test_agents_alone_know_themselves_and_join_by_one_command(machines: FirstCluster) -> None:
    machines.start(ONE)
    machines.start(TWO)
    assert [HEADER, ONE_ROW] == machines.members(ONE)
    assert [HEADER, TWO_ROW] == machines.members(TWO)

    done = machines.hosts[ONE].nodedns("join", TWO)

    assert (0, "Successfully joined cluster by contacting 1 nodes.\n", "") == (done.code, done.out, done.err)
    for address in (ONE, TWO):
        machines.wait_statuses(address, BOTH_ALIVE)
        assert [HEADER, ONE_ROW, TWO_ROW] == machines.members(address)


def test_join_is_resolvable_on_the_other_host_within_a_second(machines: FirstCluster) -> None:
    machines.start(ONE)
    machines.start(TWO)
    machines.hosts[TWO].nodedns("join", ONE)
    joined = Stopwatch()

    poll(lambda: machines.dig(ONE, TWO_NAME).data == [TWO], "agent-two resolves on one")

    assert joined.elapsed_s < 1.0 + BUSY_S


@both_hosts
def test_members_prints_an_aligned_table(joined: FirstCluster, asked: str) -> None:
    lines = joined.hosts[asked].nodedns("members").out.splitlines()

    assert [
        "Node       Address            Status  Type    Build  Protocol  DC   Partition  Segment",
        "agent-one  172.20.20.10:8301  alive   server  0.1.0  2         dc1  default    <all>",
        "agent-two  172.20.20.11:8301  alive   client  0.1.0  2         dc1  default    <default>",
    ] == lines


@both_hosts
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("agent-two.node.consul", TWO),
        ("agent-two.node.dc1.consul", TWO),
        ("agent-one.node.consul", ONE),
        ("agent-one.node.dc1.consul", ONE),
    ],
)
def test_each_agent_answers_each_name(
    joined: FirstCluster, asked: str, transport: str, name: str, address: str
) -> None:
    answer = joined.dig(asked, transport, name)

    assert ("NOERROR", ("qr", "aa", "rd")) == (answer.status, answer.flags)
    assert [(f"{name}.", 0, "A", address)] == [(r.name, r.ttl_s, r.kind, r.data) for r in answer.answer]


@both_hosts
def test_another_datacenter_is_nxdomain_with_soa(joined: FirstCluster, asked: str) -> None:
    answer = joined.dig(asked, "agent-two.node.dc2.consul")

    assert is_gone(answer)
    assert ("qr", "aa", "rd") == answer.flags
    assert "consul." == answer.authority[0].name


def test_letter_case_is_kept_in_the_answer(joined: FirstCluster) -> None:
    odd = "aGeNt-TWO.nOdE.CoNsUl"

    answer = joined.dig(ONE, odd)

    assert f"{odd}." == answer.question
    assert [(f"{odd}.", TWO)] == [(record.name, record.data) for record in answer.answer]


def test_banner_says_who_and_where(joined: FirstCluster) -> None:
    banner = joined.agent(ONE).output.partition("==> Log data")[0]

    for told in ("'agent-one'", "'dc1'", "Server: true", "127.0.0.1:8500", "127.0.0.1:8600", f"{ONE}:8301"):
        assert told in banner


# --- Ctrl-C and kill -9 ---------------------------------------------------------------


def test_ctrl_c_on_a_client_leaves_and_join_flag_brings_it_back(tutorial: FirstCluster) -> None:
    tutorial.agent(TWO).send(signal.SIGINT)

    assert 0 == tutorial.agent(TWO).wait_exit()
    tutorial.wait_statuses(ONE, {"agent-one": "alive", "agent-two": "left"})
    assert is_gone(tutorial.dig(ONE, TWO_NAME))

    # Who left does not come back by itself, only where it is told to.
    tutorial.start(TWO)
    assert {"agent-two": "alive"} == tutorial.statuses(TWO)
    tutorial.agent(TWO).send(signal.SIGINT)
    assert 0 == tutorial.agent(TWO).wait_exit()
    tutorial.start(TWO, f"-join={ONE}")
    for address in (ONE, TWO):
        tutorial.wait_statuses(address, BOTH_ALIVE)
    poll(lambda: tutorial.dig(ONE, TWO_NAME).data == [TWO], "agent-two resolves again")


def test_killed_client_fails_within_the_suspicion_bounds_and_still_resolves(tutorial: FirstCluster) -> None:
    silent = Stopwatch()
    tutorial.agent(TWO).kill()

    tutorial.agent(ONE).wait_line("EventMemberFailed.*agent-two")

    assert SUSPICION_MIN_S <= silent.elapsed_s <= SUSPICION_MIN_S + PROBE_S + BUSY_S
    assert {"agent-one": "alive", "agent-two": "failed"} == tutorial.statuses(ONE)
    assert [TWO] == tutorial.dig(ONE, TWO_NAME).data


def test_killed_client_rejoins_by_itself_from_its_snapshot(tutorial: FirstCluster) -> None:
    tutorial.wait_remembered(TWO, "agent-one")
    tutorial.agent(TWO).kill()

    tutorial.start(TWO)

    tutorial.agent(TWO).wait_line("re-joined to previously known node")
    for address in (ONE, TWO):
        tutorial.wait_statuses(address, BOTH_ALIVE)


def test_client_that_failed_is_alive_again_after_its_restart(fast: FirstCluster) -> None:
    fast.wait_remembered(TWO, "agent-one")
    fast.agent(TWO).kill()
    fast.wait_statuses(ONE, {"agent-one": "alive", "agent-two": "failed"})

    fast.start(TWO)

    for address in (ONE, TWO):
        fast.wait_statuses(address, BOTH_ALIVE)


def test_killed_server_rejoins_by_itself_and_answers_at_once(fast: FirstCluster) -> None:
    fast.wait_remembered(ONE, "agent-two")
    fast.agent(ONE).kill()

    fast.start(ONE)

    for address in (ONE, TWO):
        fast.wait_statuses(address, BOTH_ALIVE)
    assert [TWO] == fast.dig(ONE, TWO_NAME).data


# --- signals -------------------------------------------------------------------------

SIGNALS = {
    "server SIGINT": (ONE, signal.SIGINT, "", 1),
    "server SIGTERM": (ONE, signal.SIGTERM, "", 1),
    "server SIGINT, not skipping": (ONE, signal.SIGINT, "skip_leave_on_interrupt = false", 0),
    "server SIGTERM, leaving": (ONE, signal.SIGTERM, "leave_on_terminate = true", 0),
    "client SIGTERM": (TWO, signal.SIGTERM, "", 0),
    "client SIGINT, skipping": (TWO, signal.SIGINT, "skip_leave_on_interrupt = true", 1),
    "client SIGTERM, not leaving": (TWO, signal.SIGTERM, "leave_on_terminate = false", 1),
}


@pytest.mark.parametrize(("address", "signum", "config", "code"), SIGNALS.values(), ids=SIGNALS.keys())
def test_signal_leaves_by_consuls_rules(
    machines: FirstCluster, address: str, signum: signal.Signals, config: str, code: int
) -> None:
    machines.configure(FAST_GOSSIP, name="fast.hcl")
    machines.configure(config, address)
    machines.start_both()
    stopped, other = ("agent-one", TWO) if address == ONE else ("agent-two", ONE)

    machines.agent(address).send(signum)

    assert code == machines.agent(address).wait_exit()
    machines.wait_statuses(other, BOTH_ALIVE | {stopped: "failed" if code else "left"})


def test_second_signal_during_a_leave_ends_the_agent_at_once(tutorial: FirstCluster) -> None:
    agent = tutorial.agent(TWO)
    agent.send(signal.SIGINT)
    agent.wait_line("Gracefully shutting down agent...")
    asked = Stopwatch()

    agent.send(signal.SIGINT)

    assert 1 == agent.wait_exit()
    assert asked.elapsed_s < 2.0 + BUSY_S
    assert [] != agent.lines("Caught second signal, Exiting")


def test_hangup_does_not_end_the_agent(joined: FirstCluster) -> None:
    agent = joined.agent(TWO)

    agent.send(signal.SIGHUP)

    agent.wait_line("SIGHUP")
    assert [TWO] == joined.dig(TWO, TWO_NAME).data
    assert agent.is_running


# --- commands ------------------------------------------------------------------------


@pytest.mark.parametrize("address", [ONE, TWO])
def test_leave_command_ends_the_agent_with_success(fast: FirstCluster, address: str) -> None:
    left, other = ("agent-one", TWO) if address == ONE else ("agent-two", ONE)

    done = fast.hosts[address].nodedns("leave")

    assert (0, "Graceful leave complete\n", "") == (done.code, done.out, done.err)
    assert 0 == fast.agent(address).wait_exit()
    fast.wait_statuses(other, BOTH_ALIVE | {left: "left"})
    wait_gone(fast, other, f"{left}.node.consul")


def test_force_leave_makes_a_failed_member_left_and_prune_removes_it(fast: FirstCluster) -> None:
    fast.agent(TWO).kill()
    fast.wait_statuses(ONE, {"agent-one": "alive", "agent-two": "failed"})

    forced = fast.hosts[ONE].nodedns("force-leave", "agent-two")

    assert (0, "", "") == (forced.code, forced.out, forced.err)
    fast.wait_statuses(ONE, {"agent-one": "alive", "agent-two": "left"})
    assert is_gone(fast.dig(ONE, TWO_NAME))

    pruned = fast.hosts[ONE].nodedns("force-leave", "-prune", "agent-two")

    assert (0, "", "") == (pruned.code, pruned.out, pruned.err)
    fast.wait_statuses(ONE, {"agent-one": "alive"})


def test_force_leave_of_a_stranger_is_refused(joined: FirstCluster) -> None:
    done = joined.hosts[ONE].nodedns("force-leave", "nobody")

    assert 1 == done.code
    assert "No node found with name 'nobody'" in done.err


def test_commands_without_an_agent_say_so(machines: FirstCluster) -> None:
    done = machines.hosts[ONE].nodedns("members")

    assert 1 == done.code
    assert done.err.startswith("Error retrieving members: ")


def test_join_at_start_is_tried_until_the_other_is_there(machines: FirstCluster) -> None:
    machines.start(TWO, f"-join={ONE}", "-retry-interval=500ms")
    machines.agent(TWO).wait_line("Join cluster failed, will retry")

    machines.start(ONE)

    machines.agent(TWO).wait_line("Join cluster completed")
    machines.wait_statuses(ONE, BOTH_ALIVE)
