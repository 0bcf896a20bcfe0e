from __future__ import annotations

from nodedns.serf.remembered import MAX_FAILED_REMEMBERED, RememberedPeers


def test_name_is_alive_or_failed_but_not_both() -> None:
    peers = RememberedPeers({"a": "1"}, {"b": "2"})
    peers.note_failed("a", "1")
    peers.note_alive("b", "3")
    assert ({"b": "3"}, {"a": "1"}) == (peers.alive, peers.failed)
    assert 2 == len(peers)


def test_forgetting_tells_whether_there_was_anything_to_forget() -> None:
    peers = RememberedPeers({"a": "1"}, {"b": "2"})
    assert [True, True, False] == [peers.forget("a"), peers.forget("b"), peers.forget("b")]
    assert "a" not in peers
    assert "b" not in peers


def test_longest_failed_makes_room() -> None:
    peers = RememberedPeers(failed={str(number): "x" for number in range(MAX_FAILED_REMEMBERED)})
    peers.note_failed("0", "x")  # failed again, and so most lately
    peers.note_failed("new", "x")
    assert MAX_FAILED_REMEMBERED == len(peers)
    assert "1" not in peers
    assert "0" in peers
