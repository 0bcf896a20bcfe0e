"""``docs/ssh.rst``, command for command: a real ``sshd`` on one host, and ``ssh`` by name on another.

Names are resolved by what ``nodedns resolver-config`` printed and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.manual_page import ManualPage, Typed
from nodedns.testing.processes import Finished, poll
from nodedns.testing.source_tree import project_root
from nodedns.testing.ssh_pair import NAMES, ONE, OUTSIDE, TWO, SshPair, require_ssh_programs, ssh_pair

PAGE = ManualPage.at(project_root(Path(__file__)) / "docs" / "ssh.rst")
SETUPS = {typed.command.split()[-1]: typed.command for typed in PAGE.typed("A resolver that asks the agent")}
ALONE = "resolv.conf"
ON_PORT_53 = ("-dns-port=53", f"-recursor={TWO}")

ONE_NAME, TWO_NAME = (f"{name}.node.consul" for name in NAMES)
ONE_IPV6, TWO_IPV6 = "fd00:20::10", "fd00:20::11"
TWO_LATER = "172.20.20.21"
SERVER_FLAGS = ("-server", "-bootstrap-expect=1")
WARNING = "Update the SSHFP RR in DNS with the new host key to get rid of this message."


@pytest.fixture(scope="module")
def hosts(ip_program: Path, dig_program: Path) -> Iterator[SshPair]:
    """Two hosts with addresses of both families, agents that have joined, and a ``sshd`` on the second."""
    require_ssh_programs()
    with ssh_pair() as pair:
        for host, address in ((pair.one, ONE_IPV6), (pair.two, TWO_IPV6)):
            host.check(ip_program, "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        pair.two.path("/etc/nodedns.d/ssh.hcl").write_text(PAGE.captioned("/etc/nodedns.d/ssh.hcl"))
        pair.start_world()
        pair.start_sshd()
        pair.start_agent(NAMES[0], *SERVER_FLAGS, f"-bind={ONE}")
        start_two(pair)
        yield pair


def two_flags(address: str = TWO) -> tuple[str, ...]:
    """The flags of the second agent."""
    return f"-bind={address}", f"-retry-join={ONE}"


def start_two(pair: SshPair, address: str = TWO) -> None:
    """Start the second agent, again perhaps."""
    pair.start_agent(NAMES[1], *two_flags(address))
    pair.wait_status(NAMES[1], "alive")


@pytest.fixture
def pair(hosts: SshPair) -> SshPair:
    """The two hosts, and an ``ssh`` that knows nobody."""
    hosts.forget_hosts()
    if hosts.flags_of(NAMES[1]) != two_flags():
        start_two(hosts)
        poll(lambda: f"{TWO}:" in hosts.one.nodedns("members").out, "it is back where it was")
    return hosts


@pytest.fixture
def alone(pair: SshPair) -> Iterator[SshPair]:
    """The two hosts, and nothing between the C library and the agent on port 53."""
    pair.serve_dns_on(*ON_PORT_53)
    with pair.resolver(SETUPS[ALONE]):
        yield pair


def typed(section: str, beginning: str = "") -> list[Typed]:
    """The commands of a section that begin so; at least one."""
    found = [typed for typed in PAGE.typed(section) if typed.command.startswith(beginning)]
    assert found
    return found


def alike(text: str) -> str:
    """A text with every fingerprint as one and the same."""
    text = re.sub(r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:...", text)
    return re.sub(r"[0-9A-F]{56} [0-9A-F]{8}", "...", text)


def follow(pair: SshPair, told: Typed) -> Finished:
    """Type a command of the page, which must succeed and print what the page shows."""
    done = pair.type(told.command)
    assert 0 == done.code, f"{told.command}: {done.out}"
    said = [line for line in done.out.splitlines() if told.command.startswith("ssh -o") or not is_first_visit(line)]
    shown, said = alike(told.shown).splitlines(), alike("\n".join(said)).splitlines()
    if told.command.startswith("dig"):
        # Resolvers turn records around.
        shown, said = sorted(shown), sorted(said)
    assert shown in ([], said)
    return done


def is_called_well(pair: SshPair) -> None:
    """Have the doctor examine the way to the second host; it must find nothing, not even something to look at."""
    examined = pair.type(f"nodedns doctor {TWO_NAME}")
    assert (0, "All is well.") == (examined.code, examined.out.splitlines()[-1]), examined.out


def is_first_visit(line: str) -> bool:
    """Whether ``ssh`` says it because it has not been there before."""
    beginnings = (
        "The authenticity of host",
        "ED25519 key fingerprint is",
        "No matching host key fingerprint",
        "Matching host key fingerprint",
        "This key is not known",
        "This host key is known",
        "    ~/.ssh/known_hosts:",
        "Are you sure you want to continue",
        "Warning: Permanently added",
    )
    return line.startswith(beginnings)


# --- by name -------------------------------------------------------------------------


@pytest.mark.parametrize("tool", [tool for tool in SETUPS if tool != ALONE])
def test_ssh_finds_the_node_by_what_was_printed_for(pair: SshPair, tool: str) -> None:
    pair.serve_dns_on()
    with pair.resolver(SETUPS[tool]):
        poll(lambda: TWO in pair.type(f"getent ahosts {TWO_NAME}").out, f"{tool} answers")
        for told in (*typed("By name"), *typed("Fingerprints in DNS", "dig")):
            follow(pair, told)
        is_called_well(pair)


def test_ssh_finds_the_node_by_resolv_conf_alone_and_the_world_is_still_there(alone: SshPair) -> None:
    for told in typed("By name"):
        follow(alone, told)
    assert OUTSIDE[1] in alone.type(f"getent hosts {OUTSIDE[0]}").out
    assert 0 != alone.type("getent hosts nobody.node.consul").code
    is_called_well(alone)


def test_a_node_with_both_families_is_reached_by_each(alone: SshPair) -> None:
    both = alone.two.path("/etc/nodedns.d/both.hcl")
    both.write_text(f'advertise_addr_ipv6 = "{TWO_IPV6}"')
    (told,) = typed("By name", "getent ahosts")

    def has_both() -> bool:
        return TWO_IPV6 in alone.type(told.command).out

    try:
        start_two(alone)
        poll(has_both, "both addresses are known")
        streams = [line.split()[0] for line in follow(alone, told).out.splitlines() if "STREAM" in line]
        assert {TWO, TWO_IPV6} == set(streams)
        for flag, address in (("-4", TWO), ("-6", TWO_IPV6)):
            reached = alone.type(f"ssh {flag} {TWO_NAME} 'echo $SSH_CONNECTION'").out.splitlines()[-1]
            assert address == reached.split()[2]
    finally:
        both.unlink()
        start_two(alone)
        poll(lambda: not has_both(), "the second address is gone")


# --- what makes it comfortable -------------------------------------------------------


def test_ssh_has_a_search_domain_of_its_own(alone: SshPair) -> None:
    alone.one.path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    assert 0 != alone.type("getent hosts agent-two").code

    alone.configure_ssh(PAGE.captioned("~/.ssh/config"))

    for told in typed("Without a search domain"):
        follow(alone, told)
    assert (
        "Matching host key" in alone.type(f"ssh-keygen -R {TWO_NAME}; ssh -o VerifyHostKeyDNS=ask agent-two true").out
    )
    assert "Could not resolve hostname nobody: Name or service not known" in alone.type("ssh nobody true").out


def test_all_names_of_a_node_are_one_host(alone: SshPair) -> None:
    alone.configure_ssh(PAGE.captioned("HostKeyAlias"))
    for told in typed("By name", "ssh"):
        follow(alone, told)
    again, forget = typed("known_hosts")

    assert "agent-two\n" == follow(alone, again).out
    follow(alone, forget)
    assert "Are you sure" in alone.type(again.command).out


def test_what_goes_by_way_of_ssh_takes_the_same_names(alone: SshPair) -> None:
    alone.type(f"echo hello >notes.txt; ssh {TWO_NAME} rm -f /tmp/notes.txt")
    copied = "ssh agent-two.node.consul 'cat /tmp/notes.txt; rm /tmp/notes.txt'"
    scp, rsync, ping, inventory, listed = typed("scp, rsync, Ansible")
    for told in (scp, rsync):
        follow(alone, told)
        assert "hello\n" == alone.type(copied).out
    assert '"ping": "pong"' in follow(alone, ping).out
    follow(alone, inventory)
    assert [ONE_NAME, TWO_NAME] == sorted(follow(alone, listed).out.split()[-2:])


# --- fingerprints --------------------------------------------------------------------


def test_fingerprint_in_dns_is_shown_beside_the_question(alone: SshPair) -> None:
    for told in typed("Fingerprints in DNS"):
        follow(alone, told)
    # Nobody can answer: with no signature, a fingerprint in DNS is no reason to go on.
    alone.forget_hosts()
    silent = alone.type(f"ssh -o BatchMode=yes -o VerifyHostKeyDNS=yes {TWO_NAME} true")
    assert (255, "Host key verification failed.\n") == (silent.code, silent.out)
    # Search domains are not searched for it.
    assert "No matching host key" in alone.type("ssh -o VerifyHostKeyDNS=yes agent-two true").out


def test_another_key_than_in_dns_is_an_alarm_until_it_is_published(alone: SshPair) -> None:
    alarm = PAGE.captioned("another key")
    visit = f"ssh -o VerifyHostKeyDNS=yes {TWO_NAME} true"
    alone.two.check("sh", "-c", "rm -f /tmp/other*; ssh-keygen -q -t ed25519 -N '' -f /tmp/other")
    try:
        alone.start_sshd("-h", "/tmp/other")  # noqa: S108 - in a mount namespace of its own
        done = alone.type(visit)
        assert alike(alarm) in alike(done.out)
        assert "No matching host key fingerprint found in DNS." in done.out
        accepted = alone.type(
            f"rm .ssh/known_hosts; {visit.replace('ssh', 'ssh -o StrictHostKeyChecking=accept-new', 1)}"
        )
        assert (0, True) == (accepted.code, WARNING in accepted.out)

        key = "/etc/ssh/ssh_host_ed25519_key"
        alone.two.check("sh", "-c", f"mv /tmp/other {key} && mv /tmp/other.pub {key}.pub")
        printed = alone.two.check("ssh-keygen", "-r", "x", "-f", f"{key}.pub")
        (wanted,) = re.findall("SSHFP 4 2 (\\w+)", printed)
        asked = f"dig +short {TWO_NAME} SSHFP"
        poll(lambda: wanted.upper() in alone.type(asked).out.replace(" ", ""), "the new key is published")

        alone.start_sshd()
        alone.forget_hosts()
        done = alone.type(visit)
        assert (False, True) == (WARNING in done.out, "Matching host key fingerprint found in DNS." in done.out)
    finally:
        alone.start_sshd()


# --- failing and moving --------------------------------------------------------------


def test_what_a_user_sees_when_the_node_fails_and_when_it_moves(alone: SshPair, ip_program: Path) -> None:
    login = f"ssh -o ConnectTimeout=5 {TWO_NAME} 'echo $SSH_CONNECTION'"
    alone.type(login)
    policy = alone.one.path("/etc/nodedns.d/policy.hcl")

    alone.agent(NAMES[1]).kill()
    alone.wait_status(NAMES[1], "failed")
    assert TWO == alone.type(login).out.split()[2]

    policy.write_text('dns_config { failed_nodes = "drop", failed_nodes_grace = "0s" }')
    try:
        assert 0 == alone.type("nodedns reload").code
        poll(lambda: "Could not resolve hostname" in alone.type(login).out, "the name is gone")
    finally:
        policy.unlink()
    assert 0 == alone.type("nodedns reload").code
    assert TWO == alone.type(login).out.split()[2]

    alone.two.check(ip_program, "link", "set", "eth0", "down")
    assert re.search("No route to host|timed out", alone.type(login).out)

    # Another lease, and the machine is back.
    alone.two.check(ip_program, "address", "delete", f"{TWO}/24", "dev", "eth0")
    alone.two.check(ip_program, "address", "add", f"{TWO_LATER}/24", "dev", "eth0")
    alone.two.check(ip_program, "link", "set", "eth0", "up")
    try:
        start_two(alone, TWO_LATER)
        poll(lambda: TWO_LATER in alone.type(f"getent hosts {TWO_NAME}").out, "the name moves")
        done = alone.type(login)
        # It is known by its name, so nothing is asked.
        assert (0, TWO_LATER) == (done.code, done.out.split()[2])
    finally:
        alone.two.check(ip_program, "address", "add", f"{TWO}/24", "dev", "eth0")


# --- IPv6 alone ----------------------------------------------------------------------


def test_ssh_by_name_where_there_is_nothing_but_ipv6(ip_program: Path, dig_program: Path) -> None:
    require_ssh_programs()
    with ssh_pair() as pair:
        for host, address in ((pair.one, ONE_IPV6), (pair.two, TWO_IPV6)):
            host.check(ip_program, "address", "flush", "dev", "eth0")
            host.check(ip_program, "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        pair.start_sshd()
        pair.one.path("/etc/nodedns.d/dns.hcl").write_text('addresses { dns = "::1" }')
        pair.start_agent(NAMES[0], *SERVER_FLAGS, f"-bind={ONE_IPV6}", "-dns-port=53", f"-recursor=[{TWO_IPV6}]")
        pair.start_agent(NAMES[1], f"-bind={TWO_IPV6}", f"-retry-join=[{ONE_IPV6}]")
        pair.wait_status(NAMES[1], "alive")
        with pair.resolver(SETUPS[ALONE]):
            assert "nameserver ::1\n" in pair.type("cat /etc/resolv.conf").out
            assert f"{TWO_IPV6}     {TWO_NAME}\n" == pair.type(f"getent hosts {TWO_NAME}").out
            for told in typed("By name", "ssh"):
                follow(pair, told)
