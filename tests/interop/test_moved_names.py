"""A name that moves in a pool with real ``serf`` agents, and one that two agents claim."""

from __future__ import annotations

import json
from functools import partial

from nodedns.testing.mixed_pool import STATUS_S, Member, MixedPool, NodednsMember, SerfMember
from nodedns.testing.processes import poll


def sees_alive_at(observer: Member, name: str, host: str) -> bool:
    """Whether ``observer`` sees a member alive at that address."""
    listed = observer.command("members", "-format=json").out
    if isinstance(observer, NodednsMember):
        return any((row["Name"], row["Addr"], row["Status"]) == (name, host, 1) for row in json.loads(listed or "[]"))
    rows = json.loads(listed)["members"] if listed else []
    return any((row["name"], row["addr"].rpartition(":")[0], row["status"]) == (name, host, "alive") for row in rows)


def wait_followed(replacement: NodednsMember, *observers: NodednsMember | SerfMember) -> None:
    """Wait until each of these sees the name at its new address."""
    for observer in observers:
        poll(
            partial(sees_alive_at, observer, replacement.name, replacement.host),
            f"{observer.name} follows {replacement.name} to {replacement.host}",
            deadline_s=STATUS_S,
        )


def test_nodedns_replaced_under_its_name_is_followed_by_both_kinds(own_pool: MixedPool) -> None:
    dns, serf = own_pool.start_nodedns("dns"), own_pool.start_serf("serf")
    dns.join(serf.gossip_address)
    old = own_pool.start_nodedns("web", join=serf)
    own_pool.wait_all_alive([dns, serf, old])

    new = own_pool.start_nodedns("web")
    old.process.kill()
    new.join(dns.gossip_address)

    wait_followed(new, dns, serf, new)
    assert [new.host] == dns.dig("web.node.consul").data
    assert [new.host] == new.dig("web.node.consul").data
    own_pool.wait_all_alive([dns, serf, new])
    assert new.process.is_running
    assert "No conflicts.\n" == dns.command("members", "-conflicts").out


def test_nodedns_replaced_in_a_pool_of_serf_alone_is_followed(own_pool: MixedPool) -> None:
    one, two = own_pool.start_serf("one"), own_pool.start_serf("two")
    two.join(one.gossip_address)
    old = own_pool.start_nodedns("web", join=one)
    own_pool.wait_all_alive([one, two, old])

    # Had memberlist declared the old one dead before, it would keep its address until it is forgotten.
    new = own_pool.start_nodedns("web")
    old.process.kill()
    new.join(two.gossip_address)

    wait_followed(new, one, two)
    assert new.process.is_running
    own_pool.wait_all_alive([one, two, new])


def test_conflict_with_a_live_serf_is_shown_with_both_claimants(own_pool: MixedPool) -> None:
    dns, serf = own_pool.start_nodedns("dns"), own_pool.start_serf("web")
    dns.join(serf.gossip_address)
    own_pool.wait_all_alive([dns, serf])

    rival = own_pool.start_nodedns("web", "-server", "-bootstrap", join=dns)

    poll(lambda: "rival" in dns.command("members", "-conflicts").out, "a conflict", deadline_s=STATUS_S)
    (shown,) = json.loads(dns.command("members", "-conflicts", "-format=json").out)
    assert shown["Holder"]["Address"].startswith(f"{serf.host}:")
    assert shown["Rival"]["Address"].startswith(f"{rival.host}:")
    assert 36 == len(shown["Rival"]["ID"])
    assert [] != dns.process.lines("two agents claim one node name")
    assert [serf.host] == dns.dig("web.node.consul").data
