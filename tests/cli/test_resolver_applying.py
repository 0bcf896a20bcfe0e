"""``nodedns resolver-config -apply`` and ``-undo``: what they write, what they ask, and what they leave alone."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nodedns.testing.source_tree import project_root

Shell = Callable[..., tuple[int, str, str]]

WORDS = ("-dns-addr=127.0.0.1:8600", "-no-reverse")
RECORDS = "var/lib/nodedns-resolver-config"


class System:
    """The root directory of a system with Unbound, and the command that changes it."""

    def __init__(self, shell: Shell, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.folder = root / "etc/unbound/unbound.conf.d"
        self.folder.mkdir(parents=True)
        self.file = self.folder / "nodedns.conf"
        self._shell = shell
        self._monkeypatch = monkeypatch

    def apply(self, *flags: str, answer: str = "", tool: str = "unbound") -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        return self._shell("resolver-config", f"-root={self.root}", "-apply", *WORDS, *flags, tool)

    def undo(self, *flags: str, answer: str = "") -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        return self._shell("resolver-config", f"-root={self.root}", "-undo", *flags, "unbound")

    @property
    def state(self) -> dict[str, tuple[int, bytes | None]]:
        """All that there is, with modes and contents."""
        return {
            str(path.relative_to(self.root)): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
            for path in self.root.rglob("*")
        }


@pytest.fixture
def system(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    return System(shell, tmp_path, monkeypatch)


def test_changes_are_shown_and_asked_about_before_anything_is_touched(system: System) -> None:
    before = system.state
    exit_code, out, err = system.apply(answer="n\n")

    assert (1, "", before) == (exit_code, err, system.state)
    assert "--- /dev/null\n+++ /etc/unbound/unbound.conf.d/nodedns.conf\n" in out
    assert out.endswith("Change this? [y/N] Nothing was changed.\n")


def test_without_an_answer_nothing_is_changed(system: System) -> None:
    before = system.state
    exit_code, _, err = system.apply()

    assert (1, before) == (exit_code, system.state)
    assert "Cannot configure unbound: nobody answered, so nothing was changed; -yes agrees beforehand\n" == err


def test_once_agreed_the_file_is_there_for_everybody_to_read(system: System) -> None:
    exit_code, out, _ = system.apply(answer="y\n")

    assert (0, 0o644) == (exit_code, system.file.stat().st_mode & 0o777)
    assert system.file.read_text().startswith("# Made by: nodedns resolver-config unbound\nserver:\n")
    assert "To take it back: nodedns resolver-config -undo unbound\n" in out
    assert "systemctl restart unbound\n" in out
    assert [system.file] == list(system.folder.iterdir())


def test_undo_takes_back_exactly_what_was_done(system: System) -> None:
    before = system.state
    assert 0 == system.apply("-yes")[0]
    exit_code, out, _ = system.undo(answer="yes\n")

    assert (0, before) == (exit_code, system.state)
    assert "+++ /dev/null\n" in out
    assert "systemctl restart unbound" in out
    assert "unbound-checkconf" not in out


def test_file_that_was_there_before_comes_back_with_its_mode(system: System) -> None:
    system.file.write_bytes(b"server:\n\xff without a newline")
    system.file.chmod(0o640)
    before = system.state
    assert 0 == system.apply("-yes")[0]
    assert 0o640 == system.file.stat().st_mode & 0o777
    assert 0 == system.apply("-yes", "-domain=lan")[0]
    assert b"lan." in system.file.read_bytes()

    assert 0 == system.undo("-yes")[0]
    assert before == system.state


def test_applying_again_changes_nothing_where_nothing_changed(system: System) -> None:
    system.apply("-yes")
    before = system.state
    exit_code, out, _ = system.apply()

    assert (0, True, before) == (exit_code, "as they should be already" in out, system.state)


@pytest.mark.parametrize("act", ["apply", "undo"])
def test_file_that_was_changed_since_is_left_alone_unless_forced(system: System, act: str) -> None:
    system.apply("-yes")
    system.file.write_text("theirs")
    flags = ("-yes", "-domain=lan") if act == "apply" else ("-yes",)
    exit_code, _, err = getattr(system, act)(*flags)

    assert (1, "theirs") == (exit_code, system.file.read_text())
    assert "nodedns.conf was changed since it was written; look at it, then add -force to lose that\n" in err
    assert 0 == getattr(system, act)(*flags, "-force")[0]
    assert (act == "apply") == system.file.exists()


def test_undo_is_content_with_a_file_that_is_gone_already(system: System) -> None:
    system.apply("-yes")
    system.file.unlink()

    assert 0 == system.undo()[0]
    assert not (system.root / "var").exists()


def test_undo_of_nothing_is_refused(system: System) -> None:
    exit_code, _, err = system.undo("-yes")

    assert (1, True) == (exit_code, "nothing was written for unbound" in err)


def test_files_that_are_no_longer_wanted_go(system: System) -> None:
    assert 0 == system.apply("-yes", "-domain=consul", "-domain=lan", tool="macos")[0]
    names = sorted(path.name for path in (system.root / "etc/resolver").iterdir())
    assert ["consul", "lan"] == names

    assert 0 == system.apply("-yes", "-domain=consul", tool="macos")[0]
    assert ["consul"] == [path.name for path in (system.root / "etc/resolver").iterdir()]


def test_tool_that_is_not_there_is_named(system: System) -> None:
    exit_code, _, err = system.apply("-yes", tool="dnsmasq")

    assert 1 == exit_code
    assert "Cannot configure dnsmasq: there is no directory /etc/dnsmasq.d: is dnsmasq installed?" in err


def test_link_is_not_written_through(system: System) -> None:
    system.file.symlink_to("/dev/null")
    exit_code, _, err = system.apply("-yes")

    assert (1, True) == (exit_code, "nodedns.conf is a link to /dev/null" in err)


def test_failure_to_write_is_one_line(system: System) -> None:
    system.folder.rmdir()
    (system.root / "var").write_text("in the way")
    system.folder.mkdir()
    exit_code, _, err = system.apply("-yes")

    assert (1, 1) == (exit_code, err.count("\n"))
    assert err.startswith("Cannot configure unbound: cannot ")
    assert not system.file.exists()


def cut_short(system: System) -> None:
    """Apply other text where no file can be written any more."""
    in_the_way = system.folder / ".nodedns.conf.new"
    in_the_way.mkdir()
    ours = system.file.read_bytes()
    assert (1, ours) == (system.apply("-yes", "-domain=lan")[0], system.file.read_bytes())
    in_the_way.rmdir()


def test_change_that_was_cut_short_can_be_made_again(system: System) -> None:
    system.apply("-yes")
    cut_short(system)

    assert (0, "") == system.apply("-yes", "-domain=lan")[::2]
    assert b"lan." in system.file.read_bytes()


def test_change_that_was_cut_short_can_be_taken_back(system: System) -> None:
    system.file.write_text("theirs")
    before = system.state
    system.apply("-yes")
    cut_short(system)

    assert (0, "") == system.undo("-yes")[::2]
    assert before == system.state


def test_file_that_was_theirs_before_is_written_over_once_a_first_attempt_failed(system: System) -> None:
    system.file.write_text("theirs")
    cut_short(system)

    assert (0, "") == system.apply("-yes")[::2]


def test_file_changed_after_an_attempt_that_failed_is_theirs(system: System) -> None:
    system.apply("-yes")
    cut_short(system)
    system.file.write_text("theirs")

    assert (1, "theirs") == (system.apply("-yes")[0], system.file.read_text())
    assert (1, "theirs") == (system.undo("-yes")[0], system.file.read_text())


def test_what_was_there_before_comes_back_though_its_directory_is_gone(system: System) -> None:
    system.file.write_text("theirs")
    system.apply("-yes")
    system.file.unlink()
    system.folder.rmdir()

    assert (0, "") == system.undo("-yes")[::2]
    assert "theirs" == system.file.read_text()


def test_file_that_somebody_wrote_just_so_is_not_removed(system: System) -> None:
    system.apply("-yes")
    text = system.file.read_bytes()
    system.undo("-yes")
    system.file.write_bytes(text)

    assert 0 == system.apply()[0]
    assert 0 == system.undo()[0]
    assert text == system.file.read_bytes()


def test_what_a_killed_write_left_is_taken_away_too(system: System) -> None:
    before = system.state
    system.apply("-yes")
    (system.folder / ".nodedns.conf.new").write_text("half")
    (system.root / RECORDS / ".unbound.json.new").write_text("half")

    assert 0 == system.undo("-yes")[0]
    assert before == system.state


def test_record_is_for_root_alone_and_not_in_the_directory_of_the_agents_user(system: System) -> None:
    system.apply("-yes")
    unit = (project_root(Path(__file__)) / "packaging/systemd/nodedns.service").read_text()
    (of_agent,) = re.findall(r"^StateDirectory=(.+)$", unit, re.MULTILINE)

    assert not (system.root / "var/lib" / of_agent).exists()
    assert 0o600 == (system.root / RECORDS / "unbound.json").stat().st_mode & 0o777


def test_record_that_makes_no_sense_is_said_to_be_so(system: System) -> None:
    system.apply("-yes")
    (system.root / RECORDS / "unbound.json").write_text("[")
    exit_code, _, err = system.undo("-yes")

    assert (1, True) == (exit_code, "unbound.json makes no sense" in err)


def test_commands_are_not_run_for_another_system(system: System) -> None:
    before = system.state
    exit_code, _, err = system.apply("-yes", "-reload")

    assert (1, before) == (exit_code, system.state)
    assert "-reload is for this system, and -root names another" in err
