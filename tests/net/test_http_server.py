"""The HTTP server over real loopback sockets, with the standard library's client and py-consul."""

from __future__ import annotations

import gzip
import http.client
import io
import ipaddress
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import attrs
import consul
import pytest
import trio
import trio.testing

from nodedns.api.access import AccessRules
from nodedns.api.actions import Join, Leave
from nodedns.errors import ApiError, JoinError
from nodedns.model.names import NodeName
from nodedns.net.http_server import HttpParams, HttpServer, bind_http
from nodedns.observe.followers import MAX_FOLLOWERS
from nodedns.observe.logs import configure, logger
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import ExternalNode, MemberUpserted, NodeRegistered
from nodedns.testing.processes import DEADLINE_S
from nodedns.testing.table_agent import TableAgent, agent_member
from nodedns.testing.turns import counted_turns


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@attrs.frozen
class Served:
    agent: TableAgent
    server: HttpServer
    metrics: Metrics

    @property
    def port(self) -> int:
        return self.server.local_addresses[0].port

    async def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await trio.to_thread.run_sync(partial(_ask, self.port, method, target, body, named))

    async def get(self, target: str) -> Answer:
        return await self.ask("GET", target)

    async def connect(self, buffer_bytes: int | None = None) -> trio.SocketStream:
        sock = trio.socket.socket()
        if buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        await sock.connect(("127.0.0.1", self.port))
        return trio.SocketStream(sock)

    async def wait_open(self, wanted: int) -> None:
        with trio.fail_after(DEADLINE_S):
            while self.server.open_connections != wanted:
                await trio.lowlevel.checkpoint()

    async def wait_asleep(self) -> None:
        """Return once a blocking query waits for a change."""
        while not self.server.waiting:
            await trio.lowlevel.checkpoint()


def _ask(port: int, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


@asynccontextmanager
async def serving(agent: TableAgent | None = None, params: HttpParams | None = None) -> AsyncIterator[Served]:
    metrics, agent = Metrics(), agent or a_pool()
    server = HttpServer(bind_http(["127.0.0.1"], 0), agent, metrics, params)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: server.serve(task_status=task_status))
            yield Served(agent, server, metrics)
            nursery.cancel_scope.cancel()


def a_pool() -> TableAgent:
    agent = TableAgent("one", first_index=100, is_server=True)
    agent.apply(MemberUpserted(agent_member("one", "10.0.0.1", is_server=True)))
    return agent


async def read_to_end(stream: trio.SocketStream) -> bytes:
    data = b""
    async for part in stream:
        data += part
    return data


async def test_view_is_served() -> None:
    async with serving() as served:
        answer = await served.get("/v1/agent/members?pretty")
    assert (200, "application/json") == (answer.status, answer.headers["content-type"])
    assert ["one"] == [member["Name"] for member in json.loads(answer.body)]
    assert answer.body.endswith(b"]\n")
    assert "server" not in answer.headers


async def test_answers_are_counted() -> None:
    async with serving() as served:
        await served.get("/v1/agent/members")
        await served.ask("BREW", "/v1/agent/members")
        counts = [
            served.metrics.value("nodedns_http_requests_total", method=method, status=status)
            for method, status in (("GET", "200"), ("other", "405"))
        ]
    assert [1, 1] == counts


async def test_head_is_not_allowed_and_has_no_body() -> None:
    async with serving() as served:
        answer = await served.ask("HEAD", "/v1/agent/members")
    assert (405, "OPTIONS,GET", b"") == (answer.status, answer.headers["allow"], answer.body)


@pytest.mark.parametrize(("target", "status"), [("/v1/catalog/nodes?a=%zz", 500), ("/v1/catalog/node/%01", 400)])
async def test_bad_target_is_answered_and_not_raised(target: str, status: int) -> None:
    async with serving() as served:
        answer = await served.get(target)
    assert status == answer.status


