"""``Facts``: all that ``nodedns doctor`` found out, before anybody judges it.

Pure values. Whatever could not be had is said in an ``error``, in the words that a person is to read; nothing here
has an opinion.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = [
    "AgentFacts",
    "Clock",
    "Dial",
    "Facts",
    "HostFacts",
    "Lookup",
    "PeerFacts",
    "Port",
    "Reply",
    "ResolvedFacts",
    "ServerFacts",
    "StartFacts",
    "Subject",
]


@attrs.frozen(kw_only=True)
class Subject:
    """The name that is examined.

    Attributes:
        name: In full, such as ``web.node.consul``; without a final dot.
        domain: The one of the agent's domains that it is in.
        short: What is left of it with the domain's search suffix; empty if there is no such spelling.
        suffix: The search suffix that makes ``name`` of ``short``.
        is_short_wanted: Whether the short spelling is what was asked about.
        is_chosen: Whether the name was given, and not picked by us.
    """

    name: str
    domain: str
    short: str = ""
    suffix: str = ""
    is_short_wanted: bool = False
    is_chosen: bool = False


@attrs.frozen(kw_only=True)
class Reply:
    """What came back for one DNS question over one transport.

    Attributes:
        error: Why no answer came, such as ``no answer``; empty if one did.
        rcode: Its code, such as ``NXDOMAIN``; empty without an answer.
        data: Addresses or names of the wanted type, sorted.
        is_alias: Whether it has a CNAME.
        is_truncated: Whether it says that there is more.
        negative_ttl_s: For how long a negative answer may be remembered; None if it does not say.
    """

    error: str = ""
    rcode: str = ""
    data: tuple[str, ...] = ()
    is_alias: bool = False
    is_truncated: bool = False
    negative_ttl_s: int | None = None

    @property
    def finds(self) -> bool:
        """Whether it says that the name is there, with something of the wanted type."""
        return self.rcode == "NOERROR" and bool(self.data or self.is_alias)

    @property
    def outcome(self) -> str:
        """What came, in a word or two."""
        if self.error:
            return self.error
        if self.rcode == "NOERROR":
            return ", ".join(self.data) or ("an alias" if self.is_alias else "no records")
        return self.rcode


@attrs.frozen(kw_only=True)
class ServerFacts:
    """One DNS server, asked about the subject.

    Attributes:
        host: Its address.
        port: Its port.
        program: What it is, such as ``dnsmasq``, as far as that can be seen; else empty.
        is_local: Whether its address is one of this host's.
        is_taken: Whether something listens there, where that is on this host.
        is_up: Whether it answers a question about itself, for which it need ask nobody.
        udp: Its answer over UDP.
        tcp: Its answer over TCP.
        plain: Its answer over UDP to a query without EDNS, where one with it brought nothing.
        unchecked: Its answer to a query that asks it not to validate (CD), where it said SERVFAIL or nothing.
        fresh: Its answer about a name in the domain that exists and that nobody has asked for before, where it did not
            know the subject.
        reverse: Its answer about the name of the subject's address.
    """

    host: str
    port: int = 53
    program: str = ""
    is_local: bool = False
    is_taken: bool = False
    is_up: bool = True
    udp: Reply = Reply()
    tcp: Reply = Reply()
    plain: Reply | None = None
    unchecked: Reply | None = None
    fresh: Reply | None = None
    reverse: Reply | None = None

    @property
    def is_silent(self) -> bool:
        """Whether it said nothing to the subject."""
        return bool(self.udp.error and self.tcp.error and (self.plain is None or self.plain.error))


@attrs.frozen(kw_only=True)
class Dial:
    """One try to open a TCP connection.

    Attributes:
        where: ``host:port``.
        error: Why it could not be opened; empty if it could.
    """

    where: str
    error: str = ""


@attrs.frozen(kw_only=True)
class Clock:
    """Another machine's clock.

    Attributes:
        who: Whose.
        ahead_s: How far it is ahead of this host's, to about a second; negative for behind.
    """

    who: str
    ahead_s: float


@attrs.frozen(kw_only=True)
class PeerFacts:
    """A member, as the agent and this host see it.

    Attributes:
        name: Its node name.
        status: ``alive``, ``leaving`` or ``failed``.
        dial: TCP to its gossip port from here; None where that was not tried.
        acked_s: How long ago it last answered a probe over UDP; None if it never did.
        misses: Probes in a row since then without an answer.
        hints: What the agent's journal says of the cause.
    """

    name: str
    status: str
    dial: Dial | None = None
    acked_s: float | None = None
    misses: int = 0
    hints: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class AgentFacts:
    """What is known of the agent, from itself.

    Attributes:
        where: The address of its HTTP API that was asked.
        error: Why it could not be asked; empty if it could.
        status: The HTTP status with which it refused; 0 if it did not.
        holder: The program that listens there, where that is no agent; else empty.
        node: Its node name.
        version: Its version.
        is_known: Whether it has met the servers that it waits for.
        wanted_servers: How many those are.
        dns: Its own DNS, asked at each address; empty where it serves none, or none that can be asked from here.
        has_recursors: Whether it asks others for names that are not its own.
        names: The names of all members.
        peers: Some of them, those that matter most.
        joins: The members to join of its configuration, where it knows no other member.
        undeciphered: Gossip that no key of the agent opens or that is not encrypted as it should be, by kind.
        from_future: Registrations refused because they were made by a clock that is far ahead.
        clocks: Of other machines.
    """

    where: str
    error: str = ""
    status: int = 0
    holder: str = ""
    node: str = ""
    version: str = ""
    is_known: bool = True
    wanted_servers: int = 0
    dns: tuple[ServerFacts, ...] = ()
    has_recursors: bool = True
    names: tuple[str, ...] = ()
    peers: tuple[PeerFacts, ...] = ()
    joins: tuple[Dial, ...] = ()
    undeciphered: Mapping[str, int] = attrs.field(factory=dict)
    from_future: int = 0
    clocks: tuple[Clock, ...] = ()

    @property
    def is_reached(self) -> bool:
        """Whether it could be asked."""
        return not self.error and not self.status

    @property
    def found(self) -> tuple[str, ...]:
        """The subject's addresses as the agent's DNS gives them."""
        return next((reply.data for server in self.dns for reply in (server.udp, server.tcp) if reply.finds), ())

    @property
    def denies(self) -> bool:
        """Whether the agent's DNS says that there is no such name, or nothing of use at it."""
        said = [reply for server in self.dns for reply in (server.udp, server.tcp) if not reply.error]
        return bool(said) and not self.finds and all(reply.rcode in {"NXDOMAIN", "NOERROR"} for reply in said)

    @property
    def finds(self) -> bool:
        """Whether the agent's DNS has the subject."""
        return any(reply.finds for server in self.dns for reply in (server.udp, server.tcp))


