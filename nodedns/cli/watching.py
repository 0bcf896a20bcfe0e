"""``Watch``: asks an agent for one list again and again, by blocking queries, and yields it whenever it has changed.

Strategy: the rules that Consul gives its clients. A query waits for the index to move; an index that
goes back begins anew, one below 1 counts as 1, and a list that is the same as before is none to tell of. An agent that
cannot be asked, as while it restarts, is asked again after a pause that doubles up to half a minute.

Speaks HTTP only, through ``AgentClient``. Source: Consul's api/watch/plan.go, api-docs/features/blocking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from nodedns.cli.client import AgentClient, ClientError

__all__ = ["Change", "Watch"]

WAIT_S = 60
"""How long one query waits: an agent that is gone without a word is noticed within that."""
SPREAD_S = 14
"""What an agent may take longer: a sixteenth of the wait, and the time to answer."""
MIN_ROUND_S = 0.1
"""Pause after each answer, so that an agent that answers at once is not asked without end."""
FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 30.0


class Change(NamedTuple):
    """One state of the list.

    Attributes:
        modified_at: The agent's index of this state.
        value: The JSON value.
    """

    modified_at: int
    value: Any


class Watch:
    """One list.

    Args:
        client: Of the agent.
        path: Of the list.
        query: Its parameters.
        pause: Waits so many seconds.
        complain: Told each time the agent cannot be asked.
    """

    def __init__(
        self,
        client: AgentClient,
        path: str,
        query: Sequence[tuple[str, str]],
        *,
        pause: Callable[[float], object],
        complain: Callable[[str], None],
    ) -> None:
        self._client = client
        self._path = path
        self._query = tuple(query)
        self._pause = pause
        self._complain = complain

    def changes(self) -> Iterator[Change]:
        """Yield the list as it is, and then each time that it is another; never ends.

        Raises:
            ClientError: The agent cannot be asked the first time, or what it is asked is wrong (400, 403, 404).
        """
        last: Change | None = None
        index, failures = 0, 0
        while True:
            try:
                value, found = self._ask(index)
            except ClientError as error:
                if last is None or error.status in (400, 403, 404):
                    raise
                failures += 1
                pause_s = min(FIRST_PAUSE_S * 2 ** (failures - 1), MAX_PAUSE_S)
                self._complain(f"{str(error).splitlines()[0]}; asking again in {pause_s:g} s")
                self._pause(pause_s)
                # Another agent may listen there by now, whose indexes are others.
                index = 0
                continue
            failures = 0
            index = 0 if found < index else found
            if last is None or value != last.value:
                last = Change(found, value)
                yield last
            self._pause(MIN_ROUND_S)

    def _ask(self, index: int) -> tuple[Any, int]:
        blocking = [("index", str(index)), ("wait", f"{WAIT_S}s")] if index else []
        value, found = self._client.get_indexed(self._path, [*self._query, *blocking], WAIT_S + SPREAD_S)
        return value, max(found, 1)
