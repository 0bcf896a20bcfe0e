from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodedns.config.hcl import HclError, parse_hcl

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="$")).filter(
    lambda t: "\u2028" not in t
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=12)


@given(st.dictionaries(TEXTS, VALUES))
def test_json_document_reads_the_same_as_hcl(document: dict[str, Any]) -> None:
    assert document == parse_hcl(json.dumps(document, ensure_ascii=False))


@given(st.text(alphabet='ab{}[]=,:"\\#/*<-_ \n01.$'))
def test_any_text_gives_items_or_a_place(text: str) -> None:
    try:
        outcome: object = parse_hcl(text)
    except HclError as refusal:
        outcome = str(refusal)
    assert isinstance(outcome, dict) or str(outcome).startswith("line ")
