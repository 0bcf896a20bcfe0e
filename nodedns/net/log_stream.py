"""``tell_log``: the agent's log to one HTTP client, for as long as it reads."""

from __future__ import annotations

import trio

from nodedns.api.monitor import FollowLog
from nodedns.errors import ApiError
from nodedns.net.http_lines import LINES_OF_JSON, LINES_OF_TEXT, LineStream
from nodedns.observe.followers import LogFollowers

__all__ = ["tell_log"]


async def tell_log(followers: LogFollowers, question: FollowLog, lines: LineStream) -> None:
    """Send lines as they come; never returns.

    Args:
        followers: Of the log.
        question: What the client wants of it.
        lines: The answer.

    Raises:
        ApiError: 429, there are too many followers.
    """
    woken = trio.Event()

    def wake() -> None:
        woken.set()

    with followers.following(question.level, wake, as_json=question.as_json) as follower:
        if follower is None:
            raise ApiError(429, "Too many clients follow the log")
        await lines.begin(LINES_OF_JSON if question.as_json else LINES_OF_TEXT)
        while True:
            await woken.wait()
            woken = trio.Event()
            await lines.tell(follower.take())
