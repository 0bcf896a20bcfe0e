"""``NameServer``: a small authoritative DNS server, for tests of what looks names up.

It serves one zone of text, read again for each query, so that a test changes an
answer by writing the file. UDP only, one query at a time, no EDNS, no wildcards: a
name is there or it is not. Within a test it runs in a thread; on a ``Host``, as
``python -m nodedns.testing.name_server ADDRESS PORT ZONE-FILE``.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import dns.zone

__all__ = ["ZONE_ORIGIN", "name_server", "serve"]

ZONE_ORIGIN = "pool.example."
MAX_QUERY_BYTES = 512


def serve(sock: socket.socket, zone_file: Path) -> None:
    """Answer until an empty datagram comes."""
    while True:
        data, source = sock.recvfrom(MAX_QUERY_BYTES)
        if not data:
            return
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            continue
        sock.sendto(_answer(query, zone_file.read_text(encoding="ascii")).to_wire(), source)


def _answer(query: dns.message.Message, text: str) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    question = query.question[0]
    zone = dns.zone.from_text(text, origin=ZONE_ORIGIN, relativize=False, check_origin=False)
    node = zone.get_node(question.name)
    if node is None:
        response.set_rcode(dns.rcode.NXDOMAIN)
        return response
    found = node.get_rdataset(question.rdclass, question.rdtype)
    if found is not None:
        response.answer.append(dns.rrset.from_rdata_list(question.name, found.ttl, list(found)))
    return response


@contextmanager
def name_server(zone_file: Path, host: str = "127.0.0.1") -> Iterator[tuple[str, int]]:
    """Yield address and port of a server in a thread."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        thread = threading.Thread(target=serve, args=(sock, zone_file), daemon=True)
        thread.start()
        try:
            yield sock.getsockname()
        finally:
            sock.sendto(b"", sock.getsockname())
            thread.join()


if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind((sys.argv[1], int(sys.argv[2])))
        print("name server ready")  # noqa: T201 - for whoever started it
        serve(own, Path(sys.argv[3]))
