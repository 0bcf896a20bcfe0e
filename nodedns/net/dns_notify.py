"""``Notifier``: a ``NotifyDesk`` on UDP sockets.

Strategy: one socket for each of our addresses that secondaries know us by, with a port that
the kernel draws; it sends, and it hears the responses. A secondary takes NOTIFY
from its primaries' addresses alone, so what goes to it must come from an address
where we serve DNS: one of its own family, a loopback address only for a secondary on this
machine. Where DNS is served on every address, the kernel chooses by route.

A socket that cannot be had or a datagram that cannot be sent is told in the log and tried again when
the desk has it sent again. Source: RFC 1996 section 3.10, RFC 5452 section 9.2.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Sequence

import trio

from nodedns.dns.name import Labels, packed_name, presentation
from nodedns.dns.notify import Heard, NotifyDesk, Recipient, Verdict
from nodedns.dns.question import Rcode
from nodedns.errors import BindError
from nodedns.model.address import Address
from nodedns.net.udp import UdpTransport, bind_udp
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import DNS_NOTIFIES, DNS_NOTIFIES_WAITING, Metrics

__all__ = ["Notifier", "source_for"]

FLAG = "-client"
_DNS = logger("dns")


def source_for(recipient: ipaddress.IPv4Address | ipaddress.IPv6Address, own_hosts: Sequence[str]) -> str:
    """Return the address of ours from which a secondary is told.

    Args:
        recipient: The secondary.
        own_hosts: Where DNS is served, as text, perhaps with a scope.

    Returns:
        One of ``own_hosts``, or the unspecified address of the secondary's family: the kernel is to choose.
    """
    any_address = "0.0.0.0" if recipient.version == 4 else "::"  # noqa: S104 - a port of the kernel's choice, for responses
    known = [(host, ipaddress.ip_address(host)) for host in own_hosts]
    if any(ip.is_unspecified and ip.version in {recipient.version, 6} for _, ip in known):
        return any_address
    ours = [(host, ip) for host, ip in known if ip.version == recipient.version]
    ours.sort(key=lambda each: each[1].is_loopback != recipient.is_loopback)
    if not ours or (ours[0][1].is_loopback and not recipient.is_loopback):
        return any_address
    return ours[0][0]


class Notifier:
    """Tells secondaries, for as long as it runs.

    Args:
        desk: Decides what is sent when.
        own_hosts: Where DNS is served.
        metrics: Counts.
        wall_clock: Seconds since 1970.
    """

    def __init__(
        self, desk: NotifyDesk, own_hosts: Sequence[str], metrics: Metrics, wall_clock: Callable[[], float]
    ) -> None:
        self._desk = desk
        self._own_hosts = own_hosts
        self._metrics = metrics
        self._wall_clock = wall_clock
        self._transports: dict[str, UdpTransport] = {}
        self._woken = trio.Event()
        self._silent: tuple[Address, ...] = ()
        self._remote_log = RemoteLog(_DNS, trio.current_time)
        metrics.set_by(DNS_NOTIFIES_WAITING, lambda: desk.statistics().waiting)

    def update(self, recipients: Sequence[Recipient]) -> None:
        """Tell these from now on."""
        self._desk.update_recipients(recipients, trio.current_time())
        self._woken.set()

    def publish(self, origin: Labels, serial: int, soa: bytes) -> None:
        """Tell everybody of a zone's new serial; see ``NotifyDesk.publish``."""
        self._desk.publish(origin, serial, soa, trio.current_time())
        self._woken.set()

    def withdraw(self, origin: Labels) -> None:
        """Tell nobody of a zone any more."""
        self._desk.withdraw(origin)

    async def run(self) -> None:
        """Send, and hear what comes back, until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    self._woken = trio.Event()
                    await self._send_due(nursery)
                    due_at = self._desk.next_deadline()
                    with trio.move_on_at(math.inf if due_at is None else due_at):
                        await self._woken.wait()
        finally:
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()

    async def _send_due(self, nursery: trio.Nursery) -> None:
        for notification in self._desk.datagrams_to_send(trio.current_time(), self._wall_s()):
            transport = self._transport_to(notification.address, nursery)
            if transport is not None:
                failed = transport.statistics().send_errors
                await transport.send(notification.data, notification.address)
                if transport.statistics().send_errors != failed:
                    self._warn_unsent(notification.address, transport.error_counts())
            self._metrics.count(DNS_NOTIFIES, event="repeated" if notification.is_repeated else "sent")
        self._tell_silence()

    def _transport_to(self, address: Address, nursery: trio.Nursery) -> UdpTransport | None:
        host = source_for(address.ip, self._own_hosts)
        transport = self._transports.get(host)
        if transport is None:
            try:
                transport = self._transports[host] = UdpTransport(bind_udp(host, 0, FLAG))
            except BindError as problem:
                self._remote_log.warning("no socket for NOTIFY", address.host, error=problem)
                return None
            nursery.start_soon(self._listen, transport)
        return transport

    def _warn_unsent(self, address: Address, errors: dict[str, int]) -> None:
        self._remote_log.warning("NOTIFY cannot be sent", address.host, errors=",".join(errors))

    def _wall_s(self) -> int:
        return int(self._wall_clock())

    # --- what comes back --------------------------------------------------------------

    async def _listen(self, transport: UdpTransport) -> None:
        while True:
            data, source = await transport.receive()
            self._note(self._desk.receive_untrusted(data, source, self._wall_s()), source)

    def _note(self, heard: Heard, source: Address) -> None:
        self._metrics.count(DNS_NOTIFIES, event=heard.verdict.value)
        if heard.verdict is Verdict.STRAY:
            return
        zone, serial, rcode = presentation(packed_name(heard.origin)), heard.serial, _rcode_text(heard.rcode)
        host = str(source)
        if not heard.is_news:
            _DNS.debug("secondary responds to NOTIFY", secondary=source, zone=zone, serial=serial, rcode=rcode)
        elif heard.verdict is Verdict.ACKNOWLEDGED:
            _DNS.info("secondary acknowledges NOTIFY", secondary=source, zone=zone, serial=serial)
        elif heard.verdict is Verdict.REFUSED:
            self._remote_log.warning("secondary refuses NOTIFY", host, zone=zone, serial=serial, rcode=rcode)
        else:
            self._remote_log.warning("response to NOTIFY lacks the signature", host, zone=zone, rcode=rcode)
        self._tell_silence()

    def _tell_silence(self) -> None:
        before, self._silent = self._silent, self._desk.statistics().silent
        for address in self._silent:
            if address not in before:
                _DNS.warning("secondary does not answer NOTIFY", secondary=address)
        for address in before:
            if address not in self._silent:
                _DNS.info("secondary answers NOTIFY again, or is told no more", secondary=address)


def _rcode_text(rcode: int) -> str:
    try:
        return Rcode(rcode).name
    except ValueError:
        return f"RCODE{rcode}"
