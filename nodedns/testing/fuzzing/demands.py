"""``demand``: what must hold of any input; where it does not, the fuzzer has found something."""

from __future__ import annotations

__all__ = ["demand"]


def demand(holds: object, what: str) -> None:
    """Do nothing if it ``holds``.

    Args:
        holds: Anything that is true or false.
        what: Is shown if it is false, and says what is wrong then.

    Raises:
        AssertionError: It does not; also where Python runs without ``assert``.
    """
    if not holds:
        raise AssertionError(what)
