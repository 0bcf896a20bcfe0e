"""Judges the agent, its own DNS, the name's spelling and the peers.

Pure. Causes that the agent's journal knows are taken from it, word by word.
"""

from __future__ import annotations

import re

from nodedns.cli.doctor.facts import AgentFacts, Facts, PeerFacts, ServerFacts
from nodedns.cli.doctor.finding import Finding, Verdict, failed, ok, skipped
from nodedns.cli.tables import join_host_port

__all__ = ["judge_agent", "judge_gossip", "judge_spelling"]

AGENT = "agent"
GOSSIP = "gossip"
KEYS = "gossip keys"
CLOCK = "clock"
FORBIDDEN = 403
TIMED_OUT = "timeout"
"""How the client says that nothing came back."""
WARN_CLOCK_S = 5.0
"""Ours: registrations of two agents are ordered by their clocks."""
BAD_CLOCK_S = 300.0
"""The fudge of TSIG (RFC 8945 section 10): past it, signed zone transfers are refused."""
KEY_HINT = "does not have the key"
_PLAIN_LABELS = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE)
_KINDS = {
    "wrong-key": "are encrypted with a key that this agent does not have",
    "no-key": "are encrypted, and this agent has no key",
    "not-encrypted": "are not encrypted, and this agent has a key",
    "other-label": "are of a pool with another gossip_label",
}


def judge_agent(facts: Facts) -> list[Finding]:
    """Return what is to be said of the agent and its own DNS."""
    agent = facts.agent
    return [_judge_http(agent), *([_judge_known(agent)] if not agent.is_known else []), *_judge_own_dns(facts)]


def _judge_http(agent: AgentFacts) -> Finding:
    if agent.status:
        mend = "give a token that may read with -token-file or CONSUL_HTTP_TOKEN"
        if agent.status != FORBIDDEN:
            mend = "nodedns monitor, or the agent's log, says more"
        return Finding(AGENT, Verdict.UNKNOWN, f"at {agent.where} it refuses to be asked: {agent.error}", mend)
    if agent.holder:
        return failed(
            AGENT,
            f"{agent.error}; {agent.holder} listens at {agent.where}",
            "if that is no agent, stop it or have the agent listen elsewhere (-http-port); "
            "else say where the agent is with -http-addr",
        )
    if agent.error.endswith(TIMED_OUT):
        return failed(
            AGENT,
            agent.error,
            f"see whether a firewall stops TCP to {agent.where}; if the agent is elsewhere, say where with -http-addr",
        )
    if agent.error:
        return failed(
            AGENT,
            agent.error,
            "start it (nodedns agent, or systemctl start nodedns), or say where it is with -http-addr",
        )
    return ok(AGENT, f"{agent.node} ({agent.version}) answers at {agent.where}")


def _judge_known(agent: AgentFacts) -> Finding:
    return failed(
        "cluster",
        f"the agent has not met {agent.wanted_servers} servers yet, and till then says SERVFAIL for its names",
        "start the other servers and join them, or give the true number with -bootstrap-expect on all of them",
    )


def _judge_own_dns(facts: Facts) -> list[Finding]:
    agent = facts.agent
    if not agent.dns:
        says = "the agent serves none that can be asked from here"
        return [
            Finding("agent's DNS", Verdict.UNKNOWN, says, "turn it on with -dns-port, or ask on the agent's own host")
        ]
    return [_judge_dns(server, facts) for server in agent.dns]


def _judge_dns(server: ServerFacts, facts: Facts) -> Finding:
    where = join_host_port(server.host, server.port)
    hop = f"agent's DNS {where}"
    udp, tcp = server.udp, server.tcp
    if server.is_silent:
        return _silent(hop, server, facts)
    if udp.error:
        return failed(
            hop, f"answers over TCP and not over UDP ({udp.error})", f"let UDP port {server.port} pass to {server.host}"
        )
    if tcp.error:
        return failed(
            hop, f"answers over UDP and not over TCP ({tcp.error})", f"let TCP port {server.port} pass to {server.host}"
        )
    if udp.finds:
        return ok(hop, f"answers {facts.subject.name} over UDP and TCP: {udp.outcome}")
    return _denied(hop, server, facts)


def _silent(hop: str, server: ServerFacts, facts: Facts) -> Finding:
    if facts.agent.error:
        says = f"does not answer ({server.udp.error}), as the agent does not run there"
        return failed(hop, says, "start the agent, or give its configuration with -config-dir")
    return failed(
        hop,
        f"answers neither over UDP ({server.udp.error}) nor over TCP ({server.tcp.error})",
        f"see what the agent's log says of DNS, and whether a firewall stops port {server.port}",
    )


def _denied(hop: str, server: ServerFacts, facts: Facts) -> Finding:
    said, name = server.udp, facts.subject.name
    if said.rcode == "SERVFAIL" and not facts.agent.is_known:
        return failed(hop, f"says SERVFAIL for {name}", "see cluster")
    if said.rcode == "REFUSED":
        return failed(
            hop,
            f"refuses {name}: it does not answer for {facts.subject.domain}, or this client may not ask",
            "see domain, alt_domains and acl in the agent's configuration",
        )
    return failed(
        hop,
        f"says {said.outcome} for {name}",
        "nodedns members lists the nodes; nodedns why tells what became of one",
    )


# --- the name -----------------------------------------------------------------------------


