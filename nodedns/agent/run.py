"""``run_agent``: an agent as a process, from configuration to exit code.

Signals follow Consul's rules. SIGINT leaves the pool first unless
``skip_leave_on_interrupt`` (by default servers skip, clients leave); SIGTERM
leaves if ``leave_on_terminate`` (by default clients leave, servers do not). A
leave has 15 s; a second signal ends the agent at once. Exit code 0 after a
graceful leave, else 1; but 0 for SIGTERM under a service manager, which would take 1 for a failure of
a stop that it asked for. SIGHUP has the configuration read again.

Source: Consul's command/agent.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from random import Random

import trio

from nodedns.agent.agent import EXIT_FAILED, EXIT_OK, Agent
from nodedns.agent.banner import banner
from nodedns.agent.file_watch import fingerprint, follow_files
from nodedns.agent.garbage import freeze_what_stays
from nodedns.agent.listeners import bind_listeners
from nodedns.agent.memory import open_memory
from nodedns.config.reload import ReadAgain
from nodedns.config.schema import AgentConfig
from nodedns.errors import AgentError
from nodedns.net.inherited import Inherited, take_inherited
from nodedns.net.service_manager import ServiceManager
from nodedns.observe.logs import configure, logger
from nodedns.observe.metrics import Metrics

__all__ = ["GRACEFUL_LEAVE_S", "leaves_on", "prepare_agent", "run_agent"]

GRACEFUL_LEAVE_S = 15.0
"""Longest graceful leave (Consul's gracefulTimeout)."""
SEED_BYTES = 16

_LOG = logger("agent")


def run_agent(config: AgentConfig, read_again: ReadAgain | None = None) -> int:
    """Run one agent until it is stopped; return the process's exit code.

    Prints the banner and the log on stdout, a failure to start in one line on stderr.

    Args:
        config: Checked and complete.
        read_again: Reads it anew; None if that cannot be done.
    """
    configure(config.log_level, as_json=config.log_json, stream=sys.stdout)
    manager = ServiceManager.take_from(os.environ, os.getpid(), time.monotonic)
    try:
        inherited = take_inherited(os.environ, os.getpid())
        with ExitStack() as stack:
            stack.callback(inherited.close)
            if config.pid_file is not None:
                stack.enter_context(_pid_file(config))
            return trio.run(_serve, config, read_again, inherited, manager)
    except AgentError as problem:
        sys.stderr.write(f"==> {problem}\n")
        return EXIT_FAILED


@contextmanager
def prepare_agent(
    config: AgentConfig,
    read_again: ReadAgain | None = None,
    inherited: Inherited | None = None,
    manager: ServiceManager | None = None,
) -> Iterator[tuple[Agent, str]]:
    """Yield an agent with its directory locked and its sockets bound, and its banner.

    Args:
        config: Checked and complete.
        read_again: Reads it anew; None if that cannot be done.
        inherited: Sockets that it serves besides those configured.
        manager: Is told how the agent is.

    Raises:
        AgentError: A port is taken, or the data directory cannot be used.
    """
    metrics = Metrics()
    with open_memory(config, metrics, os.urandom) as memory:
        listeners = bind_listeners(config, inherited)
        try:
            agent = Agent(
                config,
                memory,
                listeners,
                metrics,
                rng=Random(os.urandom(SEED_BYTES)),
                entropy=os.urandom,
                wall_clock=time.time,
                read_again=read_again,
                manager=manager,
            )
            yield agent, banner(config, memory.node_id, listeners, is_encrypted=agent.is_encrypted)
        finally:
            listeners.close()


async def _serve(
    config: AgentConfig, read_again: ReadAgain | None, inherited: Inherited, manager: ServiceManager
) -> int:
    # Before anything else: what changes from now on is to be read again.
    files = fingerprint(config.watched_paths) if config.auto_reload_config else ()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        with prepare_agent(config, read_again, inherited, manager) as (agent, banner_text):
            if not config.log_json:
                sys.stdout.write(banner_text)
                sys.stdout.flush()
            for warning in config.warnings:
                _LOG.warning(warning)
            if config.advertise_note:
                _LOG.info("chose the address to advertise", address=config.advertise_addr, why=config.advertise_note)
            # What is here by now stays. Looking through it again and again for garbage would take 50 ms each time,
            # in which no ping is answered.
            gc.collect()
            gc.freeze()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_obey_signals, agent, config, signals, nursery, manager.is_there)
                if config.auto_reload_config:
                    nursery.start_soon(follow_files, lambda: agent.watched_paths, agent.reload, files)
                with freeze_what_stays(time.perf_counter):
                    await agent.run()
                nursery.cancel_scope.cancel()
        _LOG.info("Exit code", code=agent.exit_code)
        return agent.exit_code


def leaves_on(signum: int, config: AgentConfig) -> bool:
    """Whether this signal makes the agent leave the pool before it stops."""
    if signum == signal.SIGINT:
        return not config.skip_leave_on_interrupt
    return config.leave_on_terminate


async def _obey_signals(
    agent: Agent, config: AgentConfig, signals: AsyncIterator[int], nursery: trio.Nursery, is_managed: bool
) -> None:
    async for signum in signals:
        _LOG.info("Caught signal", signal=signal.Signals(signum).name)
        if signum == signal.SIGHUP:
            # In a task of its own: while files are read, the next signal may be to stop.
            nursery.start_soon(_reload, agent)
        elif leaves_on(signum, config):
            await _leave_gracefully(agent, signals)
            return
        else:
            _LOG.info("Graceful shutdown disabled. Exiting")
            agent.stop(EXIT_OK if is_managed and signum == signal.SIGTERM else EXIT_FAILED)
            return


async def _reload(agent: Agent) -> None:
    # The log has it already, and there is nobody else to tell.
    with suppress(AgentError):
        await agent.reload()


async def _leave_gracefully(agent: Agent, signals: AsyncIterator[int]) -> None:
    _LOG.info("Gracefully shutting down agent...")

    async def watch_for_second(scope: trio.CancelScope) -> None:
        async for signum in signals:
            if signum != signal.SIGHUP:
                _LOG.info("Caught second signal, Exiting")
                scope.cancel()
                return

    limit_at = trio.current_time() + GRACEFUL_LEAVE_S
    with trio.move_on_at(limit_at) as limit:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_for_second, limit)
            await agent.leave()
            nursery.cancel_scope.cancel()
    if limit.cancelled_caught:
        if trio.current_time() >= limit_at:
            _LOG.warning("Timeout on graceful leave. Exiting")
        agent.stop(EXIT_FAILED)
    else:
        _LOG.info("Graceful exit completed")
        agent.stop(EXIT_OK)


@contextmanager
def _pid_file(config: AgentConfig) -> Iterator[None]:
    path = config.pid_file
    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{os.getpid()}\n", encoding="ascii")
    except OSError as error:
        raise AgentError(f"cannot write the pid file {path}: {error.strerror}; change it with -pid-file") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
