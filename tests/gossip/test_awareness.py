"""The health score moves within its bounds and stretches time-outs."""

from __future__ import annotations

from nodedns.gossip.awareness import Awareness


def test_score_stays_within_its_bounds() -> None:
    awareness = Awareness(8)
    awareness.apply_delta(-1)
    assert awareness.score == 0
    awareness.apply_delta(100)
    assert awareness.score == 7


def test_scale_stretches_by_the_score() -> None:
    awareness = Awareness(8)
    awareness.apply_delta(2)
    assert awareness.scale(0.5) == 1.5
