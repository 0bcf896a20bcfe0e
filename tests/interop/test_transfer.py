"""Zones of a running agent copied by dig, kdig and dnspython: with the right key, a wrong one, none, a skewed clock.

Real secondaries are in ``test_secondaries``; here it is what a person sees who looks by hand.
"""

from __future__ import annotations

import re
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import attrs
import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.xfr
import dns.zone
import pytest

from nodedns.dns.transfer_params import TsigKey
from nodedns.model.secret import Secret
from nodedns.testing.loopback import DNS_PORT, LoneAgent, lone_agent
from nodedns.testing.processes import DEADLINE_S, Finished, poll, run_program
from nodedns.testing.programs import require_program
from nodedns.testing.signing import KEYS, TSIG_256, key_text, peer_key, signed_query

NODES = 200
META = {f"key{number}": "v" * 120 for number in range(5)}
UNVERIFIED = re.compile("TSIG could not be validated|Couldn't verify signature|^;; ERROR", re.MULTILINE)
WRONG = attrs.evolve(TSIG_256, secret=Secret(b"another secret of the same name"))
UNKNOWN = attrs.evolve(TSIG_256, name="nobody")
NOT_ALLOWED = TsigKey(name="other", secret=Secret(bytes(32)))
CONFIG = """
dns_config {
  reverse_zones = ["10.0.0.0/8"]
  transfer {
    keys  = [%s]
    allow = [{ address = "127.0.0.0/8", key = "sec.example" }, { key = "sec512" }]
  }
}
"""


def key_block(key: TsigKey) -> str:
    secret = b64encode(key.secret.reveal()).decode()
    return f'{{ name = "{key.name}", algorithm = "{key.algorithm.value}", secret = "{secret}" }}'


def is_published(agent: LoneAgent, node: str) -> bool:
    """Whether the zone is there and has a name."""
    try:
        return copied(agent).get_node(name(node)) is not None
    except dns.xfr.TransferError:
        return False


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    """An agent with so many nodes that its zone takes several messages, published."""
    for program, package in (("dig", "bind9-dnsutils"), ("kdig", "knot-dnsutils"), ("faketime", "faketime")):
        require_program(program, package=package)
    folder = tmp_path_factory.mktemp("agent")
    keys = ", ".join(key_block(key) for key in (*KEYS, NOT_ALLOWED))
    (folder / "dns.hcl").write_text(CONFIG % keys)
    with lone_agent(folder) as lone:
        lone.start(f"-config-file={folder / 'dns.hcl'}")
        for number in range(NODES):
            register(lone, f"n{number}", f"10.1.{number >> 8}.{number & 255}", META)
        poll(lambda: is_published(lone, f"n{NODES - 1}.node"), "the zone to be published")
        yield lone


def register(agent: LoneAgent, node: str, address: str, meta: dict[str, str]) -> None:
    assert 200 == agent.http("PUT", "/v1/catalog/register", {"Node": node, "Address": address, "NodeMeta": meta})[0]


def name(relative: str) -> dns.name.Name:
    return dns.name.from_text(f"{relative}.consul.")


def copied(agent: LoneAgent, key: TsigKey | None = TSIG_256, zone: str = "consul.", **how: Any) -> dns.zone.Zone:
    """The zone as dnspython copies it."""
    made = dns.zone.Zone(zone, relativize=False)
    query, _ = dns.xfr.make_query(made, keyring=None if key is None else peer_key(key))
    dns.query.inbound_xfr(agent.host, made, query, port=DNS_PORT, timeout=DEADLINE_S, lifetime=DEADLINE_S, **how)
    return made


def dig(agent: LoneAgent, *arguments: str, key: TsigKey | None = TSIG_256) -> Finished:
    signing = () if key is None else ("-y", key_text(key))
    return run_program(["dig", f"@{agent.host}", "-p", str(DNS_PORT), "+tries=1", *signing, *arguments])


def kdig(agent: LoneAgent, *arguments: str, key: TsigKey | None = TSIG_256, skew: str = "") -> Finished:
    signing = () if key is None else ("-y", key_text(key))
    # faketime cannot fake the time for dig, whose allocator it runs into.
    faked = ("faketime", "-f", skew) if skew else ()
    return run_program([*faked, "kdig", f"@{agent.host}", "-p", str(DNS_PORT), "+retry=0", *signing, *arguments])


