"""``/v1/agent/why``: what happened to a member lately, in facts and in words.

Nothing of this is Consul's. The journal holds facts; this file turns each into a
sentence, and says what they point to where a cause can be told: hints state only
what follows from what was seen, and from where.

Source: Lifeguard paper section IV for what a health score and confirmations mean.
"""

from __future__ import annotations

from collections.abc import Sequence

from nodedns.api.context import ApiContext, Chronicle, Json
from nodedns.api.encode import json_response
from nodedns.api.request import Request, Response
from nodedns.errors import ApiError
from nodedns.model.history import ChangeKind, HistoryEntry, MemberHistory, ProbeReport
from nodedns.model.member import SerfMember
from nodedns.model.names import NodeName, fold

__all__ = ["get_latest", "get_why"]

DEFAULT_LAST = 50
MAX_LAST = 1000
"""Ours: entries of all members in one answer."""
TOGETHER_S = 60.0
"""Ours: members that we suspect within this time are suspected at once."""
MANY_SUSPECTED = 3
KEY_UNKNOWN = "no installed keys could decrypt the message"
"""How memberlist tells a peer that it has not the key of what came."""
MISSES_OF_A_BLOCK = 2
"""Ours: so many probes in a row without an answer over UDP are more than the loss of a packet."""
LOSS_TOLD_S = 300.0
"""Ours: as long as a blocked UDP is believed before it is looked at again."""
FLAPS = 2
"""Ours: so many refutations among the entries kept are called flapping."""

_PLAIN_TEXTS = {
    ChangeKind.JOINED: "joined at {address}",
    ChangeKind.UPDATED: "announced other tags or another address, at {address}",
    ChangeKind.MOVED: "moved to {address}: nobody answered for it any more at {detail}",
    ChangeKind.LEAVING: "said that it leaves",
    ChangeKind.LEFT: "left, as it had said",
    ChangeKind.FAILED: "failed: gone without having said that it leaves",
    ChangeKind.REAPED: "forgotten",
    ChangeKind.CONFLICT: "another agent uses its name: {detail}",
    ChangeKind.UDP_CHECKED: "{detail}",
}
_ANOTHER_STORY = {ChangeKind.JOINED, ChangeKind.MOVED, ChangeKind.FAILED, ChangeKind.LEFT, ChangeKind.UDP_CHECKED}
"""After these, what was seen before says nothing of the way to a member."""
_OVER = {ChangeKind.JOINED, ChangeKind.MOVED, ChangeKind.REFUTED, ChangeKind.DEAD, ChangeKind.FAILED, ChangeKind.LEFT}
"""What ends a suspicion."""


