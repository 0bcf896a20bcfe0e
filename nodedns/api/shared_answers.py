"""``SharedAnswers``: responses made for one who waited, and used for all who waited for the same.

Strategy: two requests want the same if their paths and parameters are equal, apart from those that say how long to
wait and for what. The index of the result stands with them: it moves whenever the result does, so
looks at different moments never share what has changed in between.

Kept for as long as those who waited for one change are answered, never longer.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from nodedns.api.request import Request, Response

__all__ = ["SharedAnswers"]

_OF_WAITING = frozenset({"index", "wait"})

_Same = tuple[str, tuple[tuple[str, str], ...], int]


@attrs.define
class SharedAnswers:
    """Those made so far."""

    _made: dict[_Same, Response] = attrs.field(factory=dict, init=False)

    def response(self, request: Request, index: int, make: Callable[[], Response]) -> Response:
        """Return the response to ``request`` that there is, or one made now.

        Args:
            request: Its headers and its sender have no part in the answer.
            index: Of the result.
            make: Makes the response.
        """
        same = (request.path, request.parameters.without(_OF_WAITING), index)
        made = self._made.get(same)
        if made is None:
            made = self._made[same] = make()
        return made