async def test_path_is_decoded_once() -> None:
    async with serving() as served:
        served.agent.apply(NodeRegistered(ExternalNode(NodeName("a/b%41"), "", "10.0.0.7")))
        answer = await served.get("/v1/catalog/node/a%2Fb%2541")
    assert "a/b%41" == json.loads(answer.body)["Node"]["Node"]


async def test_long_answers_are_compressed_for_who_takes_them() -> None:
    async with serving() as served:
        for number in range(50):
            served.agent.apply(NodeRegistered(ExternalNode(NodeName(f"node-{number}"), "", "10.0.0.7")))
        packed = await served.ask("GET", "/v1/catalog/nodes", accept_encoding="gzip")
        plain = await served.get("/v1/catalog/nodes")
        short = await served.ask("GET", "/v1/catalog/datacenters", accept_encoding="gzip")
    assert "gzip" == packed.headers["content-encoding"]
    assert plain.body == gzip.decompress(packed.body)
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in short.headers


async def test_action_is_performed_before_the_answer() -> None:
    async with serving() as served:
        answer = await served.ask("PUT", "/v1/agent/join/10.0.0.2")
        assert [Join("10.0.0.2")] == served.agent.performed
    assert (200, b"", None) == (answer.status, answer.body, answer.headers.get("content-type"))


@pytest.mark.parametrize(
    ("failure", "status", "text"),
    [
        (ApiError(409, "not now"), 409, "not now"),
        (JoinError([("10.0.0.2:8301", "no")]), 500, "1 error occurred:\n\t* Failed to join 10.0.0.2:8301: no\n\n"),
    ],
)
async def test_failed_action_is_told(failure: ApiError | JoinError, status: int, text: str) -> None:
    async with serving() as served:
        served.agent.failure = failure
        answer = await served.ask("PUT", "/v1/agent/join/10.0.0.2")
    assert (status, text) == (answer.status, answer.body.decode())


async def test_fault_of_ours_is_500_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served:
        served.agent.failure = RuntimeError("a fault")
        with caplog.at_level(logging.ERROR):
            answer = await served.ask("PUT", "/v1/agent/leave")
        again = await served.get("/v1/agent/members")
    assert (500, 200) == (answer.status, again.status)
    assert b"fault" not in answer.body
    assert ["request failed"] == [record.getMessage() for record in caplog.records]


async def test_blocking_query_is_woken_by_the_change() -> None:
    async with serving() as served, trio.open_nursery() as nursery:
        answers: list[Answer] = []

        async def watch() -> None:
            answers.append(await served.get("/v1/catalog/nodes?index=101&wait=60s"))

        nursery.start_soon(watch)
        await served.wait_asleep()
        served.agent.apply(NodeRegistered(ExternalNode(NodeName("new"), "", "10.0.0.7")))
    assert "102" == answers[0].headers["x-consul-index"]
    assert ["new", "one"] == [node["Node"] for node in json.loads(answers[0].body)]


async def test_blocking_query_ends_with_the_same_index() -> None:
    async with serving() as served:
        answer = await served.get("/v1/catalog/nodes?index=101&wait=20ms")
    assert (200, "101") == (answer.status, answer.headers["x-consul-index"])


async def test_blocking_query_ends_when_its_client_goes() -> None:
    async with serving() as served:
        stream = await served.connect()
        await stream.send_all(b"GET /v1/catalog/nodes?index=101 HTTP/1.1\r\nHost: x\r\n\r\n")
        await served.wait_asleep()
        await stream.aclose()
        await served.wait_open(0)


async def test_stop_answers_waits_and_lets_serve_return() -> None:
    agent = a_pool()
    server = HttpServer(bind_http(["127.0.0.1"], 0), agent, Metrics())
    served = Served(agent, server, Metrics())
    answers: list[Answer] = []

    async def watch() -> None:
        answers.append(await served.get("/v1/catalog/nodes?index=101"))

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: server.serve(task_status=task_status))
            nursery.start_soon(watch)
            await served.wait_asleep()
            server.stop()
    assert (200, "101") == (answers[0].status, answers[0].headers["x-consul-index"])
    with pytest.raises(ConnectionRefusedError):
        await trio.to_thread.run_sync(partial(socket.create_connection, ("127.0.0.1", served.port)))