@attrs.frozen(kw_only=True)
class Lookup:
    """What the C library said to a name, by whatever way it looks names up.

    Attributes:
        error: Why there is nothing, in its words; empty if there is.
        addresses: What it found, sorted.
    """

    error: str = ""
    addresses: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ResolvedFacts:
    """systemd-resolved, which stands between the C library and other servers.

    Attributes:
        routes: The domains that its files send somewhere, without ``~``.
        servers: The servers that its files name, as they stand there.
        upstreams: The servers that it asks for everything else.
    """

    routes: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    upstreams: tuple[ServerFacts, ...] = ()


@attrs.frozen(kw_only=True)
class HostFacts:
    """How this host looks names up.

    Attributes:
        sources: The words of ``hosts`` in nsswitch.conf, such as ``files``, ``dns`` and ``[NOTFOUND=return]``.
        search: The search list.
        nameservers: Those of resolv.conf, asked, in its order.
        unreadable: Files that could not be read, with the reason.
        writer: Who writes resolv.conf, by its first lines, such as ``NetworkManager``; else empty.
        resolved: systemd-resolved, where it runs; else None.
        system: The subject, asked for as any program would; None where the C library did not answer in time.
        short: Its short spelling, likewise; None also where it has none.
    """

    sources: tuple[str, ...] = ("files", "dns")
    search: tuple[str, ...] = ()
    nameservers: tuple[ServerFacts, ...] = ()
    unreadable: tuple[str, ...] = ()
    writer: str = ""
    resolved: ResolvedFacts | None = None
    system: Lookup | None = None
    short: Lookup | None = None


@attrs.frozen(kw_only=True)
class Port:
    """A port that an agent would listen on.

    Attributes:
        service: ``DNS``, ``HTTP``, ``HTTPS`` or ``gossip``.
        flag: What changes it.
        host: The address.
        number: The port.
        protocol: ``udp`` or ``tcp``.
        is_taken: Whether something listens there.
        holder: What that is; empty if that cannot be seen.
        is_local: Whether the address is one of this host's.
        is_permitted: Whether this user may listen there.
    """

    service: str
    flag: str
    host: str
    number: int
    protocol: str
    is_taken: bool = False
    holder: str = ""
    is_local: bool = True
    is_permitted: bool = True


@attrs.frozen(kw_only=True)
class StartFacts:
    """What an agent would meet at its start.

    Attributes:
        is_configured: Whether configuration was given; else these are the defaults.
        problems: What is wrong with the configuration.
        ports: The ports.
        data_dir: Where it keeps what it must know; empty for nowhere.
        data_dir_error: Why that cannot be used.
        keyring_error: Why the gossip keys in it cannot be used.
        keyring_note: What is odd about them.
    """

    is_configured: bool = False
    problems: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    data_dir: str = ""
    data_dir_error: str = ""
    keyring_error: str = ""
    keyring_note: str = ""


@attrs.frozen(kw_only=True)
class Facts:
    """Everything.

    Attributes:
        subject: What is looked up.
        missing: The name that was asked for, where the agent has no such name and another is looked up; else empty.
        agent: Of the agent.
        host: Of this host's way to look names up.
        start: Of a start; None where the agent runs.
    """

    subject: Subject
    missing: str = ""
    agent: AgentFacts
    host: HostFacts = HostFacts()
    start: StartFacts | None = None
