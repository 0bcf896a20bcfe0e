"""BIND: a zone of ``type forward`` for each of the agent's zones, or of ``type static-stub``, which knows port 53 only.

* ``validate-except``: the root says, signed, that there is no such top-level domain; a validator would believe it.
* ``disable-empty-zone``: named answers for private reverse zones by itself (RFC 6303), and what it answers for
  it does not forward.

Both may stand in ``options`` alone, of which there is one block, somebody's already: two files of ours, and
two lines that take them in. Source: BIND 9 Administrator Reference Manual.
"""

from __future__ import annotations

from collections.abc import Iterator

from nodedns.cli.resolvers.facts import RecipeError, ResolverFacts, Server, special_zone
from nodedns.cli.resolvers.recipe import (
    ByHand,
    Command,
    DropIn,
    Recipe,
    Wishes,
    checks_of,
    first_line,
    resolv_conf_of,
)

__all__ = ["STYLES", "bind"]

FOLDER = "/etc/bind"
STYLES = ("forward", "static-stub")
REVERSE_SUFFIX = ".arpa"


def bind(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe.

    Raises:
        RecipeError: There is no such style, or it cannot name the agent's port.
    """
    style = wishes.style or STYLES[0]
    if style not in STYLES:
        raise RecipeError(f'BIND has no style "{style}"; -style takes {" or ".join(STYLES)}')
    if style == "static-stub" and not facts.is_on_dns_port:
        raise RecipeError(
            "BIND's static-stub knows no port but 53; let the agent listen there (-dns-port=53), or take -style=forward"
        )
    folder = wishes.folder or FOLDER
    options, zones = f"{folder}/nodedns.options", f"{folder}/nodedns.zones"
    return Recipe(
        tool="bind",
        files=(
            DropIn(options, "\n".join([first_line("bind", "//"), *_options(facts, style), ""]), folder),
            DropIn(zones, "\n".join([first_line("bind", "//"), *_zones(facts, style), ""]), folder),
        ),
        edits=(
            ByHand(f"{folder}/named.conf.options", f'include "{options}";\n', "within options { }"),
            ByHand(f"{folder}/named.conf.local", f'include "{zones}";\n', "at the end"),
            resolv_conf_of(facts, wishes),
        ),
        commands=(Command(("named-checkconf",), is_check=True), Command(("rndc", "reconfig"))),
        checks=checks_of(facts, wishes),
        notes=tuple(_notes(style)),
    )


def _notes(style: str) -> Iterator[str]:
    yield (
        "The directory is Debian's; -dir names another. Fedora and Red Hat have one file, /etc/named.conf: both lines "
        "go into it, the first within options { }, and -dir=/etc/named names a directory for the files."
    )
    yield "An options block may have validate-except once: if yours has it already, add the names to it."
    if style == "static-stub":
        yield (
            "static-stub takes the whole of a zone to be at the agent: list reverse zones in dns_config.reverse_zones, "
            "so that they do not come and go with the nodes' addresses."
        )


def _options(facts: ResolverFacts, style: str) -> Iterator[str]:
    yield "validate-except {"
    yield from (f'    "{zone}";' for zone in facts.zones)
    yield "};"
    # A static-stub zone below an empty zone is the nearer one; a forward zone is not looked at there.
    if style == "forward":
        special = (special_zone(zone) for zone in facts.zones)
        empty = dict.fromkeys(zone for zone in special if zone.endswith(REVERSE_SUFFIX))
        yield from (f'disable-empty-zone "{zone}";' for zone in empty)


def _zones(facts: ResolverFacts, style: str) -> Iterator[str]:
    for zone in facts.zones:
        yield f'zone "{zone}" {{'
        yield f"    type {style};"
        if style == "forward":
            yield "    forward only;"
            yield f"    forwarders {{ {_listed(facts.servers)} }};"
        else:
            yield f"    server-addresses {{ {' '.join(f'{server.host};' for server in facts.servers)} }};"
            # Forwarders for all names would be asked instead.
            yield "    forwarders { };"
        yield "};"


def _listed(servers: tuple[Server, ...]) -> str:
    return " ".join(f"{server.host} port {server.port};" for server in servers)
