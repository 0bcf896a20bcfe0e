"""From a configuration to the ``LocalServices`` of its agent, with what runs their checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from nodedns.agent.check_keeper import CheckKeeper, Hearing
from nodedns.agent.live_table import LiveTable
from nodedns.agent.local_services import LocalParams, LocalServices
from nodedns.agent.memory import Memory
from nodedns.agent.own_node import Catalog
from nodedns.agent.reloading import Prepare
from nodedns.config.schema import AgentConfig
from nodedns.model.names import NodeName
from nodedns.net.check_runner import RealRunner
from nodedns.net.checker import Checker
from nodedns.observe.metrics import Metrics

__all__ = ["local_services_part", "make_local_services"]


def make_local_services(
    config: AgentConfig,
    memory: Memory,
    catalog: Catalog,
    table: LiveTable,
    *,
    rng: Random,
    metrics: Metrics,
    wall_clock: Callable[[], float],
) -> LocalServices:
    """Return the services of an agent, as they were when it last ran. Blocks; for the start.

    Raises:
        DataDirError: What is kept of them cannot be read.
    """

    def make_checker(hearing: Hearing) -> CheckKeeper:
        return Checker(
            runner=RealRunner(),
            report=hearing.report,
            on_overdue=hearing.on_overdue,
            node_services=lambda name: table.view.node_services(name or config.node_name),
            rng=rng,
            metrics=metrics,
        )

    params = LocalParams(
        node=NodeName(config.node_name),
        scripts=config.scripts,
        update_interval_s=config.check_update_interval_s,
        output_max_size=config.check_output_max_size,
    )
    made = LocalServices(
        params, memory.local_services, catalog, table, make_checker=make_checker, wall_clock=wall_clock
    )
    for _ in local_services_part(made)(config)() or ():
        pass
    return made


def local_services_part(services: LocalServices) -> Prepare:
    """Return what prepares the definitions of other files."""

    def take(config: AgentConfig) -> Iterator[None]:
        services.discard_output(is_on=config.discard_check_output)
        return services.reload_definitions(config.services, config.checks)

    return lambda config: partial(take, config)
