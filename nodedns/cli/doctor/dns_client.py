"""``ask``: one DNS question to one server, over UDP or TCP, with a time-out.

A blocking client for commands. It takes only an answer to its own question from the address that it
asked; anything else that comes is passed over until time is up. Nothing is cached, and nothing
is asked of anybody but the server that was named.
"""

from __future__ import annotations

import socket
import struct
from enum import Enum

import attrs
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from nodedns.cli.doctor.facts import Reply
from nodedns.cli.doctor.patience import Patience
from nodedns.dns.name import labels_of

__all__ = ["NO_ANSWER", "REFUSED", "UDP_TRIES", "Kind", "Question", "Transport", "ask", "reverse_name"]

EDNS_PAYLOAD_BYTES = 1232
"""What resolvers offer since DNS flag day 2020."""
MAX_REPLY_BYTES = 65_535
TRY_S = 2.0
"""For one datagram and its answer; resolvers ask on themselves meanwhile."""
UDP_TRIES = 2
TCP_S = 3.0
MAX_RECORDS = 64
"""Records of an answer that are kept."""
NO_ANSWER = "no answer"
REFUSED = "connection refused"
OWN_FIREWALL = "a firewall of this host does not let it out"


class Transport(Enum):
    """How to ask."""

    UDP = "UDP"
    TCP = "TCP"


class Kind(Enum):
    """What is asked for."""

    A = "A"
    AAAA = "AAAA"
    PTR = "PTR"
    VERSION = "TXT"
    """``version.bind`` in the class CHAOS: what the server is."""


@attrs.frozen(kw_only=True)
class Question:
    """What to ask.

    Attributes:
        name: In full, without a final dot.
        kind: The type.
        is_edns: Whether with an OPT record.
        is_unchecked: Whether the server is asked not to validate (CD).
    """

    name: str
    kind: Kind = Kind.A
    is_edns: bool = True
    is_unchecked: bool = False


def reverse_name(address: str) -> str:
    """Return the name in whose PTR record the name of ``address`` stands, without a final dot."""
    import dns.reversename  # noqa: PLC0415 - seldom needed

    return str(dns.reversename.from_address(address)).rstrip(".")


def ask(
    host: str, port: int, question: Question, transport: Transport, patience: Patience, *, tries: int = UDP_TRIES
) -> Reply:
    """Ask, again if over UDP nothing comes, and return what came.

    Args:
        host: The server's IP address as text, with a scope if it is link-local.
        port: Its port.
        question: What.
        transport: How.
        patience: Bounds the wait, as this file's own limits do.
        tries: How often to ask over UDP.
    """
    query = _query(question)
    if query is None:
        return Reply(error="DNS cannot spell the name")
    is_udp = transport is Transport.UDP
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host,
            port,
            type=socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST,
        )[0]
        with socket.socket(family, kind, number) as sock:
            sock.settimeout(patience.at_most(TCP_S))
            sock.connect(address)
            return _ask_udp(sock, query, patience, tries) if is_udp else _ask_tcp(sock, query, patience)
    except TimeoutError:
        return Reply(error=NO_ANSWER)
    except OSError as error:
        return Reply(error=_reason(error))


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    if isinstance(error, PermissionError):  # what the sender hears of a rule that drops
        return OWN_FIREWALL
    return (error.strerror or str(error)).lower()


def _query(question: Question) -> dns.message.Message | None:
    labels = labels_of(question.name)
    if labels is None:
        return None
    name = dns.name.Name([*labels, b""])
    if question.kind is Kind.VERSION:
        query = dns.message.make_query(name, "TXT", dns.rdataclass.CHAOS)
    else:
        query = dns.message.make_query(name, question.kind.value)
    if question.is_edns and question.kind is not Kind.VERSION:
        query.use_edns(0, payload=EDNS_PAYLOAD_BYTES)
    if question.is_unchecked:
        # systemd-resolved leaves validation to its client only if it asks for signatures (DO) as well.
        query.want_dnssec()
        query.flags |= dns.flags.CD
    return query


def _ask_udp(sock: socket.socket, query: dns.message.Message, patience: Patience, tries: int) -> Reply:
    wire = query.to_wire()
    for _ in range(tries):
        sock.send(wire)
        turn = Patience(lambda: patience.now, patience.at_most(TRY_S))
        while turn.left_s:
            sock.settimeout(turn.at_most(TRY_S))
            try:
                reply = _reply(query, sock.recv(MAX_REPLY_BYTES))
            except TimeoutError:
                break
            if reply is not None:
                return reply
    return Reply(error=NO_ANSWER)


def _ask_tcp(sock: socket.socket, query: dns.message.Message, patience: Patience) -> Reply:
    wire = query.to_wire()
    sock.sendall(struct.pack("!H", len(wire)) + wire)
    turn = Patience(lambda: patience.now, patience.at_most(TCP_S))
    (size,) = struct.unpack("!H", _receive(sock, 2, turn))
    reply = _reply(query, _receive(sock, size, turn))
    return reply if reply is not None else Reply(error="an answer that is none")


def _receive(sock: socket.socket, size: int, turn: Patience) -> bytes:
    received = b""
    while len(received) < size:
        if not turn.left_s:
            raise TimeoutError
        sock.settimeout(turn.at_most(TCP_S))
        more = sock.recv(size - len(received))
        if not more:
            raise ConnectionResetError(0, "connection closed without an answer")
        received += more
    return received


def _reply(query: dns.message.Message, wire: bytes) -> Reply | None:
    """Return what ``wire`` says; None if it is no answer to ``query``."""
    try:
        message = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError, struct.error):
        return None
    # A server that could not read the question may leave it out.
    is_ours = message.id == query.id and bool(message.flags & dns.flags.QR)
    if not is_ours or (message.question and message.question != query.question):
        return None
    wanted = query.question[0].rdtype
    records = [record for rrset in message.answer if rrset.rdtype == wanted for record in rrset]
    return Reply(
        rcode=dns.rcode.to_text(message.rcode()),
        data=tuple(sorted(_text(record.to_text()) for record in records[:MAX_RECORDS])),
        is_alias=any(rrset.rdtype == dns.rdatatype.CNAME for rrset in message.answer),
        is_truncated=bool(message.flags & dns.flags.TC),
        negative_ttl_s=_negative_ttl(message.authority),
    )


def _text(data: str) -> str:
    return data.rstrip(".")


def _negative_ttl(authority: list[dns.rrset.RRset]) -> int | None:
    for rrset in authority:
        if rrset.rdtype == dns.rdatatype.SOA and len(rrset):
            # RFC 2308 section 5: the lesser of the record's TTL and its MINIMUM field.
            return min(int(rrset.ttl), int(getattr(rrset[0], "minimum", rrset.ttl)))
    return None
