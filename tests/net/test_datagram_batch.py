"""Both kinds of batch: what is received, from where, and what is sent back, by one suite."""

from __future__ import annotations

import ctypes
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from nodedns.net.datagram_batch import (
    BATCH,
    GATHER_S,
    IP_MTU_DISCOVER,
    IPV6_MTU_DISCOVER,
    PMTUDISC_OMIT,
    SLOT_BYTES,
    DatagramBatch,
)
from nodedns.net.mmsg_batch import MmsgBatch, make_batch
from nodedns.net.plain_batch import PlainBatch
from nodedns.testing.processes import DEADLINE_S

Make = Callable[[socket.socket], DatagramBatch]


def make_mmsg(sock: socket.socket) -> DatagramBatch:
    return MmsgBatch(sock, ctypes.CDLL(None, use_errno=True))


@pytest.fixture(params=[make_mmsg, PlainBatch], ids=["mmsg", "plain"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def udp(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(DEADLINE_S)
    return sock


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::1", "::"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with udp(request.param) as sock:
        sock.setblocking(False)
        yield sock


def asked_host(server: socket.socket) -> str:
    host: str = server.getsockname()[0]
    return {"0.0.0.0": "127.0.0.9", "::": "::1"}.get(host, host)


def client_of(server: socket.socket) -> socket.socket:
    host = asked_host(server)
    client = udp("::1" if ":" in host else "127.0.0.1")
    client.connect((host, server.getsockname()[1]))  # takes replies from the address that it asked only
    return client


def content(batch: DatagramBatch, slot: int, length: int) -> bytes:
    start = batch.starts[slot]
    return batch.buffer[start : start + length].tobytes()


def test_nothing_is_there(make: Make, server: socket.socket) -> None:
    assert [] == make(server).receive()


def test_datagrams_come_in_order_with_their_senders(make: Make, server: socket.socket) -> None:
    batch = make(server)
    with client_of(server) as one, client_of(server) as two:
        one.send(b"first")
        two.send(b"")
        one.send(b"third")
        assert [5, 0, 5] == batch.receive()
        assert [b"first", b"third"] == [content(batch, slot, 5) for slot in (0, 2)]
        assert [one.getsockname(), two.getsockname(), one.getsockname()] == [batch.sender(slot) for slot in range(3)]
        assert socket.inet_pton(server.family, one.getsockname()[0]) == batch.sender_ip(0)
        is_told = isinstance(batch, MmsgBatch) and server.family == socket.AF_INET
        assert is_told == batch.come_from(bytes({batch.sender_ip(slot)[0] for slot in range(3)}), 3)
        assert not batch.come_from(bytes({batch.sender_ip(0)[0] ^ 1}), 3)
    assert [] == batch.receive()


def test_replies_leave_from_the_address_that_was_asked_and_gaps_are_left_out(make: Make, server: socket.socket) -> None:
    batch = make(server)
    with client_of(server) as client:
        for number in range(5):
            client.send(b"query %d" % number)
        lengths = batch.receive()
        for start in batch.starts[:5]:
            batch.buffer[start : start + 5] = b"reply"
        lengths[1] = lengths[3] = 0
        assert [] == batch.send(lengths)
        assert [b"reply 0", b"reply 2", b"reply 4"] == [client.recv(100) for _ in range(3)]
        client.send(b"again")
        assert [] == batch.send(batch.receive())
        assert b"again" == client.recv(100)


def test_batch_is_bounded(make: Make, server: socket.socket) -> None:
    batch = make(server)
    with client_of(server) as client:
        for _ in range(BATCH + 3):
            client.send(b"query")
        assert [BATCH, 3, 0] == [len(batch.receive()) for _ in range(3)]


def test_datagram_longer_than_a_slot_is_told_so_and_reply_may_fill_the_slot(make: Make, server: socket.socket) -> None:
    batch = make(server)
    with client_of(server) as client:
        client.send(b"x" * (SLOT_BYTES + 1))
        assert [SLOT_BYTES + 1] == batch.receive()
        assert [] == batch.send([SLOT_BYTES])
        assert b"x" * SLOT_BYTES == client.recv(SLOT_BYTES + 1)


def test_reply_can_be_sent_after_its_slot_is_used_again(make: Make, server: socket.socket) -> None:
    batch = make(server)
    with client_of(server) as one, client_of(server) as two:
        one.send(b"query")
        batch.receive()
        reply = batch.replier(0)
        two.send(b"another")
        batch.receive()
        reply(b"late")
        assert b"late" == one.recv(100)


def test_reply_that_is_not_taken_is_told_and_the_others_leave(make: Make) -> None:
    with udp("127.0.0.1") as server:
        server.setblocking(False)
        batch = make(server)
        with client_of(server) as client:
            for _ in range(3):
                client.send(b"query")
            lengths = batch.receive()
            assert [] == batch.send([])
            with udp("127.0.0.1") as closed:
                closed.connect(server.getsockname())
            # A datagram that claims port 0 cannot be answered; only a raw socket could send one.
            _claim_port_zero(batch)
            errors = batch.send(lengths)
            assert 1 == len(errors)
            assert [b"query", b"query"] == [client.recv(100) for _ in range(2)]


def _claim_port_zero(batch: DatagramBatch) -> None:
    if isinstance(batch, MmsgBatch):
        batch._origins.names.view[32 + 2 : 32 + 4] = bytes(2)
    else:
        assert isinstance(batch, PlainBatch)
        (host, _), source = batch._origins[1][0][:2], batch._origins[1][1]
        batch._origins[1] = ((host, 0), source)


def test_linux_has_the_fast_one() -> None:
    with udp("127.0.0.1") as server:
        assert isinstance(make_batch(server), MmsgBatch)


def test_gathering_takes_its_time_whatever_is_there(make: Make, server: socket.socket) -> None:
    batch = make(server)
    with client_of(server) as client:
        client.send(b"early")
        began = time.perf_counter()
        batch.gather()
        assert time.perf_counter() - began >= GATHER_S
        assert [5] == batch.receive()


def test_path_mtu_that_anybody_can_claim_makes_no_fragments(server: socket.socket) -> None:
    make_batch(server)
    options = [(socket.IPPROTO_IP, IP_MTU_DISCOVER)]
    if server.family == socket.AF_INET6:
        options.append((socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER))
    assert {PMTUDISC_OMIT} == {server.getsockopt(level, option) for level, option in options}
