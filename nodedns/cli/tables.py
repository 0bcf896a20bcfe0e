"""Tables as Consul's commands print them: columns two blanks apart, each as wide as its widest cell.

What comes from the network is printed by ``printable``, so that no name can move the cursor or colour the screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["format_pairs", "format_table", "join_host_port", "printable"]

COLUMN_GAP = "  "


def printable(text: str, kept: str = "") -> str:
    """Return ``text`` with what a terminal would obey or cannot show escaped, as Python writes it.

    Args:
        text: From the network: names, tags, answers.
        kept: Characters that stay as they are, such as a newline.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char in kept or char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table without a final newline; the last column is not padded.

    Args:
        header: The columns' titles.
        rows: Each as long as ``header``.
    """
    lines = [header, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header) - 1)]
    return "\n".join(
        COLUMN_GAP.join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]])
        for line in lines
    )


def format_pairs(pairs: Mapping[str, str], separator: str) -> str:
    """Return ``k=v`` of each pair, sorted by key and joined by ``separator``."""
    return separator.join(f"{key}={pairs[key]}" for key in sorted(pairs))


def join_host_port(host: str, port: int) -> str:
    """Return ``host:port``, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