async def test_leave_is_answered_though_the_server_stops() -> None:
    agent = a_pool()
    server = HttpServer(bind_http(["127.0.0.1"], 0), agent, Metrics())
    # As a leaving agent does: once the leave is done and before its answer is sent.
    agent.on_performed = server.stop
    answers: list[Answer] = []

    async def leave() -> None:
        answers.append(await Served(agent, server, Metrics()).ask("PUT", "/v1/agent/leave"))

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: server.serve(task_status=task_status))
            nursery.start_soon(leave)
    assert [Leave()] == agent.performed
    assert (200, b"") == (answers[0].status, answers[0].body)


A_LONG_LIST = [
    NodeRegistered(
        ExternalNode(
            NodeName(f"node-{number}"),
            "",
            f"10.1.{number // 256}.{number % 256}",
            meta={f"k{key}": "v" * 500 for key in range(10)},
        )
    )
    for number in range(2_000)
]
"""More, as JSON, than the kernel buffers for a client that does not read."""


async def test_stop_does_not_wait_for_a_client_that_does_not_read() -> None:
    agent = a_pool()
    agent.apply(*A_LONG_LIST)
    server = HttpServer(bind_http(["127.0.0.1"], 0), agent, Metrics(), HttpParams(grace_s=0.05))
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: server.serve(task_status=task_status))
            stream = await Served(agent, server, Metrics()).connect(buffer_bytes=4096)
            await stream.send_all(b"GET /v1/catalog/nodes HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"HTTP/1.1 200" == (await stream.receive_some(12))[:12]
            server.stop()
    await stream.aclose()


async def test_client_that_does_not_read_is_dropped() -> None:
    agent = a_pool()
    agent.apply(*A_LONG_LIST)
    async with serving(agent, HttpParams(send_stall_s=0.1)) as served:
        stream = await served.connect(buffer_bytes=4096)
        await stream.send_all(b"GET /v1/catalog/nodes HTTP/1.1\r\nHost: x\r\n\r\n")
        await served.wait_open(1)
        await served.wait_open(0)
        await stream.aclose()


@pytest.mark.parametrize("extra", [1, 100_000])
async def test_body_over_the_limit_is_413(extra: int) -> None:
    async with serving(params=HttpParams(body_bytes=50_000)) as served:
        answer = await served.ask("PUT", "/v1/catalog/register", b" " * (50_000 + extra))
        fits = await served.ask("PUT", "/v1/catalog/register", b" " * 50_000)
    assert (413, b"Request body is too large, max size: 50000 bytes") == (answer.status, answer.body)
    assert (400, b"Request decode failed: EOF") == (fits.status, fits.body)


async def test_slow_body_is_408() -> None:
    async with serving(params=HttpParams(body_timeout_s=0.05)) as served:
        stream = await served.connect()
        await stream.send_all(b"PUT /v1/agent/leave HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{")
        assert b"HTTP/1.1 408" == (await read_to_end(stream))[:12]
        await stream.aclose()
        assert [] == served.agent.performed


async def test_client_that_goes_amid_its_body_changes_nothing() -> None:
    async with serving() as served:
        stream = await served.connect()
        await stream.send_all(b"PUT /v1/agent/leave HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{")
        await served.wait_open(1)
        await stream.aclose()
        await served.wait_open(0)
        assert [] == served.agent.performed


async def test_slow_head_is_dropped() -> None:
    async with serving(params=HttpParams(keep_alive_s=0.05)) as served:
        stream = await served.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost")
        assert b"" == await read_to_end(stream)
        await stream.aclose()


@pytest.mark.parametrize("params", [HttpParams(connections_per_client=2), HttpParams(connections=2)])
async def test_too_many_connections_are_429(params: HttpParams) -> None:
    async with serving(params=params) as served:
        held = [await served.connect() for _ in range(2)]
        await served.wait_open(2)
        refused = await served.get("/v1/agent/members")
        for stream in held:
            await stream.aclose()
        await served.wait_open(0)
        taken = await served.get("/v1/agent/members")
    assert (429, 200) == (refused.status, taken.status)


async def test_others_have_turns_between_requests_that_come_at_once() -> None:
    many = 300
    async with serving() as served, await served.connect() as stream, counted_turns() as counter:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * (many - 1) + b"GET / HTTP/1.0\r\n\r\n")
        got = await read_to_end(stream)
    assert many == got.count(b"HTTP/1.1 200 OK\r\n")
    assert many <= counter.turns


