"""Fuzz ``respond`` and the TCP framing with atheris, which looks for input that reaches code not reached before.

    python fuzz/respond.py fuzz/corpus -max_total_time=600

Every input is asked over UDP and TCP, of a cluster that is known and one that is
not, by a stranger and by a client that may have the zones, and fed as a TCP
stream; ``nodedns.testing.dns_checks`` says what must hold.
What breaks it is written to the working directory as ``crash-...``: put it into
``fuzz/corpus`` under a name that says what it shows, and mend it. Further
arguments are libFuzzer's.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["nodedns.dns", "nodedns.table"]):
    from nodedns.dns.question import Transport
    from nodedns.testing.dns_checks import checked_reply, checked_stream, sample_context

CONTEXTS = [sample_context(transport, is_known=is_known) for transport in Transport for is_known in (True, False)]
CONTEXTS += [sample_context(transport, may_transfer=True) for transport in Transport]


def one_input(data: bytes) -> None:
    for context in CONTEXTS:
        checked_reply(data, context)
    checked_stream(data, CONTEXTS[0])
    checked_stream(len(data).to_bytes(2, "big") + data, CONTEXTS[0])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
