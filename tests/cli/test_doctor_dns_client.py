"""One DNS question: what servers may send back, and what is made of it."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.cli.doctor import dns_client
from nodedns.cli.doctor.dns_client import Kind, Question, Transport, ask, reverse_name
from nodedns.cli.doctor.facts import Reply
from nodedns.cli.doctor.patience import Patience

NAME = "web.node.consul"
QUESTION = Question(name=NAME)
Answerer = Callable[[dns.message.Message], list[bytes]]


def ticking(step_s: float = 0.0) -> Patience:
    """Patience of a clock that goes by ``step_s`` with each look."""
    ticks = itertools.count()
    return Patience(lambda: next(ticks) * step_s, 60.0)


@contextmanager
def udp_server(answer: Answerer) -> Iterator[int]:
    """Yield the port of a server that answers one query."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            data, source = sock.recvfrom(4096)
            for reply in answer(dns.message.from_wire(data)):
                sock.sendto(reply, source)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield sock.getsockname()[1]
        thread.join(10)


@contextmanager
def tcp_server(answer: Answerer) -> Iterator[int]:
    """Likewise over TCP; the connection is closed behind the answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            stream, _ = listener.accept()
            with stream:
                (size,) = struct.unpack("!H", stream.recv(2, socket.MSG_WAITALL))
                query = dns.message.from_wire(stream.recv(size, socket.MSG_WAITALL))
                for reply in answer(query):
                    stream.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def response(query: dns.message.Message, *records: str, rcode: str = "NOERROR", soa: str = "") -> dns.message.Message:
    made = dns.message.make_response(query)
    made.set_rcode(dns.rcode.from_text(rcode))
    for record in records:
        name, kind, data = record.split(maxsplit=2)
        made.answer.append(dns.rrset.from_text(name, 0, "IN", kind, data))
    if soa:
        made.authority.append(dns.rrset.from_text("consul.", 300, "IN", "SOA", f"ns.consul. x.consul. 1 2 3 4 {soa}"))
    return made


def test_addresses_are_read() -> None:
    with udp_server(lambda query: [response(query, f"{NAME}. A 10.0.0.2").to_wire()]) as port:
        reply = ask("127.0.0.1", port, QUESTION, Transport.UDP, ticking())

    assert Reply(rcode="NOERROR", data=("10.0.0.2",)) == reply
    assert reply.finds


def test_negative_answer_says_how_long_it_is_kept() -> None:
    with udp_server(lambda query: [response(query, rcode="NXDOMAIN", soa="30").to_wire()]) as port:
        reply = ask("127.0.0.1", port, QUESTION, Transport.UDP, ticking())

    assert ("NXDOMAIN", 30) == (reply.rcode, reply.negative_ttl_s)


def test_alias_is_seen_and_names_lose_their_final_dot() -> None:
    records = (f"{NAME}. CNAME db.example.org.", "db.example.org. A 10.0.0.9")
    with udp_server(lambda query: [response(query, *records).to_wire()]) as port:
        reply = ask("127.0.0.1", port, QUESTION, Transport.UDP, ticking())

    assert (True, ("10.0.0.9",)) == (reply.is_alias, reply.data)


def test_what_answers_another_question_is_passed_over() -> None:
    def answer(query: dns.message.Message) -> list[bytes]:
        forged = response(query, f"{NAME}. A 6.6.6.6")
        forged.id ^= 1
        other = response(dns.message.make_query("x.consul", "A", id=query.id), "x.consul. A 6.6.6.6")
        return [b"", b"\0" * 12, forged.to_wire(), other.to_wire(), response(query, f"{NAME}. A 10.0.0.2").to_wire()]

    with udp_server(answer) as port:
        assert ("10.0.0.2",) == ask("127.0.0.1", port, QUESTION, Transport.UDP, ticking()).data


def test_silence_is_no_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]

        assert Reply(error="no answer") == ask("127.0.0.1", port, QUESTION, Transport.UDP, ticking(30.0))


@pytest.mark.parametrize("transport", Transport)
def test_nobody_there_is_said(transport: Transport) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]

    assert Reply(error="connection refused") == ask("127.0.0.1", port, QUESTION, transport, ticking())


def test_query_over_tcp_is_framed() -> None:
    def answer(query: dns.message.Message) -> list[bytes]:
        wire = response(query, f"{NAME}. A 10.0.0.2").to_wire()
        return [struct.pack("!H", len(wire)), wire[:5], wire[5:]]

    with tcp_server(answer) as port:
        assert ("10.0.0.2",) == ask("127.0.0.1", port, QUESTION, Transport.TCP, ticking()).data


@pytest.mark.parametrize("sent", [[], [b"\0"], [b"\0\x20", b"\0" * 8]])
def test_tcp_that_breaks_off_is_said(sent: list[bytes]) -> None:
    with tcp_server(lambda _: sent) as port:
        reply = ask("127.0.0.1", port, QUESTION, Transport.TCP, ticking())

    assert "connection closed without an answer" == reply.error


def test_flags_of_the_query_are_as_told() -> None:
    seen: list[dns.message.Message] = []

    def answer(query: dns.message.Message) -> list[bytes]:
        seen.append(query)
        return [response(query).to_wire()]

    for question in (QUESTION, Question(name=NAME, is_edns=False), Question(name=NAME, is_unchecked=True)):
        with udp_server(answer) as port:
            ask("127.0.0.1", port, question, Transport.UDP, ticking())

    with_edns, without, unchecked = seen
    assert (0, 1232, False) == (with_edns.edns, with_edns.payload, bool(with_edns.flags & dns.flags.CD))
    assert (-1, False) == (without.edns, bool(without.flags & dns.flags.CD))
    assert (True, True) == (bool(unchecked.flags & dns.flags.CD), bool(unchecked.ednsflags & dns.flags.DO))


def test_name_that_dns_cannot_spell_is_said() -> None:
    reply = ask("127.0.0.1", 9, Question(name=f"{'x' * 64}.consul"), Transport.UDP, ticking())

    assert "DNS cannot spell the name" == reply.error


def test_reverse_names_are_spelt() -> None:
    assert "2.0.0.10.in-addr.arpa" == reverse_name("10.0.0.2")
    assert reverse_name("fd00::1").endswith(".d.f.ip6.arpa")


@given(st.data())
def test_any_bytes_are_an_answer_or_none(data: st.DataObject) -> None:
    query = dns.message.make_query(NAME, Kind.A.value, id=7)
    whole = bytearray(response(query, f"{NAME}. A 10.0.0.2", f"{NAME}. TXT x", soa="30").to_wire())
    for at in data.draw(st.lists(st.integers(2, len(whole) - 1), max_size=8)):
        whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))

    reply = dns_client._reply(query, bytes(whole[:cut]))

    assert reply is None or isinstance(reply, Reply)
