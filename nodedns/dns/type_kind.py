"""Names of service types: ``_NAME._TAG``, which RFC 2782 has SRV records at, without the word ``service``.

Every type is answered as at ``_NAME._TAG.service``. The label of a tag alone exists and is empty, whether or not
any service has the tag, for the reason that ``service_kind`` gives.
"""

from __future__ import annotations

from nodedns.dns.asked import Asked
from nodedns.dns.name import Labels
from nodedns.dns.rrset import Answer
from nodedns.dns.service_kind import answer_service

__all__ = ["answer_type"]

PAIR = 2


def answer_type(asked: Asked, query: Labels) -> Answer:
    """Answer for ``query``, whose last label is underscored."""
    if len(query) == 1:
        return asked.no_data(None)
    if len(query) > PAIR or not query[0].startswith(b"_"):
        return asked.no_name()
    return answer_service(asked, query)
