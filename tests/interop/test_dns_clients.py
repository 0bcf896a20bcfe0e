"""Real DNS clients ask a running agent: ``dig``, ``kdig`` and dnspython must read the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from nodedns.testing.dig import DigAnswer
from nodedns.testing.loopback import DNS_PORT, LoneAgent, lone_agent
from nodedns.testing.processes import DEADLINE_S, run_program

V6 = "2001:db8::9"


@attrs.frozen
class Told:
    """What every client must tell of one answer: code, AA, and the records of two sections without their TTLs."""

    status: str
    is_authoritative: bool
    answer: tuple[tuple[str, str, str], ...]
    authority: tuple[tuple[str, str], ...]


@attrs.frozen
class Asker:
    """Asks one agent in three ways."""

    agent: LoneAgent
    kdig: Path

    def by_dig(self, name: str, kind: str, *, is_tcp: bool) -> Told:
        return told(self.agent.dig("+tcp" if is_tcp else "+notcp", "+nocookie", name, kind))

    def by_kdig(self, name: str, kind: str, *, is_tcp: bool) -> Told:
        transport = "+tcp" if is_tcp else "+notcp"
        printed = run_program([self.kdig, f"@{self.agent.host}", "-p", str(DNS_PORT), transport, name, kind])
        return told(DigAnswer.of_text(printed.out))

    def by_dnspython(self, name: str, kind: str, *, is_tcp: bool) -> Told:
        query = dns.message.make_query(name, kind, use_edns=0)
        send = dns.query.tcp if is_tcp else dns.query.udp
        reply = send(query, self.agent.host, DEADLINE_S, DNS_PORT)
        return Told(
            dns.rcode.to_text(reply.rcode()),
            bool(reply.flags & dns.flags.AA),
            tuple(
                sorted(
                    (rrset.name.to_text(), dns.rdatatype.to_text(rrset.rdtype), rdata.to_text())
                    for rrset in reply.answer
                    for rdata in rrset
                )
            ),
            tuple((rrset.name.to_text(), dns.rdatatype.to_text(rrset.rdtype)) for rrset in reply.authority),
        )

    def probe(self, *arguments: str) -> DigAnswer:
        return self.agent.dig(*arguments)


def told(answer: DigAnswer) -> Told:
    return Told(
        answer.status,
        "aa" in answer.flags,
        tuple(sorted((record.name, record.kind, record.data) for record in answer.answer)),
        tuple((record.name, record.kind) for record in answer.authority),
    )


@pytest.fixture(scope="module")
def asker(dig_program: Path, kdig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with lone_agent(tmp_path_factory.mktemp("lone")) as agent:
        agent.start("-node-meta=rack:a1", "-node-meta=os:debian")
        for node in ({"Node": "printer", "Address": "10.0.0.9"}, {"Node": "six", "Address": V6}):
            agent.register(node)
        yield Asker(agent, kdig_program)


# --- three clients -------------------------------------------------------------------------


@pytest.mark.parametrize("is_tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(
    ("name", "kind", "status", "kinds"),
    [
        ("printer.node.consul.", "A", "NOERROR", ["A"]),
        ("printer.node.dc1.consul.", "A", "NOERROR", ["A"]),
        ("six.node.consul.", "AAAA", "NOERROR", ["AAAA"]),
        ("lone.node.consul.", "TXT", "NOERROR", ["TXT", "TXT"]),
        ("consul.", "SOA", "NOERROR", ["SOA"]),
        ("consul.", "NS", "NOERROR", ["NS"]),
        ("printer.node.consul.", "AAAA", "NOERROR", []),
        ("six.node.consul.", "A", "NOERROR", []),
        ("printer.node.consul.", "MX", "NOERROR", []),
        ("node.consul.", "A", "NOERROR", []),
        ("nobody.node.consul.", "A", "NXDOMAIN", []),
        ("nobody.node.consul.", "MX", "NXDOMAIN", []),
        ("printer.node.dc2.consul.", "A", "NXDOMAIN", []),
    ],
)
def test_clients_read_the_same_answer(
    asker: Asker, name: str, kind: str, status: str, kinds: list[str], *, is_tcp: bool
) -> None:
    seen = asker.by_dig(name, kind, is_tcp=is_tcp)

    assert (status, True) == (seen.status, seen.is_authoritative)
    assert kinds == [found for _, found, _ in seen.answer]
    assert ([] if kinds else [("consul.", "SOA")]) == list(seen.authority)
    assert seen == asker.by_kdig(name, kind, is_tcp=is_tcp)
    assert seen == asker.by_dnspython(name, kind, is_tcp=is_tcp)


def test_letter_case_comes_back_as_it_was_asked(asker: Asker) -> None:
    odd = "PrInTeR.nOdE.cOnSuL."  # kdig asks in lower case whatever it is told

    seen = asker.by_dig(odd, "A", is_tcp=False)

    assert ((odd, "A", "10.0.0.9"),) == seen.answer
    assert seen == asker.by_dnspython(odd, "A", is_tcp=False)


@pytest.mark.parametrize("name", ["lone.node.consul.", "printer.node.consul."])
def test_any_is_answered_alike(asker: Asker, name: str) -> None:
    seen = asker.by_dig(name, "ANY", is_tcp=True)

    assert "NOERROR" == seen.status
    assert [] != list(seen.answer)
    assert seen == asker.by_kdig(name, "ANY", is_tcp=True)
    assert seen == asker.by_dnspython(name, "ANY", is_tcp=True)


def test_names_outside_are_refused_and_not_recursed(asker: Asker) -> None:
    answer = asker.probe("+rec", "example.com", "A")

    assert ("REFUSED", ()) == (answer.status, answer.answer)
    assert "ra" not in answer.flags
    assert "aa" not in answer.flags


def test_name_server_resolves(asker: Asker) -> None:
    server = asker.probe("consul.", "NS").data[0]

    assert [asker.agent.host] == asker.probe(server, "A").data


def test_serial_stands_still_while_nothing_changes(asker: Asker) -> None:
    first = asker.probe("consul.", "SOA").data

    assert first == asker.probe("+tcp", "consul.", "SOA").data
