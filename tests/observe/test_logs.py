"""Log lines in both forms, and the limit on what strangers can cause."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from nodedns.observe import logs


class FakeClock:
    """Seconds that stand still until told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    written = io.StringIO()
    logs.configure("trace", as_json=False, stream=written)
    yield written
    logs.configure("error", as_json=False, stream=io.StringIO())


def lines_of(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_line_has_consuls_format(stream: io.StringIO) -> None:
    logs.logger("agent").info("Synced node info", node="agent-one", tries=2)

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[INFO\]  agent: Synced node info: node=agent-one tries=2\n",
        stream.getvalue(),
    )


def test_line_without_fields_ends_after_the_message(stream: io.StringIO) -> None:
    logs.logger("dns").info("listener is up")

    assert stream.getvalue().endswith("[INFO]  agent.dns: listener is up\n")


@pytest.mark.parametrize(
    ("method", "tag"),
    [
        ("trace", "[TRACE] "),
        ("debug", "[DEBUG] "),
        ("info", "[INFO]  "),
        ("warning", "[WARN]  "),
        ("error", "[ERROR] "),
    ],
)
def test_each_level_has_a_tag_of_one_width(stream: io.StringIO, method: str, tag: str) -> None:
    getattr(logs.logger("gossip"), method)("text")

    assert f"Z {tag}agent.gossip: text\n" in stream.getvalue()


def test_time_is_printed_in_utc(stream: io.StringIO) -> None:
    record = logging.LogRecord("nodedns.agent", logging.INFO, "", 0, "text", None, None)
    record.created = 1763632800.0

    assert logs.LineFormatter().format(record) == "2025-11-20T10:00:00.000Z [INFO]  agent: text"


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("plain-1.2:3/x", "plain-1.2:3/x"),
        ("two words", '"two words"'),
        ("", '""'),
        ("a=b", '"a=b"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("line\n2025 [ERROR] agent: forged", '"line\\n2025 [ERROR] agent: forged"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        ("\u202eback", '"\\u202eback"'),
        (3.5, "3.5"),
    ],
)
def test_a_value_cannot_leave_its_field(stream: io.StringIO, value: object, printed: str) -> None:
    logs.logger("gossip").warning("odd", value=value)

    assert stream.getvalue().endswith(f"odd: value={printed}\n")
    assert len(lines_of(stream)) == 1


def test_a_message_from_plain_logging_cannot_begin_a_line(stream: io.StringIO) -> None:
    logging.getLogger("nodedns.http").info("from %s", "x\ny\x1b")

    assert stream.getvalue().endswith("[INFO]  agent.http: from x\\ny\\x1b\n")


def test_an_exception_keeps_its_traceback_marked(stream: io.StringIO) -> None:
    try:
        dict[str, int]()["two\nlines"]
    except KeyError as error:
        logs.logger("dns").exception("a query was answered SERVFAIL", error, qname="x.")

    first, *rest = lines_of(stream)
    assert first.endswith("a query was answered SERVFAIL: error=\"'two\\\\nlines'\" qname=x.")
    assert rest[0] == "  | Traceback (most recent call last):"
    assert all(line.startswith("  | ") for line in rest)


def test_level_hides_what_is_below_it() -> None:
    written = io.StringIO()
    logs.configure("WARN", as_json=False, stream=written)
    log = logs.logger("agent")

    log.info("hidden")
    log.warning("shown")

    assert [line.rsplit(" ", 1)[1] for line in lines_of(written)] == ["shown"]
    assert not log.is_enabled(logging.INFO)


def test_exception_below_the_level_is_not_built() -> None:
    written = io.StringIO()
    logs.configure("error", as_json=False, stream=written)
    logging.getLogger("nodedns").setLevel(logging.CRITICAL)

    logs.logger("agent").exception("text", ValueError("x"))

    assert written.getvalue() == ""


def test_configuring_again_replaces_the_stream(stream: io.StringIO) -> None:
    second = io.StringIO()
    logs.configure("info", as_json=False, stream=second)

    logs.logger("agent").info("text")

    assert stream.getvalue() == ""
    assert len(lines_of(second)) == 1


