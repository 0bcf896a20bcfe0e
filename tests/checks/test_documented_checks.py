"""Every example of the documentation is a definition, and every kind has one in HCL and in JSON."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from nodedns.checks.decode_check import decode_checks_untrusted
from nodedns.checks.decode_service import decode_services_untrusted
from nodedns.checks.definition import CheckDefinition
from nodedns.config.hcl import parse_hcl
from nodedns.testing.source_tree import project_root

TEXT = (project_root(Path(__file__)) / "docs" / "checks.rst").read_text(encoding="utf-8")
BLOCK = re.compile(r"\.\. code-block:: (hcl|json)\n\n((?: {4}.*\n|\n)+)")
EXAMPLES = [(language, textwrap.dedent(text)) for language, text in BLOCK.findall(TEXT)]


def read(language: str, text: str) -> list[CheckDefinition]:
    found: dict[str, Any] = parse_hcl(text) if language == "hcl" else json.loads(text)
    checks: list[CheckDefinition] = []
    for key, value in found.items():
        if key.startswith("service"):
            checks += [check for service in decode_services_untrusted(value) for check in service.checks]
        else:
            checks += decode_checks_untrusted(value)
    return checks


@pytest.mark.parametrize(("language", "text"), EXAMPLES)
def test_example_is_a_definition(language: str, text: str) -> None:
    assert read(language, text)


@pytest.mark.parametrize("language", ["hcl", "json"])
def test_every_kind_has_an_example(language: str) -> None:
    types = {check.type for spoken, text in EXAMPLES if spoken == language for check in read(spoken, text)}

    assert {"script", "http", "tcp", "udp", "grpc", "os_service", "ttl", "alias"} <= types
