"""``log_lines``: what nodedns writes to its log while something is done.

It is written as an agent writes it, by ``configure``; afterwards nothing is kept of what is logged.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from nodedns.observe.logs import configure

__all__ = ["log_lines"]


@contextmanager
def log_lines(level: str) -> Iterator[io.StringIO]:
    """Yield the text that grows with each line.

    Args:
        level: From which on lines are written; a key of ``LEVELS``.
    """
    stream = io.StringIO()
    configure(level, as_json=False, stream=stream)
    try:
        yield stream
    finally:
        configure("error", as_json=False, stream=io.StringIO())
