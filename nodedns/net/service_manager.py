"""``ServiceManager``: whoever started the agent and wants to know how it is: systemd, by its notify protocol.

Strategy: one datagram for each message, to the Unix socket that ``NOTIFY_SOCKET`` names (``@`` for an abstract one).
The agent never waits for it: what the socket does not take is told in the log, once. The
variables are removed when they are read, so that a check's script cannot speak for the agent. Without
them there is nobody to be told, and everything here does nothing.

Does not decide when the agent is ready or well (``agent/supervision.py``).

Source: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5) on ``Type=notify-reload``.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, MutableMapping

from nodedns.net.transport import errno_name
from nodedns.observe.logs import logger

__all__ = ["MAX_STATUS_CHARS", "ServiceManager"]

MAX_STATUS_CHARS = 200
"""Ours: what ``systemctl status`` shows of it in one line of a wide terminal."""
MICROSECONDS = 1_000_000

_LOG = logger("agent")


class ServiceManager:
    """Tells the service manager what the agent is about.

    Args:
        address: Path of its socket, or ``@`` and an abstract name; empty for none.
        watchdog_s: Within how many seconds it wants to hear of a sign of life, again and again; None for never.
        monotonic: Seconds of ``CLOCK_MONOTONIC``, which it compares with its own.
    """

    def __init__(self, address: str, watchdog_s: float | None, monotonic: Callable[[], float]) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._monotonic = monotonic
        self._is_failing = False
        self._is_stopping = False

    @classmethod
    def take_from(
        cls, environment: MutableMapping[str, str], pid: int, monotonic: Callable[[], float]
    ) -> ServiceManager:
        """Return the one that ``environment`` names, whose variables are removed from it.

        Args:
            environment: Variables; those that are malformed, or meant for another process, count as not there.
            pid: Our process ID.
            monotonic: Seconds of ``CLOCK_MONOTONIC``.
        """
        address = environment.pop("NOTIFY_SOCKET", "")
        period = environment.pop("WATCHDOG_USEC", "")
        watched = environment.pop("WATCHDOG_PID", str(pid))
        is_for_us = watched == str(pid) and period.isascii() and period.isdigit()
        watchdog_s = int(period) / MICROSECONDS if is_for_us else 0.0
        # Other kinds of addresses, such as vsock:, are for virtual machines as a whole.
        return cls(address if address[:1] in {"/", "@"} else "", watchdog_s or None, monotonic)

    @property
    def is_there(self) -> bool:
        """Whether anybody wants to be told."""
        return bool(self._address)

    @property
    def sign_every_s(self) -> float | None:
        """Seconds between two signs of life: half of the time that it waits; None where it waits for none."""
        return self._watchdog_s / 2 if self.is_there and self._watchdog_s else None

    def ready(self, status: str) -> None:
        """Tell that the agent serves, for the first time or again after ``reloading``."""
        self._tell("READY=1", _status(status))

    def reloading(self) -> None:
        """Tell that the configuration is being read; ``ready`` tells of its end, well or not."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={int(self._monotonic() * MICROSECONDS)}")

    def status(self, text: str) -> None:
        """Tell in one line how the agent is; longer than ``MAX_STATUS_CHARS`` is cut."""
        self._tell(_status(text))

    def alive(self) -> None:
        """Give a sign of life."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell that the agent is about to end; a second time does nothing."""
        if not self._is_stopping:
            self._is_stopping = True
            self._tell("STOPPING=1", _status("stopping"))

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(os.fsencode("\n".join(lines)), self._address)
        except (OSError, ValueError) as error:
            if not self._is_failing:
                reason = errno_name(error) if isinstance(error, OSError) else str(error)
                _LOG.warning("the service manager cannot be told", told=lines[0], error=reason)
            self._is_failing = True
        else:
            self._is_failing = False


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:MAX_STATUS_CHARS]}"
