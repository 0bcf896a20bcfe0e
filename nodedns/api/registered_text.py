"""What the texts of a registration must be, with the words of a refusal; how long they may be says ``model/limits``."""

from __future__ import annotations

from collections.abc import Mapping

from nodedns.errors import ApiError, shorten
from nodedns.model.limits import MAX_NAME_CHARS, pairs_excess, text_excess

__all__ = ["check_pairs", "check_text", "refuse_excess"]


def check_text(key: str, text: str, most: int = MAX_NAME_CHARS) -> None:
    """Raise ``ApiError`` 400 for a text of more than ``most`` characters, or one that could move a cursor."""
    refuse_excess(text_excess(key, (text,), most))
    if not text.isprintable():
        raise ApiError(400, f"{key} holds characters that cannot be printed")


def check_pairs(pairs: Mapping[str, str], all_of_them: str, one: str) -> None:
    """Raise ``ApiError`` 400 for a map beyond Consul's limits.

    Args:
        pairs: The map.
        all_of_them: What the map is called in a refusal.
        one: What a pair is called there.
    """
    if "" in pairs:
        raise ApiError(400, f"Couldn't load {one} ('', {shorten(pairs[''])}): Key cannot be blank")
    refuse_excess(pairs_excess(pairs, all_of_them, one))


def refuse_excess(excess: str) -> None:
    """Raise ``ApiError`` 400 with what is beyond a limit; nothing is where it is empty."""
    if excess:
        raise ApiError(400, excess)
