"""The probes of ISC's EDNS compliance tester, as ``dig`` sends them, and what a person asks a server about itself.

Expectations are from RFC 8906 section 8 and the documents named there; the exact bytes are pinned in ``tests/dns``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns import __version__
from nodedns.testing.dig import DigAnswer
from nodedns.testing.loopback import DNS_PORT, LoneAgent, lone_agent
from nodedns.testing.processes import run_program

PLAIN = ("+norec", "+noedns", "+noad")
EDNS = ("+norec", "+edns=0", "+nocookie", "+noad")
EDNS1 = ("+norec", "+edns=1", "+noednsneg", "+nocookie", "+noad")
SOA = ("consul.", "SOA")
CLIENT_COOKIE = "+cookie=0102030405060708"
ALL_OPTIONS = ("+nsid", "+subnet=0.0.0.0/0", "+expire", CLIENT_COOKIE)

NSID_LINE = '; NSID: 6c 6f 6e 65 ("lone")'
SUBNET_LINE = "; CLIENT-SUBNET: 0.0.0.0/0/0"
COOKIE_LINE = "; COOKIE: 0102030405060708"


@pytest.fixture(scope="module")
def agent(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path_factory.mktemp("probed")) as made:
        made.start()
        meta = {f"key{number:02}": "v" * 90 for number in range(30)}
        wide = {"Node": "wide", "Address": "10.0.0.9", "NodeMeta": meta}
        made.register(wide)
        yield made


def option_lines(answer: DigAnswer) -> list[str]:
    """Return the OPT record's options as printed, server cookies cut off."""
    lines = answer.text.partition(answer.edns + "\n")[2].partition(";; QUESTION")[0].splitlines()
    return [re.sub(r"^(; COOKIE: \w{16})\w{32} \(good\)$", r"\1", line) for line in lines if line.startswith("; ")]


def size(answer: DigAnswer) -> int:
    return int(next(line for line in answer.text.splitlines() if line.startswith(";; MSG SIZE")).split()[-1])


# --- plain DNS -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags",
    [(), ("+aaflag",), ("+adflag",), ("+cdflag",), ("+raflag",), ("+tcflag",), ("+zflag",), ("+tcp",)],
    ids=["dns", "aa", "ad", "cd", "ra", "tc", "zflag", "tcp"],
)
def test_plain_probe_is_answered_with_the_soa_and_no_opt(agent: LoneAgent, flags: tuple[str, ...]) -> None:
    answer = agent.dig(*PLAIN, *flags, *SOA)

    assert ("NOERROR", ["SOA"], "") == (answer.status, [record.kind for record in answer.answer], answer.edns)
    # CD alone may be copied (RFC 4035 section 3.1.6).
    assert ["qr", "aa"] == [flag for flag in answer.flags if flag != "cd"]
    assert "MBZ" not in answer.text


def test_recursion_desired_is_copied(agent: LoneAgent) -> None:
    assert ("qr", "aa", "rd") == agent.dig("+rec", "+noedns", "+noad", *SOA).flags


@pytest.mark.parametrize(
    "asked",
    [
        ("+header-only", "+opcode=15"),
        ("+header-only", "+opcode=15", "+tcflag", "+rec", "+raflag", "+cdflag", "+adflag", "+aaflag", "+zflag"),
        ("+opcode=update", *SOA),
        ("+opcode=iquery", *SOA),
        ("+opcode=status", *SOA),
    ],
    ids=["opcode", "opcodeflg", "update", "iquery", "status"],
)
def test_other_opcode_is_not_implemented(agent: LoneAgent, asked: tuple[str, ...]) -> None:
    answer = agent.dig(*PLAIN, *asked)

    assert ("NOTIMP", ("qr",), "") == (answer.status, answer.flags, answer.question)


def test_notify_is_told_that_no_zone_is_copied_here(agent: LoneAgent) -> None:
    answer = agent.dig(*PLAIN, "+opcode=notify", *SOA)

    assert ("NOTAUTH", ("qr",), "") == (answer.status, answer.flags, answer.question)


