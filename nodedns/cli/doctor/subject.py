"""``subject_of``: the name to examine, made of what was typed.

Pure. A name without one of the agent's domains is a short one, as people type it behind ``ssh``: it is examined
in full and as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from nodedns.cli.doctor.facts import Subject

__all__ = ["subject_of"]

NODE = "node"
PLACES = (NODE, "service")
"""Labels between a name and the domain that a search list may hold."""


def subject_of(typed: str | None, node: str, domains: Sequence[str]) -> Subject:
    """Return what to examine.

    Args:
        typed: A name in full or short, or None for the node's.
        node: The agent's own node name.
        domains: The agent's domains, the first one for what has none; at least one.
    """
    if typed is None:
        return _in_full(f"{node}.{NODE}.{domains[0]}", domains[0], is_chosen=False)
    name = typed.rstrip(".")
    domain = _domain_of(name, domains)
    if domain:
        return _in_full(name, domain, is_chosen=True)
    suffix = domains[0] if name.lower().endswith(tuple(f".{place}" for place in PLACES)) else f"{NODE}.{domains[0]}"
    return Subject(
        name=f"{name}.{suffix}", domain=domains[0], short=name, suffix=suffix, is_short_wanted=True, is_chosen=True
    )


def _domain_of(name: str, domains: Sequence[str]) -> str:
    folded = name.lower()
    fitting = [domain for domain in domains if folded == domain.lower() or folded.endswith(f".{domain.lower()}")]
    return max(fitting, key=len, default="")


def _in_full(name: str, domain: str, *, is_chosen: bool) -> Subject:
    for place in PLACES:
        suffix = f"{place}.{domain}"
        if name.lower().endswith(f".{suffix.lower()}"):
            short = name[: -len(suffix) - 1]
            return Subject(name=name, domain=domain, short=short, suffix=suffix, is_chosen=is_chosen)
    return Subject(name=name, domain=domain, is_chosen=is_chosen)
