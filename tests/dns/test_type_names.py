"""Names of types, held against dnspython's."""

from __future__ import annotations

import dns.rdatatype
import pytest

from nodedns.dns.question import RRType
from nodedns.dns.type_names import TYPE_NAMES, type_label, type_text


def test_names_are_those_of_the_registry() -> None:
    assert {number: dns.rdatatype.to_text(dns.rdatatype.RdataType(number)) for number in TYPE_NAMES} == TYPE_NAMES


def test_every_type_we_treat_specially_has_a_name() -> None:
    assert [] == [rtype for rtype in RRType if TYPE_NAMES[rtype] != rtype.name]


@pytest.mark.parametrize(("rtype", "text", "label"), [(28, "AAAA", "AAAA"), (65280, "TYPE65280", "other")])
def test_a_type_without_a_name_is_told_by_number_but_not_counted_by_it(rtype: int, text: str, label: str) -> None:
    assert (type_text(rtype), type_label(rtype)) == (text, label)


def test_a_question_that_was_not_read_has_no_type() -> None:
    assert type_label(None) == "none"
