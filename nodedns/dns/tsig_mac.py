"""``MacKey``: the MAC of a message by dnspython's TSIG; what is around it is ``tsig``'s.

The only file here that loads dnspython, so it is imported once there is a key. Source: RFC 8945 section 4.3.
"""

from __future__ import annotations

from typing import Final

import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.tsig
from dns.rdtypes.ANY.TSIG import TSIG

from nodedns.dns.name import Labels
from nodedns.dns.question import Tsig
from nodedns.dns.transfer_params import TsigAlgorithm, TsigKey

__all__ = ["MacContext", "MacKey"]

MacContext = dns.tsig.HMACTSig
"""What the digest of the next message of a reply goes on from."""

_ALGORITHMS: Final = {
    TsigAlgorithm.HMAC_SHA256: dns.tsig.HMAC_SHA256,
    TsigAlgorithm.HMAC_SHA512: dns.tsig.HMAC_SHA512,
}


class MacKey:
    """A key as dnspython wants it.

    Args:
        key: The key.

    Attributes:
        algorithm: The algorithm's name.
        mac_bytes: How long its MACs are.
    """

    __slots__ = ("_key", "algorithm", "mac_bytes")

    def __init__(self, key: TsigKey) -> None:
        algorithm = _ALGORITHMS[key.algorithm]
        self._key = dns.tsig.Key(dns.name.Name((*key.labels, b"")), key.secret.reveal(), algorithm)
        self.algorithm: Labels = algorithm.labels[:-1]
        self.mac_bytes: int = dns.tsig.mac_sizes[algorithm]

    def signed(
        self, message: bytes, tsig: Tsig, request_mac: bytes, context: MacContext | None
    ) -> tuple[bytes, MacContext]:
        """Return the MAC of ``message`` with ``tsig``, and the context that the next message of a reply goes on from.

        Args:
            message: The whole message but for its TSIG record.
            tsig: That record; its MAC has no influence.
            request_mac: That of the query which ``message`` answers; empty for none.
            context: From the message before; None for the first.
        """
        time_signed = int.from_bytes(tsig.time_signed, "big")
        fields = (tsig.fudge_s, b"", tsig.original_id, tsig.error, tsig.other)
        # dnspython has no type hints for these.
        rdata = TSIG(dns.rdataclass.ANY, dns.rdatatype.TSIG, self._key.algorithm, time_signed, *fields)  # type: ignore[no-untyped-call]
        signed, following = dns.tsig.sign(message, self._key, rdata, time_signed, request_mac, context, multi=True)  # type: ignore[no-untyped-call]
        return signed.mac, following
