"""The HTTP server over TLS, with the standard library's client: who gets in, who does not, who may dawdle."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from nodedns.net.http_server import HttpParams, HttpServer, bind_http
from nodedns.net.tls import TlsParams, server_context
from nodedns.observe.metrics import Metrics
from nodedns.testing.certificates import Authority, Issued
from nodedns.testing.processes import DEADLINE_S
from nodedns.testing.table_agent import TableAgent


@attrs.frozen
class Papers:
    """Certificates of one authority."""

    authority: Authority
    agent: Issued
    client: Issued
    expired: Issued
    stranger: Issued

    def params(self, *, verifies: bool) -> TlsParams:
        return TlsParams(
            cert_file=self.agent.certificate,
            key_file=self.agent.key,
            ca_file=self.authority.certificate,
            verifies_clients=verifies,
        )

    def client_context(self, own: Issued | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if own is not None:
            context.load_cert_chain(own.certificate, own.key)
        return context


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder = tmp_path_factory.mktemp("papers")
    authority, other = Authority(folder), Authority(folder, "other-ca")
    return Papers(
        authority,
        authority.issue("agent", "127.0.0.1"),
        authority.issue("client"),
        authority.issue("expired", lasts=timedelta(days=-1)),
        other.issue("stranger"),
    )


@attrs.frozen
class Served:
    server: HttpServer
    metrics: Metrics

    @property
    def port(self) -> int:
        return self.server.secured_addresses[0].port

    async def get(self, context: ssl.SSLContext, target: str = "/v1/agent/version") -> int:
        return await trio.to_thread.run_sync(partial(_get, self.port, context, target))

    def failed(self, reason: str) -> float:
        return self.metrics.value("nodedns_http_handshakes_failed_total", reason=reason)

    async def wait_open(self, wanted: int) -> None:
        while self.server.open_connections != wanted:
            await trio.lowlevel.checkpoint()


def _get(port: int, context: ssl.SSLContext, target: str) -> int:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=DEADLINE_S, context=context)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        json.loads(response.read())
        return response.status
    finally:
        connection.close()


@asynccontextmanager
async def serving(tls: TlsParams, params: HttpParams | None = None) -> AsyncIterator[Served]:
    metrics = Metrics()
    server = HttpServer(
        [], TableAgent(), metrics, params, secured=bind_http(["127.0.0.1"], 0), context=server_context(tls)
    )
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: server.serve(task_status=task_status))
            yield Served(server, metrics)
            nursery.cancel_scope.cancel()


async def test_client_that_trusts_the_authority_is_served(papers: Papers) -> None:
    async with serving(papers.params(verifies=False)) as served:
        assert 200 == await served.get(papers.client_context())
        assert 200 == await served.get(papers.client_context(), "/v1/agent/members")
        await served.wait_open(0)


async def test_client_that_trusts_another_authority_does_not_talk_to_us(papers: Papers) -> None:
    async with serving(papers.params(verifies=False)) as served:
        with pytest.raises(ssl.SSLCertVerificationError):
            await served.get(ssl.create_default_context())
        await served.wait_open(0)
        assert 1 == served.failed("refused")


async def test_client_with_a_certificate_is_served_where_one_is_asked_for(papers: Papers) -> None:
    async with serving(papers.params(verifies=True)) as served:
        assert 200 == await served.get(papers.client_context(papers.client))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    "own",
    [lambda papers: None, lambda papers: papers.expired, lambda papers: papers.stranger],
    ids=["none", "expired", "of another authority"],
)
async def test_client_without_a_good_certificate_is_refused(
    papers: Papers, own: Callable[[Papers], Issued | None], version: ssl.TLSVersion
) -> None:
    async with serving(papers.params(verifies=True)) as served:
        context = papers.client_context(own(papers))
        context.maximum_version = version
        with pytest.raises(OSError):  # noqa: PT011 - an alert or a reset, by which end is faster
            await served.get(context)
        await served.wait_open(0)
        assert 1 == served.failed("refused")
        assert 200 == await served.get(papers.client_context(papers.client))


async def test_client_that_speaks_no_tls_is_closed(papers: Papers) -> None:
    async with serving(papers.params(verifies=False)) as served:
        async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            data = b"".join([part async for part in stream])
            assert b"HTTP/1.1 200" not in data
        await served.wait_open(0)
        assert 1 == served.failed("refused")


async def test_old_versions_are_refused(papers: Papers) -> None:
    tls = attrs.evolve(papers.params(verifies=False), is_1_3_only=True)
    async with serving(tls) as served:
        context = papers.client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            await served.get(context)
        assert 200 == await served.get(papers.client_context())


async def test_handshake_that_is_not_finished_is_cut(papers: Papers) -> None:
    async with serving(papers.params(verifies=False), HttpParams(handshake_s=0.05)) as served:
        async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
            await stream.send_all(b"\x16\x03\x01")  # the beginning of a client's hello
            assert b"" == await stream.receive_some()
        await served.wait_open(0)
        assert (1, 0) == (served.failed("slow"), served.failed("refused"))


async def test_client_that_goes_away_is_none_to_tell_of(papers: Papers) -> None:
    async with serving(papers.params(verifies=False)) as served:
        async with await trio.open_tcp_stream("127.0.0.1", served.port):
            await served.wait_open(1)
        await served.wait_open(0)
        assert (1, 0) == (served.failed("gone"), served.failed("refused"))


async def test_unfinished_handshakes_do_not_keep_others_out(papers: Papers) -> None:
    params = HttpParams(connections_per_client=30, handshake_s=60)
    async with serving(papers.params(verifies=False), params) as served:
        slow = [await trio.open_tcp_stream("127.0.0.1", served.port) for _ in range(29)]
        await served.wait_open(29)
        assert 200 == await served.get(papers.client_context())
        await served.wait_open(29)
        slow.append(await trio.open_tcp_stream("127.0.0.1", served.port))
        await served.wait_open(30)
        one_more = await trio.open_tcp_stream("127.0.0.1", served.port)
        assert b"" == await one_more.receive_some()
        for stream in (*slow, one_more):
            await stream.aclose()
        await served.wait_open(0)


async def test_new_certificate_is_shown_to_new_connections(papers: Papers, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    issued = other.issue("agent", "127.0.0.1")
    new = server_context(TlsParams(cert_file=issued.certificate, key_file=issued.key))
    async with serving(papers.params(verifies=False)) as served:
        assert 200 == await served.get(papers.client_context())
        served.server.update(HttpParams(), new)
        assert 200 == await served.get(ssl.create_default_context(cafile=other.certificate))
        with pytest.raises(ssl.SSLCertVerificationError):
            await served.get(papers.client_context())


async def test_waits_are_answered_at_the_end_over_tls_too(papers: Papers) -> None:
    async with serving(papers.params(verifies=False)) as served:
        statuses: list[int] = []

        async def wait() -> None:
            statuses.append(await served.get(papers.client_context(), "/v1/catalog/nodes?index=1&wait=60s"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await served.wait_open(1)
            while not served.server.waiting:
                await trio.lowlevel.checkpoint()
            served.server.stop()
        assert [200] == statuses
