"""What a filter may look at: the fields of each kind of item, and which operators suit each.

Strategy: an item is what the JSON answer shows of it. A field that the answer leaves out because it is
empty counts as empty. Fields that Consul has and nodedns does not, such as those of proxies, are
here and always empty, so that an expression written for Consul is understood. Indexes cannot be asked for.

Source: the tables of selectors in Consul's api-docs, agent/structs.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from nodedns.api.filter_grammar import Operator

__all__ = [
    "CHECK_FIELDS",
    "HEALTH_FIELDS",
    "MEMBER_FIELDS",
    "NODE_FIELDS",
    "SERVICE_FIELDS",
    "SERVICE_NODE_FIELDS",
    "Field",
    "Fields",
    "Kind",
]


class Kind(enum.Enum):
    """What a field holds."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    TEXTS = "texts"
    MAP = "map"
    RECORD = "record"
    RECORDS = "records"


_COMPARED = frozenset({Operator.EQUAL, Operator.NOT_EQUAL})
_CONTAINING = frozenset({Operator.IN, Operator.NOT_IN})
_EMPTY = frozenset({Operator.IS_EMPTY, Operator.IS_NOT_EMPTY})
_MATCHED = frozenset({Operator.MATCHES, Operator.NOT_MATCHES})

_OPERATORS = {
    Kind.TEXT: _COMPARED | _CONTAINING | _MATCHED,
    Kind.NUMBER: _COMPARED,
    Kind.FLAG: _COMPARED,
    Kind.TEXTS: _CONTAINING | _EMPTY,
    Kind.MAP: _CONTAINING | _EMPTY,
    Kind.RECORD: frozenset[Operator](),
    Kind.RECORDS: _EMPTY,
}


@attrs.frozen
class Field:
    """One field.

    Attributes:
        kind: What it holds.
        fields: Those of a record, or of each of several.
        each: What a map holds under any key.
    """

    kind: Kind
    fields: Mapping[str, Field] = attrs.field(factory=dict, repr=False)
    each: Field | None = None

    def suits(self, operator: Operator) -> bool:
        """Whether the field may be asked for by ``operator``."""
        return operator in _OPERATORS[self.kind]

    def part(self, name: str) -> Field | None:
        """Return the field below this one; None if there is none."""
        return self.each if self.each is not None else self.fields.get(name)


Fields = Mapping[str, Field]

_TEXT, _NUMBER, _FLAG, _TEXTS = Field(Kind.TEXT), Field(Kind.NUMBER), Field(Kind.FLAG), Field(Kind.TEXTS)
_PAIRS = Field(Kind.MAP, each=_TEXT)


def _record(**fields: Field) -> Field:
    return Field(Kind.RECORD, fields)


_ADDRESSES = Field(Kind.MAP, each=_record(Address=_TEXT, Port=_NUMBER))
_WEIGHTS = _record(Passing=_NUMBER, Warning=_NUMBER)
_CONNECT = _record(Native=_FLAG)
_PROXY = _record(
    DestinationServiceName=_TEXT,
    DestinationServiceID=_TEXT,
    LocalServiceAddress=_TEXT,
    LocalServicePort=_NUMBER,
    LocalServiceSocketPath=_TEXT,
    Mode=_TEXT,
    MeshGateway=_record(Mode=_TEXT),
)
_PORTS = Field(Kind.RECORDS, {"Name": _TEXT, "Port": _NUMBER, "Default": _FLAG})

NODE_FIELDS: Fields = {
    "ID": _TEXT,
    "Node": _TEXT,
    "Address": _TEXT,
    "Datacenter": _TEXT,
    "Partition": _TEXT,
    "PeerName": _TEXT,
    "TaggedAddresses": _PAIRS,
    "Meta": _PAIRS,
}
"""Of ``/v1/catalog/nodes``."""

SERVICE_FIELDS: Fields = {
    "Kind": _TEXT,
    "ID": _TEXT,
    "Service": _TEXT,
    "Tags": _TEXTS,
    "Address": _TEXT,
    "TaggedAddresses": _ADDRESSES,
    "Meta": _PAIRS,
    "Port": _NUMBER,
    "Ports": _PORTS,
    "SocketPath": _TEXT,
    "Weights": _WEIGHTS,
    "EnableTagOverride": _FLAG,
    "Datacenter": _TEXT,
    "Namespace": _TEXT,
    "Partition": _TEXT,
    "PeerName": _TEXT,
    "Proxy": _PROXY,
    "Connect": _CONNECT,
    "ServiceConnect": _CONNECT,
}
"""Of the services of a node, and of ``/v1/agent/services``."""

SERVICE_NODE_FIELDS: Fields = {
    "ID": _TEXT,
    "Node": _TEXT,
    "Address": _TEXT,
    "Datacenter": _TEXT,
    "TaggedAddresses": _PAIRS,
    "NodeMeta": _PAIRS,
    "ServiceKind": _TEXT,
    "ServiceID": _TEXT,
    "ServiceName": _TEXT,
    "ServiceTags": _TEXTS,
    "ServiceAddress": _TEXT,
    "ServiceTaggedAddresses": _ADDRESSES,
    "ServiceWeights": _WEIGHTS,
    "ServiceMeta": _PAIRS,
    "ServicePort": _NUMBER,
    "ServicePorts": _PORTS,
    "ServiceSocketPath": _TEXT,
    "ServiceEnableTagOverride": _FLAG,
    "ServiceProxy": _PROXY,
    "ServiceConnect": _CONNECT,
    "Namespace": _TEXT,
    "Partition": _TEXT,
    "PeerName": _TEXT,
}
"""Of ``/v1/catalog/service/NAME`` and ``/v1/catalog/services``."""

CHECK_FIELDS: Fields = {
    "Node": _TEXT,
    "CheckID": _TEXT,
    "Name": _TEXT,
    "Status": _TEXT,
    "Notes": _TEXT,
    "Output": _TEXT,
    "ServiceID": _TEXT,
    "ServiceName": _TEXT,
    "ServiceTags": _TEXTS,
    "Type": _TEXT,
    "Interval": _TEXT,
    "Timeout": _TEXT,
    "ExposedPort": _NUMBER,
    "Namespace": _TEXT,
    "Partition": _TEXT,
    "PeerName": _TEXT,
}
"""Of the lists of checks, and of ``/v1/agent/checks``."""

HEALTH_FIELDS: Fields = {
    "Node": Field(Kind.RECORD, NODE_FIELDS),
    "Service": Field(Kind.RECORD, SERVICE_FIELDS),
    "Checks": Field(Kind.RECORDS, CHECK_FIELDS),
}
"""Of ``/v1/health/service/NAME``."""

MEMBER_FIELDS: Fields = {
    "Name": _TEXT,
    "Addr": _TEXT,
    "Port": _NUMBER,
    "Tags": _PAIRS,
    "Status": _NUMBER,
    "ProtocolMin": _NUMBER,
    "ProtocolMax": _NUMBER,
    "ProtocolCur": _NUMBER,
    "DelegateMin": _NUMBER,
    "DelegateMax": _NUMBER,
    "DelegateCur": _NUMBER,
}
"""Of ``/v1/agent/members``."""
