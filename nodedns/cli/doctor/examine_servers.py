"""``examine_server``: asks one DNS server what is to be known of it; each answer decides the next question.

A server that has shown to be silent is asked in other ways once, and then no more. One that knows the subject is not
asked why it would not.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import attrs

from nodedns.cli.doctor.dns_client import (
    NO_ANSWER,
    REFUSED,
    UDP_TRIES,
    Kind,
    Question,
    Transport,
    ask,
    reverse_name,
)
from nodedns.cli.doctor.facts import Reply, ServerFacts
from nodedns.cli.doctor.listening import Listeners, is_own_address
from nodedns.cli.doctor.patience import Patience, at_once

__all__ = ["Plan", "examine_reverse", "examine_server"]

ROUND_S: Final = 5.0
"""For questions asked at once; each has its own, shorter time."""
VERSION_NAME: Final = "version.bind"
WITHOUT_EDNS: Final = ("FORMERR", "NOTIMP", "BADVERS")
"""What servers say that do not know EDNS (RFC 6891 section 7)."""
PROGRAMS: Final = {
    "dnsmasq": "dnsmasq",
    "unbound": "unbound",
    "powerdns": "pdns_recursor",
    "knot resolver": "kresd",
    "coredns": "coredns",
    "nodedns": "nodedns",
}
"""Words that servers say to ``version.bind``, and the program that says them. BIND says its version alone."""


@attrs.frozen(kw_only=True)
class Plan:
    """What to ask.

    Attributes:
        name: The subject.
        kind: A or AAAA.
        fresh: A name in the domain that exists and that nobody has asked for before; empty to ask for none.
        reverse_of: The address whose name to ask for; empty to ask for none.
    """

    name: str
    kind: Kind = Kind.A
    fresh: str = ""
    reverse_of: str = ""


@attrs.frozen
class _Server:
    host: str
    port: int
    patience: Patience

    def ask(self, question: Question, transport: Transport = Transport.UDP, *, tries: int = UDP_TRIES) -> Reply:
        return ask(self.host, self.port, question, transport, self.patience, tries=tries)


def examine_server(host: str, port: int, plan: Plan, listeners: Listeners, patience: Patience) -> ServerFacts:
    """Ask it.

    Args:
        host: Its IP address as text.
        port: Its port.
        plan: What to ask.
        listeners: Name the program, where it runs on this host.
        patience: Bounds it.
    """
    server = _Server(host, port, patience)
    question = Question(name=plan.name, kind=plan.kind)
    said = at_once({way: partial(server.ask, question, way) for way in Transport}, patience, ROUND_S)
    udp, tcp = (said.get(way, Reply(error=NO_ANSWER)) for way in Transport)
    facts = ServerFacts(host=host, port=port, udp=udp, tcp=tcp, is_local=is_own_address(host))
    facts = _beyond(server, facts, question)
    if not facts.is_silent:
        facts = _further(server, facts, question, plan)
    listener = listeners.at(host, port, "udp") if facts.is_local else None
    seen = listeners.program(listener) if listener is not None else ""
    return attrs.evolve(facts, program=seen or facts.program, is_taken=listener is not None)


def _beyond(server: _Server, facts: ServerFacts, question: Question) -> ServerFacts:
    """Ask in other ways, all at once: what the server is, and the subject where it was not answered."""
    if facts.udp.error == facts.tcp.error == REFUSED:
        return attrs.evolve(facts, is_up=False)
    others = {"version": Question(name=VERSION_NAME, kind=Kind.VERSION)}
    if facts.udp.error or facts.udp.rcode in WITHOUT_EDNS:
        others["plain"] = attrs.evolve(question, is_edns=False)
    if facts.udp.rcode == "SERVFAIL" or (facts.udp.error and facts.tcp.error):
        others["unchecked"] = attrs.evolve(question, is_unchecked=True)
    jobs = {key: partial(server.ask, other, tries=1) for key, other in others.items()}
    said = at_once(jobs, server.patience, ROUND_S)
    version = said.get("version", Reply(error=NO_ANSWER))
    return attrs.evolve(
        facts,
        is_up=not version.error,
        program=_program(version),
        plain=said.get("plain"),
        unchecked=said.get("unchecked"),
    )


def _program(version: Reply) -> str:
    words = " ".join(version.data).lower()
    return next((program for word, program in PROGRAMS.items() if word in words), "")


def examine_reverse(facts: ServerFacts, address: str, patience: Patience) -> ServerFacts:
    """Return ``facts`` with the server's answer about the name of ``address``."""
    if facts.is_silent:
        return facts
    server = _Server(facts.host, facts.port, patience)
    return attrs.evolve(facts, reverse=server.ask(Question(name=reverse_name(address), kind=Kind.PTR), tries=1))


def _further(server: _Server, facts: ServerFacts, question: Question, plan: Plan) -> ServerFacts:
    said = facts.tcp if facts.udp.error else facts.udp
    if not said.finds and plan.fresh:
        transport = Transport.TCP if facts.udp.error else Transport.UDP
        facts = attrs.evolve(facts, fresh=server.ask(Question(name=plan.fresh), transport))
    return examine_reverse(facts, plan.reverse_of, server.patience) if plan.reverse_of else facts
