"""Any bytes as a file of the data directory, for a disk or an administrator may have written anything.

The first byte says which file the rest is: Serf's snapshot, the keyring, or a log of records. What is understood of it
is written anew and read again, and is the same.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import attrs

from nodedns.errors import GossipWireError
from nodedns.gossip.keyring import Keyring
from nodedns.net.record_log import RecordLog
from nodedns.observe.metrics import Metrics
from nodedns.serf.keyring_file import decode_keyring_file_untrusted, encode_keyring_file
from nodedns.serf.lamport import MAX_LTIME, Clocks
from nodedns.serf.snapshot import SnapshotLog, parse_address_text, replay_snapshot
from nodedns.testing.fuzzing.demands import demand

__all__ = ["checked_file"]

KINDS = 3


def checked_file(data: bytes) -> str:
    """Read ``data``; return which file it was.

    Raises:
        AssertionError: Something does not hold; any other error is one, too.
    """
    kind, content = (data[0] if data else 0) % KINDS, data[1:]
    if kind == 0:
        for rejoin_after_leave in (False, True):
            _check_snapshot(content, rejoin_after_leave=rejoin_after_leave)
        return "snapshot"
    if kind == 1:
        return _check_keyring(content)
    _check_records(content)
    return "records"


def _check_snapshot(content: bytes, *, rejoin_after_leave: bool) -> None:
    state = replay_snapshot(content, rejoin_after_leave=rejoin_after_leave)
    clocks = Clocks()
    clocks.resume(state.clock, state.event_clock, state.query_clock)
    demand(max(clocks.member.time, clocks.event.time, clocks.query.time) <= MAX_LTIME, "a clock beyond its end")
    for text in (*state.alive.values(), *state.failed.values()):
        address = parse_address_text(text)
        again = None if address is None else parse_address_text(str(address))
        demand(address is None or (again and address.same_endpoint(again)), "an address that is another as text")
    log = SnapshotLog(clocks, attrs.evolve(state, is_torn=True), 0, rejoin_after_leave=rejoin_after_leave)
    written, is_whole = log.take()
    demand(is_whole, "a torn file that is appended to")
    reread = replay_snapshot(written, rejoin_after_leave=rejoin_after_leave)
    demand(not reread.is_torn and not reread.bad_lines, "a file of ours that makes no sense")
    demand(
        (reread.alive, reread.failed) == (state.alive, state.failed), "others are remembered when it is written anew"
    )


def _check_keyring(content: bytes) -> str:
    try:
        keys = decode_keyring_file_untrusted(content)
    except GossipWireError:
        return "no keyring"
    demand(decode_keyring_file_untrusted(encode_keyring_file(keys)) == keys, "other keys in a file of ours")
    demand(Keyring(keys).primary == keys[0], "another key first")
    return "keyring"


@cache
def _folder() -> tuple[tempfile.TemporaryDirectory[str], Metrics]:
    return tempfile.TemporaryDirectory(prefix="nodedns-fuzz-"), Metrics()


def _check_records(content: bytes) -> None:
    folder, metrics = _folder()
    for path in Path(folder.name).iterdir():
        path.unlink()
    path = Path(folder.name) / "log"
    path.write_bytes(content)
    records = list(RecordLog(path, metrics).load())
    demand(sum(map(len, records)) <= len(content), "more than the file has")
    again = list(RecordLog(path, metrics).load())
    # What makes no sense is put aside at the first look, and what stood before it is told then, once.
    demand(again in (records, []), "other records at the second look")
