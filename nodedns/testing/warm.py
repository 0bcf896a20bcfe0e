"""``start_warm``: a large cluster that is already one, without the cost of a cold join.

A cold join of n members applies some n squared claims several times over; at a
thousand that is minutes. Here one member is told of all the others, and its
push/pull state is handed to each of them, once: every table is full, and by the
same code that a real push/pull runs. What the members would now tell each other
about it all is forgotten, because everybody knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from nodedns.testing.cluster import Cluster
from nodedns.testing.exchanges import work_through

__all__ = ["start_warm"]


def start_warm(cluster: Cluster, names: Sequence[str]) -> None:
    """Start members that know each other from the first moment.

    Args:
        cluster: One on the event engine; on trio, processes start later than this returns.
        names: At least one; none of them running.
    """
    for name in names:
        cluster.start(name)
    first = names[0]
    for name in names[1:]:
        _merge(cluster, first, name, _state(cluster, name))
    state = _state(cluster, first)
    for name in names[1:]:
        _merge(cluster, name, first, state)
    for name in names:
        running = cluster.running[name]
        # Nobody but a simulation has reason to forget its news, so the core has no command for it.
        running.member.swim._queue.prune(0)  # noqa: SLF001
        running.process.wake()


def _state(cluster: Cluster, name: str) -> bytes:
    return cluster.running[name].member.swim.encode_local_state(is_join=False)


def _merge(cluster: Cluster, name: str, source: str, state: bytes) -> None:
    exchange = cluster.running[name].member.core.accept_stream(cluster.address(source), cluster.now)
    if exchange is None:
        raise RuntimeError(f"{name} declines a stream")
    exchange.receive_data(state, cluster.now)
    work_through(exchange, cluster.now)
    exchange.abort("the answer is not wanted", cluster.now)
