"""Any bytes as a DNS message, over UDP and TCP, of a cluster that is known and one that is not.

``nodedns.testing.dns_checks`` says what must hold of each reply.
"""

from __future__ import annotations

from functools import cache

from nodedns.dns.question import Transport
from nodedns.dns.responder import Drop, QueryContext
from nodedns.testing.dns_checks import checked_reply, checked_stream, sample_context

__all__ = ["checked_query"]


@cache
def _contexts() -> tuple[QueryContext, ...]:
    strangers = [sample_context(transport, is_known=is_known) for transport in Transport for is_known in (True, False)]
    return (*strangers, *(sample_context(transport, may_transfer=True) for transport in Transport))


def checked_query(data: bytes) -> str:
    """Ask ``data``, alone, as a stream, and as a message of a stream; return the response code, or ``drop``.

    Raises:
        AssertionError: Something does not hold; any other error is one, too.
    """
    contexts = _contexts()
    first, *_ = [checked_reply(data, context) for context in contexts]
    checked_stream(data, contexts[0])
    checked_stream(len(data).to_bytes(2, "big") + data, contexts[0])
    return "drop" if isinstance(first, Drop) else first.rcode.name
