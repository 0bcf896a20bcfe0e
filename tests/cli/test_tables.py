from __future__ import annotations

from nodedns.cli.tables import format_pairs, format_table, join_host_port


def test_columns_are_two_blanks_apart_and_the_last_is_not_padded() -> None:
    table = format_table(("Node", "ID", "DC"), [("agent-one", "1", "dc1"), ("b", "", "a-long-one")])
    assert ["Node       ID  DC", "agent-one  1   dc1", "b              a-long-one"] == table.split("\n")


def test_pairs_are_sorted() -> None:
    assert "a=1,b=2" == format_pairs({"b": "2", "a": "1"}, ",")


def test_ipv6_host_is_in_brackets() -> None:
    assert ("[::1]:8301", "127.0.0.1:8301") == (join_host_port("::1", 8301), join_host_port("127.0.0.1", 8301))
