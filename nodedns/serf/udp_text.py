"""What a check over UDP found, in words that name the peer, the direction and the port."""

from __future__ import annotations

from nodedns.serf.events import UdpChecked

__all__ = ["udp_text"]


def udp_text(checked: UdpChecked) -> str:
    """Return one sentence; it states only what was seen."""
    them, us = checked.member, checked.local
    forth = f"UDP from {us.name} to {them.name} ({them.address})"
    back = f"UDP from {them.name} to {us.name} ({us.address})"
    one_way = "does not arrive, while UDP the other way does: allow UDP port"
    match checked.sent, checked.received:
        case True, True:
            return f"UDP passes between {us.name} and {them.name} ({them.address}) in both directions"
        case False, _:
            return f"{forth} {one_way} {them.address.port} to {them.name}"
        case True, False:
            return f"{back} {one_way} {us.address.port} to {us.name}"
        case _, False:
            return (
                f"{back} does not arrive, while TCP between the two does, and nothing shows that "
                f"{forth} does: allow UDP port {us.address.port} in both directions"
            )
    return f"UDP between {us.name} and {them.name} ({them.address}) was tried without a result"
