"""``Conversation``: comparing digests with peers, and telling what they lack.

Each message is answered from what is known when it arrives; nothing is remembered
of a peer between two messages but a census that is under way. What peers tell
us is taken in elsewhere (``Replicator``).
"""

from __future__ import annotations

from collections import Counter
from random import Random

from nodedns.model.names import NodeName
from nodedns.replica.census import CensusTaking, CensusTelling, census_parts
from nodedns.replica.entry import ORIGIN_BYTES
from nodedns.replica.exchange import deltas_for, is_behind, is_further
from nodedns.replica.messages import (
    ALL_BUCKETS,
    Behind,
    Census,
    CensusAsk,
    Digest,
    Fingerprint,
    Summary,
)
from nodedns.replica.outbox import Outbox
from nodedns.replica.params import DATAGRAM_BYTES, MAX_CENSUSES, ReplicaParams
from nodedns.replica.state import ReplicaState
from nodedns.replica.wire import encode_behind, encode_census_ask, encode_digest, encode_fingerprint, encode_summary

__all__ = ["Conversation"]

SHORT_DIGEST_LINES = (DATAGRAM_BYTES - 32) // (ORIGIN_BYTES + 8)
"""A digest as short as this is sent whole: a summary would take as much and one more turn."""


class Conversation:
    """Our side of all exchanges.

    Args:
        params: Knobs.
        rng: Makes up session numbers.
        state: What is told from.
        outbox: Where messages go.
        counts: Where is counted.
    """

    def __init__(
        self, params: ReplicaParams, rng: Random, state: ReplicaState, outbox: Outbox, counts: Counter[str]
    ) -> None:
        self._params = params
        self._rng = rng
        self._state = state
        self._outbox = outbox
        self._counts = counts
        self._tellings: dict[NodeName, CensusTelling] = {}
        self._taking: CensusTaking | None = None
        self.expired = 0  # origins without entries that are known up to here are not spoken of

    def begin(self, peer: NodeName) -> None:
        """Compare with a peer."""
        self._counts["exchanges"] += 1
        self._outbox.send(peer, encode_fingerprint(self._state.digest_hash, self._state.content_hash))

    def ask(self, peer: NodeName, buckets: int) -> None:
        """Ask a peer for what it has in parts of the digest and we have not."""
        self._outbox.send(peer, encode_digest(buckets, self._state.lines(buckets), wants_answer=False))

    def catch_up(self, peer: NodeName) -> None:
        """Ask a peer for all that it has and we have not; of one origin alone we might miss what supersedes a write."""
        if self._state.streams <= SHORT_DIGEST_LINES:
            self.ask(peer, ALL_BUCKETS)
        else:
            self.begin(peer)

    def answer(
        self, message: Fingerprint | Summary | Digest | Behind | CensusAsk, source: NodeName, now: float
    ) -> None:
        """Answer a message."""
        match message:
            case Fingerprint(digest_hash, content_hash):
                if digest_hash != self._state.digest_hash:
                    self._answer_fingerprint(source)
                elif content_hash != self._state.content_hash:
                    # One of us heard of a deletion that the other forgot before it heard of what was deleted.
                    self._counts["disagreements"] += 1
                    self._begin_census(source, now)
            case Summary(hashes):
                buckets = sum(
                    1 << part
                    for part, (theirs, ours) in enumerate(zip(hashes, self._state.hashes, strict=True))
                    if theirs != ours
                )
                if buckets:
                    self._send_digest(source, buckets)
            case Digest():
                self._answer_digest(message, source)
            case Behind():
                self._begin_census(source, now)
            case CensusAsk():
                self._tell_census(message, source, now)

    def _answer_fingerprint(self, source: NodeName) -> None:
        if self._state.streams <= SHORT_DIGEST_LINES:
            self._send_digest(source, ALL_BUCKETS)
        else:
            self._outbox.send(source, encode_summary(self._state.hashes))

    def _send_digest(self, peer: NodeName, buckets: int) -> None:
        self._outbox.send(peer, encode_digest(buckets, self._state.lines(buckets), wants_answer=True))

    def _answer_digest(self, digest: Digest, source: NodeName) -> None:
        if is_behind(self._state, digest):
            self._outbox.send(source, encode_behind())
        else:
            for payload in deltas_for(self._state, digest, self.expired):
                self._counts["deltas"] += 1
                self._outbox.send(source, payload)
        if digest.wants_answer and is_further(self._state, digest):
            self.ask(source, digest.buckets)

    # --- censuses -------------------------------------------------------------------------------------

    def _tell_census(self, ask: CensusAsk, source: NodeName, now: float) -> None:
        if ask.index == 0:
            while len(self._tellings) >= MAX_CENSUSES and source not in self._tellings:
                del self._tellings[next(iter(self._tellings))]
            self._counts["censuses_told"] += 1
            self._tellings[source] = CensusTelling(source, ask.session, census_parts(self._state, ask.lines), now)
        telling = self._tellings.get(source)
        if telling is None or telling.session != ask.session:
            return
        payload = telling.next_message(ask.index)
        if payload is not None:
            self._outbox.send(source, payload, is_lossy=False)
            telling.deadline = now + self._params.census_s
        if telling.is_done:
            del self._tellings[source]

    def _begin_census(self, peer: NodeName, now: float) -> None:
        if self._taking is not None and self._taking.deadline > now:
            return
        self._taking = CensusTaking(peer, self._rng.getrandbits(64), now + self._params.census_s)
        # A census stands still when one message of it is lost.
        self._outbox.send(peer, encode_census_ask(self._taking.session, 0, self._state.lines()), is_lossy=False)

    def take_census(self, message: Census, source: NodeName, now: float) -> CensusTaking | None:
        """Take in a part of a census that we asked for; returns the census once it is whole."""
        taking = self._taking
        if taking is None or (taking.peer, taking.session) != (source, message.session):
            return None
        if not taking.add(message):
            self._taking = None
            return None
        if message.is_last:
            self._taking = None
            return taking
        taking.deadline = now + self._params.census_s
        self._outbox.send(source, encode_census_ask(taking.session, len(taking.messages), ()), is_lossy=False)
        return None

    def give_up_late(self, now: float) -> None:
        """Forget censuses that do not go on."""
        if self._taking is not None and self._taking.deadline <= now:
            self._taking = None
        for peer in [peer for peer, telling in self._tellings.items() if telling.deadline <= now]:
            del self._tellings[peer]
