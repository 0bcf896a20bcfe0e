"""Ranges of the knobs."""

from __future__ import annotations

from typing import Any

import pytest

from nodedns.dns.policy import DnsPolicy


def test_defaults_are_consuls_and_flag_days() -> None:
    policy = DnsPolicy()
    assert (0, 3600, 600, 86400, 0, 1232, True) == (
        policy.node_ttl_s,
        policy.soa_refresh_s,
        policy.soa_retry_s,
        policy.soa_expire_s,
        policy.soa_min_ttl_s,
        policy.udp_payload_bytes,
        policy.enable_additional_node_meta_txt,
    )


@pytest.mark.parametrize("knob", ["node_ttl_s", "soa_refresh_s", "soa_retry_s", "soa_expire_s", "soa_min_ttl_s"])
@pytest.mark.parametrize("value", [-1, 2**31])
def test_time_that_no_record_can_carry_is_refused(knob: str, value: int) -> None:
    times: dict[str, Any] = {knob: value}
    with pytest.raises(ValueError, match=knob):
        DnsPolicy(**times)


@pytest.mark.parametrize("value", [511, 4097])
def test_payload_size_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="udp_payload_bytes"):
        DnsPolicy(udp_payload_bytes=value)
