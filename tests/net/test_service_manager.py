"""What the service manager is told, datagram by datagram."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from nodedns.net.service_manager import MAX_STATUS_CHARS, ServiceManager
from nodedns.testing.service_manager import NotifySocket


def manager(**environment: str) -> ServiceManager:
    return ServiceManager.take_from(environment, 7, lambda: 12.5)


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_each_call_is_one_message_to_the_socket_that_the_environment_names(kind: str, tmp_path: Path) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"@nodedns-test-{os.getpid()}"
    with NotifySocket(address) as told:
        ours = manager(NOTIFY_SOCKET=address)
        ours.ready("serves")
        ours.reloading()
        ours.status("two\nlines")
        ours.alive()
        ours.stopping()
        ours.stopping()
        assert [
            {"READY": "1", "STATUS": "serves"},
            {"RELOADING": "1", "MONOTONIC_USEC": "12500000"},
            {"STATUS": "two lines"},
            {"WATCHDOG": "1"},
            {"STOPPING": "1", "STATUS": "stopping"},
        ] == told.waiting()


def test_variables_are_removed_so_that_no_child_speaks_for_us() -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "7", "HOME": "/"}
    ServiceManager.take_from(environment, 7, lambda: 0.0)
    assert {"HOME": "/"} == environment


@pytest.mark.parametrize(
    ("variables", "every_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-3"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_signs_of_life_come_twice_in_the_time_that_is_waited(variables: dict[str, str], every_s: float | None) -> None:
    assert every_s == manager(NOTIFY_SOCKET="@x", **variables).sign_every_s
    assert manager(**variables).sign_every_s is None


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative"])
def test_an_address_of_another_kind_is_nobody(address: str) -> None:
    ours = manager(NOTIFY_SOCKET=address)
    assert not ours.is_there
    ours.ready("serves")


def test_a_manager_that_is_gone_is_told_of_in_the_log_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ours = manager(NOTIFY_SOCKET=str(tmp_path / "gone"))
    with caplog.at_level(logging.WARNING):
        ours.ready("serves")
        ours.alive()
    assert ["the service manager cannot be told"] == [record.getMessage() for record in caplog.records]


def test_a_long_status_is_cut() -> None:
    with NotifySocket(f"@nodedns-test-long-{os.getpid()}") as told:
        manager(NOTIFY_SOCKET=told.address).status("x" * 1000)
        assert "x" * MAX_STATUS_CHARS == told.next()["STATUS"]
