"""Judges what an agent would meet at its start: its configuration, its ports, its directory, its keys.

Pure.
"""

from __future__ import annotations

from nodedns.cli.doctor.facts import Facts, Port, StartFacts
from nodedns.cli.doctor.finding import Finding, Verdict, failed, ok
from nodedns.cli.tables import join_host_port

__all__ = ["judge_start"]

CONFIGURATION = "configuration"
DATA_DIR = "data directory"
KEYRING = "keyring"
OURS = "is taken by nodedns"


def judge_start(facts: Facts) -> list[Finding]:
    """Return what is to be said of a start; of the defaults only what would fail, as they may not be meant."""
    start = facts.start
    if start is None:
        return []
    if start.problems:
        return [failed(CONFIGURATION, problem, "nodedns validate tells when it is well") for problem in start.problems]
    ports = [finding for port in start.ports for finding in _judge_port(port)]
    if not start.is_configured:
        return [finding for finding in ports if OURS not in finding.says]
    return [ok(CONFIGURATION, "an agent can read it"), *(ports or _all_free(start)), *_judge_files(start)]


def _judge_port(port: Port) -> list[Finding]:
    where = join_host_port(port.host, port.number)
    hop = f"{port.service} port {port.protocol}"
    if not port.is_local:
        return [failed(hop, f"{port.host} is no address of this host", "give one of its own: ip address lists them")]
    if port.is_taken:
        holder = port.holder or "a program of another user (root can see which)"
        return [failed(hop, f"{where} is taken by {holder}", f"stop that, or listen elsewhere: {port.flag}")]
    if not port.is_permitted:
        return [
            failed(
                hop,
                f"this user may not listen at {where}: ports this low need CAP_NET_BIND_SERVICE",
                "AmbientCapabilities=CAP_NET_BIND_SERVICE in the agent's unit, or start it as root, or another port "
                f"({port.flag})",
            )
        ]
    return []


def _all_free(start: StartFacts) -> list[Finding]:
    return [ok("ports", f"all {len(start.ports)} are free")] if start.ports else []


def _judge_files(start: StartFacts) -> list[Finding]:
    if not start.data_dir:
        return []
    if start.data_dir_error:
        return [failed(DATA_DIR, start.data_dir_error, f"give it to the agent's user: chown -R USER {start.data_dir}")]
    findings = [ok(DATA_DIR, f"{start.data_dir} can be used")]
    if start.keyring_error:
        findings.append(
            failed(
                KEYRING,
                start.keyring_error,
                "put the keyring file of another member in its place, readable by the agent's user",
            )
        )
    if start.keyring_note:
        findings.append(
            Finding(KEYRING, Verdict.WARNING, start.keyring_note, "nodedns keyring changes keys; encrypt does not")
        )
    return findings
