from __future__ import annotations

from typing import Any

import pytest

from nodedns.config.hcl import HclError, collect, parse_hcl


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("# only\n// comments\n/* of\nall */ kinds = 1", {"kinds": 1}),
        ('node_name = "a"', {"node_name": "a"}),
        ('"node_name" = "a"', {"node_name": "a"}),
        ('a = "x" b = "y"', {"a": "x", "b": "y"}),
        ("t = true f = false n = null", {"t": True, "f": False, "n": None}),
        ("a = -1 b = 1.5 c = 1e3 d = 0x1F e = 017 f = 08", {"a": -1, "b": 1.5, "c": 1000.0, "d": 31, "e": 15, "f": 8}),
        ("a = []", {"a": []}),
        ('a = ["x",\n "y", ]', {"a": ["x", "y"]}),
        ("a = [[1], { b = 2 }]", {"a": [[1], {"b": 2}]}),
        ("ports { dns = 1, http = 2 }", {"ports": {"dns": 1, "http": 2}}),
        ("ports = {\n dns = 1\n http = 2\n}", {"ports": {"dns": 1, "http": 2}}),
        ("a { b = 1 }\na { b = 2 }\na = { b = 3 }", {"a": [{"b": 1}, {"b": 2}, {"b": 3}]}),
        ("a { b = 1 } a { b = 2 } a = 3", {"a": 3}),
        ("a = 1 a = 2", {"a": 2}),
        ('service "web" "one" { port = 80 }', {"service": {"web": {"one": {"port": 80}}}}),
        ('node_meta { rack-1 = "x", "a b" = "y" }', {"node_meta": {"rack-1": "x", "a b": "y"}}),
        ('{"a": {"b": [1, 2]}, "c": null}', {"a": {"b": [1, 2]}, "c": None}),
    ],
)
def test_file_is_read(text: str, value: dict[str, Any]) -> None:
    assert value == parse_hcl(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"{{ GetInterfaceIP \"eth0\" }}"', '{{ GetInterfaceIP "eth0" }}'),
        (r'"tab\tnew\nback\\"', "tab\tnew\nback\\"),
        (r'"\u00e9\U0001F600\x41\101"', "\u00e9\U0001f600AA"),
        (r'"\UFFFFFFFF"', "\ufffd"),
        ('"${ f("x", {a}) } y"', '${ f("x", {a}) } y'),
        ('"a } b"', "a } b"),
        ("<<EOF\none\n two\nEOF\n", "one\n two\n"),
        ("<<-EOF\n    one\n      two\n    EOF\n", "one\n  two\n"),
        ("<<-EOF\n  one\n two\n  EOF\n", "  one\n two\n"),
        ("<<EOF\nEOF", ""),
    ],
)
def test_text_is_read(text: str, value: str) -> None:
    assert {"a": value} == parse_hcl(f"a = {text}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {", "line 1, column 4: expected a key, found the end of the file"),
        ("\n a = ", "line 2, column 6: expected a value, found the end of the file"),
        ("a b", "line 1, column 4: expected = or {, found the end of the file"),
        ("= 1", "line 1, column 1: expected a key, found '='"),
        ("a = }", "line 1, column 5: expected a value, found '}'"),
        ("a = yes", "line 1, column 5: expected a value, found 'yes'"),
        ('a = ["x" "y"]', "line 1, column 10: expected , or ], found 'y'"),
        ('a "b" = 1', "line 1, column 7: expected = or {, found '='"),
        ('{"a": 1} b', "line 1, column 10: expected end of file, found 'b'"),
        ("a = 10s", "line 1, column 5: '1' has no meaning here"),
        ("a = 1 /* open", "line 1, column 7: '/' has no meaning here"),
        ('a = "x', "line 1, column 5: the quotes that open here are not closed"),
        ('a = "x\ny"', "line 1, column 5: the quotes that open here are not closed"),
        (r'a = "\q"', "line 1, column 6: unknown escape '\\\\q'"),
        ("a = <<EOF\nx", "line 1, column 5: no line closes <<EOF"),
        ("a = " + "[" * 65, "line 1, column 69: nested more than 64 deep"),
    ],
)
def test_malformed_file_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(HclError) as refusal:
        parse_hcl(text)
    assert message == str(refusal.value)


def test_only_objects_are_collected() -> None:
    items = [("a", {"x": 1}), ("b", [1]), ("a", {"x": 2}), ("b", [2])]
    assert {"a": [{"x": 1}, {"x": 2}], "b": [2]} == collect(items)