def records(text: str) -> list[str]:
    """What ``dig`` printed, SOA left out."""
    lines = [line.split(None, 4) for line in text.splitlines() if line and not line.startswith(";")]
    return sorted(" ".join(line) for line in lines if len(line) == 5 and line[3] not in ("SOA", "TSIG"))


def serial(agent: LoneAgent) -> int:
    return int(agent.dig("consul", "SOA").answer[0].data.split()[2])


# --- the whole zone -------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm.value)
def test_dig_and_kdig_copy_what_dnspython_copies(agent: LoneAgent, key: TsigKey) -> None:
    zone = copied(agent, key)
    by_dig, by_kdig = dig(agent, "consul", "AXFR", key=key), kdig(agent, "consul", "AXFR", key=key)
    count = sum(len(rdataset) for node in zone for rdataset in zone[node]) - 1
    assert not UNVERIFIED.search(by_dig.out + by_dig.err + by_kdig.out + by_kdig.err)
    assert count == len(records(by_dig.out)) == len(records(by_kdig.out))
    assert records(by_dig.out) == records(by_kdig.out)
    messages = re.search(r"XFR size: (\d+) records \(messages (\d+), bytes (\d+)\)", by_dig.out)
    assert messages is not None
    assert count + 2 == int(messages[1])
    assert int(messages[3]) / 65_535 <= int(messages[2]) <= int(messages[3]) / 65_535 + 2


def test_copied_zone_answers_as_the_agent_does(agent: LoneAgent) -> None:
    zone = copied(agent)
    for relative in ("n0.node", "n199.node.dc1", "lone.node.dc1.dc", "ns", "consul.service", "0a010000.addr"):
        for rtype in ("A", "TXT", "SRV"):
            live = agent.dig(f"{relative}.consul", rtype)
            told = zone.get_rdataset(name(relative), rtype)
            assert sorted(record.data for record in live.answer) == sorted(str(rdata) for rdata in told or ())


def test_reverse_zone_is_copied_too(agent: LoneAgent) -> None:
    zone = copied(agent, zone="10.in-addr.arpa.")
    pointer = zone.get_rdataset("3.0.1.10.in-addr.arpa.", "PTR")
    assert pointer is not None
    assert ["n3.node.dc1.consul."] == [str(rdata) for rdata in pointer]


def test_query_on_the_connection_of_a_transfer_is_answered(agent: LoneAgent) -> None:
    axfr = dns.message.make_query("consul", "AXFR")
    axfr.use_tsig(peer_key(TSIG_256))
    other = dns.message.make_query("n7.node.consul", "A")
    with (
        socket.create_connection((agent.host, DNS_PORT), timeout=DEADLINE_S) as stream,
        stream.makefile("rb") as replies,
    ):
        for query in (axfr.to_wire(), other.to_wire()):
            stream.sendall(len(query).to_bytes(2, "big") + query)
        ids: list[int] = []
        while not {axfr.id, other.id} <= set(ids):
            wire = replies.read(int.from_bytes(replies.read(2), "big"))
            ids.append(int.from_bytes(wire[:2], "big"))
    assert 1 == ids.count(other.id)


# --- changes --------------------------------------------------------------------------------


def ixfr(agent: LoneAgent, serial: int, mname: str, *, tcp: bool = True) -> list[dns.message.Message]:
    query = dns.message.make_query("consul", "IXFR", use_edns=0)
    soa = query.find_rrset(
        query.authority, dns.name.from_text("consul"), dns.rdataclass.IN, dns.rdatatype.SOA, create=True
    )
    soa.add(dns.rdata.from_text("IN", "SOA", f"{mname} hostmaster.consul. {serial} 1 1 1 1"))
    query.use_tsig(peer_key(TSIG_256))
    if not tcp:
        return [dns.query.udp(query, agent.host, port=DNS_PORT, timeout=DEADLINE_S)]
    return [dns.query.tcp(query, agent.host, port=DNS_PORT, timeout=DEADLINE_S, one_rr_per_rrset=True)]


