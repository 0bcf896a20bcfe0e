"""``LiveAccess``: who may use the HTTP API, as of now; what a reload of the configuration replaces."""

from __future__ import annotations

from nodedns.api.access import AccessRules, Right
from nodedns.config.schema import AgentConfig
from nodedns.net.http_server import HttpServer

__all__ = ["LiveAccess"]


class LiveAccess:
    """The rules in force, and where else they hold.

    Args:
        config: The first configuration.
        http: The server that the limits are for; None where HTTP is off.
    """

    def __init__(self, config: AgentConfig, http: HttpServer | None) -> None:
        self._rules = config.access
        self._http = http

    @property
    def rules(self) -> AccessRules:
        """Who may do what."""
        return self._rules

    def denies_names(self) -> bool:
        """Whether DNS clients may not read our names."""
        return self._rules.dns < Right.READ

    def update(self, config: AgentConfig) -> None:
        """Obey another configuration from the next request on; requests under way end by the old one."""
        self._rules = config.access
        if self._http is not None:
            self._http.update(config.http)
