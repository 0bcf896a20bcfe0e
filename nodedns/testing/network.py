"""``SimNetwork``: a network in virtual time, with every fault that UDP and TCP users meet.

Loss, delay with a slow tail, duplication, reordering, a largest packet, slow
hosts, one-way and full partitions; streams (``streams.py``) suffer the same
faults as delays. Each host draws from a ``Random`` of its own, so what one
sends never shifts what happens to another's packets; hosts draw in the order
in which they send, so a seed replays.

It knows nothing of gossip or trio: a ``Scheduler`` provides time, an
``Endpoint`` takes what arrives. Nothing is ever delivered inside ``send``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Protocol

import attrs

from nodedns.model.address import Address
from nodedns.testing.chance import seeded_random
from nodedns.testing.scheduler import Scheduler
from nodedns.testing.streams import StreamEnd

__all__ = ["Conditions", "Endpoint", "NetworkStatistics", "Port", "SimNetwork"]

MAX_UDP_PAYLOAD_BYTES = 65_507  # what IPv4 can carry
CONNECT_RETRY_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # Linux repeats a SYN at these distances


@attrs.frozen(kw_only=True)
class Conditions:
    """How a link treats packets. Shares are 0..1, times are seconds.

    The defaults are those of a quiet local network.
    """

    delay_s: float = 0.0005
    """Median one-way delay; each packet draws from half to one and a half of it."""
    slow_share: float = 0.01
    """Share of packets in the slow tail."""
    slow_factor: float = 20.0
    """How much longer these take."""
    loss: float = 0.0
    """Share of packets lost."""
    duplicate_share: float = 0.0
    """Share of packets that arrive twice."""
    reorder_share: float = 0.0
    """Share of packets that others overtake."""
    reorder_delay_s: float = 0.02
    """How long those are held back."""
    mtu_bytes: int = MAX_UDP_PAYLOAD_BYTES
    """Largest datagram payload that passes; larger ones vanish."""


@attrs.frozen
class NetworkStatistics:
    """Datagrams counted over all hosts; bytes are those of their payloads."""

    sent: int
    delivered: int
    lost: int
    sent_bytes: int


class Endpoint(Protocol):
    """A process that has bound a port."""

    def receive_datagram(self, payload: bytes, source: Address) -> None:
        """Take a datagram."""
        ...

    def receive_stream(self, end: StreamEnd) -> None:
        """Take a stream that another host opened."""
        ...


class Port:
    """An endpoint's hold on the network, from ``SimNetwork.attach`` until ``close``."""

    def __init__(self, network: SimNetwork, address: Address, endpoint: Endpoint, rng: Random) -> None:
        self.address = address
        self.endpoint = endpoint
        self.rng = rng
        self.is_open = True
        self.is_listening = True
        self._network = network
        self._streams: dict[int, StreamEnd] = {}

    def send(self, payload: bytes, destination: Address) -> None:
        """Send a datagram; it arrives later, more than once, or never."""
        self._network.send(self, payload, destination)

    def connect(
        self, destination: Address, on_connected: Callable[[StreamEnd], None], on_refused: Callable[[], None]
    ) -> None:
        """Open a stream; neither callback comes while the hosts cannot reach each other."""
        self._network.connect(self, destination, on_connected, on_refused, 0)

    def close(self) -> None:
        """Leave the network as a process does that is killed: its streams are reset."""
        self.is_open = False
        self._network.detach(self)
        for end in list(self._streams.values()):
            end.reset()

    def hold(self, end: StreamEnd) -> None:
        """Remember an open stream, so that ``close`` resets it."""
        self._streams[id(end)] = end

    def release(self, end: StreamEnd) -> None:
        """Forget a stream that is closed."""
        self._streams.pop(id(end), None)