def get_why(request: Request, name: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/why/NAME``."""
    if not name:
        return get_latest(request, name, ctx)
    chronicle = ctx.chronicle
    history = chronicle.history(name)
    member = _member(name, ctx)
    if history is None and member is None:
        raise ApiError(404, f"No member named '{name}' is known here, nor is one remembered")
    if history is None:
        history = MemberHistory(name=NodeName(name if member is None else member.name))
    return json_response(_story(history, member, ctx), request, ctx)


def get_latest(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/why``: the last changes of all members, the newest last."""
    text = request.parameters.first("last") or str(DEFAULT_LAST)
    if not text.isascii() or not text.isdigit() or not 0 < len(text) <= len(str(MAX_LAST)):
        raise ApiError(400, f"last: a number from 1 to {MAX_LAST} is wanted")
    entries = ctx.chronicle.latest(min(int(text), MAX_LAST))
    return json_response([{"Name": entry.name, **_shape(entry, ctx)} for entry in entries], request, ctx)


def _member(name: str, ctx: ApiContext) -> SerfMember | None:
    exact = ctx.view.member(name)
    if exact is not None:
        return exact
    return next((member for member in ctx.view.members() if fold(member.name) == fold(name)), None)


def _story(history: MemberHistory, member: SerfMember | None, ctx: ApiContext) -> dict[str, Json]:
    entries, chronicle = history.entries, ctx.chronicle
    since = history.status_at
    return {
        "Name": history.name,
        "Address": "" if member is None else str(member.address),
        "Status": "unknown" if member is None else member.status.word,
        "IsSuspected": _is_suspected(entries),
        "Since": None if since is None else _wall(since, chronicle),
        "SinceSeconds": None if since is None else _ago(since, chronicle),
        "HealthScore": chronicle.health_score,
        "Probe": _probe_shape(history, chronicle),
        "Entries": [_shape(entry, ctx) for entry in entries],
        "Hints": _hints(history, ctx),
    }


def _is_suspected(entries: Sequence[HistoryEntry]) -> bool:
    open_kinds = {ChangeKind.SUSPECTED, ChangeKind.CONFIRMED}
    last = next((entry.kind for entry in reversed(entries) if entry.kind in open_kinds | _OVER), None)
    return last in open_kinds


def _shape(entry: HistoryEntry, ctx: ApiContext) -> dict[str, Json]:
    chronicle = ctx.chronicle
    return {
        "At": _wall(entry.at, chronicle),
        "SecondsAgo": _ago(entry.at, chronicle),
        "What": entry.kind.value,
        "By": entry.by,
        "Accusers": list(entry.accusers),
        "ConfirmationsWanted": entry.wanted,
        "Detail": _detail(entry),
        "HealthScore": entry.health_score,
        "Text": _text(entry, ctx.facts.node_name),
    }


def _detail(entry: HistoryEntry) -> str:
    if entry.probe is not None:
        return probe_text(entry.probe)
    return entry.detail or ("" if entry.address is None else str(entry.address))


def _probe_shape(history: MemberHistory, chronicle: Chronicle) -> dict[str, Json]:
    acked, missed = history.acked_at, history.failed_at
    if missed is None:
        words = ""
    elif history.failure is not None:
        words = probe_text(history.failure)
    elif history.helper:
        words = f"no ack in time, but {history.helper} could ping it"
    else:
        words = "its ack came late"
    return {
        "LastAck": None if acked is None else _wall(acked, chronicle),
        "LastAckSecondsAgo": None if acked is None else _ago(acked, chronicle),
        "LastRTTSeconds": None if acked is None else round(history.rtt_s, 6),
        "LastMiss": None if missed is None else _wall(missed, chronicle),
        "LastMissSecondsAgo": None if missed is None else _ago(missed, chronicle),
        "LastMissDetail": words,
        "MissesInARow": history.misses,
    }


# --- words -------------------------------------------------------------------------------


def _text(entry: HistoryEntry, local_name: str) -> str:
    plain = _PLAIN_TEXTS.get(entry.kind)
    if plain is not None:
        return plain.format(detail=entry.detail, address=entry.address)
    by = "this agent" if entry.by == local_name else entry.by
    match entry.kind:
        case ChangeKind.SUSPECTED:
            text = f"suspected by {by}"
        case ChangeKind.CONFIRMED:
            text = f"confirmed by {by} ({len(entry.accusers) - 1} of {entry.wanted})"
        case ChangeKind.REFUTED:
            text = f"refuted the suspicion itself ({entry.detail}), held by {_names(entry.accusers)}"
        case ChangeKind.DEAD:
            text = f"declared dead by {by}{_after(entry)}"
        case ChangeKind.ACCUSED:
            who = "a list of members" if entry.by == local_name else by
            text = f"{who} called this agent {entry.detail}"
        case _:
            text = "answers over TCP, not over UDP"
    if entry.probe is None:
        return text
    return f"{text}: {probe_text(entry.probe)}; own health score {entry.probe.health_score}"


def _after(entry: HistoryEntry) -> str:
    if not entry.accusers:
        return ""
    if not entry.wanted:
        return ", in a pool too small for anybody to confirm"
    confirmations = len(entry.accusers) - 1
    return f" after {confirmations} of {entry.wanted} confirmations"


def probe_text(probe: ProbeReport) -> str:
    """Return what a probe found, in words."""
    parts = [f"no ack from {probe.target} over UDP in {_milliseconds(probe.timeout_s)}"]
    if probe.helpers:
        asked = f"asked {_names(probe.helpers)} to ping it (0 acks"
        asked += f", {probe.nacks} of {probe.expected_nacks} nacks)" if probe.expected_nacks else ")"
        parts.append(asked)
    if probe.tcp == "acked":
        parts.append("TCP ping acked")
    elif probe.tcp:
        parts.append(f"TCP ping failed: {probe.tcp}")
    return ", ".join(parts)


def _names(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + f" and {names[-1]}"


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)} ms"


