"""Whole agents on loopback sockets in one process: gossip in, DNS and HTTP out."""

from __future__ import annotations

import http.client
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import attrs
import dns.message
import dns.query
import dns.rcode
import pytest
import trio

from nodedns.agent.agent import EXIT_FAILED, EXIT_OK, Agent
from nodedns.agent.listeners import Listeners, bind_listeners
from nodedns.agent.memory import open_memory
from nodedns.config.encryption import Secret
from nodedns.config.load import load
from nodedns.config.reload import ReadAgain, Reloaded
from nodedns.config.schema import AgentConfig
from nodedns.config.settings import CookieSettings, DnsSettings, KeyText
from nodedns.config.sources import ConfigSources
from nodedns.errors import AgentError, JoinError
from nodedns.gossip.key_text import decode_key_text
from nodedns.gossip.params import LOCAL
from nodedns.model.member import MemberStatus
from nodedns.net.transport import address_of
from nodedns.observe.metrics import Metrics
from nodedns.testing.mixed_pool import ASKINGS
from nodedns.testing.processes import DEADLINE_S


def config(name: str, data_dir: Path | None = None, **changes: Any) -> AgentConfig:
    dev = load(ConfigSources(dev=True, flags={"node": name}))
    fast = attrs.evolve(LOCAL, gossip_interval_s=0.02)
    any_port = {"dns_port": 0, "http_port": 0, "serf_lan_port": 0}
    serf = attrs.evolve(dev.serf, leave_propagate_delay_s=0.05)
    return attrs.evolve(dev, data_dir=data_dir, gossip=fast, serf=serf, **(any_port | changes))