class SimNetwork:
    """All hosts, the links between them, and what is wrong with these.

    Args:
        scheduler: Gives the time and calls back.
        seed: Of all chance in the network.
        conditions: How links treat packets unless told otherwise.
        on_delivery: Called with (time, source, destination, payload) of each datagram that arrives.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        seed: int | str,
        conditions: Conditions | None = None,
        on_delivery: Callable[[float, Address, Address, bytes], None] | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.conditions = conditions or Conditions()
        self._seed = seed
        self._on_delivery = on_delivery
        self._ports: dict[Address, Port] = {}
        self._attached = 0
        self._links: dict[tuple[Address, Address], Conditions] = {}
        self._cuts: list[tuple[frozenset[Address], frozenset[Address]]] = []
        self._slow: dict[Address, float] = {}
        self._sent = 0
        self._delivered = 0
        self._lost = 0
        self._sent_bytes = 0

    def attach(self, address: Address, endpoint: Endpoint) -> Port:
        """Bind ``endpoint`` to ``address``. Raises ``ValueError`` if the address is taken."""
        if address in self._ports:
            raise ValueError(f"{address} is taken")
        self._attached += 1
        # A restarted host goes on with other chances than it began with.
        port = Port(self, address, endpoint, seeded_random(self._seed, "net", address, self._attached))
        self._ports[address] = port
        return port

    def detach(self, port: Port) -> None:
        """Free the port's address; detaching twice does nothing."""
        if self._ports.get(port.address) is port:
            del self._ports[port.address]

    def port_at(self, address: Address) -> Port | None:
        """Return who has ``address``, or None."""
        return self._ports.get(address)

    def statistics(self) -> NetworkStatistics:
        """Return a snapshot of the counters."""
        return NetworkStatistics(self._sent, self._delivered, self._lost, self._sent_bytes)

    # --- faults ---------------------------------------------------------------------------------

    def set_link(self, source: Address, destination: Address, conditions: Conditions) -> None:
        """Treat packets from ``source`` to ``destination`` (that way only) by ``conditions``."""
        self._links[source, destination] = conditions

    def cut(self, sources: Iterable[Address], destinations: Iterable[Address], *, one_way: bool = False) -> None:
        """Let nothing pass from ``sources`` to ``destinations``, nor back unless ``one_way``."""
        here, there = frozenset(sources), frozenset(destinations)
        self._cuts.append((here, there))
        if not one_way:
            self._cuts.append((there, here))

    def slow(self, address: Address, extra_s: float) -> None:
        """Delay everything to and from ``address`` by ``extra_s`` more; 0 ends it."""
        self._slow.pop(address, None)
        if extra_s > 0:
            self._slow[address] = extra_s

    def set_loss(self, loss: float) -> None:
        """Lose this share of packets on every link that has no conditions of its own."""
        self.conditions = attrs.evolve(self.conditions, loss=loss)

    def heal(self) -> None:
        """End cuts, slowness, loss and every link's own conditions."""
        self._cuts.clear()
        self._slow.clear()
        self._links.clear()
        self.set_loss(0.0)

    # --- packets --------------------------------------------------------------------------------

    def send(self, port: Port, payload: bytes, destination: Address) -> None:
        """Send a datagram from ``port``; see ``Port.send``."""
        self._sent += 1
        self._sent_bytes += len(payload)
        conditions = self._conditions_between(port.address, destination)
        if len(payload) > conditions.mtu_bytes:
            self._lost += 1
            return
        delay_s = self._pass(port, destination, conditions)
        if delay_s is None:
            self._lost += 1
            return
        scheduler = self.scheduler
        now = scheduler.now
        scheduler.call_at(now + delay_s, self._deliver, port.address, payload, destination)
        if conditions.duplicate_share and port.rng.random() < conditions.duplicate_share:
            again_s = delay_s + conditions.delay_s * port.rng.random()
            scheduler.call_at(now + again_s, self._deliver, port.address, payload, destination)

    def segment_delay(self, source: Address, destination: Address) -> float | None:
        """Draw the delay of one stream segment; None when it is lost."""
        port = self._ports.get(source)
        if port is None:
            # A killed process: its kernel still says goodbye, without a share in the drawing of lots.
            return None if self.is_cut(source, destination) else self.conditions.delay_s
        return self._pass(port, destination, self._conditions_between(source, destination))

    def is_cut(self, source: Address, destination: Address) -> bool:
        """Whether a partition keeps ``source`` from reaching ``destination``."""
        return any(source in here and destination in there for here, there in self._cuts)

    def connect(
        self,
        port: Port,
        destination: Address,
        on_connected: Callable[[StreamEnd], None],
        on_refused: Callable[[], None],
        attempt: int,
    ) -> None:
        """Open a stream from ``port``; see ``Port.connect``."""
        if not port.is_open:
            return
        there_s = self.segment_delay(port.address, destination)
        # The answer is drawn now too: a host that cannot answer is as good as not reached.
        back_s = None if there_s is None or self.is_cut(destination, port.address) else there_s
        if there_s is not None and back_s is not None:
            when = self.scheduler.now + there_s + back_s
            self.scheduler.call_at(when, self._shake_hands, port, destination, on_connected, on_refused)
        elif attempt < len(CONNECT_RETRY_S):
            when = self.scheduler.now + CONNECT_RETRY_S[attempt]
            self.scheduler.call_at(when, self.connect, port, destination, on_connected, on_refused, attempt + 1)

    def _shake_hands(
        self,
        port: Port,
        destination: Address,
        on_connected: Callable[[StreamEnd], None],
        on_refused: Callable[[], None],
    ) -> None:
        if not port.is_open:
            return
        other = self._ports.get(destination)
        if other is None or not other.is_listening:
            on_refused()
            return
        near = StreamEnd(self, port.address, destination, port.release)
        far = StreamEnd(self, destination, port.address, other.release)
        near.join(far)
        port.hold(near)
        other.hold(far)
        other.endpoint.receive_stream(far)
        on_connected(near)

    def _deliver(self, source: Address, payload: bytes, destination: Address) -> None:
        port = self._ports.get(destination)
        if port is None:
            self._lost += 1
            return
        self._delivered += 1
        if self._on_delivery is not None:
            self._on_delivery(self.scheduler.now, source, destination, payload)
        port.endpoint.receive_datagram(payload, source)

    def _conditions_between(self, source: Address, destination: Address) -> Conditions:
        if not self._links:
            return self.conditions
        return self._links.get((source, destination), self.conditions)

    # Returns the delay, or None for lost. The hot path of every simulation: draws only what can matter.
    def _pass(self, port: Port, destination: Address, conditions: Conditions) -> float | None:
        draw = port.rng.random
        if self._cuts and self.is_cut(port.address, destination):
            return None
        if conditions.loss and draw() < conditions.loss:
            return None
        delay_s = conditions.delay_s * (0.5 + draw())
        if draw() < conditions.slow_share:
            delay_s *= conditions.slow_factor
        if conditions.reorder_share and draw() < conditions.reorder_share:
            delay_s += conditions.reorder_delay_s
        if self._slow:
            delay_s += self._slow.get(port.address, 0.0) + self._slow.get(destination, 0.0)
        return delay_s
