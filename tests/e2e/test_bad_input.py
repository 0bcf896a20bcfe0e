"""What strangers send to a running agent: it goes on answering, says little, counts it, and does not grow."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random

import pytest

from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, lone_agent
from nodedns.testing.processes import DEADLINE_S, poll
from nodedns.testing.source_tree import project_root

VECTORS = project_root(Path(__file__)) / "tests" / "golden" / "gossip-vectors.json"
STRANGER = "127.0.0.77"
SEED = 20
BURST = 25  # datagrams after which the agent's answer is waited for, so that the kernel drops few
MAX_GROWTH_BYTES = 24 * 1024 * 1024  # one stream of the largest size that gossip takes, and some room
MAX_LOG_BYTES = 64 * 1024
MIB = bytes(1024 * 1024)
ENDLESS_PUSH_PULL = b"\x06\x83\xa5Nodes\xce\x7f\xff\xff\xff\xacUserStateLen\xce\x7f\xff\xff\xff\xa4Join\xc3"
ENDLESS_STATE = b"\x06\x83\xa5Nodes\x00\xacUserStateLen\xce\x7f\xff\xff\xff\xa4Join\xc3"
QUERY = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + b"\x04lone\x04node\x06consul\x00" + struct.pack(">2H", 1, 1)


@pytest.fixture(scope="module")
def target(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path_factory.mktemp("target")) as agent:
        agent.start()
        yield agent


@pytest.fixture(autouse=True)
def unshaken(target: LoneAgent) -> Iterator[None]:
    """Whatever a test does to the agent, it answers afterwards, is no larger, and has not talked much."""
    assert [target.host] == target.dig("lone.node.consul").data
    size_bytes, log_bytes = target.process.resident_bytes(), len(target.process.output)
    yield
    assert [target.host] == target.dig("lone.node.consul").data
    assert [target.host] == target.dig("+tcp", "lone.node.consul").data
    assert "alive" == target.statuses()["lone"]
    assert target.process.resident_bytes() - size_bytes < MAX_GROWTH_BYTES
    assert len(target.process.output) - log_bytes < MAX_LOG_BYTES
    assert [] == target.process.lines("Traceback|answering failed|[Uu]nhandled")


def garbage(rng: Random) -> Iterator[bytes]:
    for _ in range(1_500):
        yield rng.randbytes(rng.choice([0, 1, 2, 12, 40, 512, 1400, 9000]))
    for kind in range(256):
        yield bytes([kind]) + rng.randbytes(60)


def truncated_packets(rng: Random) -> Iterator[bytes]:
    for vector in json.loads(VECTORS.read_text(encoding="utf-8")):
        packet = bytes.fromhex(vector["hex"])
        for _ in range(20):
            yield packet[: rng.randrange(max(1, len(packet)))]


def spoiled_queries(rng: Random) -> Iterator[bytes]:
    for end in range(len(QUERY)):
        yield QUERY[:end]
    for _ in range(500):
        spoiled = bytearray(QUERY)
        spoiled[rng.randrange(2, len(spoiled))] ^= rng.randrange(1, 256)
        yield bytes(spoiled)
    for pointer in range(0xC000, 0xC020):
        yield QUERY[:12] + pointer.to_bytes(2, "big") + QUERY[-4:]


def dropped(agent: LoneAgent, room: str) -> int:
    return sum(int(value) for name, value in agent.figures().items() if name.startswith(f"dropped.{room}_"))


@pytest.mark.parametrize(("port", "room"), [(GOSSIP_PORT, "gossip"), (DNS_PORT, "dns")])
@pytest.mark.parametrize("made", [garbage, truncated_packets, spoiled_queries])
def test_datagrams_without_sense_are_counted(
    target: LoneAgent, port: int, room: str, made: Callable[[Random], Iterator[bytes]]
) -> None:
    before = dropped(target, room)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((STRANGER, 0))
        for number, datagram in enumerate(made(Random(SEED))):
            sender.sendto(datagram, (target.host, port))
            if number % BURST == 0:
                wait_dns_answer(target)

    assert dropped(target, room) > before


def wait_dns_answer(agent: LoneAgent) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.2)

        def is_answered() -> bool:
            asker.sendto(QUERY, (agent.host, DNS_PORT))
            with suppress(TimeoutError):
                return asker.recv(4096).startswith(QUERY[:2])
            return False

        poll(is_answered, "an answer between bursts of garbage")


# --- streams -----------------------------------------------------------------------------


def connected(agent: LoneAgent, port: int) -> socket.socket:
    return socket.create_connection((agent.host, port), timeout=DEADLINE_S, source_address=(STRANGER, 0))


def sent_until_refused(stream: socket.socket, parts: Sequence[bytes]) -> int:
    """Send all of it, or as much as is taken; return how many bytes."""
    count = 0
    with suppress(OSError):
        for part in parts:
            stream.sendall(part)
            count += len(part)
    return count


@pytest.mark.parametrize("beginning", [ENDLESS_PUSH_PULL, ENDLESS_STATE], ids=["nodes", "state"])
def test_endless_push_pull_is_cut_off(target: LoneAgent, beginning: bytes) -> None:
    before = dropped(target, "gossip")

    with connected(target, GOSSIP_PORT) as stream:
        sent = sent_until_refused(stream, [beginning, *[MIB] * 64])

    assert sent < 64 * len(MIB)
    poll(lambda: dropped(target, "gossip") > before, "the stream is counted as dropped")


def test_streams_without_sense_are_counted(target: LoneAgent) -> None:
    rng = Random(SEED)
    before = dropped(target, "gossip")

    for kind in range(64):
        with connected(target, GOSSIP_PORT) as stream:
            sent_until_refused(stream, [bytes([kind]), rng.randbytes(5_000)])

    poll(lambda: dropped(target, "gossip") > before, "streams are counted as dropped")


def test_dns_frames_without_sense_are_survived(target: LoneAgent) -> None:
    rng = Random(SEED)

    for size in (0, 1, 11, 12, 500, 65_535):
        with connected(target, DNS_PORT) as stream:
            frame = struct.pack(">H", size) + rng.randbytes(size)
            sent_until_refused(stream, [frame] * 50)


@pytest.mark.parametrize("port", [GOSSIP_PORT, DNS_PORT, HTTP_PORT])
@pytest.mark.parametrize("beginning", [b"", b"\x06", b"G"], ids=["silent", "one byte of gossip", "one byte of HTTP"])
def test_half_open_connections_of_one_stranger_leave_room_for_others(
    target: LoneAgent, port: int, beginning: bytes
) -> None:
    with ExitStack() as held:
        for _ in range(300):
            with suppress(OSError):
                stream = held.enter_context(connected(target, port))
                stream.sendall(beginning)

        assert [target.host] == target.dig("lone.node.consul").data
        assert [target.host] == target.dig("+tcp", "lone.node.consul").data
        assert 200 == target.http("GET", "/v1/agent/self")[0]


def test_gossip_is_served_after_a_stranger_held_streams(target: LoneAgent, tmp_path: Path) -> None:
    held = [connected(target, GOSSIP_PORT) for _ in range(300)]
    for stream in held:
        stream.close()

    with lone_agent(tmp_path, name="newcomer") as newcomer:
        newcomer.start()

        assert 0 == newcomer.command("join", target.host).code
        assert "alive" == newcomer.statuses()["lone"]


def test_log_about_one_stranger_is_limited(target: LoneAgent) -> None:
    before = len(target.process.lines("input dropped"))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((STRANGER, 0))
        for _ in range(400):
            sender.sendto(b"\xff nonsense", (target.host, GOSSIP_PORT))
    wait_dns_answer(target)

    # A burst of ten in five seconds of one kind; what went before may have used it up.
    assert len(target.process.lines("input dropped")) - before <= 20
