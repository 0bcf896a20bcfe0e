"""``examine_server``: asks one DNS server what is to be known of it; each answer decides the next question.

A server that has shown to be silent is asked nothing more. One that knows the subject is not asked why it would not.
"""

from __future__ import annotations

from typing import Final

import attrs

from nodedns.cli.doctor.dns_client import Kind, Question, Transport, ask, reverse_name
from nodedns.cli.doctor.facts import Reply, ServerFacts
from nodedns.cli.doctor.listening import Listeners, is_own_address
from nodedns.cli.doctor.patience import Patience

__all__ = ["Plan", "examine_reverse", "examine_server"]

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

    def ask(self, question: Question, transport: Transport = Transport.UDP) -> Reply:
        return ask(self.host, self.port, question, transport, self.patience)


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
    udp, tcp = server.ask(question), server.ask(question, Transport.TCP)
    plain = None
    if udp.error or udp.rcode in WITHOUT_EDNS:
        plain = server.ask(attrs.evolve(question, is_edns=False))
    facts = ServerFacts(host=host, port=port, udp=udp, tcp=tcp, plain=plain, is_local=is_own_address(host))
    if not facts.is_silent:
        facts = _further(server, facts, question, plan)
    return attrs.evolve(facts, program=_program(server, facts, listeners))


def examine_reverse(facts: ServerFacts, address: str, patience: Patience) -> ServerFacts:
    """Return ``facts`` with the server's answer about the name of ``address``."""
    if facts.is_silent:
        return facts
    server = _Server(facts.host, facts.port, patience)
    return attrs.evolve(facts, reverse=server.ask(Question(name=reverse_name(address), kind=Kind.PTR)))


def _further(server: _Server, facts: ServerFacts, question: Question, plan: Plan) -> ServerFacts:
    transport = Transport.TCP if facts.udp.error else Transport.UDP
    said = facts.tcp if facts.udp.error else facts.udp
    unchecked = fresh = None
    if said.rcode == "SERVFAIL":
        unchecked = server.ask(attrs.evolve(question, is_unchecked=True), transport)
    if not said.finds and plan.fresh:
        fresh = server.ask(Question(name=plan.fresh), transport)
    facts = attrs.evolve(facts, unchecked=unchecked, fresh=fresh)
    return examine_reverse(facts, plan.reverse_of, server.patience) if plan.reverse_of else facts


def _program(server: _Server, facts: ServerFacts, listeners: Listeners) -> str:
    listener = listeners.at(facts.host, facts.port, "udp") if facts.is_local else None
    seen = listeners.program(listener) if listener is not None else ""
    if seen or facts.is_silent:
        return seen
    said = " ".join(server.ask(Question(name=VERSION_NAME, kind=Kind.VERSION)).data).lower()
    return next((program for words, program in PROGRAMS.items() if words in said), "")
