"""``LiveAccess``: who may use the HTTP API, and with which certificate it is served, as of now.

It is what a reload of the configuration replaces: certificates are read anew from the same files, too.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime

from nodedns.agent.listeners import Listeners
from nodedns.api.access import AccessRules, Right
from nodedns.config.schema import AgentConfig
from nodedns.net.http_server import AgentActions, HttpServer
from nodedns.net.tls import TlsParams, expiry_of, server_context
from nodedns.observe.logs import logger
from nodedns.observe.metrics import Metrics

__all__ = ["LiveAccess"]

WARN_BEFORE_S = 7 * 86_400.0
"""A certificate that ends sooner is told of whenever it is read; many are made anew a month before."""

_LOG = logger("http")


class LiveAccess:
    """The rules in force, and the server that obeys them.

    Args:
        config: The first configuration.
        wall_clock: Seconds since 1970.

    Raises:
        AgentError: A file of ``tls.https`` cannot be used.
    """

    def __init__(self, config: AgentConfig, wall_clock: Callable[[], float]) -> None:
        self._rules = config.access
        self._wall_clock = wall_clock
        self._context = self._make_context(config.https)
        self._http: HttpServer | None = None

    @property
    def rules(self) -> AccessRules:
        """Who may do what."""
        return self._rules

    def denies_names(self) -> bool:
        """Whether DNS clients may not read our names."""
        return self._rules.dns < Right.READ

    def make_server(
        self, config: AgentConfig, listeners: Listeners, actions: AgentActions, metrics: Metrics
    ) -> HttpServer | None:
        """Return the HTTP server, which ``update`` then reaches; None where HTTP is off."""
        if listeners.http or listeners.https:
            self._http = HttpServer(
                listeners.http,
                actions,
                metrics,
                config.http,
                secured=listeners.https,
                context=self._context,
                wall_clock=self._wall_clock,
            )
        return self._http

    def prepare(self, config: AgentConfig) -> Callable[[], None]:
        """Read the files of another configuration; return what makes it hold.

        It then holds from the next request and connection on; those under way end by the old one.

        Raises:
            AgentError: A file of ``tls.https`` cannot be used.
        """
        context = self._make_context(config.https)

        def commit() -> None:
            self._rules = config.access
            self._context = context or self._context
            if self._http is not None:
                self._http.update(config.http, context)

        return commit

    def _make_context(self, params: TlsParams | None) -> ssl.SSLContext | None:
        if params is None:
            return None
        context = server_context(params)
        expires = expiry_of(params)
        if expires.timestamp() - self._wall_clock() < WARN_BEFORE_S:
            if expires <= datetime.fromtimestamp(self._wall_clock(), UTC):
                _LOG.warning("the certificate has expired", file=params.cert_file, expired=expires.isoformat())
            else:
                _LOG.warning("the certificate expires soon", file=params.cert_file, expires=expires.isoformat())
        return context
