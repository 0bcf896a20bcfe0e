"""``TARGETS``: every kind of input that somebody else may send us, by the name of its fuzz target.

A target is a function of any bytes, which says in a word what they turned out to be, and
raises if anything does not hold. ``fuzz/run.py`` calls it with what atheris makes up, the tests with what is
kept in ``fuzz/corpus`` under the target's name and with what Hypothesis makes of that. Its file is
imported when it is asked for, so that atheris can look into what it imports.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Final

import attrs

__all__ = ["TARGETS", "Check", "Target"]

Check = Callable[[bytes], str]
"""Takes any bytes and says what they were; raises if anything does not hold of them."""


@attrs.frozen
class Target:
    """One kind of input.

    Attributes:
        about: What the bytes are, and who sends them.
        max_bytes: How long an input is made up to be.
    """

    about: str
    max_bytes: int
    _place: str

    def check(self) -> Check:
        """Import the target's file and return its function."""
        module, _, name = self._place.partition(":")
        found: Check = getattr(importlib.import_module(f"nodedns.testing.{module}"), name)
        return found


TARGETS: Final[Mapping[str, Target]] = {
    "queries": Target("DNS over UDP and TCP, from anybody", 700, "fuzzing.queries:checked_query"),
    "packed": Target("DNS queries, answered with packed answers and without", 400, "fuzzing.packed:checked_packed"),
    "transfers": Target(
        "DNS queries signed with a key of ours, AXFR and IXFR among them", 600, "fuzzing.transfers:checked_transfer"
    ),
    "upstream": Target("what a recursor replies", 900, "fuzzing.upstream:checked_upstream"),
    "notify": Target("what a secondary replies to NOTIFY", 300, "fuzzing.notices:checked_notice"),
    "http": Target("the bytes of an HTTP connection", 900, "fuzzing.connections:checked_connection"),
    "requests": Target("any request to the HTTP API", 1_200, "fuzzing.requests:checked_request"),
    "filters": Target("filter expressions of the HTTP API", 300, "fuzzing.expressions:checked_filter"),
    "gossip": Target(
        "datagrams and streams of gossip, from members and strangers", 1_400, "fuzzing.gossip:checked_gossip"
    ),
    "replica": Target("messages of replication, from members", 2_000, "fuzzing.replication:checked_replica"),
    "config": Target("a configuration file, HCL or JSON", 1_500, "fuzzing.configuration:checked_config"),
    "files": Target(
        "files of the data directory: snapshot, keyring, log of records", 900, "fuzzing.files:checked_file"
    ),
}
