"""Record what real DNS programs send, as seeds for the fuzzer: one file for each different datagram.

    python fuzz/make_corpus.py

Asks with dig, kdig, nsupdate, dnspython and unbound, each found on this
machine, a server of its own on a loopback address that only listens and
refuses, so that nothing leaves the machine. IDs are set to 0, and so are the
client's cookies, which differ each time; everything else stays as it was sent.
"""

from __future__ import annotations

import shutil
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dns.edns
import dns.message
import dns.rdata
import dns.update

from nodedns.testing.loopback import free_hosts
from nodedns.testing.processes import run_program
from nodedns.testing.signing import KEYS, peer_key, signed_query
from nodedns.testing.unbound import unbound

CORPUS = Path(__file__).parent / "corpus" / "queries"
PORT = 8600
WAIT_S = 5.0
HEADER_BYTES = 12
QUESTION_TAIL_BYTES = 5
COOKIE_HEAD = struct.pack("!HH", 10, 8)
KEY = "hmac-sha256:key.consul:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
NODE = "foo.node.consul"
SIGNED_S = 1_700_000_000  # the time of the sample that is asked

DIG: dict[str, tuple[str, ...]] = {
    "a": (NODE, "A"),
    "aaaa": (NODE, "AAAA"),
    "any": (NODE, "ANY"),
    "txt": (NODE, "TXT"),
    "srv": ("_foo._tcp.service.consul", "SRV"),
    "soa": ("consul", "SOA"),
    "ns": ("consul", "NS"),
    "root": (".", "NS"),
    "missing": ("nobody.node.consul", "A"),
    "outside": ("example.com", "A"),
    "addr": ("0a010101.addr.consul", "A"),
    "ptr": ("-x", "10.1.1.1"),
    "ptr6": ("-x", "2001:db8::1"),
    "case": ("FoO.NoDe.cOnSuL", "A"),
    "octets": (r"\000\255\.x.node.consul", "A"),
    "long": (".".join(["x" * 63] * 3 + ["y" * 40]) + ".consul", "A"),
    "type65535": (NODE, "TYPE65535"),
    "plain": ("+noedns", NODE, "A"),
    "flags": ("+noedns", "+aaflag", "+adflag", "+cdflag", "+tcflag", "+zflag", "+raflag", NODE, "A"),
    "norec": ("+norec", NODE, "A"),
    "edns1": ("+edns=1", "+noednsneg", NODE, "A"),
    "ednsflags": ("+ednsflags=0x0080", NODE, "A"),
    "ednsopt": ("+ednsopt=100:cafe", NODE, "A"),
    "bufsize": ("+bufsize=512", NODE, "A"),
    "bufsize0": ("+bufsize=0", NODE, "A"),
    "dnssec": ("+dnssec", NODE, "A"),
    "nsid": ("+nsid", NODE, "A"),
    "subnet": ("+subnet=192.0.2.0/24", NODE, "A"),
    "subnet6": ("+subnet=2001:db8::/56", NODE, "A"),
    "subnet0": ("+subnet=0", NODE, "A"),
    "expire": ("+expire", "consul", "SOA"),
    "keepalive": ("+keepalive", NODE, "A"),
    "padding": ("+padding=128", NODE, "A"),
    "nocookie": ("+nocookie", NODE, "A"),
    "cookie": ("+cookie=0102030405060708", NODE, "A"),
    "server-cookie": ("+cookie=010203040506070801000000000000000102030405060708", NODE, "A"),
    "optlist": ("+nsid", "+subnet=0.0.0.0/0", "+expire", "+cookie=0102030405060708", "consul", "SOA"),
    "header-only": ("+header-only", "+opcode=15", "+noedns"),
    "header-only-edns": ("+header-only",),
    "status": ("+opcode=status", NODE, "A"),
    "notify": ("+opcode=notify", "consul", "SOA"),
    "chaos": ("version.bind", "CH", "TXT"),
    "hesiod": (NODE, "HS", "TXT"),
    "class-any": ("-c", "ANY", NODE, "A"),
    "signed": ("-y", KEY, NODE, "A"),
    "tcp": ("+tcp", NODE, "A"),
    "tcp-keepalive": ("+tcp", "+keepalive", NODE, "A"),
    "axfr": ("consul", "AXFR"),
    "ixfr": ("consul", "IXFR=1"),
    "ixfr-udp": ("+notcp", "consul", "IXFR=1"),
}
KDIG: dict[str, tuple[str, ...]] = {
    "a": (NODE, "A"),
    "plain": ("+noedns", NODE, "A"),
    "dnssec": ("+dnssec", NODE, "A"),
    "options": ("+nsid", "+subnet=192.0.2.0/24", "+padding=64", "+cookie", NODE, "A"),
    "edns": ("+edns=3", "+ednsopt=65001:00ff", NODE, "A"),
    "signed": ("-y", KEY, NODE, "A"),
    "tcp": ("+tcp", NODE, "A"),
    "axfr": ("consul", "AXFR"),
    "ixfr": ("consul", "IXFR=7"),
    "notify": ("+opcode=4", "consul", "SOA"),
    "punycode": ("müller.node.consul", "A"),
}
UNBOUND_NAMES = (NODE, "a.b.c.node.consul", "1.1.1.10.in-addr.arpa")


