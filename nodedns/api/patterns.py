"""Regular expressions of HTTP clients, matched in time linear in the text.

A client's pattern is tried against every item of a list, on the one thread that gossip needs too. Python's
``re`` can take exponential time on a hostile one; RE2 cannot, and has the syntax of Go's regexp, in which
Consul's users write. How large a pattern may become is bounded as well.

Source: the documentation of RE2 (memory, program size) and of Go's regexp/syntax (error texts).
"""

from __future__ import annotations

from collections.abc import Callable

import re2

__all__ = ["BadPattern", "compile_search"]

MAX_PROGRAM = 1_000
"""Instructions of a compiled pattern; ours. One that outgrows its memory takes 2 ns for each and each character."""
MAX_MEMORY_BYTES = 1024 * 1024
"""Of one pattern with its automaton; an eighth of RE2's own default."""

# RE2's words for an error, and Go's.
_GO_WORDS = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
}


class BadPattern(ValueError):
    """A pattern is none, or is too large; the text says why, as Go would."""


def compile_search(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether ``pattern`` matches anywhere in a text.

    Raises:
        BadPattern: RE2 refuses it, or it is beyond a bound.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY_BYTES
    try:
        compiled = re2.compile(_encoded(pattern), options)
    except re2.error as error:
        raise BadPattern(f"error parsing regexp: {_go_text(error)}") from None
    finally:
        # The module would keep the last 128 patterns, each with the memory that it may take.
        re2.purge()
    if compiled.programsize > MAX_PROGRAM:
        raise BadPattern(f"error parsing regexp: the pattern is too large (limit: {MAX_PROGRAM} instructions)")

    def search(text: str) -> bool:
        return compiled.search(_encoded(text)) is not None

    return search


def _encoded(text: str) -> bytes:
    # What the wire brought that is no UTF-8 is kept as surrogates; a member may send any others, too.
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _go_text(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    reason, colon, where = text.partition(": ")
    return f"{_GO_WORDS.get(reason, reason)}: `{where}`" if colon else reason
