"""The rules for the domains that DNS answers for, and what an agent's own name comes to in them.

``domain`` is the first; ``alt_domain``, which is Consul's, and ``alt_domains``, which
is nodedns's own, give any number of further ones. Two domains of which one lies
among the other's names are refused: whose name it is would hang on who reads it.

Source: Consul's error texts and start-up warnings; RFC 1035 for what a domain may be.
"""

from __future__ import annotations

from collections.abc import Sequence

from nodedns.config.draft import Draft
from nodedns.dns.apex import node_owner
from nodedns.dns.grammar import KINDS, RESERVED_WORDS
from nodedns.dns.name import MAX_NAME_BYTES, labels_of, packed_name, presentation, text_bytes
from nodedns.errors import shorten
from nodedns.model.names import MAX_LABEL_BYTES, fold, is_dns_label

__all__ = ["alt_domains", "domain", "warn_of_names"]

DEFAULT_DOMAIN = "consul"
MAX_DOMAIN_BYTES = 128  # leaves room below RFC 1035's 255 for <node>.node.<datacenter>

CONSUL_WORDS = ("service", "connect", "node", "query", "addr")


def domain(draft: Draft) -> str:
    """Return the first domain in lower case, without the final dot."""
    given = draft.settings.domain
    return _domain(draft, "domain", DEFAULT_DOMAIN if given is None else given)


def alt_domains(draft: Draft, first: str, datacenter: str) -> tuple[str, ...]:
    """Return the further domains in the same form, each once, in the order given.

    Args:
        draft: Holds ``alt_domain`` and ``alt_domains``; takes the problems.
        first: What ``domain`` came to.
        datacenter: The local datacenter, a word of every domain.
    """
    settings = draft.settings
    given = [("alt_domain", settings.alt_domain)] if settings.alt_domain else []
    given += [("alt_domains", entry) for entry in settings.alt_domains or ()]
    found = {first: "domain"}
    for path, entry in given:
        name = _domain(draft, path, entry)
        if name.startswith(tuple(f"{word}." for word in (*CONSUL_WORDS, datacenter))):
            draft.problem(path, f"{path} cannot start with {{{','.join((*CONSUL_WORDS, datacenter))}}}")
            continue
        for other in found:
            _check_pair(draft, path, (name, other), datacenter)
        found.setdefault(name, path)
    return tuple(found)[1:]


def warn_of_names(draft: Draft, name: str, datacenter: str, domains: Sequence[str]) -> None:
    """Say at start what DNS makes of this agent's name and datacenter, where that is not as plain as can be."""
    if text_bytes(datacenter) in KINDS:
        draft.warnings.append(
            f'Datacenter "{datacenter}" is a word of DNS names too: nodes are NAME.node.{domains[0]} there, and have '
            "no name with the datacenter in it."
        )
    if is_dns_label(name):
        return
    names = _names(name, datacenter, domains)
    if not names:
        draft.warnings.append(f'Node name "{name}" will not be discoverable via DNS due to {_fault(name)}')
    else:
        # Consul says that such a name cannot be found. It can, there and here; resolvers are what may refuse it.
        draft.warnings.append(
            f'Node name "{name}" is no plain DNS label, so some programs will not look it up; letters, digits and '
            f"dashes are safe. In DNS it is {' and '.join(names)}."
        )


def _domain(draft: Draft, path: str, given: str) -> str:
    name = fold(given).removesuffix(".")
    if not all(is_dns_label(label.replace("_", "-")) for label in name.split(".")):
        draft.problem(path, f"{path} must be a DNS name, not {shorten(given)}")
    elif len(name) > MAX_DOMAIN_BYTES:
        draft.problem(path, f"{path} cannot be longer than {MAX_DOMAIN_BYTES} bytes: {shorten(given)}")
    return name


def _check_pair(draft: Draft, path: str, pair: tuple[str, str], datacenter: str) -> None:
    for inner, outer in (pair, pair[::-1]):
        word = inner.removesuffix(f".{outer}").rpartition(".")[2]
        if inner.endswith(f".{outer}") and (word in (*RESERVED_WORDS, datacenter) or word.startswith("_")):
            shown = f"{path} cannot be {shorten(pair[0])} beside {shorten(pair[1])}"
            draft.problem(path, f"{shown}: all names under {word}.{outer} belong to {outer}")


def _names(name: str, datacenter: str, domains: Sequence[str]) -> list[str]:
    """Return the names of a node that work, of each domain the short one and the one with its datacenter."""
    found: dict[str, None] = {}
    for origin in domains:
        labels = labels_of(origin) or ()
        short = labels_of(f"{name}.node.{origin}")
        for spelt in (short, node_owner(name, datacenter, labels)):
            if spelt is not None:
                found[presentation(packed_name(spelt)).removesuffix(".")] = None
    return list(found)


def _fault(name: str) -> str:
    labels = [label.encode(errors="surrogateescape") for label in name.split(".")]
    if not all(labels):
        return "a dot at an end, or two in a row. Dots are for between labels."
    if any(len(label) > MAX_LABEL_BYTES for label in labels):
        return f"it being too long. Valid lengths are between 1 and {MAX_LABEL_BYTES} bytes."
    return f"it being too long. With its domain it has more than {MAX_NAME_BYTES} bytes."
