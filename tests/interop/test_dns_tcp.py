"""DNS over TCP of a real agent, as real clients use it: kept open, pipelined, by the thousand, and cut short."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.dns_queries import query_wire
from nodedns.testing.loopback import DNS_PORT, LoneAgent, free_hosts, lone_agent
from nodedns.testing.processes import DEADLINE_S, poll, run_program

NAMES = 100


@pytest.fixture(scope="module")
def with_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path_factory.mktemp("lone")) as running:
        running.start()
        for number in range(NAMES):
            node = {"Node": f"n{number}", "Address": f"10.0.0.{number}"}
            running.register(node)
        yield running


@pytest.fixture
def agent(with_nodes: LoneAgent) -> LoneAgent:
    """The same, once it has seen that the connections of earlier tests are closed."""
    poll(lambda: counted(with_nodes, "nodedns_dns_streams_open") == 0, "no open connection")
    return with_nodes


def dial(agent: LoneAgent) -> socket.socket:
    return socket.create_connection((agent.host, DNS_PORT), DEADLINE_S)


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def replies(sock: socket.socket, count: int) -> list[bytes]:
    with sock.makefile("rb") as stream:
        return [stream.read(int.from_bytes(stream.read(2), "big")) for _ in range(count)]


def counted(agent: LoneAgent, name: str) -> int:
    text = agent.http("GET", "/v1/agent/metrics?format=prometheus")[1]
    found = re.search(rf"^{re.escape(name)} (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def test_kdig_keeps_one_connection_open(agent: LoneAgent, kdig_program: Path) -> None:
    before = counted(agent, "nodedns_dns_streams_total")
    names = [f"n{number}.node.consul" for number in range(8)]

    printed = run_program([kdig_program, f"@{agent.host}", "-p", str(DNS_PORT), "+tcp", "+keepopen", "+short", *names])

    assert [f"10.0.0.{number}" for number in range(8)] == printed.out.split()
    assert 1 == counted(agent, "nodedns_dns_streams_total") - before


@pytest.mark.parametrize("count", [500, 5_000])
def test_pipelined_queries_are_all_answered_after_the_client_has_stopped_sending(agent: LoneAgent, count: int) -> None:
    queries = [query_wire(f"n{number % NAMES}.node.consul", query_id=number) for number in range(count)]

    with dial(agent) as sock:
        sock.sendall(b"".join(map(framed, queries)))
        sock.shutdown(socket.SHUT_WR)
        answered = replies(sock, count)
        assert b"" == sock.recv(1)

    assert [(number, number % NAMES) for number in range(count)] == [
        (int.from_bytes(reply[:2], "big"), reply[-1]) for reply in answered
    ]


def test_thousand_connections_of_one_client_leave_room_for_another(agent: LoneAgent) -> None:
    before = counted(agent, 'nodedns_dns_dropped_total{reason="too-many-streams-of-client"}')
    query = framed(query_wire("n1.node.consul"))

    held = [dial(agent) for _ in range(32)]
    for _ in range(968):
        with dial(agent) as refused:
            assert b"" == refused.recv(1)
    with socket.create_connection((agent.host, DNS_PORT), DEADLINE_S, (agent.host, 0)) as other:
        other.sendall(query)
        assert 10 == replies(other, 1)[0][-4]

    assert 968 == counted(agent, 'nodedns_dns_dropped_total{reason="too-many-streams-of-client"}') - before
    held[0].sendall(query)
    assert 1 == replies(held[0], 1)[0][-1]
    for sock in held:
        sock.close()


def test_connections_cut_short_harm_nobody(agent: LoneAgent) -> None:
    query = framed(query_wire("n1.node.consul"))
    for cut in (b"", b"\0", query[:-1], b"\0\0", b"\xff\xff" + bytes(100), query * 50):
        sock = dial(agent)
        sock.sendall(cut)
        # A reset instead of an orderly end.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    with dial(agent) as good:
        for byte in query:
            good.sendall(bytes((byte,)))
        assert 1 == replies(good, 1)[0][-1]


def test_own_names_overtake_one_that_a_recursor_is_asked_for(tmp_path: Path) -> None:
    host = next(free_hosts(DNS_PORT))
    with lone_agent(tmp_path, "asking") as agent, socket.create_server((host, 0)) as recursor:
        recursor.settimeout(DEADLINE_S)
        agent.start(f"-recursor={host}:{recursor.getsockname()[1]}")
        with dial(agent) as sock:
            sock.sendall(framed(query_wire("example.com", query_id=1)))
            # Who asks over TCP is asked about over TCP.
            forwarder, _ = recursor.accept()
            with forwarder:
                asked = replies(forwarder, 1)[0]
                sock.sendall(framed(query_wire("asking.node.consul", query_id=2)))
                assert b"\0\2" == replies(sock, 1)[0][:2]
                forwarder.sendall(framed(asked[:2] + b"\x81\x83" + asked[4:]))
                assert b"\0\1" == replies(sock, 1)[0][:2]
