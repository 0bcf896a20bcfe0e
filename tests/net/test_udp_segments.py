"""Many replies for few clients: what the kernel is handed, what arrives, and what happens where it refuses."""

from __future__ import annotations

import ctypes
import errno
import itertools
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.net.datagram_batch import BATCH, SLOT_BYTES, SLOT_STRIDE
from nodedns.net.mmsg_batch import MmsgBatch
from nodedns.net.mmsg_memory import HEADER, NAME_STRIDE, Memory, Origins
from nodedns.net.udp_segments import MAX_MESSAGE, MAX_SEGMENT, REPLIES_EACH, SEGMENTED_FROM, Segments
from nodedns.testing.hosts import host_pair

HOSTS = {"127.0.0.1": "127.0.0.1", "0.0.0.0": "127.0.0.9", "::1": "::1", "::": "::1"}


class Library:
    """The C library; keeps how many messages each sendmmsg was handed, and can refuse those with several segments."""

    def __init__(self) -> None:
        self._real = ctypes.CDLL(None, use_errno=True)
        self.handed: list[int] = []
        self.refusal = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @property
    def sendmmsg(self) -> Callable[[int, int, int, int], int]:
        real = self._real.sendmmsg

        def send(descriptor: int, address: int, count: int, flags: int) -> int:
            self.handed.append(count)
            vectors = HEADER.unpack(ctypes.string_at(address, HEADER.size))[3]
            if self.refusal and vectors > 1:
                ctypes.set_errno(self.refusal)
                return -1
            return int(real(descriptor, ctypes.c_void_p(address), count, flags))

        return send


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture(params=HOSTS)
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    host: str = request.param
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        yield sock


@pytest.fixture
def clients(server: socket.socket) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        made = [stack.enter_context(socket.socket(server.family, socket.SOCK_DGRAM)) for _ in range(SEGMENTED_FROM)]
        host, port = server.getsockname()[:2]
        for client in made:
            client.connect((HOSTS[host], port))  # takes replies from the address that it asked only
            client.settimeout(5)
        yield made


def replies(client: socket.socket, count: int) -> list[bytes]:
    return sorted(client.recv(SLOT_BYTES) for _ in range(count))


def ask(clients: list[socket.socket], each: int) -> None:
    for number, client in itertools.product(range(each), clients):
        client.send(b"%d" % number * (5 + number % 2))


def asked(each: int) -> list[bytes]:
    return sorted(b"%d" % number * (5 + number % 2) for number in range(each))


def test_replies_of_one_length_for_one_client_are_one_message(
    library: Library, server: socket.socket, clients: list[socket.socket]
) -> None:
    batch = MmsgBatch(server, library)
    for _ in range(2):
        ask(clients[:3], 8)
        assert [] == batch.send(batch.receive())
        assert [asked(8)] * 3 == [replies(client, 8) for client in clients[:3]]
    assert [3 * 2] * 2 == library.handed


def test_reply_that_is_left_out_is_in_no_message(
    library: Library, server: socket.socket, clients: list[socket.socket]
) -> None:
    batch = MmsgBatch(server, library)
    ask(clients[:2], 8)
    lengths = batch.receive()
    lengths[0] = lengths[3] = 0  # the first client's 0, the second's 1
    assert [] == batch.send(lengths)
    assert [asked(8)[1:], [*asked(8)[:1], *asked(8)[2:]]] == [replies(client, 7) for client in clients[:2]]
    assert [2 * 2] == library.handed
    assert [] == batch.send([0] * len(lengths))