TYPES = """
    A NS MD MF CNAME SOA MB MG MR NULL TYPE11 PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP NSAP-PTR SIG KEY PX GPOS
    AAAA LOC NXT SRV NAPTR KX CERT A6 DNAME APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA
    SMIMEA HIP CDS CDNSKEY OPENPGPKEY SPF NID L32 L64 LP EUI48 EUI64 URI CAA AVC DOA DLV TYPE666 TYPE1000
"""


def test_any_type_at_the_apex_has_an_answer(agent: LoneAgent) -> None:
    for kind in TYPES.split():
        answer = agent.dig(*PLAIN, "consul.", kind)
        own = [kind] if kind in ("NS", "SOA") else []

        assert (kind, "NOERROR", "") == (kind, answer.status, answer.edns)
        assert (kind, own) == (kind, [record.kind for record in answer.answer])
        assert (kind, [] if own else ["SOA"]) == (kind, answer.authority_kinds)


# --- EDNS ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ((), []),
        (("+ednsopt=100",), []),
        (("+ednsflags=0x0080",), []),
        (("+nsid",), [NSID_LINE]),
        (("+subnet=0.0.0.0/0",), [SUBNET_LINE]),
        (("+subnet=2001:db8::/56",), ["; CLIENT-SUBNET: 2001:db8::/56/0"]),
        (("+subnet=0",), [SUBNET_LINE]),
        (("+expire",), []),
        ((CLIENT_COOKIE,), [COOKIE_LINE]),
        (ALL_OPTIONS, [NSID_LINE, SUBNET_LINE, COOKIE_LINE]),
        (("+bufsize=4096",), []),
        (("+keepalive",), []),
        (("+tcp", "+keepalive"), ["; TCP KEEPALIVE: 10.0 secs"]),
        (("+tcp",), []),
        (("+tcp", *ALL_OPTIONS), [NSID_LINE, SUBNET_LINE, COOKIE_LINE]),
    ],
)
def test_edns_probe_is_answered_with_version_0_and_only_what_we_know(
    agent: LoneAgent, more: tuple[str, ...], options: list[str]
) -> None:
    answer = agent.dig(*EDNS, *more, *SOA)

    assert ("NOERROR", ["SOA"]) == (answer.status, [record.kind for record in answer.answer])
    assert "; EDNS: version: 0, flags:; udp: 1232" == answer.edns
    assert options == option_lines(answer)


@pytest.mark.parametrize("more", [(), ("+cdflag",), ("+bufsize=512", "+ignore")], ids=["do", "docd", "edns@512"])
def test_dnssec_ok_is_copied(agent: LoneAgent, more: tuple[str, ...]) -> None:
    answer = agent.dig(*EDNS, "+dnssec", *more, *SOA)

    assert "NOERROR" == answer.status
    assert "; EDNS: version: 0, flags: do; udp: 1232" == answer.edns


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"], ids=["edns@512", "ednstcp"])
def test_type_that_is_not_there_is_denied_in_512_bytes(agent: LoneAgent, transport: str) -> None:
    answer = agent.dig(*EDNS, "+dnssec", "+ignore", "+bufsize=512", transport, "consul.", "DNSKEY")

    assert ("NOERROR", ["SOA"]) == (answer.status, answer.authority_kinds)
    assert "; EDNS: version: 0, flags: do; udp: 1232" == answer.edns
    assert size(answer) <= 512


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("+ednsopt=100",),
        ("+dnssec",),
        ("+nsid",),
        (CLIENT_COOKIE,),
        ("+expire",),
        ("+subnet=0.0.0.0/0",),
        ("+tcp",),
        ("+edns=100",),
        ("+edns=100", "+ednsopt=100"),
    ],
)
def test_later_edns_version_is_badvers_without_an_answer(agent: LoneAgent, more: tuple[str, ...]) -> None:
    answer = agent.dig(*EDNS1, *more, *SOA)

    assert ("BADVERS", ()) == (answer.status, answer.answer)
    assert answer.edns.startswith("; EDNS: version: 0, ")
    assert [] == option_lines(answer)


