from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodedns.config.settings import key_docs
from nodedns.config.sources import COMMAND_LINE, DEV_MODE, FLAG_PATHS, ConfigSources, read_layers


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def values_of(*paths: Path, file_format: str = "") -> list[Any]:
    layers, problems, _ = read_layers(ConfigSources(paths=paths, file_format=file_format))
    assert not problems
    return [dict(layer.values) for layer in layers[1:-1]]


def problems_of(*paths: Path, file_format: str = "") -> list[str]:
    return [str(problem) for problem in read_layers(ConfigSources(paths=paths, file_format=file_format))[1]]


def test_directory_is_read_by_name(tmp_path: Path) -> None:
    write(tmp_path / "b.hcl", "a = 2")
    write(tmp_path / "a.json", '{"a": 1}')
    write(tmp_path / "C.json", '{"a": 0}')
    assert [{"a": 0}, {"a": 1}, {"a": 2}] == values_of(tmp_path)


def test_paths_are_read_in_the_order_given(tmp_path: Path) -> None:
    first = write(tmp_path / "z.json", '{"a": 1}')
    directory = write(tmp_path / "d" / "x.hcl", "a = 2").parent
    last = write(tmp_path / "a.json", '{"a": 3}')
    assert [{"a": 1}, {"a": 2}, {"a": 3}] == values_of(first, directory, last)


def test_directory_inside_a_directory_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "sub.json" / "a.json", '{"a": 1}')
    assert [] == values_of(tmp_path)


def test_link_to_a_file_is_followed(tmp_path: Path) -> None:
    target = write(tmp_path / "real" / "a.json", '{"a": 1}')
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "b.json").symlink_to(target)
    assert [{"a": 1}] == values_of(tmp_path / "links")


def test_other_suffix_in_a_directory_is_skipped_with_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json.bak", "nonsense")
    warnings = read_layers(ConfigSources(paths=(tmp_path,)))[2]
    assert [f"skipping file {path}, extension must be .hcl or .json, or config format must be set"] == warnings


def test_other_suffix_of_a_named_file_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conf", "")
    message = f"file {path} has unknown extension; must be .hcl or .json, or config format must be set"
    assert [f"command line: -config-file: {message}"] == problems_of(path)


def test_format_given_is_for_every_file(tmp_path: Path) -> None:
    write(tmp_path / "a.json", "a = 1")
    write(tmp_path / "b.conf", "a = 2")
    assert [{"a": 1}, {"a": 2}] == values_of(tmp_path, file_format="hcl")


def test_unknown_format_is_a_problem() -> None:
    assert ['command line: -config-format: -config-format must be hcl or json, not "yaml"'] == problems_of(
        file_format="yaml"
    )


def test_missing_file_is_a_problem_in_consul_words(tmp_path: Path) -> None:
    path = tmp_path / "gone.json"
    assert [f"config: Open failed on {path}. open {path}: no such file or directory"] == problems_of(path)


@pytest.mark.parametrize("name", ["a.json", "a.hcl"])
def test_empty_file_sets_nothing(tmp_path: Path, name: str) -> None:
    assert [{}] == values_of(write(tmp_path / name, " \n"))


def test_json_object_that_comes_again_is_collected(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '{"a": {"x": 1}, "a": {"x": 2}, "b": 1, "b": 2}')
    assert [{"a": [{"x": 1}, {"x": 2}], "b": 2}] == values_of(path)


@pytest.mark.parametrize("name", ["a.json", "a.hcl"])
def test_half_of_a_surrogate_pair_is_no_text(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / name, r'{"a": ["x\ud800"], "b": {"\udc80": "\ud83d\ude00"}}')
    assert [{"a": ["x\ufffd"], "b": {"\ufffd": "\U0001f600"}}] == values_of(file)


def test_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert [{"a": 1}] == values_of(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[1]", "the file must hold one object"),
        (b'{"a": NaN}', "NaN is no JSON"),
        (b'{"a": }', "Expecting value: line 1 column 7 (char 6)"),
        (b"[" * 100_000, "maximum recursion depth exceeded"),
        (b'{"a": "\xff"}', "'utf-8' codec can't decode byte 0xff in position 7: invalid start byte"),
    ],
)
def test_malformed_file_is_a_problem_with_its_name(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    (problem,) = problems_of(path)
    assert problem.startswith(f"{path}: failed to parse: {reason}")


def test_one_bad_file_does_not_hide_another(tmp_path: Path) -> None:
    paths = (write(tmp_path / "a.json", "{"), write(tmp_path / "b.hcl", "="))
    assert 2 == len(problems_of(*paths))


def test_lists_of_flags_come_before_files_and_scalars_after(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", "{}")
    flags = {"retry-join": ["10.0.0.1"], "node": "n", "dns-port": 53, "node-meta": {"k": "v"}}
    layers, _, _ = read_layers(ConfigSources(paths=(path,), flags=flags, dev=True))
    assert [DEV_MODE, COMMAND_LINE, str(path), COMMAND_LINE] == [layer.source for layer in layers]
    assert {"retry_join": ["10.0.0.1"]} == layers[1].values
    assert {"node_name": "n", "ports": {"dns": 53}, "node_meta": {"k": "v"}} == layers[3].values


def test_every_flag_sets_a_key_there_is() -> None:
    assert set() == set(FLAG_PATHS.values()) - key_docs().keys()
