"""The rules for who an agent is: node name, node ID, node meta, datacenter.

Source: Consul's limits and error texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from nodedns.config.draft import Draft
from nodedns.errors import shorten
from nodedns.model.host_key import meta_faults_of_fingerprints
from nodedns.model.meta import meta_faults
from nodedns.model.names import is_dns_label

__all__ = ["datacenter", "node_id", "node_meta", "node_name"]

DEFAULT_DATACENTER = "dc1"
MAX_NODE_NAME_BYTES = 128  # Serf's limit for names, where it checks them

_DATACENTER = re.compile(r"[a-z0-9_-]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def node_name(draft: Draft, host_name: Callable[[], str]) -> str:
    """Return the name, the host's where none is set."""
    given = draft.settings.node_name
    name = (host_name() if given is None else given).strip()
    if not name:
        draft.problem("node_name", "node_name cannot be empty")
    elif len(name.encode(errors="surrogateescape")) > MAX_NODE_NAME_BYTES:
        draft.problem("node_name", f"node_name cannot be longer than {MAX_NODE_NAME_BYTES} bytes: {shorten(name)}")
    elif not name.isprintable():
        draft.problem("node_name", f"node_name cannot contain control characters: {shorten(name)}")
    return name


def node_id(draft: Draft) -> str:
    """Return the UUID in lower case, or nothing where none is set."""
    given = draft.settings.node_id
    if not given:
        return ""
    if not _UUID.fullmatch(given):
        draft.problem("node_id", f"specified NodeID is invalid: {shorten(given)} is no UUID")
    return given.lower()


def node_meta(draft: Draft) -> Mapping[str, str]:
    """Return the pairs, each checked."""
    pairs = draft.settings.node_meta or {}
    for fault in meta_faults(pairs):
        draft.problem("node_meta", f"node_meta invalid: {fault}" if fault.startswith("Couldn't") else fault)
    draft.warnings += [f"node_meta: {fault}" for fault in meta_faults_of_fingerprints(pairs)]
    return pairs


def datacenter(draft: Draft) -> str:
    """Return the datacenter in lower case."""
    name = (DEFAULT_DATACENTER if draft.settings.datacenter is None else draft.settings.datacenter).lower()
    if not _DATACENTER.fullmatch(name):
        rule = "datacenter can only contain lowercase alphanumeric, - or _ characters."
        draft.problem("datacenter", f'{rule} received: "{name}"')
    elif not is_dns_label(name):
        draft.warnings.append(f'Datacenter "{name}" is no DNS label, so some programs will not look up names in it.')
    return name