def test_json_line_has_consuls_keys() -> None:
    written = io.StringIO()
    logs.configure("info", as_json=True, stream=written)

    logs.logger("agent").warning("odd", node="n1", tries=2, ok=True)

    entry = json.loads(written.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry.pop("@timestamp"))
    assert entry == {
        "@level": "warn",
        "@message": "odd",
        "@module": "agent",
        "node": "n1",
        "tries": 2,
        "ok": True,
    }


def test_json_exception_is_one_line() -> None:
    written = io.StringIO()
    logs.configure("info", as_json=True, stream=written)

    logs.logger("dns").exception("fault", ValueError("bad"))

    entry = json.loads(written.getvalue())
    assert entry["@level"] == "error"
    assert entry["error"] == "bad"
    assert entry["stacktrace"].endswith("ValueError: bad")


def test_a_stream_that_cannot_be_written_loses_the_line_only(capsys: pytest.CaptureFixture[str]) -> None:
    closed = io.StringIO()
    logs.configure("info", as_json=False, stream=closed)
    closed.close()

    logs.logger("agent").info("text")

    assert capsys.readouterr().err == ""


def test_a_logger_name_outside_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no logger is named 'dsn'; known: agent, "):
        logs.logger("dsn")


def test_remote_line_names_its_source(stream: io.StringIO) -> None:
    remote = logs.RemoteLog(logs.logger("gossip"), FakeClock())

    assert remote.warning("dropped a datagram", "10.0.0.9", reason="bad-crc")

    assert stream.getvalue().endswith("[WARN]  agent.gossip: dropped a datagram: from=10.0.0.9 reason=bad-crc\n")


def test_remote_lines_of_one_source_stop_after_the_burst(stream: io.StringIO) -> None:
    remote = logs.RemoteLog(logs.logger("gossip"), FakeClock())

    passed = [remote.warning("dropped", "10.0.0.9") for _ in range(100)]

    assert [True] * logs.REMOTE_BURST + [False] * (100 - logs.REMOTE_BURST) == passed
    assert logs.REMOTE_BURST == len(lines_of(stream))


def test_remote_line_of_another_source_or_kind_still_passes(stream: io.StringIO) -> None:
    remote = logs.RemoteLog(logs.logger("gossip"), FakeClock())
    for _ in range(100):
        remote.warning("dropped", "10.0.0.9")

    assert remote.warning("dropped", "10.0.0.8")
    assert remote.warning("refused", "10.0.0.9")


def test_remote_lines_of_forged_sources_are_bounded_together(stream: io.StringIO) -> None:
    remote = logs.RemoteLog(logs.logger("gossip"), FakeClock())

    for number in range(10_000):
        remote.warning("dropped", f"host-{number}")

    assert logs.REMOTE_TOTAL == len(lines_of(stream))
    assert len(remote._passed_by) <= logs.REMOTE_TOTAL


def test_next_window_tells_what_was_held_back_once(stream: io.StringIO) -> None:
    clock = FakeClock()
    remote = logs.RemoteLog(logs.logger("gossip"), clock)
    for _ in range(logs.REMOTE_BURST + 7):
        remote.warning("dropped", "10.0.0.9")
    clock.now += logs.REMOTE_WINDOW_S

    remote.warning("dropped", "10.0.0.9")
    remote.warning("dropped", "10.0.0.9")

    told, after = lines_of(stream)[-2:]
    assert told.endswith("from=10.0.0.9 suppressed=7")
    assert after.endswith("from=10.0.0.9")


def test_remote_debug_is_silent_and_uncounted_above_debug() -> None:
    logs.configure("info", as_json=False, stream=io.StringIO())
    remote = logs.RemoteLog(logs.logger("dns"), FakeClock())

    assert not remote.debug("dropped", "10.0.0.9")
    assert remote._passed == 0


def test_remote_debug_is_limited_too(stream: io.StringIO) -> None:
    remote = logs.RemoteLog(logs.logger("dns"), FakeClock())

    passed = [remote.debug("dropped", "10.0.0.9") for _ in range(logs.REMOTE_BURST + 1)]

    assert [True] * logs.REMOTE_BURST + [False] == passed
