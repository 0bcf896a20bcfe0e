"""``Instance``, ``ServiceGroup`` and ``NodeServices``: services and checks as a view shows them.

Strategy: what is registered on a node is joined with the node's row and checks once, when
either changes, and kept; a look-up by service or by node is one dict access. A
service's index rises when anything changes that an answer about it holds: its
instances, their checks, their nodes. What did not change are the same objects from
view to view.

Two things exist that nobody registers: the check ``serfHealth`` of each member, made
of its gossip status, and the service ``consul`` of each server agent.

Source: Consul's leader registrator (agent/consul/leader_registrator_v1.go) and state store.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import cached_property

import attrs

from nodedns.model.check import SERF_HEALTH, Check, CheckStatus, worst_of
from nodedns.model.member import MemberStatus
from nodedns.model.service import Service
from nodedns.table.node_row import NodeRow, ip_of
from nodedns.table.service_addresses import ServiceAddresses

__all__ = ["SERVERS_SERVICE", "CheckRow", "Instance", "NodeServices", "ServiceChange", "ServiceGroup", "ServiceSet"]

SERVERS_SERVICE = "consul"
"""The name and ID under which each server agent is a service."""
IPV4_BYTES, IPV6_BYTES = 4, 16
ALIVE_OUTPUT = "Agent alive and reachable"
FAILED_OUTPUT = "Agent not live or unreachable"


@attrs.frozen
class CheckRow:
    """A check of the catalog.

    Attributes:
        check: What it says.
        create_index: Index at which it appeared.
        modify_index: Index at which it last changed.
    """

    check: Check
    create_index: int
    modify_index: int


@attrs.frozen
class Instance:
    """One instance of a service, with all that a health answer holds of it.

    Attributes:
        row: Its node.
        service: What is registered.
        checks: Those of its node, then its own, each by ID.
        create_index: Index at which it appeared.
        modify_index: Index at which it was last registered otherwise than before.
    """

    row: NodeRow
    service: Service
    checks: tuple[CheckRow, ...]
    create_index: int
    modify_index: int

    @cached_property
    def status(self) -> CheckStatus:
        """The worst of its checks."""
        return worst_of(check.check.status for check in self.checks)

    @cached_property
    def own_ips(self) -> tuple[bytes | None, bytes | None]:
        """The IPv4 and IPv6 address of the service itself, packed: tagged ``lan_ipv4`` and ``lan_ipv6`` first."""
        service = self.service
        tagged = [service.tagged_addresses.get(tag) for tag in ("lan_ipv4", "lan_ipv6")]
        texts = [each.address for each in tagged if each is not None] + [service.address]
        packed = [ip.packed for ip in map(ip_of, texts) if ip is not None]
        ipv4, ipv6 = (next((ip for ip in packed if len(ip) == length), None) for length in (IPV4_BYTES, IPV6_BYTES))
        return ipv4, ipv6

    @cached_property
    def made(self) -> dict[object, object]:
        """What its readers made of it, by keys of theirs, to be found again as long as it is the same; few things."""
        return {}

    @property
    def own_ip_texts(self) -> tuple[str, ...]:
        """The same as text, IPv4 first; none on a hidden node, for DNS does not tell of it."""
        if self.row.is_hidden:
            return ()
        return tuple(str(ipaddress.ip_address(packed)) for packed in self.own_ips if packed is not None)

    @property
    def weight(self) -> int:
        """Its share by its health (RFC 2782's weight)."""
        weights = self.service.weights
        return weights.warning if self.status is CheckStatus.WARNING else weights.passing


@attrs.frozen(eq=False)
class ServiceGroup:
    """The instances of one service.

    Attributes:
        folded: Folded name.
        members: By folded node name and service ID.
        index: Of the last change to what an answer about the service holds.
        catalog_index: The same but for the health of nodes and instances.
    """

    folded: str
    members: Mapping[tuple[str, str], Instance]
    index: int
    catalog_index: int

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """All of them, by folded node name and service ID."""
        return tuple(self.members[key] for key in sorted(self.members))

    @property
    def name(self) -> str:
        """The name in the spelling of the first instance."""
        return self.instances[0].service.name

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Every tag of any instance, sorted."""
        return tuple(sorted({tag for instance in self.members.values() for tag in instance.service.tags}))


@attrs.frozen(eq=False)
class NodeServices:
    """What is registered on one node that has a row.

    Attributes:
        row: The node.
        by_id: Instances by service ID.
        checks_by_id: All checks.
        owned: Checks by the ID of their service, each by ID; those of the node itself, ``serfHealth`` among them,
            under the empty text.
        index: Of the last change to any of it.
        catalog_index: Of the last change to what the catalog shows of the node or its services, health apart.
        checks_index: Of the last change to its checks.
    """

    row: NodeRow
    by_id: Mapping[str, Instance]
    checks_by_id: Mapping[str, CheckRow]
    owned: Mapping[str, tuple[CheckRow, ...]]
    index: int
    catalog_index: int
    checks_index: int

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """Every instance, by service ID."""
        return tuple(self.by_id[service_id] for service_id in sorted(self.by_id))

    @cached_property
    def checks(self) -> tuple[CheckRow, ...]:
        """Every check, by ID."""
        return tuple(self.checks_by_id[check_id] for check_id in sorted(self.checks_by_id))

    @property
    def node_checks(self) -> tuple[CheckRow, ...]:
        """The checks of the node itself, by ID."""
        return self.owned.get("", ())

    def instance(self, service_id: str) -> Instance | None:
        """Return the instance of exactly this ID."""
        return self.by_id.get(service_id)

    def check(self, check_id: str) -> CheckRow | None:
        """Return the check of exactly this ID."""
        return self.checks_by_id.get(check_id)


@attrs.frozen(eq=False)
class ServiceChange:
    """What happened to one service between two views.

    Attributes:
        folded: Folded name.
        before: In the earlier view; None if there was none.
        after: In the later view; None if there is none.
        moves_instances: Whether more changed than what checks say in words: an instance, its status, or its node.
        moved_ips: IPs, each once, of instances that took them, gave them up, or have another name there.
    """

    folded: str
    before: ServiceGroup | None
    after: ServiceGroup | None
    moves_instances: bool
    moved_ips: tuple[str, ...] = ()


@attrs.frozen(eq=False)
class ServiceSet:
    """Services and checks of one moment; the dicts are never changed once here.

    Attributes:
        by_name: Folded service name to its group.
        by_node: Folded node name to what is registered there; every node with a row is in it.
        names_index: Index of the last change to which services there are, or to their tags.
        registered_index: Index of the last change to what is registered of any service, or to a node with one.
        checks_index: Index of the last change to any check.
        instances_index: Index of the last change to any instance, its status or its node.
        status_indexes: Index of the last change to the checks that have, or had, a status.
        addresses: The IPs that instances have of their own.
    """

    by_name: Mapping[str, ServiceGroup]
    by_node: Mapping[str, NodeServices]
    names_index: int
    registered_index: int
    checks_index: int
    instances_index: int
    status_indexes: Mapping[CheckStatus, int]
    addresses: ServiceAddresses = attrs.field(factory=ServiceAddresses)

    @cached_property
    def sorted_groups(self) -> tuple[ServiceGroup, ...]:
        """Every service by folded name."""
        return tuple(self.by_name[name] for name in sorted(self.by_name))


def serf_health(row: NodeRow) -> Check | None:
    """Return the check of a member's gossip status; None for an external node."""
    if not row.is_member:
        return None
    is_failed = row.status is MemberStatus.FAILED
    return Check(
        id=SERF_HEALTH,
        name="Serf Health Status",
        status=CheckStatus.CRITICAL if is_failed else CheckStatus.PASSING,
        output=FAILED_OUTPUT if is_failed else ALIVE_OUTPUT,
    )


def servers_service(row: NodeRow) -> Service | None:
    """Return the service that a server agent is by itself; None for any other node."""
    if not row.is_server:
        return None
    return Service(id=SERVERS_SERVICE, name=SERVERS_SERVICE, port=row.server_port)
