"""What is kept of services and checks, read again, whatever state it is in."""

from __future__ import annotations

import pytest

from nodedns.agent.local_records import (
    Record,
    alive_record,
    check_key,
    check_record,
    maintenance_key,
    read_records,
    service_key,
    service_record,
    state_key,
    state_record,
)
from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.decode_service import decode_service_untrusted
from nodedns.model.check import Check, CheckStatus

WEB = decode_service_untrusted({"name": "web", "id": "web/1", "port": 80, "tags": ["v1"], "token": "secret"})
PAGE = decode_check_untrusted({"name": "page", "http": "http://h/", "interval": "10s", "token": "secret"})
SAID = Check("page", "page", CheckStatus.WARNING, output="odd")


def test_records_say_again_what_was_registered_without_tokens() -> None:
    records = {
        service_key("web/1"): service_record(WEB.service),
        check_key("page"): check_record(PAGE),
        maintenance_key(""): {"reason": "all"},
        state_key("page"): state_record(SAID, 5.0),
        "alive": alive_record(7.0),
    }
    kept = read_records(records)

    assert {"web/1": WEB.service} == kept.services
    assert ["page"] == list(kept.checks)
    assert (PAGE.kind, "") == (kept.checks["page"].kind, kept.checks["page"].token)
    assert {"": "all"} == kept.maintenance
    assert ("warning", "odd", 5.0) == (
        kept.states["page"].status.value,
        kept.states["page"].output,
        kept.states["page"].until,
    )
    assert 7.0 == kept.alive_at
    assert "secret" not in str(records)


@pytest.mark.parametrize(
    ("key", "record"),
    [
        ("service/x", {"name": 7}),
        ("service/x", {"later": "key"}),
        ("check/x", {"name": "x"}),
        ("state/x", {"status": "fine", "output": ""}),
        ("state/x", {}),
        ("later/x", {}),
        ("", {}),
    ],
)
def test_record_that_cannot_be_used_is_passed_over_and_the_others_are_not(key: str, record: Record) -> None:
    kept = read_records({key: record, "maintenance/web": {"reason": "disk"}})

    assert ({}, {}, {}, {"web": "disk"}) == (kept.services, kept.checks, kept.states, kept.maintenance)


@pytest.mark.parametrize("at", [None, "soon", [], {}])
def test_time_that_makes_no_sense_is_long_ago(at: object) -> None:
    assert 0.0 == read_records({"alive": {"at": at}}).alive_at
