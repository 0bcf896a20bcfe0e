"""``Keyrings``: the gossip keys of all members, listed and changed by Serf's key queries.

Every alive member must answer, and the asking ends as soon as all have. Gossip misses
somebody now and then (in a pool of six, about every hundredth query), which would
fail a whole rotation; so those that kept silent are asked once more, which
does no harm, since every key query may be made twice. Serf asks once.

Where our gossip is not encrypted both ways, a change is refused here: the new key would go to everybody in the clear.
Serf sends it.

Before a key is put to use, every member's list is asked for: one that lacks it could read nothing from then on.
If one does, nothing is changed. Serf makes the change wherever it can.

What they say is added up as Serf does; beyond that, members that did not answer, that lack a
key which others have, or that encrypt with another key than most, are named.

Source: Serf's KeyManager (gossip-protocol 4.8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import attrs

from nodedns.agent.questions import Replies
from nodedns.api.actions import KeyringReport, KeyringVerb, OperateKeyring
from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip.key_text import decode_key_text, encode_key_text
from nodedns.model.member import MemberStatus, SerfMember
from nodedns.model.names import NodeName
from nodedns.serf.internal_queries import LIST_KEYS
from nodedns.serf.key_changes import EXPOSED, INSTALL_KEY, REMOVE_KEY, USE_KEY
from nodedns.serf.messages import KeyRequest, KeyResponse, decode_message_untrusted, encode_message
from nodedns.serf.outgoing_queries import QueryParams

__all__ = ["Keyrings", "tally"]

MAX_NAMED_KEYS = 3
"""Keys named in what is said of one member."""
MAX_NAMES_BYTES = 512
"""Of the names that a second query is meant for: it must fit into 1,024 bytes. With more, all are asked."""
NO_ANSWER = "did not answer"
LACKS = "lacks this key"

_QUERIES = {
    KeyringVerb.LIST: LIST_KEYS,
    KeyringVerb.INSTALL: INSTALL_KEY,
    KeyringVerb.USE: USE_KEY,
    KeyringVerb.REMOVE: REMOVE_KEY,
}
_PRESENT = (MemberStatus.ALIVE, MemberStatus.LEAVING)


class MemberList(Protocol):
    """Who is there: ``serf.serf.Serf``."""

    @property
    def key_refusal(self) -> str:
        """Why keys may not be changed from here; empty if they may."""
        ...

    def members(self) -> Sequence[SerfMember]:
        """Return every member, gone ones included."""
        ...


class Asker(Protocol):
    """Who asks them: ``agent.questions.Questions``."""

    async def ask(self, params: QueryParams, is_enough: Callable[[Replies], bool] | None = None) -> Replies:
        """Ask every member that the query is meant for."""
        ...


class Keyrings:
    """Operates on the keyrings of the pool.

    Args:
        serf: Knows who is there.
        questions: Asks them.
    """

    def __init__(self, serf: MemberList, questions: Asker) -> None:
        self._serf = serf
        self._questions = questions

    async def operate(self, operation: OperateKeyring) -> KeyringReport:
        """Ask every member and return what came of it; a key that is none is refused before anybody is asked.

        Raises:
            LocalProtocolError: Too many queries are open.
        """
        asked = self._present()
        try:
            key = b"" if operation.verb is KeyringVerb.LIST else decode_key_text(operation.key)
        except LocalProtocolError as problem:
            return KeyringReport(error=str(problem), nodes=len(asked))
        refusal = self._serf.key_refusal
        if refusal and (key or refusal == EXPOSED):
            return KeyringReport(error=refusal, nodes=len(asked))
        if operation.verb is KeyringVerb.USE:
            lists = await self._ask_twice(LIST_KEYS, b"", operation.relay_factor, asked)
            lacking = _lacking(lists, encode_key_text(key))
            if lacking:
                error = f"{len(lacking)}/{len(asked)} nodes lack the key and would be cut off; install it first"
                return KeyringReport(error=error, messages=dict.fromkeys(lacking, LACKS), nodes=len(asked))
        return tally(asked, await self._ask_twice(_QUERIES[operation.verb], key, operation.relay_factor, asked))

    async def _ask_twice(
        self, query: str, key: bytes, relay_factor: int, asked: Sequence[NodeName]
    ) -> dict[NodeName, bytes]:
        params = QueryParams(
            name=query,
            payload=encode_message(KeyRequest(key)),  # never empty: an empty one crashes real agents
            relay_factor=relay_factor,
        )
        answers = await self._ask(params, asked)
        present = set(self._present())
        silent = [name for name in asked if name in present and name not in answers]
        if silent:
            few = sum(len(name.encode("utf-8", "surrogateescape")) + 1 for name in silent) <= MAX_NAMES_BYTES
            answers |= await self._ask(attrs.evolve(params, nodes=tuple(silent) if few else ()), silent)
        return answers

    def _present(self) -> list[NodeName]:
        return [member.name for member in self._serf.members() if member.status in _PRESENT]

    async def _ask(self, params: QueryParams, asked: Sequence[NodeName]) -> dict[NodeName, bytes]:
        wanted = set(asked)

        def is_enough(replies: Replies) -> bool:
            return len(replies.answers) >= len(wanted) and replies.answers.keys() >= wanted

        return dict((await self._questions.ask(params, is_enough)).answers)


def tally(asked: Collection[NodeName], answers: Mapping[NodeName, bytes]) -> KeyringReport:
    """Add the answers up.

    Args:
        asked: The members that were there.
        answers: What came, by member; some may have joined meanwhile.
    """
    responses = {node: _decode(payload) for node, payload in answers.items()}
    keys: Counter[str] = Counter()
    primary_keys: Counter[str] = Counter()
    for response in responses.values():
        keys.update(response.keys)
        if response.primary_key:
            primary_keys[response.primary_key] += 1
    messages: dict[str, str] = {node: response.message for node, response in responses.items() if response.message}
    for node, response in responses.items():
        if response.keys and not response.message:
            messages |= _lag(node, response, keys, primary_keys)
    messages |= {node: NO_ANSWER for node in asked if node not in responses}
    nodes = len({*asked, *responses})
    return KeyringReport(
        error=_error(responses, nodes), messages=messages, keys=keys, primary_keys=primary_keys, nodes=nodes
    )


def _lacking(lists: Mapping[NodeName, bytes], key: str) -> list[NodeName]:
    """Return who lacks a key that others have; nobody where none has it, since then each refuses by itself."""
    rings = {node: response for node, payload in lists.items() if (response := _decode(payload)).keys}
    has = [node for node, ring in rings.items() if key in ring.keys]
    # A ring with a message was cut to what one packet holds.
    return [node for node, ring in rings.items() if has and key not in ring.keys and not ring.message]


def _decode(payload: bytes) -> KeyResponse:
    try:
        response = decode_message_untrusted(payload)
    except GossipWireError as problem:
        return KeyResponse(result=False, message=f"Failed to decode key query response: {problem.reason}")
    if not isinstance(response, KeyResponse):
        return KeyResponse(result=False, message="Invalid key query response type")
    try:
        for text in (*response.keys, *([response.primary_key] if response.primary_key else ())):
            decode_key_text(text)
    except LocalProtocolError as problem:
        return KeyResponse(result=False, message=f"Lists a key that is none: {problem}")
    if not response.result and not response.message:
        return attrs.evolve(response, message="failed and did not say why")
    return response


def _lag(node: NodeName, response: KeyResponse, keys: Counter[str], primary_keys: Counter[str]) -> dict[str, str]:
    """Return what there is to say of a member whose list is whole."""
    said = []
    lacking = [key for key in keys if key not in response.keys]
    if lacking:
        more = f" and {len(lacking) - MAX_NAMED_KEYS} more" if len(lacking) > MAX_NAMED_KEYS else ""
        said.append(f"lacks key {', '.join(lacking[:MAX_NAMED_KEYS])}{more}")
    most_used = primary_keys.most_common(1)[0][0] if primary_keys else response.primary_key
    if response.primary_key != most_used:
        said.append(f"encrypts with {response.primary_key}, most with {most_used}")
    return {node: "; ".join(said)} if said else {}


def _error(responses: Mapping[NodeName, KeyResponse], nodes: int) -> str:
    failed = sum(not response.result for response in responses.values())
    if failed:
        return f"{failed}/{nodes} nodes reported failure"
    if len(responses) < nodes:
        return f"{len(responses)}/{nodes} nodes reported success"
    return ""
