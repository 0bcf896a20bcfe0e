"""``RealRunner``: runs one check of any kind that needs programs or sockets."""

from __future__ import annotations

from nodedns.checks.kinds import GrpcKind, H2PingKind, HttpKind, OsServiceKind, RunKind, ScriptKind, TcpKind, UdpKind
from nodedns.checks.outcome import Outcome
from nodedns.net.check_connect import Connector
from nodedns.net.check_h2 import run_grpc, run_h2ping
from nodedns.net.check_http import run_http
from nodedns.net.check_script import ProgramChecks
from nodedns.net.check_socket import run_tcp, run_udp

__all__ = ["RealRunner"]


class RealRunner:
    """``CheckRunner`` of this machine. Make it where trio runs.

    Args:
        programs: Runs those that are programs.
    """

    def __init__(self, programs: ProgramChecks | None = None) -> None:
        self._programs = programs or ProgramChecks()
        self._connector = Connector()

    def refusal(self, kind: RunKind) -> str:
        """Return why checks of this kind cannot be run here; empty if they can."""
        return self._programs.os_service_refusal() if isinstance(kind, OsServiceKind) else ""

    async def run(self, kind: RunKind, timeout_s: float, limit_bytes: int) -> Outcome:
        """Run once; see ``CheckRunner``."""
        match kind:
            case ScriptKind():
                return await self._programs.run_script(kind, timeout_s, limit_bytes)
            case OsServiceKind():
                return await self._programs.run_os_service(kind, timeout_s, limit_bytes)
            case HttpKind():
                return await run_http(kind, self._connector, timeout_s, limit_bytes)
            case TcpKind():
                return await run_tcp(kind, self._connector, timeout_s, limit_bytes)
            case UdpKind():
                return await run_udp(kind, self._connector, timeout_s, limit_bytes)
            case GrpcKind():
                return await run_grpc(kind, self._connector, timeout_s, limit_bytes)
            case H2PingKind():
                return await run_h2ping(kind, self._connector, timeout_s, limit_bytes)