def test_changes_are_told_to_who_has_the_state_before(agent: LoneAgent) -> None:
    soa = copied(agent).get_soa()
    assert soa is not None
    register(agent, "newcomer", "10.2.0.1", {})
    poll(lambda: serial(agent) != soa.serial, "the next serial")
    for tcp in (True, False):
        (message,) = ixfr(agent, soa.serial, str(soa.mname), tcp=tcp)
        told = [(str(rrset.name), rrset.rdtype) for rrset in message.answer]
        assert ("newcomer.node.consul.", dns.rdatatype.A) in told
        assert len(told) < 40
    zone = copied(agent)
    assert zone.get_node(name("newcomer.node")) is not None


@pytest.mark.parametrize("program", [dig, kdig], ids=["dig", "kdig"])
def test_program_that_names_no_primary_gets_the_whole_zone_or_hears_that_nothing_is_new(
    agent: LoneAgent, program: Any
) -> None:
    now = serial(agent)
    assert [] == records(program(agent, "consul", f"IXFR={now}").out)
    assert len(records(program(agent, "consul", f"IXFR={now - 1}").out)) > NODES


# --- who may not ----------------------------------------------------------------------------


def test_stranger_is_refused(agent: LoneAgent) -> None:
    for rtype in ("AXFR", "IXFR=1"):
        assert "; Transfer failed." in dig(agent, "consul", rtype, key=None).out
        assert "REFUSED" in kdig(agent, "consul", rtype, key=None).err
    with pytest.raises(dns.xfr.TransferError, match="REFUSED"):
        copied(agent, None)
    with pytest.raises(dns.xfr.TransferError, match="REFUSED"):
        copied(agent, NOT_ALLOWED)


@pytest.mark.parametrize(
    ("key", "error", "raised"),
    [(WRONG, "BADSIG", dns.tsig.PeerBadSignature), (UNKNOWN, "BADKEY", dns.tsig.PeerBadKey)],
)
def test_wrong_key_is_told_which_error_it_is(
    agent: LoneAgent, key: TsigKey, error: str, raised: type[dns.exception.DNSException]
) -> None:
    assert error in dig(agent, "consul", "SOA", key=key).out
    assert error in dig(agent, "+tcp", "consul", "SOA", key=key).out
    assert "; Transfer failed." in dig(agent, "consul", "AXFR", key=key).out
    assert f"server replied with error '{error}'" in kdig(agent, "consul", "AXFR", key=key).err
    with pytest.raises(raised):
        copied(agent, key)


@pytest.mark.parametrize("skew_s", [-600, 600])
def test_skewed_clock_is_told_our_time(agent: LoneAgent, skew_s: int) -> None:
    skew = f"{skew_s:+}s"
    for how in (("consul", "AXFR"), ("+tcp", "consul", "SOA"), ("consul", "SOA")):
        done = kdig(agent, *how, skew=skew)
        assert "BADTIME" in done.out + done.err
        assert "bad signature" not in done.err
    now_s = time.time()  # noqa: TID251 - real programs live in real time
    asked = signed_query(dns.message.make_query("consul", "SOA"), peer_key(TSIG_256), now_s + skew_s)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE_S)
        client.sendto(asked.wire, (agent.host, DNS_PORT))
        record = dns.message.from_wire(client.recv(65_535), keyring=False).tsig
    assert record is not None
    assert 18 == record[0].error
    assert abs(int.from_bytes(record[0].other, "big") - now_s) < 60


@pytest.mark.parametrize("how", [("+notcp",), ("+tcp",)])
@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm.value)
def test_signed_query_is_answered_signed(agent: LoneAgent, how: tuple[str, ...], key: TsigKey) -> None:
    for program in (dig, kdig):
        done = program(agent, *how, "n5.node.consul", "A", key=key)
        assert "10.1.0.5" in done.out
        assert "TSIG" in done.out
        assert not UNVERIFIED.search(done.out + done.err)


def test_what_was_sent_is_in_the_log_and_no_secret_is(agent: LoneAgent) -> None:
    # The first lines, which the fixture had written: later ones may be too many for the log's limit.
    pattern = (
        r"zone transferred: from=\S+ zone=consul\. kind=axfr from_serial=- serial=\d+ key=sec\.example records=\d+ "
    )
    agent.process.wait_line(pattern)
    text = agent.process.output
    assert re.search(pattern, text)
    status, body = agent.http("GET", "/v1/agent/self")
    assert 200 == status
    assert "sec.example" in body
    for key in KEYS:
        assert b64encode(key.secret.reveal()).decode() not in text + body
        assert key.secret.reveal().hex() not in text + body
