"""Seeded chance for simulations: one ``Random`` for each thing that draws, so that none shifts another's draws."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

__all__ = ["seeded_entropy", "seeded_random"]


def seeded_random(*parts: object) -> Random:
    """Return a ``Random`` seeded by the text of ``parts``, the same in every process."""
    # Seeding by text goes through SHA-512, which no hash seed changes.
    return Random("/".join(map(str, parts)))  # noqa: S311 - simulated chance, no secrets


def seeded_entropy(*parts: object) -> Callable[[int], bytes]:
    """Return a stand-in for the operating system's random bytes, seeded by ``parts``."""
    return seeded_random("entropy", *parts).randbytes
