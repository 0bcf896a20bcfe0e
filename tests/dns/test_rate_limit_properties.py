"""Against a model that keeps every pair apart: nobody ever gets more than the rate, however small the table is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.rate_limit import RateLimiter, RateLimitPolicy, Verdict

RATE = 4
WINDOW_S = 3.0
POLICY = RateLimitPolicy(responses_per_second=RATE, window_s=WINDOW_S, table_size=1_024)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([b"abc", b"abd", b"\0\0\0"]),
        st.sampled_from([b"px", b"xc", b"e"]),
        st.floats(0.0, 2.0, allow_nan=False),
    ),
    max_size=80,
)


@given(STEPS, st.binary(min_size=16, max_size=16))
def test_verdicts_are_those_of_a_bucket_for_each_pair(steps: list[tuple[bytes, bytes, float]], secret: bytes) -> None:
    limiter = RateLimiter(POLICY, secret)
    buckets: dict[tuple[bytes, bytes], float] = {}
    now = 50.0
    for prefix, kind, pause in steps:
        now += pause if pause > 1.0 else pause / 10
        used_up = max(buckets.get((prefix, kind), 0.0), now) + 1 / RATE
        is_sent = used_up - now <= 1.0 + 1 / RATE / 2
        buckets[prefix, kind] = min(used_up, now + 1.0 + WINDOW_S)
        verdict = limiter.verdict(prefix, limiter.class_key(kind), now)
        # Pairs that share both of their buckets may be limited too early, never too late.
        assert is_sent or verdict is not Verdict.SEND
        assert verdict is Verdict.SEND or not is_sent or len(buckets) > 1


@given(
    st.lists(st.tuples(st.binary(min_size=3, max_size=3), st.floats(0, 0.05)), min_size=100, max_size=400),
    st.binary(min_size=16, max_size=16),
)
def test_no_pair_is_sent_more_than_its_rate_among_many_others(steps: list[tuple[bytes, float]], secret: bytes) -> None:
    limiter = RateLimiter(POLICY, secret)
    now, sent = 0.0, 0
    for prefix, pause in steps:
        now += pause
        limiter.verdict(prefix, limiter.class_key(b"e"), now)
        sent += limiter.verdict(b"one", limiter.class_key(b"e"), now) is Verdict.SEND
    assert sent <= RATE * (now + 1.0)
