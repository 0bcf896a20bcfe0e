from __future__ import annotations

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nodedns.model.names import NodeName
from nodedns.serf.intents import MAX_NAME_CHARS, Intent, IntentBuffer, IntentKind

A, B = NodeName("a"), NodeName("b")


def test_newer_intent_replaces_the_older() -> None:
    buffer = IntentBuffer(timeout_s=10.0, max_entries=4)
    buffer.store(A, IntentKind.JOIN, 5, 0.0)
    assert buffer.store(A, IntentKind.LEAVE, 6, 1.0)
    assert buffer.get(A) == Intent(IntentKind.LEAVE, 6, 1.0)


def test_intent_of_the_same_time_is_not_stored_again() -> None:
    buffer = IntentBuffer(timeout_s=10.0, max_entries=4)
    buffer.store(A, IntentKind.JOIN, 5, 0.0)
    assert not buffer.store(A, IntentKind.LEAVE, 5, 1.0)


def test_intent_expires_after_the_timeout_and_not_before() -> None:
    buffer = IntentBuffer(timeout_s=10.0, max_entries=4)
    buffer.store(A, IntentKind.JOIN, 5, 0.0)
    buffer.expire(10.0)
    assert len(buffer) == 1
    buffer.expire(10.1)
    assert len(buffer) == 0


def test_full_buffer_forgets_its_oldest_entry() -> None:
    buffer = IntentBuffer(timeout_s=10.0, max_entries=1)
    assert buffer.store(A, IntentKind.JOIN, 5, 0.0)
    assert not buffer.store(B, IntentKind.JOIN, 5, 0.0)  # kept, but not passed on
    assert buffer.get(A) is None
    assert buffer.get(B) is not None
    assert buffer.store(B, IntentKind.JOIN, 6, 0.0)


def test_intent_about_an_impossibly_long_name_is_refused() -> None:
    buffer = IntentBuffer(timeout_s=10.0, max_entries=4)
    assert not buffer.store(NodeName("x" * (MAX_NAME_CHARS + 1)), IntentKind.JOIN, 5, 0.0)


@attrs.define
class _Held:
    kind: IntentKind
    ltime: int
    heard_at: float


class IntentBufferMachine(RuleBasedStateMachine):
    """The buffer against a plain dict that scans for what it must forget."""

    LIMIT = 3
    TIMEOUT_S = 5.0

    def __init__(self) -> None:
        super().__init__()
        self.buffer = IntentBuffer(self.TIMEOUT_S, self.LIMIT)
        self.model: dict[NodeName, _Held] = {}
        self.now = 0.0

    @rule(name=st.sampled_from("abcde"), kind=st.sampled_from(IntentKind), ltime=st.integers(0, 6))
    def store(self, name: str, kind: IntentKind, ltime: int) -> None:
        node = NodeName(name)
        held = self.model.get(node)
        expected = is_news = held is None or ltime > held.ltime
        if is_news:
            if held is None and len(self.model) == self.LIMIT:
                del self.model[next(iter(self.model))]
                expected = False
            self.model.pop(node, None)
            self.model[node] = _Held(kind, ltime, self.now)
        assert expected == self.buffer.store(node, kind, ltime, self.now)

    @rule(seconds=st.integers(0, 4))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        self.model = {name: held for name, held in self.model.items() if self.now - held.heard_at <= self.TIMEOUT_S}
        self.buffer.expire(self.now)

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        assert len(self.model) == len(self.buffer)
        for name, held in self.model.items():
            assert Intent(held.kind, held.ltime, held.heard_at) == self.buffer.get(name)


TestIntentBufferAgainstModel = IntentBufferMachine.TestCase
