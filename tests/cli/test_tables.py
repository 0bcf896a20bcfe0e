from __future__ import annotations

from nodedns.cli.tables import format_pairs, format_table, join_host_port, printable


def test_columns_are_two_blanks_apart_and_the_last_is_not_padded() -> None:
    table = format_table(("Node", "ID", "DC"), [("agent-one", "1", "dc1"), ("b", "", "a-long-one")])
    assert ["Node       ID  DC", "agent-one  1   dc1", "b              a-long-one"] == table.split("\n")


def test_pairs_are_sorted() -> None:
    assert "a=1,b=2" == format_pairs({"b": "2", "a": "1"}, ",")


def test_ipv6_host_is_in_brackets() -> None:
    assert ("[::1]:8301", "127.0.0.1:8301") == (join_host_port("::1", 8301), join_host_port("127.0.0.1", 8301))


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert r"a\x1b[2J\n\x9b\u202eü" == printable("a\x1b[2J\n\x9b\u202eü")
    assert r"a\udcff" == printable("a\udcff")


def test_characters_may_be_kept() -> None:
    assert "a\nb\\r" == printable("a\nb\r", kept="\n")


def test_table_obeys_no_name() -> None:
    assert r"\x1bc  1" == format_table(("Node", "ID"), [("\x1bc", "1")]).split("\n")[1]
