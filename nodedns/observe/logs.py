"""Log lines: constant text plus ``key=value`` fields, in Consul's line format or as JSON.

Strategy: a room that may log asks ``logger("dns")`` and says
``log.info("listener is up", address=...)``. The text is constant, so that
lines can be counted and searched; everything that varies is a field. One
formatter escapes values, so no remote byte can begin a line of its own.
What a stranger can cause goes through ``RemoteLog``: at most a burst per
kind and source in each window, and a bound on everything together, which
bounds the sources remembered too; how many lines were held back is told with
the next line let through. Time comes in as a callable.

Does not rotate files, does not talk to syslog; the output is one stream.

Source: line and JSON format as Consul 1.22 prints them (hclog); the rate
limit's numbers are Linux's ``printk_ratelimit`` (a burst of 10 in 5 s).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

__all__ = [
    "LEVELS",
    "LOGGER_NAMES",
    "TRACE",
    "JsonFormatter",
    "LineFormatter",
    "Log",
    "RemoteLog",
    "also_make",
    "configure",
    "logger",
    "set_level",
]

TRACE = 5
"""Below DEBUG: every packet."""

LEVELS: Mapping[str, int] = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "err": logging.ERROR,
    "error": logging.ERROR,
}
"""Level names as ``-log-level`` takes them, in any letter case."""

LOGGER_NAMES = frozenset(
    {
        "agent",
        "checks",
        "cli",
        "config",
        "dns",
        "dns.query",
        "gossip",
        "http",
        "net",
        "replica",
        "serf",
        "snapshot",
        "table",
    }
)
"""Every name that ``logger`` may be called with; a new one is added here first."""

REMOTE_BURST = 10
"""Lines of one kind from one source in a window (Linux printk_ratelimit_burst)."""
REMOTE_WINDOW_S = 5.0
"""Length of the window in seconds (Linux printk_ratelimit)."""
REMOTE_TOTAL = 50
"""Lines of all kinds from all sources in a window; UDP sources are free to forge."""

_ROOT = "nodedns"
_FIELDS = "nodedns_fields"
_TAGS = {TRACE: "[TRACE]", logging.DEBUG: "[DEBUG]", logging.INFO: "[INFO] ", logging.WARNING: "[WARN] "}
_WORDS = {TRACE: "trace", logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warn"}
_BARE_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@%+,[]{}()<>*!?#&;|~^$'")


class Log:
    """One named logger; messages are constant text, what varies is a keyword."""

    __slots__ = ("_logger",)

    def __init__(self, wrapped: logging.Logger) -> None:
        self._logger = wrapped

    def trace(self, message: str, /, **fields: object) -> None:
        """Log one packet or step."""
        self._emit(TRACE, message, fields)

    def debug(self, message: str, /, **fields: object) -> None:
        """Log what only a developer asks for."""
        self._emit(logging.DEBUG, message, fields)

    def info(self, message: str, /, **fields: object) -> None:
        """Log membership and lifecycle."""
        self._emit(logging.INFO, message, fields)

    def warning(self, message: str, /, **fields: object) -> None:
        """Log a guarantee that was lost, for now or for one peer."""
        self._emit(logging.WARNING, message, fields)

    def error(self, message: str, /, **fields: object) -> None:
        """Log what needs a human."""
        self._emit(logging.ERROR, message, fields)

    def exception(self, message: str, error: BaseException, /, **fields: object) -> None:
        """Log an error with its traceback; for what should never happen."""
        if self._logger.isEnabledFor(logging.ERROR):
            triple = (type(error), error, error.__traceback__)
            self._logger.error(message, exc_info=triple, extra={_FIELDS: {"error": error, **fields}})

    def is_enabled(self, level: int) -> bool:
        """Whether a line of that level would be written; ask before costly fields."""
        return self._logger.isEnabledFor(level)

    def let_through(self, level: int | None) -> None:
        """Write lines of ``level`` and above whatever level ``configure`` set; with None, as that says again."""
        self._logger.setLevel(logging.NOTSET if level is None else level)

    def _emit(self, level: int, message: str, fields: Mapping[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, message, extra={_FIELDS: fields})


def logger(name: str) -> Log:
    """Return the log of one room or listener.

    Args:
        name: One of ``LOGGER_NAMES``.

    Returns:
        The log; its lines carry ``agent`` or ``agent.NAME``, as Consul's do.
    """
    if name not in LOGGER_NAMES:
        msg = f"no logger is named {name!r}; known: {', '.join(sorted(LOGGER_NAMES))}"
        raise ValueError(msg)
    return Log(logging.getLogger(f"{_ROOT}.{name}"))


def configure(level: str, *, as_json: bool, stream: TextIO) -> None:
    """Send everything nodedns logs to one stream; calling again replaces what was set.

    Args:
        level: A key of ``LEVELS``, in any letter case.
        as_json: JSON, one object a line, instead of text.
        stream: Where lines go. One that cannot be written to loses lines, never the agent.
    """
    root = logging.getLogger(_ROOT)
    for handler in list(root.handlers):
        if handler not in _also:
            root.removeHandler(handler)
    added = _StreamHandler(stream)
    added.setFormatter(JsonFormatter() if as_json else LineFormatter())
    root.addHandler(added)
    root.propagate = False
    set_level(level)


def set_level(level: str) -> None:
    """Write lines of ``level``, a key of ``LEVELS`` in any letter case, and above from now on."""
    root = logging.getLogger(_ROOT)
    for handler in root.handlers:
        if isinstance(handler, _StreamHandler):
            handler.written = LEVELS[level.lower()]
    root.setLevel(min([LEVELS[level.lower()], *_also.values()]))


def also_make(level: int | None, handler: logging.Handler) -> None:
    """Have lines of ``level`` and above made for another handler too; what is written stays as it is.

    Args:
        level: As ``logging`` has it; None to have no more made for it.
        handler: Gets the lines, finer ones too where others ask for them.
    """
    root = logging.getLogger(_ROOT)
    written = [each.written for each in root.handlers if isinstance(each, _StreamHandler)] or [root.level]
    _also.pop(handler, None)
    root.removeHandler(handler)
    if level is not None:
        _also[handler] = level
        root.addHandler(handler)
    root.setLevel(min([*written, *_also.values()]))


_also: dict[logging.Handler, int] = {}


class _StreamHandler(logging.StreamHandler[TextIO]):
    """Writes lines; a full disk or a closed pipe under the log is no reason to stop."""

    written = logging.NOTSET
    """Lines below it are made for others alone."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write what is to be written: the level's lines, and those of a logger that is let through."""
        if record.levelno >= self.written or logging.getLogger(record.name).level != logging.NOTSET:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Drop the line."""


class LineFormatter(logging.Formatter):
    """``2025-11-20T10:00:00.000Z [INFO]  agent: message: key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and the traceback's lines under it where there is one."""
        stamp = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        line = f"{stamp} {_TAGS.get(record.levelno, '[ERROR]')} {_module(record)}: {_one_line(record.getMessage())}"
        fields = _fields(record)
        if fields:
            line += ": " + " ".join(f"{key}={_quoted(value)}" for key, value in fields.items())
        if record.exc_info:
            traceback = self.formatException(record.exc_info)
            line += "".join(f"\n  | {_one_line(part)}" for part in traceback.splitlines())
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with Consul's keys ``@level @message @module @timestamp``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        entry: dict[str, Any] = {
            "@level": _WORDS.get(record.levelno, "error"),
            "@message": record.getMessage(),
            "@module": _module(record),
            "@timestamp": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        for key, value in _fields(record).items():
            entry[key] = value if isinstance(value, bool | int | float) else str(value)
        if record.exc_info:
            entry["stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields: Mapping[str, object] = getattr(record, _FIELDS, {})
    return fields


def _module(record: logging.LogRecord) -> str:
    name = record.name.removeprefix(f"{_ROOT}.")
    return "agent" if name in {"agent", _ROOT} else f"agent.{name}"


def _quoted(value: object) -> str:
    text = str(value)
    if text and _BARE_CHARS.issuperset(text):
        return text
    return json.dumps(text)


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


class RemoteLog:
    """Lines that a stranger can cause, at a bounded rate and with bounded memory.

    Args:
        log: Where lines go.
        clock: Monotonic seconds.
    """

    __slots__ = ("_clock", "_held", "_log", "_passed", "_passed_by", "_started")

    def __init__(self, log: Log, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._started = clock()
        self._passed = 0
        self._held = 0
        self._passed_by: dict[tuple[str, str], int] = {}

    def warning(self, message: str, source: str, /, **fields: object) -> bool:
        """Log a warning about what ``source`` did, unless it or everybody has said enough.

        Args:
            message: Constant text; with the source it is what is limited.
            source: Host of the sender, without its port (ports are free to change).
            fields: Further fields, already shortened.

        Returns:
            Whether the line was written.
        """
        if not self._may_pass(logging.WARNING, message, source):
            return False
        self._log.warning(message, **self._line(source, fields))
        return True

    def info(self, message: str, source: str, /, **fields: object) -> bool:
        """As ``warning``, at INFO."""
        if not self._may_pass(logging.INFO, message, source):
            return False
        self._log.info(message, **self._line(source, fields))
        return True

    def debug(self, message: str, source: str, /, **fields: object) -> bool:
        """As ``warning``, at DEBUG."""
        if not self._may_pass(logging.DEBUG, message, source):
            return False
        self._log.debug(message, **self._line(source, fields))
        return True

    def _may_pass(self, level: int, message: str, source: str) -> bool:
        if not self._log.is_enabled(level):
            return False
        now = self._clock()
        if now - self._started >= REMOTE_WINDOW_S:
            self._started = now
            self._passed = 0
            self._passed_by.clear()
        key = (message, source)
        if self._passed >= REMOTE_TOTAL or self._passed_by.get(key, 0) >= REMOTE_BURST:
            self._held += 1
            return False
        self._passed += 1
        self._passed_by[key] = self._passed_by.get(key, 0) + 1
        return True

    def _line(self, source: str, fields: Mapping[str, object]) -> dict[str, object]:
        line: dict[str, object] = {"from": source, **fields}
        if self._held:
            line["suppressed"] = self._held
            self._held = 0
        return line
