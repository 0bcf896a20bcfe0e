"""``Examiner``: gathers all facts, in three steps that each are done in a known time.

First the agent over HTTP, which says where its DNS is and what it answers for; then that DNS, which says what is true;
then everything else at once, to be held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from socket import gethostname

import attrs

from nodedns.cli.client import AgentClient
from nodedns.cli.doctor.dns_client import Kind
from nodedns.cli.doctor.examine_agent import ANY_HOST, AgentSays, ask_agent, examine_peers
from nodedns.cli.doctor.examine_host import examine_host
from nodedns.cli.doctor.examine_servers import Plan, examine_reverse, examine_server
from nodedns.cli.doctor.examine_start import examine_start, load_given
from nodedns.cli.doctor.facts import AgentFacts, Facts, HostFacts, ServerFacts, StartFacts, Subject
from nodedns.cli.doctor.listening import Listeners
from nodedns.cli.doctor.patience import Patience, at_once
from nodedns.cli.doctor.subject import subject_of
from nodedns.cli.endpoint import DEFAULT_ADDRESS
from nodedns.cli.tables import join_host_port
from nodedns.config.schema import AgentConfig

__all__ = ["MAX_S", "Examiner"]

MAX_S = 60.0
"""The whole examination; the steps below stay within it where no server is silent twice."""
CONNECT_S = 3.0
AGENT_S = 12.0
OWN_DNS_S = 12.0
DEFAULT_DOMAIN = "consul"
FRESH_NETWORK = 0x2D000000
"""Addresses of the name that nobody has asked for before: 45.0.0.0/8, which no resolver takes for a private one."""


class Examiner:
    """Examines a host and its agent, once.

    Args:
        name: What to look up, in full or short; None for the agent's own name.
        http_addr: Where the agent is; None for where it usually is.
        paths: Its configuration, for what does not run.
        clock: Monotonic seconds.
        wall_clock: Seconds since 1970.
        rng: Makes a name that nobody asked for before.
        tell: Told what is being looked at.

    Raises:
        CommandError: The agent's address, or a file that the client was told to use, cannot be used.
    """

    def __init__(
        self,
        name: str | None,
        http_addr: str | None,
        paths: Sequence[Path],
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        rng: Random,
        tell: Callable[[str], None],
    ) -> None:
        self._name = name
        self._config, self._problems = load_given(paths)
        self._client = AgentClient.from_flag(http_addr, default=_http_of(self._config), connect_s=CONNECT_S)
        self._patience = Patience(clock, MAX_S)
        self._wall_clock = wall_clock
        self._rng = rng
        self._tell = tell
        self._listeners = Listeners()

    def examine(self) -> Facts:
        """Return the facts."""
        says = self._ask_agent()
        subject = subject_of(self._name, says.facts.node, says.domains)
        servers, kind = self._own_dns(says, subject)
        says = attrs.evolve(says, facts=attrs.evolve(says.facts, dns=servers))
        missing = ""
        if subject.is_chosen and says.facts.is_reached and says.facts.denies:
            # The way is examined with a name that is there.
            missing, subject = subject.name, subject_of(None, says.facts.node, says.domains)
            servers, kind = self._own_dns(says, subject)
            says = attrs.evolve(says, facts=attrs.evolve(says.facts, dns=servers))
        agent, host = self._everything_else(says, subject, kind)
        return Facts(subject=subject, missing=missing, agent=agent, host=host, start=self._start(agent))

    def _ask_agent(self) -> AgentSays:
        where = self._client.endpoint.unix_path or self._client.endpoint.authority
        self._tell(f"asking the agent at {where}")
        ask = partial(ask_agent, self._client, self._listeners, self._patience, self._wall_clock)
        says = at_once({"agent": ask}, self._patience, AGENT_S).get("agent")
        if says is None:
            says = AgentSays(facts=AgentFacts(where=where, error=f"no whole answer within {AGENT_S:g} s"))
        return says if says.facts.is_reached else self._stopped(says)

    def _stopped(self, says: AgentSays) -> AgentSays:
        """Return what is known of an agent that cannot be asked."""
        config = self._config
        if config is None:
            return attrs.evolve(says, facts=attrs.evolve(says.facts, node=gethostname()), domains=(DEFAULT_DOMAIN,))
        return attrs.evolve(
            says,
            facts=attrs.evolve(says.facts, node=config.node_name),
            domains=(config.domain, *config.alt_domains),
            dns=tuple((ANY_HOST.get(host, host), config.dns_port) for host in config.dns_addrs),
        )

    def _own_dns(self, says: AgentSays, subject: Subject) -> tuple[tuple[ServerFacts, ...], Kind]:
        """Return how the agent's DNS answers, and of which kind the subject's addresses are."""
        servers = self._ask_own_dns(says, Plan(name=subject.name))
        kind = Kind.A
        if servers and all(server.udp.outcome == server.tcp.outcome == "no records" for server in servers):
            kind = Kind.AAAA
            servers = self._ask_own_dns(says, Plan(name=subject.name, kind=kind))
        found = AgentFacts(where="", dns=servers).found
        if found:
            servers = tuple(examine_reverse(server, found[0], self._patience) for server in servers)
        return servers, kind

    def _ask_own_dns(self, says: AgentSays, plan: Plan) -> tuple[ServerFacts, ...]:
        self._tell(f"asking the agent's own DNS for {plan.name}")
        jobs = {
            address: partial(examine_server, *address, plan, self._listeners, self._patience) for address in says.dns
        }
        return tuple(at_once(jobs, self._patience, OWN_DNS_S).values())

    def _everything_else(self, says: AgentSays, subject: Subject, kind: Kind) -> tuple[AgentFacts, HostFacts]:
        found = says.facts.found
        fresh = f"{FRESH_NETWORK | self._rng.getrandbits(24):08x}.addr.{subject.domain}"
        plan = Plan(
            name=subject.name,
            kind=kind,
            fresh=fresh if says.facts.finds else "",
            reverse_of=found[0] if found else "",
        )
        self._tell(f"asking this host's resolvers for {subject.name}, and looking at the peers")
        wanted = subject.short or subject.name
        jobs: dict[str, Callable[[], AgentFacts | HostFacts]] = {
            "agent": partial(examine_peers, self._client, says, wanted, self._patience, self._wall_clock),
            "host": partial(examine_host, subject, plan, self._listeners, self._patience),
        }
        done = at_once(jobs, self._patience, MAX_S)
        agent, host = done.get("agent"), done.get("host")
        return (
            agent if isinstance(agent, AgentFacts) else says.facts,
            host if isinstance(host, HostFacts) else HostFacts(),
        )

    def _start(self, agent: AgentFacts) -> StartFacts | None:
        is_given = self._config is not None or bool(self._problems)
        if agent.is_reached or agent.status:
            # Its ports are its own; what is wrong with its files shows at the next start or reload.
            return StartFacts(is_configured=True, problems=self._problems) if is_given else None
        return examine_start(self._config, self._problems, self._listeners)


def _http_of(config: AgentConfig | None) -> str:
    """Return where the agent of a configuration serves HTTP."""
    if config is None or not config.http_addrs:
        return DEFAULT_ADDRESS
    host = config.http_addrs[0]
    return host if host.startswith("unix://") else join_host_port(ANY_HOST.get(host, host), config.http_port)
