"""Judges how this host looks names up: its files, the C library's answer, and systemd-resolved.

Pure.
"""

from __future__ import annotations

from nodedns.cli.doctor.facts import Facts, Lookup, ResolvedFacts, ServerFacts
from nodedns.cli.doctor.finding import Finding, Verdict, failed, ok, skipped
from nodedns.cli.doctor.tools import RESOLV_CONF, RESOLVED, tool_of

__all__ = ["judge_files", "judge_lookups", "judge_resolved"]

NSSWITCH = "nsswitch.conf"
SYSTEM = "C library"
SEARCH = "search list"
DNS_SOURCES = ("dns", "resolve")
STOPS = "[NOTFOUND=RETURN]"
MULTICAST = "local"


def judge_files(facts: Facts) -> list[Finding]:
    """Return what is to be said of the files."""
    unread = [Finding("files", Verdict.UNKNOWN, f"{text}", "run this as root") for text in facts.host.unreadable]
    return [*unread, _judge_sources(facts)]


def _judge_sources(facts: Facts) -> Finding:
    sources = facts.host.sources
    told = " ".join(sources)
    first = next((at for at, word in enumerate(sources) if word in DNS_SOURCES), None)
    if first is None:
        return failed(
            NSSWITCH,
            f"hosts: {told}: names are not looked up in DNS at all",
            "add dns to the line hosts: in /etc/nsswitch.conf, behind files",
        )
    stopper = _stopper(sources[:first], facts.subject.domain)
    if stopper:
        return failed(
            NSSWITCH,
            f"hosts: {told}: {stopper} ends the search for names in {facts.subject.domain} before DNS is asked",
            f"put {sources[first]} before {stopper} in the line hosts: of /etc/nsswitch.conf, or serve a domain that "
            f"does not end in .{MULTICAST}",
        )
    return ok(NSSWITCH, f"hosts: {told}")


def _stopper(before: tuple[str, ...], domain: str) -> str:
    """Return the source that answers for all names, or for all of our domain, before DNS; empty for none."""
    for word, after in zip(before, [*before[1:], ""], strict=True):
        if after.upper().replace(" ", "") != STOPS:
            continue
        if not word.endswith("_minimal") or domain.lower().split(".")[-1] == MULTICAST:
            return word
    return ""


def judge_lookups(facts: Facts) -> list[Finding]:
    """Return what is to be said of the C library's answers: the subject in full, then as people type it."""
    return [_judge_system(facts), *_judge_short(facts)]


def _judge_system(facts: Facts) -> Finding:
    name, found = facts.subject.name, facts.agent.found
    system = facts.host.system
    if system is None:
        return failed(SYSTEM, f"no answer for {name} in time", "mend the nameservers, as said above")
    if system.error and not facts.agent.finds:
        return skipped(SYSTEM, f"says {system.error} for {name}, as the agent's DNS does not have it either")
    if system.error:
        return failed(SYSTEM, f"says {system.error} for {name}, as ssh would", _mend_of_lookup(facts))
    addresses = ", ".join(system.addresses)
    if found and not set(system.addresses) & set(found):
        return failed(
            SYSTEM,
            f"says {name} is {addresses}; the agent says {', '.join(found)}",
            "look for the name in /etc/hosts; else the nameservers have it from somewhere else, as said above",
        )
    return ok(SYSTEM, f"finds {name}: {addresses}")


def _mend_of_lookup(facts: Facts) -> str:
    host = facts.host
    if any(_has_name(server, facts) for server in host.nameservers[:1]):
        return (
            "the nameserver finds it: mend /etc/nsswitch.conf, as said above, or restart what keeps old answers "
            "(nscd, sssd)"
        )
    return "mend the nameserver, as said above"


def _has_name(server: ServerFacts, facts: Facts) -> bool:
    return server.udp.finds and bool(set(server.udp.data) & set(facts.agent.found) or server.udp.is_alias)


def _judge_short(facts: Facts) -> list[Finding]:
    subject, short = facts.subject, facts.host.short
    if not subject.short or not facts.agent.finds:
        return []
    if short is not None and not short.error and _agrees(short, facts):
        return [ok(SEARCH, f"{subject.short} is found as it stands")]
    if facts.host.system is None or facts.host.system.error:
        return [skipped(SEARCH, f"{subject.short} cannot be found before {subject.name} is")]
    says = f"{subject.short} alone is not found, {subject.name} is"
    if short is not None and not short.error and subject.short.lower() == facts.agent.node.lower():
        # Hosts answer for their own name themselves, with a loopback address mostly, so only the list can be judged.
        if subject.suffix.lower() in facts.host.search:
            return [ok(SEARCH, f"has {subject.suffix}; {subject.short} is this host's own name")]
        says = f"{subject.short} is this host's own name, those of other nodes need the domain"
    elif short is not None and not short.error:
        says = f"{subject.short} alone is {', '.join(short.addresses)}, {subject.name} another"
    search = " ".join(facts.host.search) or "empty"
    verdict = Verdict.FAILED if subject.is_short_wanted else Verdict.WARNING
    return [
        Finding(
            SEARCH,
            verdict,
            f"{says}: the search list ({search}) does not have {subject.suffix}, or has it too late"
            if subject.suffix.lower() in facts.host.search
            else f"{says}: the search list ({search}) does not have {subject.suffix}",
            f"add {subject.suffix} to the line search in /etc/resolv.conf, or where the program that writes it is told "
            f"(nodedns resolver-config -search {_searching_tool(facts)} prints how), or use the whole name",
        )
    ]


def _searching_tool(facts: Facts) -> str:
    first = next(iter(facts.host.nameservers), None)
    return (tool_of(first, facts.host) if first is not None else "") or RESOLV_CONF


def _agrees(short: Lookup, facts: Facts) -> bool:
    found = facts.agent.found
    return not found or bool(set(short.addresses) & set(found))


# --- systemd-resolved ----------------------------------------------------------------------


def judge_resolved(facts: Facts) -> list[Finding]:
    """Return what is to be said of systemd-resolved, where names go by way of it."""
    resolved = facts.host.resolved
    if resolved is None:
        return []
    findings = [_judge_routes(resolved, facts)]
    for upstream in resolved.upstreams:
        hop = f"upstream {upstream.host}"
        if upstream.is_silent:
            findings.append(
                Finding(
                    hop,
                    Verdict.WARNING,
                    f"answers {RESOLVED} neither over UDP ({upstream.udp.error}) nor over TCP ({upstream.tcp.error})",
                    "it is asked for all names that go nowhere else: see resolvectl status",
                )
            )
        else:
            findings.append(ok(hop, f"answers; {RESOLVED} asks it for names that go nowhere else"))
    return findings


def _judge_routes(resolved: ResolvedFacts, facts: Facts) -> Finding:
    domain, system = facts.subject.domain, facts.host.system
    if domain.lower() in resolved.routes:
        told = f"its files send {domain} to {', '.join(resolved.servers) or 'nobody'}"
        if system is not None and not system.error:
            return ok(RESOLVED, told)
        return Finding(
            RESOLVED,
            Verdict.WARNING,
            f"{told}, and yet names are not found",
            f"systemctl restart {RESOLVED}, and compare with the agent's address and port in resolvectl status",
        )
    if system is not None and not system.error:
        return ok(RESOLVED, f"its files do not name {domain}; its links or upstreams answer")
    return failed(
        RESOLVED,
        f"its files do not send {domain} anywhere",
        f"nodedns resolver-config {RESOLVED} prints what to put where",
    )
