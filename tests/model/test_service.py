"""Rules of a service's values: each with Consul's words."""

from __future__ import annotations

import pytest

from nodedns.model.service import NamedPort, ports_fault

WEB = NamedPort("web", 80, True)


@pytest.mark.parametrize(
    ("ports", "fault"),
    [
        ((), ""),
        ((WEB, NamedPort("admin", 81)), ""),
        ((WEB, NamedPort("", 81)), "Ports.Name cannot be empty"),
        ((WEB, NamedPort("admin", 0)), "Ports.Port must be greater than zero"),
        ((WEB, NamedPort("admin", 65_536)), "Ports.Port must be between 0 and 65535"),
        ((WEB, NamedPort("web", 81)), 'Ports.Name "web" has to be unique'),
        ((WEB, NamedPort("admin", 81, True)), "Only one port can be marked as default"),
        ((NamedPort("admin", 81),), "One of the Ports must be marked as Default"),
    ],
)
def test_faults_of_named_ports_have_consuls_words(ports: tuple[NamedPort, ...], fault: str) -> None:
    assert fault == ports_fault(ports)
