"""The rules of ``dns_config.transfer``: who may have our zones, who is told of changes, and the keys of both.

A secret is never part of a message. Source: RFC 8945; what NSD, Knot and BIND take.
"""

from __future__ import annotations

import binascii
import ipaddress
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import TypeVar

from nodedns.config.draft import Draft
from nodedns.config.keys import Given
from nodedns.dns.name import labels_of
from nodedns.dns.transfer_params import (
    DEFAULT_PORT,
    MAX_ALLOWED,
    MAX_KEYS,
    MAX_NOTIFIED,
    AllowedClient,
    Network,
    NotifyTarget,
    TransferParams,
    TsigAlgorithm,
    TsigKey,
)
from nodedns.errors import ConfigProblem, shorten
from nodedns.model.address import parse_port, split_port
from nodedns.model.secret import Secret

__all__ = ["transfer_params"]

PATH = "dns_config.transfer"
MIN_SECRET_BYTES = 16
"""Shorter ones are guessed; ours. RFC 8945 section 8 asks for as many as the hash has, 32 and 64."""
MAX_SECRET_BYTES = 512

_Entry = TypeVar("_Entry")


def transfer_params(draft: Draft) -> TransferParams:
    """Return the settings, each checked."""
    given = draft.settings.dns_config.transfer if draft.settings.dns_config else None
    if given is None:
        return TransferParams()
    rules = _Rules(draft)
    keys = rules.read("keys", given.keys, MAX_KEYS, rules.key)
    return TransferParams(
        keys=keys,
        allow=rules.read("allow", given.allow, MAX_ALLOWED, rules.allowed),
        notify=rules.read("notify", given.notify, MAX_NOTIFIED, rules.notified),
    )


class _Rules:
    """Reads entries, and knows the names of the keys that were read before."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._key_names: set[str] = set()

    def read(
        self, name: str, given: Sequence[Given] | None, most: int, read: Callable[[Given], _Entry | None]
    ) -> tuple[_Entry, ...]:
        """Return the entries of one list, those that break no rule; the rest is reported."""
        entries = given or ()
        if len(entries) > most:
            self._draft.problem(f"{PATH}.{name}", f"holds {len(entries)} entries; the most is {most}")
        found = [read(entry) for entry in entries[:most]]
        return tuple(entry for entry in found if entry is not None)

    def key(self, given: Given) -> TsigKey | None:
        texts = self._texts(given, "name", "algorithm", "secret")
        name = self._key_name(given, texts.get("name"))
        algorithm = self._algorithm(given, texts.get("algorithm"))
        secret = self._secret(given, texts.get("secret"))
        if name in self._key_names:
            self._problem(given, "name", f"there are two keys called {shorten(name)}")
        if name:
            # Whatever else is wrong with it, who names it has made no mistake.
            self._key_names.add(name)
        if not name or algorithm is None or secret is None:
            return None
        return TsigKey(name=name, algorithm=algorithm, secret=secret)

    def allowed(self, given: Given) -> AllowedClient | None:
        texts = self._texts(given, "address", "key")
        address, key = texts.get("address"), self._known_key(given, texts.get("key"))
        if address is None:
            if not key:
                self._problem(given, "", "must have an address, a key, or both: else everybody would be allowed")
                return None
            return AllowedClient(None, key)
        network = self._network(given, address)
        return AllowedClient(network, key) if network is not None else None

    def notified(self, given: Given) -> NotifyTarget | None:
        texts = self._texts(given, "address", "key")
        key = self._known_key(given, texts.get("key"))
        address = texts.get("address")
        if address is None:
            self._problem(given, "", "must have an address: an IP, with a port or without")
            return None
        host, port_text = split_port(address)
        port = parse_port(port_text) if port_text else DEFAULT_PORT
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            self._problem(given, "address", f"{shorten(address)} is no IP, with a port or without")
            return None
        if not port:
            self._problem(given, "address", f"bad port {shorten(port_text)}, wanted 1 to 65535")
        elif ip.is_unspecified or ip.is_multicast:
            self._problem(given, "address", f"{ip} is not the address of one machine")
        else:
            return NotifyTarget(str(ip), port, key)
        return None

    def _key_name(self, given: Given, text: str | None) -> str:
        name = (text or "").removesuffix(".")
        if not name:
            self._problem(given, "", "must have a name: the one that the secondary knows the key by")
        elif labels_of(name) is None:
            self._problem(given, "name", f"{shorten(name)} is no domain name")
        elif not name.isascii():
            self._problem(given, "name", f"{shorten(name)} is not ASCII")
        else:
            return name.lower()
        return ""

    def _algorithm(self, given: Given, text: str | None) -> TsigAlgorithm | None:
        if text is None:
            return TsigAlgorithm.HMAC_SHA256
        try:
            return TsigAlgorithm(text.lower().removesuffix("."))
        except ValueError:
            known = " or ".join(algorithm.value for algorithm in TsigAlgorithm)
            self._problem(given, "algorithm", f"{shorten(text)} is not taken; it is {known}")
            return None

    def _secret(self, given: Given, text: str | None) -> Secret | None:
        try:
            secret = b64decode("".join((text or "").split()), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
            span = f"{MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in base64"
            self._problem(given, "secret", f'must be {span}; "openssl rand -base64 32" makes one')
            return None
        return Secret(secret)

    def _known_key(self, given: Given, text: str | None) -> str:
        name = (text or "").removesuffix(".").lower()
        if name and name not in self._key_names:
            self._problem(given, "key", f"there is no key called {shorten(name)} in {PATH}.keys")
        return name

    def _network(self, given: Given, text: str) -> Network | None:
        try:
            return ipaddress.ip_network(text, strict=False)
        except ValueError:
            self._problem(given, "address", f"{shorten(text)} is no IP and no network such as 10.0.0.0/8")
            return None

    def _texts(self, given: Given, *known: str) -> dict[str, str]:
        """Return what an entry says under each of its keys, which may be in any case."""
        texts: dict[str, str] = {}
        for key, value in given.values.items():
            if key.lower() not in known:
                self._problem(given, key, f"invalid config key; there are {', '.join(known)}")
            elif not isinstance(value, str):
                # Not shown: it may be a secret that lacks its quotes.
                self._problem(given, key, "must be text in quotes")
            else:
                texts[key.lower()] = value
        return texts

    def _problem(self, given: Given, key: str, message: str) -> None:
        path = f"{given.path}.{key}" if key else given.path
        self._draft.problems.append(ConfigProblem(given.source, path, message))
