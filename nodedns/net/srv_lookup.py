"""SRV look-ups: a service's name in, the hosts and ports that offer it out.

Strategy: dnspython asks the system's resolvers, as ``/etc/resolv.conf`` names them
at that moment, its search list included. The library costs megabytes and tens of milliseconds
to load, so it is loaded by the first look-up, in a thread.

Targets come back in the order of RFC 2782: by priority, and by chance according to
weight within. Their addresses are the caller's to look up.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import attrs
import trio

from nodedns.errors import JoinError, shorten

__all__ = ["MAX_TARGETS", "SrvTarget", "look_up_srv", "order_targets"]

MAX_TARGETS = 64
"""Targets of one name that are used; ours, so that a hostile zone cannot make us dial for ever."""


@attrs.frozen
class SrvTarget:
    """One record.

    Attributes:
        priority: Lower is tried first.
        weight: Share among those of one priority.
        host: The target's name, without the final dot; empty for the root.
        port: The service's port there.
    """

    priority: int
    weight: int
    host: str
    port: int


def order_targets(targets: Sequence[SrvTarget], rng: Random) -> list[SrvTarget]:
    """Return ``targets`` in the order in which RFC 2782 has a client try them."""
    # Those of weight 0 in front, so that they have a small chance of their own.
    remaining = sorted(targets, key=lambda target: (target.priority, target.weight > 0))
    ordered = []
    while remaining:
        group = [target for target in remaining if target.priority == remaining[0].priority]
        chosen = group[-1]
        drawn = rng.randint(0, sum(target.weight for target in group))
        for target in group:
            drawn -= target.weight
            if drawn <= 0:
                chosen = target
                break
        remaining.remove(chosen)
        ordered.append(chosen)
    return ordered


async def look_up_srv(
    name: str, timeout_s: float, rng: Random, *, server: tuple[str, int] | None = None
) -> list[SrvTarget]:
    """Return the targets of the service ``name``, at most ``MAX_TARGETS``, in the order in which to try them.

    Args:
        name: ``_service._proto.domain``; relative names are looked up as the system looks up hosts.
        timeout_s: Longest look-up, retries included.
        rng: For the order.
        server: Address and port of the resolver; None: the system's.

    Raises:
        JoinError: There are none; the reason says why.
    """
    try:
        with trio.fail_after(timeout_s):
            targets = await _ask(name, timeout_s, server)
    except trio.TooSlowError:
        raise JoinError([(name, f"looking up {shorten(name)} took longer than {timeout_s:g}s")]) from None
    # RFC 2782: "A Target of "." means that the service is decidedly not available at this domain."
    offered = [target for target in targets if target.host]
    if not offered:
        raise JoinError([(name, "its SRV record says that the service is not available there")])
    return order_targets(offered, rng)[:MAX_TARGETS]


async def _ask(name: str, timeout_s: float, server: tuple[str, int] | None) -> list[SrvTarget]:
    await trio.to_thread.run_sync(_load, abandon_on_cancel=True)
    import dns.asyncresolver  # noqa: PLC0415 - see the module's docstring
    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        resolver = dns.asyncresolver.Resolver(configure=server is None)
        if server is not None:
            resolver.nameservers = [server[0]]
            resolver.port = server[1]
        answer = await resolver.resolve(name, "SRV", lifetime=timeout_s, search=server is None)
    except dns.resolver.NXDOMAIN:
        reason = "there is no such name"
    except dns.resolver.NoAnswer:
        reason = "the name has no SRV records"
    except dns.resolver.LifetimeTimeout:
        raise trio.TooSlowError from None
    except (dns.exception.DNSException, OSError, UnicodeError) as problem:
        reason = str(problem) or type(problem).__name__
    else:
        return [
            SrvTarget(found.priority, found.weight, found.target.to_text(omit_final_dot=True).strip("."), found.port)
            for found in answer
        ]
    raise JoinError([(name, f"looking up SRV records of {shorten(name)} failed: {shorten(reason)}")])


def _load() -> None:
    import dns.asyncresolver  # noqa: PLC0415 - see the module's docstring
    import dns.rdtypes.IN.SRV  # noqa: F401, PLC0415 - dnspython itself would load it on the event loop