def judge_spelling(facts: Facts) -> list[Finding]:
    """Return what is to be said of the name itself."""
    findings = []
    if facts.missing:
        findings.append(
            failed(
                "name",
                f"the agent knows no {facts.missing}; what follows is about {facts.subject.name}",
                "nodedns members lists the nodes, nodedns catalog services the services; nodedns why NAME tells what "
                "became of one",
            )
        )
    name = facts.missing or facts.subject.name
    typed = facts.subject.short if not facts.missing and facts.subject.short else name
    alike = [other for other in facts.agent.names if other.lower() == typed.lower()]
    if len(alike) > 1:
        findings.append(
            failed(
                "spelling",
                f"{' and '.join(alike)} differ in letter case only, and DNS has one name for them",
                "rename one of them (node_name)",
            )
        )
    elif not _PLAIN_LABELS.fullmatch(name):
        findings.append(
            Finding(
                "spelling",
                Verdict.WARNING,
                f"{name} is no plain host name: some programs will not look up what has other characters than letters, "
                "digits and dashes",
                "give the node another name (node_name), such as one with dashes for underscores",
            )
        )
    elif name != name.lower():
        findings.append(ok("spelling", f"{name} has capitals; in DNS letter case does not matter"))
    return findings


# --- peers --------------------------------------------------------------------------------


def judge_gossip(facts: Facts) -> list[Finding]:
    """Return what is to be said of the peers, the keys and the clocks."""
    agent = facts.agent
    if not agent.is_reached:
        return [skipped(GOSSIP, "the agent must answer first")]
    findings = [_judge_peer(peer) for peer in agent.peers]
    if not agent.peers:
        findings = _judge_alone(agent)
    return [*findings, *_judge_keys(agent), *_judge_clocks(agent)]


def _judge_alone(agent: AgentFacts) -> list[Finding]:
    if not agent.joins:
        return [skipped(GOSSIP, "the agent knows no other member, and is told to join none")]
    closed = [f"{dial.where} ({dial.error})" for dial in agent.joins if dial.error]
    if len(closed) == len(agent.joins):
        return [
            failed(
                GOSSIP,
                f"the agent has joined nobody: TCP to {', '.join(closed)} cannot be opened",
                "start the agents there, and let TCP and UDP of the gossip port (8301) pass in both directions",
            )
        ]
    return [
        failed(
            GOSSIP,
            "the agent has joined nobody, though TCP to "
            f"{', '.join(dial.where for dial in agent.joins if not dial.error)} can be opened",
            "see the agent's log (nodedns monitor): most often the gossip keys differ, or gossip_label",
        )
    ]


def _judge_peer(peer: PeerFacts) -> Finding:
    hop = f"peer {peer.name}"
    why = f"nodedns why {peer.name} tells the story"
    if peer.hints:
        told = "; ".join(peer.hints)
        return failed(hop, told, f"{_mend_of_hint(told)}{why}")
    dial = peer.dial
    if peer.status == "failed":
        if dial is not None and not dial.error:
            says = f"counts as failed, though TCP to {dial.where} can be opened: UDP is blocked, or the keys differ"
            return failed(hop, says, f"let UDP of the gossip port pass in both directions; {why}")
        tcp = "" if dial is None else f", and TCP to {dial.where} cannot be opened ({dial.error})"
        return Finding(hop, Verdict.WARNING, f"has failed{tcp}: it is down or cut off", why)
    if dial is not None and dial.error:
        return failed(
            hop,
            f"TCP to {dial.where} cannot be opened ({dial.error}), while over UDP it counts as {peer.status}",
            "let TCP of the gossip port pass to it: joins, lists of members and registrations go by TCP",
        )
    return ok(hop, f"{peer.status}; {_transports(peer)}")


def _mend_of_hint(told: str) -> str:
    if KEY_HINT in told:
        return "give it the keyring file of another member; "
    return "let UDP of the gossip port pass in both directions; " if "UDP" in told else ""


def _transports(peer: PeerFacts) -> str:
    tcp = "" if peer.dial is None else f"TCP to {peer.dial.where} can be opened, "
    if peer.acked_s is None:
        return f"{tcp}over UDP the agent has not probed it yet"
    return f"{tcp}over UDP it answered the agent {peer.acked_s:.0f} s ago"


def _judge_keys(agent: AgentFacts) -> list[Finding]:
    seen = [f"{count} {_KINDS[kind]}" for kind, count in sorted(agent.undeciphered.items()) if count]
    if not seen:
        return []
    is_alone = not any(peer.status == "alive" for peer in agent.peers)
    is_told = any(KEY_HINT in hint for peer in agent.peers for hint in peer.hints)
    return [
        Finding(
            KEYS,
            Verdict.FAILED if is_alone or is_told else Verdict.WARNING,
            f"of the packets and streams since the agent started, {', '.join(seen)}",
            "give all agents the same key (encrypt, or the keyring file of another member); nodedns keyring -list "
            "shows who has which, the agent's log where those came from",
        )
    ]


def _judge_clocks(agent: AgentFacts) -> list[Finding]:
    mend = "have both machines keep their clocks by NTP (timedatectl, chronyc tracking)"
    findings = []
    if agent.from_future:
        findings.append(
            failed(CLOCK, f"{agent.from_future} registrations came from a clock that is more than a day ahead", mend)
        )
    for clock in agent.clocks:
        apart = abs(clock.ahead_s)
        if apart < WARN_CLOCK_S:
            continue
        way = "ahead of" if clock.ahead_s > 0 else "behind"
        verdict = Verdict.FAILED if apart >= BAD_CLOCK_S else Verdict.WARNING
        findings.append(Finding(CLOCK, verdict, f"that of {clock.who} is {apart:.0f} s {way} this host's", mend))
    if findings:
        return findings
    if agent.clocks:
        return [ok(CLOCK, f"within {WARN_CLOCK_S:.0f} s of {', '.join(clock.who for clock in agent.clocks)}")]
    return [skipped(CLOCK, "no other agent serves HTTP to this host, so there is none to compare with")]
