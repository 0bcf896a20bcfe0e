"""A stand-in for an agent's HTTP API, and a way to run a command against it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from nodedns.cli.main import main


class Outcome(NamedTuple):
    """What a command printed and returned."""

    exit_code: int
    out: str
    err: str


class FakeAgent:
    """Answers from a table of ``METHOD path`` and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self._rounds: dict[str, list[bytes]] = {}
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_PUT(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def do_DELETE(self) -> None:
                self._answer()

            def _answer(self) -> None:
                agent.asked.append(f"{self.command} {self.path}")
                agent.headers.append({name.lower(): value for name, value in self.headers.items()})
                agent.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
                asked = f"{self.command} {self.path.partition('?')[0]}"
                status, body = agent._answer_to(asked)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def _answer_to(self, asked: str) -> tuple[int, bytes]:
        rounds = self._rounds.get(asked)
        if rounds:
            return 200, rounds.pop(0) if len(rounds) > 1 else rounds[0]
        return self.answers.get(asked, (404, b"Invalid URL path"))

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def answer(self, asked: str, value: Any = None, *, status: int = 200, text: str = "") -> None:
        """Answer ``METHOD path`` with a JSON value, or with text."""
        self.answers[asked] = (status, text.encode() if value is None else json.dumps(value).encode())

    def answer_lines(self, asked: str, *rounds: list[Any]) -> None:
        """Answer ``METHOD path`` with JSON values, one a line; another time with the next of ``rounds``."""
        self._rounds[asked] = ["".join(json.dumps(value) + "\n" for value in values).encode() for values in rounds]

    def answer_lists(self, asked: str, *rounds: list[Any]) -> None:
        """Answer ``METHOD path`` with a JSON list; another time with the next of ``rounds``."""
        self._rounds[asked] = [json.dumps(values).encode() for values in rounds]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Shell:
    """Runs commands through the real entry point, asking the fake agent."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Outcome:
        exit_code = main(words)
        return Outcome(exit_code, *self._capsys.readouterr())


@pytest.fixture
def fake_agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAgent]:
    agent = FakeAgent()
    monkeypatch.setenv("CONSUL_HTTP_ADDR", agent.address)
    yield agent
    agent.close()


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)