@pytest.mark.parametrize(("count", "each"), [(SEGMENTED_FROM, REPLIES_EACH - 1), (2, SEGMENTED_FROM // 2 - 1)])
def test_each_reply_leaves_by_itself_where_they_are_few_or_for_many_clients(
    library: Library, server: socket.socket, clients: list[socket.socket], count: int, each: int
) -> None:
    batch = MmsgBatch(server, library)
    ask(clients[:count], each)
    assert [] == batch.send(batch.receive())
    assert [asked(each)] * count == [replies(client, each) for client in clients[:count]]
    assert [count * each] == library.handed


@pytest.mark.parametrize(("refusal", "again"), [(errno.EINVAL, 1), (errno.EIO, 16)])
def test_what_the_kernel_does_not_cut_up_leaves_by_itself(
    library: Library, server: socket.socket, clients: list[socket.socket], refusal: int, again: int
) -> None:
    batch = MmsgBatch(server, library)
    library.refusal = refusal
    for handed in ([1, 16], [again]):
        for number in range(16):
            clients[0].send(b"%02d" % number)
        assert [] == batch.send(batch.receive())
        assert [b"%02d" % number for number in range(16)] == replies(clients[0], 16)
        assert handed == library.handed
        library.handed.clear()
        library.refusal = 0


def test_replies_arrive_over_a_path_that_is_too_narrow_for_them(library: Library, ip_program: Path) -> None:
    here, there = "172.20.20.10", "172.20.20.11"
    reply = b"r" * 600
    with host_pair([here, there]) as (one, two), one.udp_socket() as server, two.udp_socket() as client:
        one.check(ip_program, "route", "change", "172.20.20.0/24", "dev", "eth0", "mtu", "600")
        server.bind((here, 53))
        client.connect((here, 53))
        client.settimeout(5)
        batch = MmsgBatch(server, library)
        client.send(b"question")
        assert [server] == select.select([server], [], [], 5)[0]
        assert [len(b"question")] == batch.receive()
        name = batch._origins.names.view[:NAME_STRIDE].tobytes()
        for slot, start in enumerate(batch.starts[:SEGMENTED_FROM]):
            batch._origins.names.view[slot * NAME_STRIDE : (slot + 1) * NAME_STRIDE] = name
            batch.buffer[start : start + len(reply)] = reply
        assert [] == batch.send([len(reply)] * SEGMENTED_FROM)
        assert [reply] * SEGMENTED_FROM == replies(client, SEGMENTED_FROM)
        assert [1, SEGMENTED_FROM] == library.handed


def test_long_replies_leave_by_themselves_and_no_message_is_longer_than_a_packet(
    library: Library, server: socket.socket, clients: list[socket.socket]
) -> None:
    batch = MmsgBatch(server, library)
    for length, messages in ((MAX_SEGMENT, 2), (MAX_SEGMENT + 1, BATCH)):
        for _ in range(BATCH):
            clients[0].send(b"query")
        assert [] == batch.send([length] * len(batch.receive()))
        assert [length] * BATCH == [len(clients[0].recv(SLOT_BYTES)) for _ in range(BATCH)]
        assert [messages] == library.handed
        library.handed.clear()


@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0, 60, 61, MAX_SEGMENT, MAX_SEGMENT + 1])), max_size=BATCH),
    st.sampled_from([socket.AF_INET, socket.AF_INET6]),
    st.booleans(),
)
def test_each_reply_is_in_one_message_for_its_client_alone(
    asked: list[tuple[int, int]], family: socket.AddressFamily, is_wildcard: bool
) -> None:
    origins = Origins.of_family(family, is_wildcard=is_wildcard)
    for slot, (client, _) in enumerate(asked):
        origins.names.view[slot * NAME_STRIDE + 3] = client
        if is_wildcard and client % 2:  # asked at another address
            at = slot * origins.control_bytes + socket.CMSG_LEN(0) + 4
            origins.controls.view[at] = 1
    lengths = [length for _, length in asked]
    groups = Segments(Memory(BATCH * SLOT_STRIDE), origins).lay(lengths)
    laid = [slot for slots in groups for slot in slots]
    assert len(laid) == len(set(laid))
    if groups:
        assert [slot for slot, length in enumerate(lengths) if length] == sorted(laid)
    for slots in groups:
        assert 1 == len({asked[slot] for slot in slots})
        assert len(slots) == 1 or lengths[slots[0]] <= MAX_SEGMENT
        assert sum(lengths[slot] for slot in slots) <= MAX_MESSAGE
