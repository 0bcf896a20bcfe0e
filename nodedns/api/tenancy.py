"""Namespaces and partitions: there is one of each, ``default``, and what is asked of any other is refused.

Passed over, a question about another namespace would get ours as its answer, and a registration would land where nobody
meant it to. Consul's open edition refuses them too, ``default`` included; here that is what everything is in anyway.

Peers are ``Narrowing``'s: nothing is imported from any, so they have nothing.

Source: Consul agent/http_oss.go (parseEntMeta, parseEntMetaPartition).
"""

from __future__ import annotations

from nodedns.api.request import Request
from nodedns.errors import ApiError

__all__ = ["refuse_other_tenants"]

DEFAULT = "default"
KINDS = (("Namespaces", "ns", "X-Consul-Namespace"), ("Partitions", "partition", "X-Consul-Partition"))
"""What it is called, the parameter and the header that name one."""


def refuse_other_tenants(request: Request) -> None:
    """Raise 400, in Consul's words, for a namespace or partition that is not ``default``."""
    for kind, parameter, header in KINDS:
        if _is_other(request.headers.get(header.lower(), "")):
            raise ApiError(400, f'Invalid header: "{header}" - {kind} are a Consul Enterprise feature')
        if _is_other(request.parameters.first(parameter)):
            raise ApiError(400, f'Invalid query parameter: "{parameter}" - {kind} are a Consul Enterprise feature')


def _is_other(name: str) -> bool:
    return bool(name) and name.lower() != DEFAULT
