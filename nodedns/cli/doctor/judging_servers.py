"""Judges the servers that stand between a program and the agent: what each said, held against what the agent says.

Pure. One finding for each server, that of its worst fault; a second one for its reverse zone.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from nodedns.cli.doctor.facts import Facts, Reply, ResolvedFacts, ServerFacts
from nodedns.cli.doctor.finding import Finding, Verdict, failed, ok, skipped
from nodedns.cli.doctor.tools import RESOLVED, configure, flush, tool_of
from nodedns.cli.tables import join_host_port

__all__ = ["judge_server", "judge_servers"]

DNS_PORT = 53
WAIT_S = 4.0
"""For how long ``dns_client.ask`` waits."""
DENIALS = {"NXDOMAIN", "NOERROR", "REFUSED"}

Rule = Callable[[str, ServerFacts, Facts], Finding | None]


def judge_servers(facts: Facts) -> list[Finding]:
    """Return what is to be said of each nameserver, in the order of resolv.conf."""
    findings: list[Finding] = []
    for server in facts.host.nameservers:
        finding = judge_server(f"nameserver {_where(server)}", server, facts)
        if finding.verdict is Verdict.FAILED and any(one.verdict is Verdict.OK for one in findings):
            finding = attrs.evolve(
                finding,
                verdict=Verdict.WARNING,
                says=f"{finding.says}; it is asked only where those before it give no answer",
            )
        findings.append(finding)
    findings += [*_behind_another(findings), *_rest_of_the_world(facts)]
    findings += [finding for server in facts.host.nameservers[:1] for finding in _reverse(server, facts)]
    return findings


def _behind_another(findings: list[Finding]) -> list[Finding]:
    if len(findings) < 2 or findings[0].verdict is not Verdict.FAILED:
        return []
    good = next((finding.hop for finding in findings if finding.verdict is Verdict.OK), "")
    if not good:
        return []
    return [
        failed(
            "order of nameservers",
            f"{good} knows the names and is not the first: the C library believes the first one that says anything",
            f"put {good.removeprefix('nameserver ')} first in /etc/resolv.conf, or have the others ask the agent too",
        )
    ]


def _rest_of_the_world(facts: Facts) -> list[Finding]:
    own = {(server.host, server.port) for server in facts.agent.dns}
    servers = facts.host.nameservers
    if facts.agent.has_recursors or not servers or any((one.host, one.port) not in own for one in servers):
        return []
    return [
        Finding(
            "other names",
            Verdict.WARNING,
            f"the agent is the only nameserver and has no recursors, so it refuses all names outside "
            f"{facts.subject.domain}",
            "give it some (-recursor), or have another resolver ask it: nodedns resolver-config -list shows which",
        )
    ]


def judge_server(hop: str, server: ServerFacts, facts: Facts) -> Finding:
    """Return what is to be said of one server.

    Args:
        hop: What the finding calls it.
        server: What it said.
        facts: What the agent said, among others.
    """
    return next(finding for rule in _RULES for finding in [rule(hop, server, facts)] if finding is not None)


def _where(server: ServerFacts) -> str:
    return server.host if server.port == DNS_PORT else join_host_port(server.host, server.port)


def _said(server: ServerFacts) -> Reply:
    """Return what it said to the subject, by the first way that it said anything of use."""
    if server.plain is not None and server.plain.finds:
        return server.plain
    for reply in (server.udp, server.tcp, server.plain or Reply(error="not asked")):
        if not reply.error:
            return reply
    return server.udp


def _named(server: ServerFacts) -> str:
    return f" ({server.program})" if server.program else ""


# --- rules, the first one that has something to say counts -----------------------------------


def _silent(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    if not server.is_silent or server.is_up:
        return None
    says = f"answers neither over UDP ({server.udp.error}) nor over TCP ({server.tcp.error})"
    if server.is_local and server.is_taken:
        holder = server.program or "something"
        return failed(
            hop, f"{says}, though {holder} listens there", "see its log and the firewall of this host, or restart it"
        )
    if server.is_local:
        return failed(hop, f"{says}: nothing serves DNS there", "start it, or take it out of /etc/resolv.conf")
    mend = f"see whether {server.host} is up and lets this host ask it (UDP and TCP, port {server.port})"
    return failed(hop, says, f"{mend}, or take it out of /etc/resolv.conf")


def _udp_lost(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    if not server.udp.error or server.is_silent:
        return None
    if server.plain is not None and not server.plain.error:
        if not server.plain.finds or (server.unchecked is not None and not server.unchecked.error):
            return None  # it was only slow: it answers with EDNS, or had found nothing when it was asked again
        return failed(
            hop,
            "answers queries without EDNS and not those with it: something on the way drops them",
            f"let DNS with EDNS (RFC 6891) and answers of up to 1232 bytes pass between this host and {server.host}",
        )
    return failed(
        hop,
        f"answers over TCP and not over UDP ({server.udp.error}), by which programs ask first",
        f"let UDP port {server.port} pass to {server.host} and back",
    )


def _unjudgeable(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    if facts.agent.finds:
        return None
    said = _said(server)
    if said.finds:
        return ok(
            hop, f"answers {facts.subject.name}: {said.outcome}, though the agent's DNS does not; by another one?"
        )
    return skipped(hop, f"says {said.outcome}; whether it asks the agent shows once the agent's own DNS answers")


def _finds(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    said, found = _said(server), facts.agent.found
    if not said.finds:
        return None
    if said.data and found and not set(said.data) & set(found):
        return failed(
            hop,
            f"says {facts.subject.name} is {said.outcome}; the agent says {', '.join(found)}: an old answer, or "
            "another server's",
            f"{flush(server, facts.host, facts.subject.domain)}; if it says so again, "
            f"{configure(server, facts.host, facts.subject.domain)}",
        )
    return (
        _slow(hop, server, facts)
        or _tcp_unjudgeable(hop, server, facts)
        or _transport(hop, server)
        or ok(hop, f"finds {facts.subject.name}: {said.outcome}{_named(server)}")
    )


def _slow(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    if not server.udp.error or not server.tcp.error:
        return None
    return Finding(
        hop,
        Verdict.WARNING,
        f"finds {facts.subject.name} only when asked again: its first answer takes longer than {WAIT_S:g} s",
        f"see in its log whom it asks before the agent; {configure(server, facts.host, facts.subject.domain)}",
    )


def _tcp_unjudgeable(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    # What it passes on by the way the question came in gets no further than the agent lets it.
    if not server.tcp.error or not facts.agent.dns or any(not own.tcp.error for own in facts.agent.dns):
        return None
    return skipped(
        hop,
        f"finds {facts.subject.name} over UDP and not over TCP ({server.tcp.error}); whose fault that is shows once "
        "the agent's own DNS answers over TCP",
    )


def _transport(hop: str, server: ServerFacts) -> Finding | None:
    if server.tcp.error:
        lost = "the answer is cut off over UDP, so it is lost" if server.udp.is_truncated else "long answers are lost"
        return failed(
            hop,
            f"answers over UDP and not over TCP ({server.tcp.error}): {lost}",
            f"let TCP port {server.port} pass to {server.host}; DNS needs both (RFC 7766)",
        )
    if server.plain is not None and server.plain.finds and not server.udp.finds:
        return Finding(
            hop,
            Verdict.WARNING,
            f"does not know EDNS: it says {server.udp.rcode} to a query with it",
            "update it; until then answers of more than 512 bytes come over TCP",
        )
    return None


def _validates(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    if server.unchecked is None or not server.unchecked.finds:
        return None
    domain = facts.subject.domain
    tool = tool_of(server, facts.host)
    how = f": nodedns resolver-config {tool} prints how" if tool else f" (domain-insecure, validate-except: {domain})"
    return failed(
        hop,
        f"says {_said(server).outcome}, and the answer where it is asked not to validate: DNSSEC is in the way, since "
        f"{domain} is not signed",
        f"have it not validate {domain} and its reverse zones{how}",
    )


def _remembers(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    said = _said(server)
    if said.rcode != "NXDOMAIN" or server.fresh is None or not server.fresh.finds:
        return None
    left = "" if said.negative_ttl_s is None else f", for {said.negative_ttl_s} s more"
    return failed(
        hop,
        f"asks the agent for {facts.subject.domain}, and remembers that there was no {facts.subject.name}{left}",
        f"wait, or have it forget: {flush(server, facts.host, facts.subject.domain)}; dns_config.soa.min_ttl of the "
        "agents says for how long negative answers are kept",
    )


def _rebinding(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    said = _said(server)
    if said.rcode not in DENIALS or server.fresh is None or not server.fresh.finds:
        return None
    return failed(
        hop,
        f"asks the agent for {facts.subject.domain}, and says {said.outcome} where the agent says "
        f"{', '.join(facts.agent.found)}: it takes private addresses out of answers (rebinding protection)",
        f"allow {facts.subject.domain} to have them: rebind-domain-ok=/{facts.subject.domain}/ in dnsmasq, "
        f'private-domain: "{facts.subject.domain}" in unbound',
    )


def _reaches_nobody(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    said = _said(server)
    if said.rcode != "SERVFAIL" and not said.error:
        return None
    resolved = facts.host.resolved
    if resolved is not None and tool_of(server, facts.host) == RESOLVED and not _is_routed(resolved, facts):
        return None  # its upstreams, which know nothing of us, do not answer it
    agents = ", ".join(join_host_port(dns.host, dns.port) for dns in facts.agent.dns)
    return failed(
        hop,
        f"says {said.outcome}{_named(server)}: whom it asks for {facts.subject.domain} does not answer it",
        f"compare the address and port that it asks with the agent's ({agents}); "
        f"{configure(server, facts.host, facts.subject.domain)}",
    )


def _is_routed(resolved: ResolvedFacts, facts: Facts) -> bool:
    return facts.subject.domain.lower() in resolved.routes


def _asks_elsewhere(hop: str, server: ServerFacts, facts: Facts) -> Finding | None:
    said = _said(server)
    return failed(
        hop,
        f"says {said.outcome} for {facts.subject.name}, which the agent has: it does not ask the agent for "
        f"{facts.subject.domain}{_named(server)}",
        configure(server, facts.host, facts.subject.domain),
    )


_RULES: tuple[Rule, ...] = (
    _silent,
    _udp_lost,
    _unjudgeable,
    _finds,
    _validates,
    _remembers,
    _rebinding,
    _reaches_nobody,
    _asks_elsewhere,
)
"""The last one always has something to say."""


def _reverse(server: ServerFacts, facts: Facts) -> list[Finding]:
    own = next((dns.reverse for dns in facts.agent.dns if dns.reverse is not None and dns.reverse.finds), None)
    if own is None or server.reverse is None or not facts.agent.found:
        return []
    hop, address = "reverse zone", facts.agent.found[0]
    if server.reverse.finds and set(server.reverse.data) & set(own.data):
        return [ok(hop, f"{_where(server)} says that {address} is {server.reverse.outcome}")]
    says = f"{_where(server)} says {server.reverse.outcome} for the name of {address}, the agent {own.outcome}"
    return [
        Finding(
            hop,
            Verdict.WARNING,
            f"{says}: it does not ask the agent for that reverse zone",
            configure(server, facts.host, "the reverse zones"),
        )
    ]
