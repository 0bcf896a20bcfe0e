"""``Checker``: runs the checks of this agent, each when it is due, and says what came of them.

Strategy: every check that is run has a task of its own, which sleeps for a random part of
the interval first, so that a thousand checks of one file do not run at once; then it runs,
then it sleeps an interval. At most ``MAX_RUNNING_CHECKS`` run at a time, the rest wait in the
order in which they came due, before their time-out begins. A TTL is a task that sleeps until
it has passed. Aliases are looked at anew when the agent says that services changed.

What fails in a check is that check's result: an exception makes it critical and is logged
once, and neither other checks nor the agent hear of it.

Does not decide what a check may be, does not keep what a check said over a restart, and
does not register anything: it reports, and whoever hears that registers.

Source: Consul's agent/checks.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

import attrs
import trio

from nodedns.checks.alias import alias_outcome
from nodedns.checks.definition import CheckDefinition
from nodedns.checks.kinds import AliasKind, RunKind, TtlKind
from nodedns.checks.outcome import Outcome, RememberedState, cut_note
from nodedns.checks.rules import REAP_EVERY_S, CriticalSince, Thresholds, expired_output, first_delay_s
from nodedns.errors import DefinitionError
from nodedns.model.check import CheckStatus
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import CHECKS_REGISTERED, CHECKS_RUN, CHECKS_RUNNING, CHECKS_WAITING, Metrics
from nodedns.table.service_rows import NodeServices

__all__ = ["MAX_RUNNING_CHECKS", "CheckRunner", "Checker", "Report"]

MAX_RUNNING_CHECKS = 128
"""Checks that run at once; ours: with a pipe, a process and a socket each, well under the 1,024 files of a service."""
MAX_CHECKS = 16_384
"""Checks of one agent; ours, at 10 s each more than one core can ask for."""
ALIAS_PAUSE_S = 0.1
"""Between two looks at every alias; a burst of changes is looked at once."""


class Report(Protocol):
    """Hears what a check says from now on; called where nothing may block."""

    def __call__(self, check_id: str, status: CheckStatus, output: str) -> None:
        """Take it."""
        ...


class CheckRunner(Protocol):
    """Does what a check says, once."""

    def refusal(self, kind: RunKind) -> str:
        """Return why checks of this kind cannot be run here; empty if they can."""
        ...

    async def run(self, kind: RunKind, timeout_s: float, limit_bytes: int) -> Outcome:
        """Run once, in about ``timeout_s`` at most; what goes wrong is an outcome. Cancelled, it leaves nothing behind.

        Args:
            kind: What to do.
            timeout_s: After which it is given up.
            limit_bytes: How much of the output is kept.
        """
        ...


@attrs.define(eq=False)
class _Kept:
    """One check in the making of its agent."""

    definition: CheckDefinition
    thresholds: Thresholds
    said: Outcome
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    expiry: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    has_failed_oddly: bool = False


class Checker:
    """Runs checks.

    Args:
        runner: Runs one.
        report: Told whenever what a check says has changed, words included.
        on_overdue: Told the ID of a check that has been critical for so long that its service is to go.
        node_services: Finds what is registered on a node; an empty name is this agent's.
        rng: Draws when checks are first run.
        metrics: Where runs are counted.
    """

    def __init__(
        self,
        *,
        runner: CheckRunner,
        report: Report,
        on_overdue: Callable[[str], None],
        node_services: Callable[[str], NodeServices | None],
        rng: Random,
        metrics: Metrics,
    ) -> None:
        self._runner = runner
        self._report = report
        self._on_overdue = on_overdue
        self._node_services = node_services
        self._rng = rng
        self._metrics = metrics
        self._log = RemoteLog(logger("checks"), trio.current_time)
        self._kept: dict[str, _Kept] = {}
        self._critical = CriticalSince()
        self._limiter = trio.CapacityLimiter(MAX_RUNNING_CHECKS)
        self._services_changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        metrics.set_by(CHECKS_REGISTERED, lambda: len(self._kept))
        metrics.set_by(CHECKS_RUNNING, lambda: self._limiter.borrowed_tokens)
        metrics.set_by(CHECKS_WAITING, lambda: self._limiter.statistics().tasks_waiting)

    # --- what is checked -------------------------------------------------------------

    def refusal(self, definition: CheckDefinition) -> str:
        """Return why a check cannot be run by this agent; empty if it can. Ask before registering it."""
        if definition.id not in self._kept and len(self._kept) >= MAX_CHECKS:
            return f"this agent has {MAX_CHECKS} checks already"
        kind = definition.kind
        return "" if isinstance(kind, TtlKind | AliasKind) else self._runner.refusal(kind)

    def start(self, definition: CheckDefinition, remembered: RememberedState | None = None) -> Outcome:
        """Run a check from now on, in place of any of its ID; one that is run as it is already goes on undisturbed.

        Args:
            definition: The check.
            remembered: What it said before a restart; it says so again until it is run.

        Returns:
            What it says at first. It is not reported.

        Raises:
            DefinitionError: It cannot be run by this agent.
        """
        present = self._kept.get(definition.id)
        if present is not None and present.definition == definition:
            return present.said
        refusal = self.refusal(definition)
        if refusal:
            raise DefinitionError(refusal)
        self.stop(definition.id)
        kept = _Kept(definition, Thresholds(definition), _first_said(definition, remembered))
        if isinstance(definition.kind, TtlKind):
            left_s = remembered.ttl_left_s if remembered is not None and remembered.ttl_left_s > 0 else None
            kept.expiry.deadline = trio.current_time() + (definition.kind.ttl_s if left_s is None else left_s)
        elif isinstance(definition.kind, AliasKind):
            kept.said = self._look_at(definition, definition.kind)
        self._kept[definition.id] = kept
        self._critical.note(definition, kept.said.status, trio.current_time())
        if self._nursery is not None:
            self._nursery.start_soon(self._keep, kept)
        return kept.said

    def stop(self, check_id: str) -> None:
        """Run a check no more; a run under way is broken off. An unknown one is no error."""
        kept = self._kept.pop(check_id, None)
        self._critical.forget(check_id)
        if kept is not None:
            kept.scope.cancel()

    def update_ttl(self, check_id: str, status: CheckStatus, output: str) -> bool:
        """Take what somebody says of a check with a TTL; its time begins anew.

        Returns:
            Whether there is such a check, and it has a TTL.
        """
        kept = self._kept.get(check_id)
        if kept is None or not isinstance(kept.definition.kind, TtlKind):
            return False
        kept.expiry.deadline = trio.current_time() + kept.definition.kind.ttl_s
        self._say(kept, Outcome(status, cut_note(output, kept.definition.output_limit)))
        return True

    def state(self, check_id: str) -> RememberedState | None:
        """Return what a check says, to be given to ``start`` after a restart; None for an unknown one."""
        kept = self._kept.get(check_id)
        if kept is None:
            return None
        left_s = 0.0
        if isinstance(kept.definition.kind, TtlKind) and kept.expiry.deadline < float("inf"):
            left_s = max(0.0, kept.expiry.deadline - trio.current_time())
        return RememberedState(kept.said.status, kept.said.output, left_s)

    def services_changed(self) -> None:
        """What is registered somewhere has changed: aliases are to be looked at."""
        self._services_changed.set()

    # --- tasks -----------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run checks until cancelled, those started before too."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                nursery.start_soon(self._follow_aliases)
                nursery.start_soon(self._reap)
                for kept in self._kept.values():
                    nursery.start_soon(self._keep, kept)
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    async def _keep(self, kept: _Kept) -> None:
        with kept.scope:
            match kept.definition.kind:
                case TtlKind():
                    await self._watch_expiry(kept)
                case AliasKind():
                    pass  # looked at with all others
                case kind:
                    await self._run_for_ever(kept, kind)

    async def _run_for_ever(self, kept: _Kept, kind: RunKind) -> None:
        await trio.sleep(first_delay_s(kept.definition, self._rng))
        while True:
            async with self._limiter:
                outcome = await self._run_once(kept, kind)
            self._metrics.count(CHECKS_RUN, 1, type=kept.definition.type, status=outcome.status.value)
            said = kept.thresholds.apply(outcome)
            if said is not None:
                self._say(kept, said)
            await trio.sleep(kept.definition.run_interval_s)

    async def _run_once(self, kept: _Kept, kind: RunKind) -> Outcome:
        definition = kept.definition
        try:
            outcome = await self._runner.run(kind, definition.timeout_s, definition.output_limit)
        except Exception as error:
            if not kept.has_failed_oddly:
                logger("checks").exception("check failed in a way that nobody foresaw", error, check=definition.id)
            kept.has_failed_oddly = True
            return Outcome(CheckStatus.CRITICAL, cut_note(f"{type(error).__name__}: {error}", definition.output_limit))
        kept.has_failed_oddly = False
        return outcome

    async def _watch_expiry(self, kept: _Kept) -> None:
        while True:
            with kept.expiry:
                await trio.sleep_forever()
            # A new deadline may have been set in the turn in which the old one passed.
            deadline, kept.expiry = kept.expiry.deadline, trio.CancelScope()
            if trio.current_time() < deadline:
                kept.expiry.deadline = deadline
            else:
                self._say(kept, Outcome(CheckStatus.CRITICAL, expired_output(kept.said.output)))

    async def _follow_aliases(self) -> None:
        while True:
            await self._services_changed.wait()
            self._services_changed = trio.Event()
            for kept in list(self._kept.values()):
                if isinstance(kept.definition.kind, AliasKind):
                    self._say(kept, self._look_at(kept.definition, kept.definition.kind))
            await trio.sleep(ALIAS_PAUSE_S)

    async def _reap(self) -> None:
        while True:
            await trio.sleep(REAP_EVERY_S)
            for check_id in self._critical.overdue(trio.current_time()):
                self._on_overdue(check_id)

    # --- what is said ----------------------------------------------------------------

    def _look_at(self, definition: CheckDefinition, kind: AliasKind) -> Outcome:
        own = self._node_services("")
        found = self._node_services(kind.node) if kind.node else own
        is_own = found is not None and found is own
        node = kind.node if found is None else found.row.name
        outcome = alias_outcome(kind, node, found, definition.id if is_own else "")
        return Outcome(outcome.status, cut_note(outcome.output, definition.output_limit))

    def _say(self, kept: _Kept, said: Outcome) -> None:
        if said == kept.said or self._kept.get(kept.definition.id) is not kept:
            return
        has_turned = said.status is not kept.said.status
        kept.said = said
        self._critical.note(kept.definition, said.status, trio.current_time())
        if has_turned and said.status is not CheckStatus.PASSING:
            self._log.warning("check is not passing", kept.definition.id, status=said.status.value)
        self._report(kept.definition.id, said.status, said.output)


def _first_said(definition: CheckDefinition, remembered: RememberedState | None) -> Outcome:
    is_forgotten = remembered is None or (isinstance(definition.kind, TtlKind) and remembered.ttl_left_s <= 0)
    if remembered is None or is_forgotten:
        return Outcome(definition.status)
    return Outcome(remembered.status, remembered.output)
