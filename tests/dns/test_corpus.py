"""Everything that the fuzzer is seeded with, and whatever it found, gets a reply that holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext
from nodedns.testing.dns_checks import checked_reply, checked_stream, sample_context
from nodedns.testing.source_tree import project_root

CORPUS = sorted((project_root(Path(__file__)) / "fuzz" / "corpus" / "queries").glob("*.bin"))
PROGRAMS = {"dig", "kdig", "nsupdate", "dnspython", "unbound"}


@pytest.fixture(scope="module")
def contexts() -> list[QueryContext]:
    strangers = [sample_context(transport, is_known=is_known) for transport in Transport for is_known in (True, False)]
    return [*strangers, *(sample_context(transport, may_transfer=True) for transport in Transport)]


def test_every_program_has_seeds() -> None:
    assert {path.stem.partition("-")[0] for path in CORPUS} >= PROGRAMS


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_seed_gets_a_reply_that_holds(path: Path, contexts: list[QueryContext]) -> None:
    wire = path.read_bytes()
    for context in contexts:
        checked_reply(wire, context)
        for end in range(len(wire)):
            checked_reply(wire[:end], context)
    assert 1 == checked_stream(len(wire).to_bytes(2, "big") + wire, contexts[0])
