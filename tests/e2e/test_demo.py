"""``nodedns demo`` as a newcomer sees it."""

from __future__ import annotations

import shlex
import signal

from nodedns.testing.dig import DigAnswer
from nodedns.testing.first_cluster import ONE, FirstCluster
from nodedns.testing.processes import DEADLINE_S, nodedns_program


def test_demo_prints_lines_that_work_and_ends_on_ctrl_c(machines: FirstCluster) -> None:
    host = machines.hosts[ONE]
    with host.start(nodedns_program(), "demo") as demo:
        demo.wait_line("Ctrl-C ends both.")

        suggested = [shlex.split(line) for line in demo.lines(r"^    dig ")]
        answers = [DigAnswer.of_text(host.check(*line)) for line in suggested]
        members = host.nodedns("members").out.splitlines()
        demo.send(signal.SIGINT)

        assert 0 == demo.wait_exit()
    assert [["127.0.0.2"], ["127.0.0.1"], ['"rack=b2"']] == [answer.data for answer in answers]
    assert ["agent-one", "agent-two"] == [line.split()[0] for line in members[1:]]
    assert "Both agents are stopping." in demo.output
    assert "Traceback" not in demo.output


def test_two_demos_on_one_machine_take_different_addresses(machines: FirstCluster) -> None:
    host = machines.hosts[ONE]
    with host.start(nodedns_program(), "demo") as first:
        first.wait_line("Ctrl-C ends both.")
        with host.start(nodedns_program(), "demo") as second:
            second.wait_line("Ctrl-C ends both.", deadline_s=2 * DEADLINE_S)

            answer = DigAnswer.of_text(host.check("dig", "@127.0.0.3", "-p", "8600", "agent-two.node.consul"))

            assert ["127.0.0.4"] == answer.data
            assert first.is_running
