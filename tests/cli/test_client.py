from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodedns.cli.client import MAX_LINE_BYTES, AgentClient, ClientError, parse_endpoint
from nodedns.cli.goflags import CommandError

Shell = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("text", "authority", "dialled"),
    [
        ("127.0.0.1:8500", "127.0.0.1:8500", "tcp 127.0.0.1:8500"),
        ("http://10.0.0.1:80", "10.0.0.1:80", "tcp 10.0.0.1:80"),
        ("http://10.0.0.1:80/", "10.0.0.1:80", "tcp 10.0.0.1:80"),
        ("host", "host:8500", "tcp host:8500"),
        ("[::1]:8501", "[::1]:8501", "tcp [::1]:8501"),
        ("[::1]", "[::1]:8500", "tcp [::1]:8500"),
        ("unix:///run/x.sock", "localhost", "unix /run/x.sock"),
        ("https://10.0.0.1:443/", "10.0.0.1:443", "tcp 10.0.0.1:443"),
        ("https://[::1]", "[::1]:8501", "tcp [::1]:8501"),
    ],
)
def test_address_is_read(text: str, authority: str, dialled: str) -> None:
    endpoint = parse_endpoint(text)
    assert (authority, dialled) == (endpoint.authority, endpoint.dialled)


@pytest.mark.parametrize(
    "text", ["ftp://10.0.0.1:8501", "http://", "https://", ":85", "host:port", "host:0", "host:70000", "h:"]
)
def test_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        parse_endpoint(text)


def serve_once(answer: bytes, family: int = socket.AF_INET, address: Any = ("127.0.0.1", 0)) -> socket.socket:
    """Listen, answer one connection with ``answer`` once something arrived, and close it."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(1)

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(answer)
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener


def ask(answer: bytes) -> Any:
    with serve_once(answer) as listener:
        host, port = listener.getsockname()
        return AgentClient.from_flag(f"{host}:{port}").get("/v1/x")


def test_chunked_answer_is_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert [1, 2] == ask(head + b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n")


def test_answer_until_the_end_of_the_connection_is_read() -> None:
    assert {"a": 1} == ask(b'HTTP/1.0 200 OK\r\n\r\n{"a": 1}')


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP from tcp"),
        (b"", "no HTTP from tcp"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", "no HTTP from tcp"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "is no JSON: b'no'"),
        (b"HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\nwhy\n", "Unexpected response code: 500 (why)"),
        (b"HTTP/1.1 500 X\r\nContent-Length: 8\r\n\r\n\x1b[2Ja\nb\r", "Unexpected response code: 500 (\\x1b[2Ja\nb)"),
    ],
)
def test_bad_answer_is_explained(answer: bytes, part: str) -> None:
    with pytest.raises(ClientError) as refusal:
        ask(answer)
    assert part in str(refusal.value)


def test_unix_socket_is_asked(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    with serve_once(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", socket.AF_UNIX, path):
        assert [] == AgentClient.from_flag(f"unix://{path}").get("/v1/x")


def test_missing_unix_socket_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ClientError) as refusal:
        AgentClient.from_flag(f"unix://{tmp_path}/x.sock").get("/v1/x")
    first = str(refusal.value).splitlines()[0]
    assert f'Get "http://localhost/v1/x": dial unix {tmp_path}/x.sock: connect: no such file or directory' == first


@pytest.mark.usefixtures("interruptible")
def test_interrupt_while_waiting_is_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        words = [sys.executable, "-m", "nodedns", "info", f"-http-addr={address}"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)
    assert (130, b"", b"") == (process.returncode, out, err.strip())


def closed_port() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


def test_unreachable_agent_is_told_in_consul_words_and_how_to_mend_it(shell: Shell) -> None:
    address = closed_port()
    code, out, err = shell("leave", f"-http-addr={address}")
    assert (1, "") == (code, out)
    first, second = err.splitlines()
    dial = f"dial tcp {address}: connect: connection refused"
    assert f'Error leaving: Put "http://{address}/v1/agent/leave": {dial}' == first
    assert "nodedns agent -dev" in second
    assert "-http-addr" in second


def test_flag_beats_environment(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    flag, variable = closed_port(), closed_port()
    monkeypatch.setenv("CONSUL_HTTP_ADDR", variable)
    assert f"dial tcp {variable}" in shell("info")[2]
    assert f"dial tcp {flag}" in shell("info", "-http-addr", flag)[2]


def test_default_is_the_port_of_consul(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONSUL_HTTP_ADDR", raising=False)
    assert "127.0.0.1:8500" == AgentClient.from_flag(None)._endpoint.authority


def test_endless_line_is_refused(fake_agent: Any) -> None:
    fake_agent.answer("PUT /x", text="x" * (MAX_LINE_BYTES + 1))
    with pytest.raises(ClientError, match="a line is over 1048576 bytes"):
        list(AgentClient.from_flag(fake_agent.address).put_lines("/x", (), b"", quiet_s=9.0))


def test_last_line_needs_no_newline(fake_agent: Any) -> None:
    fake_agent.answer("PUT /x", text='{"a":1}\n{"a":2}')
    assert [{"a": 1}, {"a": 2}] == list(AgentClient.from_flag(fake_agent.address).put_lines("/x", (), b"", quiet_s=9.0))