def test_bind_and_dig_ask_as_they_do_by_default(agent: LoneAgent) -> None:
    for asked in (("+norec", "+noad", "+dnssec"), ("+rec", "+ad")):
        answer = agent.dig("+edns=0", CLIENT_COOKIE, *asked, *SOA)

        assert ("NOERROR", ["SOA"]) == (answer.status, [record.kind for record in answer.answer])
        assert [COOKIE_LINE] == option_lines(answer)


@pytest.mark.parametrize("bufsize", ["512", "1232", "4096"])
def test_reply_that_is_too_long_says_so_and_keeps_opt(agent: LoneAgent, bufsize: str) -> None:
    asked = ("wide.node.consul.", "TXT")
    answer = agent.dig(*EDNS, "+ignore", f"+bufsize={bufsize}", *asked)

    assert ("NOERROR", ()) == (answer.status, answer.answer)
    assert "tc" in answer.flags
    assert "; EDNS: version: 0, flags:; udp: 1232" == answer.edns
    assert size(answer) <= min(int(bufsize), 1232)
    assert 30 == len(agent.dig(*EDNS, f"+bufsize={bufsize}", *asked).answer)


def test_signed_query_is_told_that_there_is_no_such_key(agent: LoneAgent) -> None:
    answer = agent.dig("+norec", "-y", "hmac-sha256:.:" + "A" * 43 + "=", *SOA)

    assert ("NOTAUTH", ()) == (answer.status, answer.answer)
    assert re.search(r"^\.\s+0\s+ANY\s+TSIG\s+hmac-sha256\. \d+ 300 0 \d+ BADKEY 0", answer.text, re.MULTILINE)


# --- errors that explain, and class CH -----------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (("example.com.", "A"), "; EDE: 20 (Not Authoritative)"),
        (("-c", "HS", "consul.", "SOA"), "; EDE: 20 (Not Authoritative)"),
        (("-c", "CH", "nothing.bind.", "TXT"), "; EDE: 20 (Not Authoritative)"),
    ],
)
def test_refusal_says_why(agent: LoneAgent, asked: tuple[str, ...], line: str) -> None:
    answer = agent.dig(*EDNS, *asked)

    assert ("REFUSED", [line]) == (answer.status, option_lines(answer))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("version.bind.", f'"nodedns {__version__}"'),
        ("version.server.", f'"nodedns {__version__}"'),
        ("hostname.bind.", '"lone"'),
        ("id.server.", '"lone"'),
    ],
)
def test_server_tells_its_version_and_name(agent: LoneAgent, kdig_program: Path, name: str, text: str) -> None:
    asked = ("CH", "TXT", name)
    printed = run_program([kdig_program, f"@{agent.host}", "-p", str(DNS_PORT), *asked]).out

    assert [text] == agent.dig(*asked).data == DigAnswer.of_text(printed).data


def test_kdig_reads_our_options(agent: LoneAgent, kdig_program: Path) -> None:
    options = ("+nsid", "+subnet=192.0.2.0/24", "+cookie=0102030405060708")
    printed = run_program([kdig_program, f"@{agent.host}", "-p", str(DNS_PORT), *options, *SOA]).out

    assert ';; NSID: 6C6F6E65 "lone"' in printed
    assert ";; CLIENT-SUBNET: 192.0.2.0/24/0" in printed
    assert re.search(r"^;; COOKIE: 0102030405060708\w{32}$", printed, re.MULTILINE)


def test_what_is_configured_empty_is_not_told(dig_program: Path, tmp_path: Path) -> None:
    with lone_agent(tmp_path, "silent") as silent:
        config = tmp_path / "silent.hcl"
        config.write_text('dns_config { nsid = "" version = "" cookies { enabled = false } }')
        silent.start(f"-config-file={config}")

        assert [SUBNET_LINE] == option_lines(silent.dig(*EDNS, *ALL_OPTIONS, *SOA))
        assert "REFUSED" == silent.dig("CH", "TXT", "version.bind.").status
        assert "REFUSED" == silent.dig("CH", "TXT", "id.server.").status