# --- hints -------------------------------------------------------------------------------


def _hints(history: MemberHistory, ctx: ApiContext) -> list[Json]:
    entries, local_name = history.entries, ctx.facts.node_name
    if history.name == local_name:
        return _hints_about_ourselves(entries, local_name)
    udp = _udp_hint(history, ctx.chronicle.now)
    # Blocked UDP makes a member refute again and again.
    flapping = "" if udp else _flapping_hint(entries)
    found = [_key_hint(history), udp, _own_health_hint(entries, ctx), flapping, _one_accuser_hint(entries)]
    return [hint for hint in found if hint]


def _key_hint(history: MemberHistory) -> str:
    missed = history.failure
    if missed is None or not history.misses or not missed.tcp.endswith(KEY_UNKNOWN):
        return ""
    return "it does not have the key that this agent encrypts with: give it the keyring file of another member"


def _udp_hint(history: MemberHistory, now: float) -> str:
    if history.udp is not None:
        return history.udp.detail
    for entry in reversed(history.entries):
        if entry.kind is ChangeKind.TCP_ONLY:
            if history.acked_at is not None and history.misses < MISSES_OF_A_BLOCK:
                if now - entry.at > LOSS_TOLD_S:
                    return ""
                return "UDP between it and this agent is lossy: some probes got no answer over it, others did"
            return "UDP to it gets no answer while TCP to the same port does: is a firewall in between?"
        if entry.kind in _ANOTHER_STORY:
            return ""
    return ""


def _own_health_hint(entries: Sequence[HistoryEntry], ctx: ApiContext) -> str:
    own = next((entry for entry in reversed(entries) if entry.probe and entry.kind is ChangeKind.SUSPECTED), None)
    if own is None or own.probe is None:
        return ""
    together = {
        entry.name
        for entry in ctx.chronicle.latest(MAX_LAST)
        if entry.kind is ChangeKind.SUSPECTED
        and entry.by == ctx.facts.node_name
        and abs(entry.at - own.at) <= TOGETHER_S
    }
    if len(together) >= MANY_SUSPECTED:
        return (
            f"this agent suspected {len(together)} members within {TOGETHER_S:.0f} s of it: "
            "look at this machine and its network first"
        )
    if own.probe.health_score > 0:
        return (
            f"this agent's own health score was {own.probe.health_score} when it accused: "
            "it missed other acks too, so it may itself be slow or badly connected"
        )
    return ""


def _flapping_hint(entries: Sequence[HistoryEntry]) -> str:
    count = sum(entry.kind is ChangeKind.REFUTED for entry in entries)
    if count < FLAPS:
        return ""
    return f"it refuted {count} suspicions: it is slow or badly connected at times, rather than down"


def _one_accuser_hint(entries: Sequence[HistoryEntry]) -> str:
    last = next((entry for entry in reversed(entries) if entry.accusers), None)
    if last is None or len(last.accusers) > 1 or not last.wanted:
        return ""
    accuser = last.accusers[0]
    return f"only {accuser} accused it and nobody confirmed: the way between these two may be all that is broken"


def _hints_about_ourselves(entries: Sequence[HistoryEntry], local_name: str) -> list[Json]:
    # What a list of members says of an earlier run of ours has no accuser but our own name.
    accused = (entry for entry in entries if entry.kind is ChangeKind.ACCUSED and entry.by != local_name)
    accusers = dict.fromkeys(entry.by for entry in accused)
    if len(accusers) < FLAPS:
        return []
    return [
        f"{len(accusers)} members called this agent suspect or dead ({_names(tuple(accusers))}): "
        "it is slow at times, or UDP to it is lost"
    ]


# --- time --------------------------------------------------------------------------------


def _ago(at: float, chronicle: Chronicle) -> float:
    return round(max(chronicle.now - at, 0.0), 3)


def _wall(at: float, chronicle: Chronicle) -> str:
    return chronicle.wall_text(at)