class Running:
    """An agent, where its listeners are, and clients that ask them."""

    def __init__(self, agent: Agent, listeners: Listeners) -> None:
        self.agent = agent
        self.gossip = str(listeners.gossip_udp.local_address)
        self._dns_port = address_of(listeners.dns_udp[0].getsockname()).port
        self._tcp_port = listeners.dns_tcp[0].local_address.port
        self._http_port = address_of(listeners.http[0].getsockname()).port

    async def dig(self, name: str, rtype: str = "A", *, tcp: bool = False) -> dns.message.Message:
        query = dns.message.make_query(name, rtype)
        ask = dns.query.tcp if tcp else dns.query.udp
        port = self._tcp_port if tcp else self._dns_port
        return await trio.to_thread.run_sync(lambda: ask(query, "127.0.0.1", port=port, timeout=DEADLINE_S))

    async def addresses(self, name: str) -> list[str]:
        reply = await self.dig(name)
        return [item.to_text() for rrset in reply.answer for item in rrset]

    async def api(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return await trio.to_thread.run_sync(self._call, method, path, body)

    def _call(self, method: str, path: str, body: object) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._http_port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        return response.status, json.loads(text) if is_json else text


@contextmanager
def prepared(settings: AgentConfig, read_again: ReadAgain | None = None) -> Iterator[Running]:
    metrics = Metrics()
    with open_memory(settings, metrics, Random(settings.node_name).randbytes) as memory:
        listeners = bind_listeners(settings)
        try:
            agent = Agent(
                settings,
                memory,
                listeners,
                metrics,
                rng=Random(settings.node_name),
                entropy=Random(1).randbytes,
                wall_clock=lambda: 1_700_000_000.5,
                read_again=read_again,
            )
            yield Running(agent, listeners)
        finally:
            listeners.close()


def play(
    story: Callable[..., Awaitable[None]], *settings: AgentConfig, read_again: ReadAgain | None = None
) -> list[int]:
    """Run one agent for each of ``settings`` and the story on them; return their exit codes."""

    async def main() -> list[int]:
        with trio.fail_after(2 * DEADLINE_S):
            return await nested(list(settings), [])

    async def nested(rest: list[AgentConfig], running: list[Running]) -> list[int]:
        if rest:
            with prepared(rest[0], read_again) as one:
                return await nested(rest[1:], [*running, one])
        async with trio.open_nursery() as nursery:
            for one in running:
                await nursery.start(one.agent.run)
            await story(*running)
            for one in running:
                one.agent.stop(EXIT_OK)
        return [one.agent.exit_code for one in running]

    return trio.run(main)


def test_joined_agents_answer_each_other_s_names_on_udp_tcp_and_http() -> None:
    async def story(one: Running, two: Running) -> None:
        assert await two.agent.join((one.gossip,)) == 1
        await one.agent.table.wait_member("agent-two")
        for asked, name in ((one, "agent-two"), (two, "agent-one")):
            assert await asked.addresses(f"{name}.node.consul.") == ["127.0.0.1"]
            reply = await asked.dig(f"{name}.node.dc1.consul.", tcp=True)
            assert reply.rcode() == dns.rcode.NOERROR
            status, members = await asked.api("GET", "/v1/agent/members")
            assert (status, [member["Name"] for member in members]) == (200, ["agent-one", "agent-two"])

    assert [EXIT_OK, EXIT_OK] == play(story, config("agent-one"), config("agent-two", server=False))


def test_agent_that_leaves_is_left_for_the_others_and_gone_from_dns() -> None:
    async def story(one: Running, two: Running) -> None:
        await two.agent.join((one.gossip,))
        await one.agent.table.wait_member("agent-two")
        status, _ = await two.api("PUT", "/v1/agent/leave")
        assert status == 200
        member = one.agent.api_context().view.member("agent-two")
        while member is None or member.status is not MemberStatus.LEFT:
            await one.agent.wait_changed(one.agent.api_context().view.index)
            member = one.agent.api_context().view.member("agent-two")
        reply = await one.dig("agent-two.node.consul.")
        assert reply.rcode() == dns.rcode.NXDOMAIN

    assert [EXIT_OK, EXIT_OK] == play(story, config("agent-one"), config("agent-two", server=False))


def test_join_of_nobody_lists_each_address_with_its_reason() -> None:
    async def story(one: Running) -> None:
        with pytest.raises(JoinError) as caught:
            await one.agent.join(
                (
                    "127.0.0.1:1",
                    "bad:port",
                )
            )
        assert {"127.0.0.1:1", "bad:port"} == {where for where, _ in caught.value.attempts}
        status, text = await one.api("PUT", "/v1/agent/join/127.0.0.1:1")
        assert status == 500
        reason = "dial tcp 127.0.0.1:1: connect: connection refused"
        assert text == f"1 error occurred:\n\t* Failed to join 127.0.0.1:1: {reason}\n\n"

    play(story, config("agent-one"))


def test_exhausted_retry_join_ends_the_agent() -> None:
    async def story(one: Running) -> None:
        del one
        await trio.sleep_forever()

    settings = config("agent-one", retry_join=("127.0.0.1:1",), retry_interval_s=0.01, retry_max=2)

    async def main() -> int:
        with trio.fail_after(2 * DEADLINE_S), prepared(settings) as one:
            await one.agent.run()
            return one.agent.exit_code

    assert EXIT_FAILED == trio.run(main)


def test_registered_node_answers_at_once_and_after_a_restart(tmp_path: Path) -> None:
    body = {"Node": "printer", "Address": "10.1.2.3", "NodeMeta": {"room": "7"}}

    async def register(one: Running) -> None:
        assert await one.api("PUT", "/v1/catalog/register", body) == (200, True)
        assert await one.addresses("PRINTER.node.consul.") == ["10.1.2.3"]

    async def ask(one: Running) -> None:
        assert await one.addresses("printer.node.consul.") == ["10.1.2.3"]
        assert await one.api("PUT", "/v1/catalog/deregister", {"Node": "Printer"}) == (200, True)
        assert (await one.dig("printer.node.consul.")).rcode() == dns.rcode.NXDOMAIN

    play(register, config("agent-one", tmp_path))
    play(ask, config("agent-one", tmp_path))


def test_registration_that_cannot_be_stored_fails_and_changes_nothing(tmp_path: Path) -> None:
    async def story(one: Running) -> None:
        # A directory where the changes are to be written: that fails, whoever runs the test.
        (tmp_path / "registrations.changes.0").mkdir()
        status, text = await one.api("PUT", "/v1/catalog/register", {"Node": "p", "Address": "10.1.2.3"})
        assert status == 500
        assert "cannot write" in text
        assert (await one.dig("p.node.consul.")).rcode() == dns.rcode.NXDOMAIN
        assert await one.addresses("agent-one.node.consul.") == ["127.0.0.1"]

    play(story, config("agent-one", tmp_path))


def test_server_that_waits_for_others_answers_servfail_until_they_are_here(tmp_path: Path) -> None:
    expecting = {"server": True, "bootstrap": False, "bootstrap_expect": 2}

    async def alone(one: Running) -> None:
        assert (await one.dig("x.node.consul.")).rcode() == dns.rcode.SERVFAIL

    async def together(one: Running, two: Running) -> None:
        await two.agent.join((one.gossip,))
        await one.agent.table.wait_member("agent-two")
        assert (await one.dig("x.node.consul.")).rcode() == dns.rcode.NXDOMAIN

    async def remembered(one: Running) -> None:
        assert (await one.dig("x.node.consul.")).rcode() == dns.rcode.NXDOMAIN

    first, second = config("agent-one", tmp_path / "1", **expecting), config("agent-two", tmp_path / "2", **expecting)
    play(alone, first)
    play(together, first, second)
    play(remembered, first)


def test_self_tells_configuration_and_figures() -> None:
    async def story(one: Running) -> None:
        status, answer = await one.api("GET", "/v1/agent/self")
        assert (status, answer["Config"]["NodeName"]) == (200, "agent-one")
        assert answer["Stats"]["serf_lan"]["members"] == "1"
        assert answer["DebugConfig"]["gossip"]["probe_interval_s"] == 1.0

    play(story, config("agent-one"))


def test_figures_of_servers_name_the_leader_that_status_names() -> None:
    async def story(one: Running, two: Running) -> None:
        await two.agent.join((one.gossip,))
        await two.agent.table.wait_member("agent-one")
        await one.agent.table.wait_member("agent-two")
        for running, is_ours in ((one, "true"), (two, "false")):
            _, answer = await running.api("GET", "/v1/agent/self")
            _, leader = await running.api("GET", "/v1/status/leader")
            figures = answer["Stats"]["consul"]
            assert (is_ours, leader) == (figures["leader"], figures["leader_addr"])
            assert leader

    play(story, config("agent-one", server=True), config("agent-two", server=True))


def test_node_meta_that_does_not_fit_into_gossip_stops_the_start() -> None:
    async def main() -> None:
        with prepared(config("agent-one", node_meta={"k": "v" * 500})):
            await trio.lowlevel.checkpoint()

    with pytest.raises(AgentError, match="node_meta does not fit"):
        trio.run(main)


def test_event_fired_at_one_agent_wakes_a_reader_of_the_other() -> None:
    async def story(one: Running, two: Running) -> None:
        await two.agent.join((one.gossip,))
        await one.agent.table.wait_member("agent-two")
        got: list[Any] = []

        async def read() -> None:
            got.append(await one.api("GET", "/v1/event/list?index=1&wait=60s"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            status, fired = await two.api("PUT", "/v1/event/fire/deploy", "x")
        assert 200 == status
        assert [(200, [fired["ID"]])] == [(status, [event["ID"] for event in events]) for status, events in got]

    play(story, config("agent-one"), config("agent-two", server=False))


def test_question_is_acked_by_both_agents_over_http() -> None:
    async def story(one: Running, two: Running) -> None:
        await two.agent.join((one.gossip,))
        await one.agent.table.wait_member("agent-two")
        acks: list[str] = []
        for _ in range(ASKINGS):
            status, text = await one.api("PUT", "/v1/agent/query/anything?timeout=1s")
            lines = [json.loads(line) for line in text.splitlines()]
            assert (200, "asked", "closed") == (status, lines[0]["Type"], lines[-1]["Type"])
            acks = sorted(line["From"] for line in lines if line["Type"] == "ack")
            if len(acks) == 2:
                break
        assert ["agent-one", "agent-two"] == acks
        status, text = await one.api("PUT", "/v1/agent/query/x", "y" * 1024)
        assert (413, "query is 1") == (status, text[:10])

    play(story, config("agent-one"), config("agent-two", server=False))


# --- encryption --------------------------------------------------------------------------

OLD_KEY, NEW_KEY = "MDEyMzQ1Njc4OWFiY2RlZg==", "ZmVkY2JhOTg3NjU0MzIxMA=="
KEYRING_PATH = "/v1/operator/keyring"


def encrypted(name: str, data_dir: Path, key: str = OLD_KEY) -> AgentConfig:
    settings = config(name, data_dir)
    sealed = attrs.evolve(settings.encryption, key=Secret(decode_key_text(key) if key else b""), keyring_file=True)
    return attrs.evolve(settings, encryption=sealed)


def stored_keys(data_dir: Path) -> list[str]:
    return list(json.loads((data_dir / "serf" / "local.keyring").read_text()))


async def listed_keys(asked: Running) -> tuple[dict[str, int], dict[str, int]]:
    status, pools = await asked.api("GET", KEYRING_PATH)
    assert status == 200, pools
    return pools[0]["Keys"], pools[0]["PrimaryKeys"]


def test_key_is_rotated_on_every_agent_and_kept_over_a_restart(tmp_path: Path) -> None:
    one_dir, two_dir = tmp_path / "one", tmp_path / "two"

    async def rotate(one: Running, two: Running) -> None:
        await two.agent.join((one.gossip,))
        await one.agent.table.wait_member("agent-two")
        assert ({OLD_KEY: 2}, {OLD_KEY: 2}) == await listed_keys(two)
        assert (200, "") == await one.api("POST", KEYRING_PATH, {"Key": NEW_KEY})
        assert ({OLD_KEY: 2, NEW_KEY: 2}, {OLD_KEY: 2}) == await listed_keys(two)
        assert (200, "") == await two.api("PUT", KEYRING_PATH, {"Key": NEW_KEY})
        assert [[NEW_KEY, OLD_KEY]] * 2 == [stored_keys(one_dir), stored_keys(two_dir)]
        status, text = await two.api("DELETE", KEYRING_PATH, {"Key": NEW_KEY})
        assert (500, True) == (status, "dc1 (LAN) error: 2/2 nodes reported failure" in text)
        assert "* agent-one: Removing the primary key is not allowed" in text
        assert (200, "") == await two.api("DELETE", KEYRING_PATH, {"Key": OLD_KEY})
        assert ({NEW_KEY: 2}, {NEW_KEY: 2}) == await listed_keys(one)

    async def still_there(one: Running) -> None:
        assert ({NEW_KEY: 1}, {NEW_KEY: 1}) == await listed_keys(one)
        status, about = await one.api("GET", "/v1/agent/self")
        assert (200, "true", "hidden") == (
            status,
            about["Stats"]["serf_lan"]["encrypted"],
            about["DebugConfig"]["encryption"]["key"],
        )
        assert OLD_KEY not in json.dumps(about)

    play(rotate, encrypted("agent-one", one_dir), encrypted("agent-two", two_dir))
    play(still_there, encrypted("agent-one", one_dir, OLD_KEY))


def test_change_of_keys_that_cannot_be_stored_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async def story(one: Running) -> None:
        obstacle = tmp_path / "serf" / "local.keyring.tmp"
        obstacle.mkdir()
        status, text = await one.api("POST", KEYRING_PATH, {"Key": NEW_KEY})
        assert (500, True) == (status, "* agent-one: Failed to write keyring file: cannot write " in text)
        assert ({OLD_KEY: 1}, {OLD_KEY: 1}) == await listed_keys(one)
        assert [OLD_KEY] == stored_keys(tmp_path)
        obstacle.rmdir()
        assert (200, "") == await one.api("POST", KEYRING_PATH, {"Key": NEW_KEY})
        assert [OLD_KEY, NEW_KEY] == stored_keys(tmp_path)

    play(story, encrypted("agent-one", tmp_path))


@pytest.mark.parametrize(
    ("joiner_key", "host_key", "told"),
    [
        (NEW_KEY, OLD_KEY, "encrypted with a key that is not in our keyring"),
        ("", OLD_KEY, "is encrypted and we have no key"),
        (NEW_KEY, "", "is not encrypted and ours is"),
    ],
)
def test_joiner_of_another_key_is_told_so(tmp_path: Path, joiner_key: str, host_key: str, told: str) -> None:
    async def story(joiner: Running, host: Running) -> None:
        with pytest.raises(JoinError, match=told):
            await joiner.agent.join((host.gossip,))
        assert ["agent-two"] == [member.name for member in host.agent.api_context().view.members()]

    play(
        story,
        encrypted("agent-one", tmp_path / "one", joiner_key),
        encrypted("agent-two", tmp_path / "two", host_key),
    )


def test_keyring_of_a_plain_pool_is_an_error_in_serfs_words() -> None:
    async def story(one: Running) -> None:
        status, text = await one.api("GET", KEYRING_PATH)
        assert (500, True) == (status, "dc1 (LAN) error: 1/1 nodes reported failure" in text)
        assert "Keyring is empty (encryption not enabled)" in text
        status, text = await one.api("POST", KEYRING_PATH, {"Key": NEW_KEY})
        assert (500, True) == (status, "No keyring to modify (encryption not enabled)" in text)

    play(story, config("agent-one"))


def test_reload_changes_what_is_answered_over_dns_and_http() -> None:
    settings = config("agent-one", log_level="ERROR")

    def read_again(running: AgentConfig) -> Reloaded:
        changed = attrs.evolve(running, node_meta={"rack": "b9"}, dns=attrs.evolve(running.dns, node_ttl_s=7))
        return Reloaded(changed, ("node_meta", "dns_config.node_ttl"), (), ())

    async def story(one: Running) -> None:
        status, _ = await one.api("PUT", "/v1/agent/reload")
        assert status == 200
        reply = await one.dig("agent-one.node.consul.")
        assert [7] == [rrset.ttl for rrset in reply.answer]
        assert "rack=b9" in reply.additional[0].to_text()
        _, about = await one.api("GET", "/v1/agent/self")
        assert ({"rack": "b9"}, 7) == (about["DebugConfig"]["node_meta"], about["DebugConfig"]["dns"]["node_ttl_s"])

    assert [EXIT_OK] == play(story, settings, read_again=read_again)


def test_reload_of_meta_that_does_not_fit_changes_nothing() -> None:
    def read_again(running: AgentConfig) -> Reloaded:
        changed = attrs.evolve(running, node_meta={"k": "x" * 512}, dns=attrs.evolve(running.dns, node_ttl_s=7))
        return Reloaded(changed, (), (), ())

    async def story(one: Running) -> None:
        status, text = await one.api("PUT", "/v1/agent/reload")
        assert (status, text[:34]) == (500, "node_meta does not fit into gossip")
        reply = await one.dig("agent-one.node.consul.")
        assert [0] == [rrset.ttl for rrset in reply.answer]

    assert [EXIT_OK] == play(story, config("agent-one"), read_again=read_again)


def test_agent_that_is_not_up_is_not_reloaded() -> None:
    async def main() -> None:
        refused = pytest.raises(AgentError, match="cannot reload before agent started")
        with prepared(config("agent-one"), lambda running: Reloaded(running, (), (), ())) as one, refused:
            await one.agent.reload()

    trio.run(main)


def test_configuration_that_is_shown_has_no_secret() -> None:
    secret = "ab" * 16

    async def story(one: Running) -> None:
        _, about = await one.api("GET", "/v1/agent/self")
        assert secret not in json.dumps(about)

    given = load(ConfigSources(dev=True)).given
    cookies = attrs.evolve(given, dns_config=DnsSettings(cookies=CookieSettings(secrets=[KeyText(secret)])))
    assert [EXIT_OK] == play(story, config("agent-one", given=cookies))