class Recorder:
    """Takes whatever is sent to one loopback address over UDP and TCP, and refuses it.

    Args:
        host: The address.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self._found: list[bytes] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((host, PORT))
        self._tcp = socket.create_server((host, PORT))
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def take(self) -> list[bytes]:
        """Return what came since the last call."""
        found, self._found = self._found, []
        return found

    def _serve_udp(self) -> None:
        while True:
            wire, source = self._udp.recvfrom(65_535)
            self._found.append(wire)
            self._udp.sendto(refused(wire), source)

    def _serve_tcp(self) -> None:
        while True:
            stream, _ = self._tcp.accept()
            with stream, suppress(OSError):
                stream.settimeout(WAIT_S)
                while head := stream.recv(2, socket.MSG_WAITALL):
                    wire = stream.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
                    self._found.append(wire)
                    reply = refused(wire)
                    stream.sendall(len(reply).to_bytes(2, "big") + reply)


def refused(wire: bytes) -> bytes:
    """Return REFUSED with the question, which is all that a client needs in order to give up."""
    end = HEADER_BYTES
    if wire[4:6] == b"\0\1":
        while wire[end]:
            end += 1 + wire[end]
        end += QUESTION_TAIL_BYTES
    return wire[:2] + bytes((0x80 | wire[2], 5)) + wire[4:6] + bytes(6) + wire[HEADER_BYTES:end]


def neutral(wire: bytes) -> bytes:
    """Return what was sent without what differs from run to run: ID and client cookie."""
    wire = bytes(2) + wire[2:]
    at = wire.find(COOKIE_HEAD)
    return wire if at < 0 else wire[: at + 4] + bytes(8) + wire[at + 12 :]


def by_program(recorder: Recorder, program: str, cases: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, bytes]]:
    if shutil.which(program) is None:
        print(f"{program} is not installed: its seeds are left as they are", file=sys.stderr)
        return
    tries = ("+tries=1", "+timeout=1") if program == "dig" else ("+retry=0", "+timeout=1")
    for name, arguments in cases.items():
        run_program([program, f"@{recorder.host}", "-p", str(PORT), *tries, *arguments])
        for number, wire in enumerate(dict.fromkeys(map(neutral, recorder.take()))):
            yield f"{program}-{name}" + (f"-{number}" if number else ""), wire


def by_nsupdate(recorder: Recorder) -> Iterator[tuple[str, bytes]]:
    if shutil.which("nsupdate") is None:
        return
    script = f"server {recorder.host} {PORT}\nzone consul\nupdate add x.consul 60 A 10.0.0.1\nsend\n"
    run_program(["nsupdate", "-t", "1", "-r", "0"], stdin=script)
    for number, wire in enumerate(dict.fromkeys(map(neutral, recorder.take()))):
        yield f"nsupdate-{number}", wire


def by_dnspython() -> Iterator[tuple[str, bytes]]:
    asked = {
        "plain": dns.message.make_query(NODE, "A"),
        "edns": dns.message.make_query(NODE, "A", use_edns=0, payload=4096),
        "large-options": dns.message.make_query(
            NODE, "A", options=[dns.edns.GenericOption(dns.edns.OptionType.make(65001), bytes(400))]
        ),
        "many-options": dns.message.make_query(
            NODE, "A", options=[dns.edns.GenericOption(dns.edns.OptionType.make(n), b"x") for n in range(80)]
        ),
        "no-question": dns.message.Message(id=0),
        "update": dns.update.UpdateMessage("consul"),
        "reply": dns.message.make_response(dns.message.make_query(NODE, "A")),
    }
    axfr, ixfr = dns.message.make_query("consul", "AXFR", use_edns=0), dns.message.make_query("consul", "IXFR")
    known = ixfr.find_rrset(ixfr.authority, ixfr.question[0].name, "IN", "SOA", create=True)
    known.add(dns.rdata.from_text("IN", "SOA", f"agent-1.node.dc1.consul. h. {SIGNED_S - 1} 1 1 1 1"))
    asked["ixfr-known"] = ixfr
    two = dns.message.make_query(NODE, "A")
    two.question = two.question * 2
    asked["two-questions"] = two
    alone = dns.message.Message(id=0)
    alone.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(8))])
    asked["cookie-alone"] = alone
    for name, message in asked.items():
        yield f"dnspython-{name}", neutral(message.to_wire())
    for key in KEYS:
        for name, message in (("axfr", axfr), ("ixfr", ixfr), ("edns", asked["edns"])):
            message.id = 0
            wire = signed_query(message, peer_key(key), SIGNED_S).wire
            yield f"dnspython-signed-{name}-{key.algorithm.value}", wire


def by_unbound(recorder: Recorder) -> Iterator[tuple[str, bytes]]:
    program = shutil.which("unbound") or shutil.which("unbound", path="/usr/sbin")
    if program is None:
        return
    zones = "".join(
        f'stub-zone:\n  name: "{zone}"\n  stub-addr: {recorder.host}@{PORT}\n'
        for zone in ("consul.", "10.in-addr.arpa.")
    )
    lines = '  use-caps-for-id: yes\n  qname-minimisation: yes\n  local-zone: "10.in-addr.arpa." nodefault\n'
    with tempfile.TemporaryDirectory() as folder, unbound(Path(program), Path(folder), lines, zones) as resolver:
        for name in UNBOUND_NAMES:
            resolver.dig("+tries=1", "+timeout=3", name, "A")
    seeds = dict.fromkeys(map(neutral, recorder.take()))
    folded: dict[bytes, bytes] = {}
    for wire in seeds:
        folded.setdefault(wire.lower(), wire)
    for number, wire in enumerate(folded.values()):
        yield f"unbound-{number}", wire


def main() -> None:
    CORPUS.mkdir(exist_ok=True)
    recorder = Recorder(next(free_hosts(PORT)))
    seeds = [
        *by_program(recorder, "dig", DIG),
        *by_program(recorder, "kdig", KDIG),
        *by_nsupdate(recorder),
        *by_dnspython(),
        *by_unbound(recorder),
    ]
    kept: dict[bytes, str] = {}
    for name, wire in seeds:
        kept.setdefault(wire, name)
    for wire, name in kept.items():
        (CORPUS / f"{name}.bin").write_bytes(wire)
    print(f"{len(kept)} seeds in {CORPUS}")


if __name__ == "__main__":
    main()
