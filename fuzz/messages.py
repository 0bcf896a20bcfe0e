"""Fuzz messages of replication, filters and registrations with atheris, as ``respond.py`` does queries.

    python fuzz/messages.py fuzz/messages -max_total_time=600

``nodedns.testing.message_checks`` says what an input is and what must hold. What breaks it goes to
``fuzz/messages`` under a name that says what it shows.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["nodedns.api", "nodedns.replica"]):
    from nodedns.testing.message_checks import checked_message


def one_input(data: bytes) -> None:
    checked_message(data)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
