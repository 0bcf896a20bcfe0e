"""Registrations in a pool of ``nodedns`` and Debian's ``serf``: with every ``nodedns``, and unseen by ``serf``."""

from __future__ import annotations

import secrets
import socket
from base64 import b64encode
from pathlib import Path

from nodedns.serf.messages import PeerData, encode_message
from nodedns.testing.mixed_pool import MixedPool, NodednsMember
from nodedns.testing.processes import poll

MANY = 300


def register(member: NodednsMember, number: int) -> None:
    body = {"Node": f"printer-{number}", "Address": f"10.0.{number // 250}.{number % 250}"}
    assert (200, "true") == member.http("PUT", "/v1/catalog/register", body)


def address_at(member: NodednsMember, number: int) -> list[str]:
    return member.dig(f"printer-{number}.node.consul").data


def new_key(folder: Path) -> tuple[str, Path]:
    key = b64encode(secrets.token_bytes(32)).decode()
    keyring = folder / "serf.keyring"
    keyring.write_text(f'["{key}"]')
    return f"-encrypt={key}", keyring


def test_registrations_are_with_every_nodedns_member_and_serf_has_no_complaint(
    own_pool: MixedPool, dig_program: Path
) -> None:
    encrypt, keyring = new_key(own_pool.folder)
    one = own_pool.start_nodedns("dns-1", encrypt, "-server", "-bootstrap")
    plain = own_pool.start_serf("serf-1", f"-keyring-file={keyring}", join=one)
    # It joins through a member that knows nothing of registrations.
    two = own_pool.start_nodedns("dns-2", encrypt, "-server", join=plain)
    other = own_pool.start_serf("serf-2", f"-encrypt={encrypt.removeprefix('-encrypt=')}", join=two)
    own_pool.wait_all_alive([one, two, plain, other])

    for number in range(MANY):
        register(one, number)
    poll(lambda: address_at(two, MANY - 1) == ["10.0.1.49"], "the last one on the other")
    assert ["10.0.0.0"] == address_at(two, 0)

    three = own_pool.start_nodedns("dns-3", encrypt, "-server", join=other)
    poll(lambda: address_at(three, MANY - 1) == ["10.0.1.49"], "all of them on a fresh one")
    assert ["10.0.0.0"] == address_at(three, 0)

    # What was registered with an agent outlives it.
    one.process.kill()
    own_pool.wait_status("dns-1", "failed", two, three)
    assert [["10.0.0.7"]] * 2 == [address_at(member, 7) for member in (two, three)]
    assert (200, "true") == two.http("PUT", "/v1/catalog/deregister", {"Node": "printer-7"})
    poll(lambda: three.dig("printer-7.node.consul").status == "NXDOMAIN", "the deregistration")

    # ``own_pool`` looks for complaints; this is what one would look like.
    assert [] == own_pool.complaints()
    assert not any("unknown type" in line for serf in (plain, other) for line in serf.process.lines())


def test_serf_that_is_sent_our_message_would_complain(pool: MixedPool) -> None:
    plain = pool.start_serf("serf-1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        host, port = plain.gossip_address.split(":")
        sock.sendto(b"\x08" + encode_message(PeerData("dns-1", b"hello")), (host, int(port)))
    poll(lambda: plain.complaints() != [], "a complaint")