async def test_wish_for_another_protocol_is_passed_over() -> None:
    async with serving() as served:
        stream = await served.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n" + WEBSOCKET + b"\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 OK\r\n")
        await stream.send_all(b"GET /v1/nothing HTTP/1.0\r\n\r\n")
        assert (await read_to_end(stream)).startswith(b"HTTP/1.1 404 Not Found\r\n")
        await stream.aclose()


WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
)
HOSTILE = {
    "upgrade to HTTP/2 with settings that are no base64": (
        b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: !!!!a\r\n"
    ),
    "upgrade to HTTP/2 without settings": b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    "WebSocket": WEBSOCKET,
    "WebSocket with a bad key": (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n"
    ),
    "header without end": b"X: " + b"x" * 70_000,
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_connection_harms_no_other(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    async with serving() as served:
        stream = await served.connect()
        try:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n" + HOSTILE[name] + b"\r\nxxxx")
            await stream.send_eof()
            await read_to_end(stream)
        except trio.BrokenResourceError:
            pass
        await stream.aclose()
        assert 200 == (await served.get("/v1/agent/members")).status
    assert ("", "") == capfd.readouterr()


async def test_server_that_never_served_can_be_closed() -> None:
    server = HttpServer(bind_http(["127.0.0.1"], 0), a_pool(), Metrics())
    server.close()
    server.close()
    assert 0 == server.open_connections


Talk = Callable[[Any], object]


async def py_consul(served: Served, talk: Talk) -> Any:
    def run() -> object:
        client = consul.Consul("127.0.0.1", served.port)
        try:
            return talk(client)
        finally:
            client.http.session.close()

    return await trio.to_thread.run_sync(run)


async def test_py_consul_reads_members_and_status() -> None:
    async with serving() as served:
        members = await py_consul(served, lambda client: client.agent.members())
        wan = await py_consul(served, lambda client: client.agent.members(wan=True))
        leader = await py_consul(served, lambda client: client.status.leader())
        peers = await py_consul(served, lambda client: client.status.peers())
        own = await py_consul(served, lambda client: client.agent.self())
    assert (["one"], []) == ([member["Name"] for member in members], wan)
    assert ("10.0.0.1:8301", ["10.0.0.1:8301"]) == (leader, peers)
    assert ("dc1", "one") == (own["Config"]["Datacenter"], own["Member"]["Name"])


async def test_py_consul_registers_and_deregisters_a_node() -> None:
    async with serving() as served:
        made = await py_consul(
            served, lambda client: client.catalog.register("cam", "10.0.0.7", tagged_addresses={"wan": "192.0.2.7"})
        )
        index, nodes = await py_consul(served, lambda client: client.catalog.nodes(consistency="stale"))
        racked = await py_consul(served, lambda client: client.catalog.nodes(node_meta={"rack": "one"}))
        _, node = await py_consul(served, lambda client: client.catalog.node("cam"))
        gone = await py_consul(served, lambda client: client.catalog.deregister("cam"))
        later, nothing = await py_consul(served, lambda client: client.catalog.node("cam", index=index))
        datacenters = await py_consul(served, lambda client: client.catalog.datacenters())
    assert (True, True) == (made, gone)
    assert (["cam", "one"], ["one"]) == ([each["Node"] for each in nodes], [each["Node"] for each in racked[1]])
    assert ({}, {"wan": "192.0.2.7"}) == (node["Services"], node["Node"]["TaggedAddresses"])
    assert (None, ["dc1"]) == (nothing, datacenters)
    assert int(later) > int(index)


async def test_py_consul_registers_a_service_and_finds_it_healthy() -> None:
    def talk(client: consul.Consul) -> Any:
        service = {"service": "video", "port": 554, "tags": ["hd"]}
        client.catalog.register("cam", "10.0.0.7", service=service, check={"name": "up", "status": "passing"})
        return client.health.service("video", passing=True, tag="hd")[1]

    async with serving() as served:
        (found,) = await py_consul(served, talk)
    assert ("cam", 554) == (found["Node"]["Node"], found["Service"]["Port"])
    assert ["up"] == [check["CheckID"] for check in found["Checks"]]


async def test_configured_headers_do_not_stand_twice_and_do_not_replace_the_answers_own() -> None:
    agent = a_pool()
    agent.access = AccessRules(response_headers=(("Content-Type", "text/html"), ("X-Origin", "here")))
    async with serving(agent) as served:
        answer = await served.get("/v1/agent/members")
    assert ("application/json", "here", "allow") == (
        answer.headers["content-type"],
        answer.headers["x-origin"],
        answer.headers["x-consul-default-acl-policy"],
    )


async def test_client_is_known_to_the_rules() -> None:
    agent = a_pool()
    agent.access = AccessRules(write_networks=(ipaddress.ip_network("10.0.0.0/8"),))
    async with serving(agent) as served:
        answer = await served.ask("PUT", "/v1/agent/leave")
    assert (403, b"Access is restricted", []) == (answer.status, answer.body, agent.performed)


async def test_new_limits_are_obeyed() -> None:
    async with serving() as served:
        served.server.update(HttpParams(connections_per_client=1, body_bytes=10))
        assert 413 == (await served.ask("PUT", "/v1/catalog/register", b"x" * 11)).status
        await served.wait_open(0)
        async with await served.connect():
            await served.wait_open(1)
            async with await served.connect() as refused:
                assert (await refused.receive_some()).startswith(b"HTTP/1.1 429 ")


@pytest.mark.parametrize(("query", "kind"), [("", "text/plain; charset=utf-8"), ("?logjson", "application/x-ndjson")])
async def test_log_is_told_as_it_is_written_until_the_server_stops(query: str, kind: str) -> None:
    configure("info", as_json=False, stream=io.StringIO())
    async with serving() as served, await served.connect() as stream:
        await stream.send_all(f"GET /v1/agent/monitor{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = bytes(await stream.receive_some())
        assert head.startswith(b"HTTP/1.1 200 ")
        assert f"content-type: {kind}".encode() in head.lower()
        for text in ("one", "two"):
            logger("agent").info(text)
            assert text.encode() in await stream.receive_some()
        served.server.stop()
        assert (await read_to_end(stream)).endswith(b"0\r\n\r\n")
    assert not [each for each in logging.getLogger("nodedns").handlers if type(each).__name__ == "_Handler"]


async def test_followers_of_the_log_are_bounded() -> None:
    configure("info", as_json=False, stream=io.StringIO())
    async with serving() as served, AsyncExitStack() as held:
        for _ in range(MAX_FOLLOWERS):
            stream = await held.enter_async_context(await served.connect())
            await stream.send_all(b"GET /v1/agent/monitor HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
        answer = await served.get("/v1/agent/monitor")
        assert (429, b"Too many clients follow the log") == (answer.status, answer.body)


async def test_head_that_is_too_long_is_refused_and_the_next_client_served() -> None:
    async with serving() as served:
        assert 200 == (await served.ask("GET", "/v1/agent/version", x_consul_token="a" * 8_000)).status
        assert 431 == (await served.ask("GET", "/v1/agent/version", x_consul_token="a" * 70_000)).status
        assert 200 == (await served.get("/v1/agent/version")).status
