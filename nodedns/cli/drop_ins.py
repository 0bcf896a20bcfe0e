"""``DropIns``: writes configuration files for another program, and takes back exactly what it wrote.

What is about to change is a ``Change`` for each file, to be shown as a diff before anything is touched. What was
written, and what stood there before, is noted in ``RECORDS`` first, so that a crash half way can be taken back
as well. A file that somebody changed since is theirs: it is neither overwritten nor removed, unless forced.
Files are written beside the old one under a name with a dot in front, which the programs pass over, and renamed.

It knows neither the programs nor the texts.
"""

from __future__ import annotations

import base64
import contextlib
import difflib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from nodedns.errors import NodednsError

__all__ = ["RECORDS", "Change", "DropInError", "DropIns", "Wanted", "unified_diff"]

RECORDS = "/var/lib/nodedns-resolver-config"
"""Not below the agent's own directory: who may write there could have us write anything anywhere, as root."""
FILE_MODE = 0o644
"""Programs that read their configuration without being root must be able to."""
RECORD_MODE = 0o600
"""What stood in files before is in it, and some of them may be for few to read."""
MAX_FILE_BYTES = 4 * 1024 * 1024
"""Above any configuration file; a record of it is kept."""


class DropInError(NodednsError):
    """Nothing can be written, or taken back, so; one line that says what would mend it."""


@attrs.frozen
class Wanted:
    """A file as it should be.

    Attributes:
        path: Absolute.
        text: All of it.
        sign: A directory that is there where the program is installed.
    """

    path: str
    text: str
    sign: str


@attrs.frozen
class Change:
    """What becomes of a file.

    Attributes:
        path: Absolute, below the root.
        before: What is in it; None where there is none.
        after: What will be in it; None where there will be none.
        earlier: What was in it before we wrote it for the first time; None where there was none.
    """

    path: str
    before: bytes | None
    after: bytes | None
    earlier: bytes | None


@attrs.frozen
class _Kept:
    earlier: bytes | None
    digest: str
    replaced: str | None = None
    """What a write that may not have been finished found there: ours as much as what it was to put there."""


class DropIns:
    """The files that were written for one program.

    Args:
        root: What all paths are below: ``/``, or the root of an image.
        tool: The program's name.
    """

    def __init__(self, root: Path, tool: str) -> None:
        self._root = root
        self._tool = tool
        self._record_path = self._below(f"{RECORDS}/{tool}.json")
        record = self._load()
        self._kept = {path: _kept_of(each) for path, each in record.get("Files", {}).items()}
        self._made: list[str] = list(record.get("Directories", []))
        self._undo: list[list[str]] = list(record.get("Undo", []))

    @property
    def undo_commands(self) -> Sequence[Sequence[str]]:
        """What has to be run once the files are taken back."""
        return tuple(map(tuple, self._undo))

    def changes(self, wanted: Sequence[Wanted], *, is_forced: bool) -> tuple[Change, ...]:
        """Return what writing the files would change; files of ours that are no longer wanted are taken back.

        Raises:
            DropInError: The program is not there, or a file was changed since, is a link, or cannot be read.
        """
        found = []
        for file in wanted:
            if not self._below(file.sign).is_dir():
                raise DropInError(
                    f"there is no directory {file.sign}: is {self._tool} installed? -dir names another, -root another "
                    "system's root"
                )
            before = self._read(file.path)
            kept = self._kept.get(file.path)
            if kept is not None and not is_forced:
                self._refuse_changed(file.path, before, kept)
            earlier = kept.earlier if kept is not None else before
            found.append(Change(file.path, before, file.text.encode(), earlier))
        names = {file.path for file in wanted}
        found += self._taken_back((path for path in self._kept if path not in names), is_forced=is_forced)
        return tuple(change for change in found if change.before != change.after)

    def undoing(self, *, is_forced: bool) -> tuple[Change, ...]:
        """Return what taking everything back would change.

        Raises:
            DropInError: Nothing was written, or a file was changed since, is a link, or cannot be read.
        """
        if not self._record_path.exists():
            raise DropInError(f"nothing was written for {self._tool}: there is no {RECORDS}/{self._tool}.json")
        found = self._taken_back(self._kept, is_forced=is_forced)
        return tuple(change for change in found if change.before != change.after)

    def write(self, wanted: Sequence[Wanted], changes: Sequence[Change], undo: Iterable[Sequence[str]]) -> None:
        """Make the changes, and note how to take them back.

        Args:
            wanted: All files as they shall be.
            changes: What ``changes`` returned for them.
            undo: Commands to run when they are taken back.

        Raises:
            DropInError: A file cannot be written; those before it are.
        """
        changed = {change.path: change for change in changes}
        now = {file.path: self._kept_when_done(file, changed.get(file.path)) for file in wanted}
        self._undo = [list(command) for command in undo]
        self._make_directories(Path(path).parent for path in (f"{RECORDS}/record", *now))
        for path, each in now.items():
            before = changed[path].before if path in changed else None
            self._kept[path] = each if before is None else attrs.evolve(each, replaced=_digest(before))
        self._save()
        self._carry_out(changes)
        self._kept = now
        self._save()

    def take_back(self, changes: Sequence[Change]) -> None:
        """Make the changes that ``undoing`` returned, and forget them; directories of ours go if they are empty.

        Raises:
            DropInError: A file cannot be written; those before it are.
        """
        self._carry_out(changes)
        for path in (*map(self._below, self._kept), self._record_path):
            # What a write left that was killed.
            self._guarded(lambda path=path: _beside(path).unlink(missing_ok=True), path)
        self._guarded(self._record_path.unlink, self._record_path)
        for made in reversed(self._made):
            with contextlib.suppress(OSError):
                self._below(made).rmdir()

    def _taken_back(self, paths: Iterable[str], *, is_forced: bool) -> list[Change]:
        found = []
        for path in paths:
            before, kept = self._read(path), self._kept[path]
            if not is_forced:
                self._refuse_changed(path, before, kept)
            found.append(Change(path, before, kept.earlier, kept.earlier))
        return found

    def _kept_when_done(self, file: Wanted, change: Change | None) -> _Kept:
        content = file.text.encode()
        kept = self._kept.get(file.path)
        if kept is not None:
            return _Kept(kept.earlier, _digest(content))
        # No change: somebody wrote just that, and it stays theirs.
        return _Kept(content if change is None else change.earlier, _digest(content))

    def _refuse_changed(self, path: str, before: bytes | None, kept: _Kept) -> None:
        # Taken away, or never written, or taken back: there is nothing of anybody's to lose.
        if before is None or before == kept.earlier:
            return
        if _digest(before) not in (kept.digest, kept.replaced):
            raise DropInError(f"{path} was changed since it was written; look at it, then add -force to lose that")

    def _carry_out(self, changes: Sequence[Change]) -> None:
        for change in changes:
            path = self._below(change.path)
            if change.after is None:
                self._guarded(lambda path=path: path.unlink(missing_ok=True), path)
            else:
                # What comes back does so with its directory, which somebody may have taken away.
                self._guarded(lambda path=path: path.parent.mkdir(parents=True, exist_ok=True), path.parent)
                after = change.after
                self._guarded(lambda path=path, after=after: _replace(path, after), path)

    def _make_directories(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            missing = [each for each in (folder, *folder.parents) if not self._below(str(each)).is_dir()]
            for each in reversed(missing):
                path = self._below(str(each))
                self._guarded(path.mkdir, path)
                self._made.append(str(each))

    def _below(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _read(self, path: str) -> bytes | None:
        file = self._below(path)
        if file.is_symlink():
            raise DropInError(f"{path} is a link to {file.readlink()}; put the text where it belongs by hand")
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _not_done("read", file, error) from error
        if len(content) > MAX_FILE_BYTES:
            raise DropInError(f"{path} has more than {MAX_FILE_BYTES} bytes; that is no configuration of ours")
        return content

    def _load(self) -> dict[str, Any]:
        try:
            record = json.loads(self._record_path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _not_done("read", self._record_path, error) from error
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise DropInError(f"{self._record_path} makes no sense; see to the files by hand and remove it")
        return record

    def _save(self) -> None:
        files = {
            path: {
                "Earlier": None if kept.earlier is None else _text_of(kept.earlier),
                "SHA256": kept.digest,
                "Replaced": kept.replaced,
            }
            for path, kept in self._kept.items()
        }
        record = {"Tool": self._tool, "Files": files, "Directories": self._made, "Undo": self._undo}
        content = json.dumps(record, indent=4).encode() + b"\n"
        self._guarded(lambda: _replace(self._record_path, content, RECORD_MODE), self._record_path)

    def _guarded(self, act: Any, path: Path) -> None:  # noqa: ANN401 - what it returns is of no interest
        try:
            act()
        except OSError as error:
            raise _not_done("write", path, error) from error


def unified_diff(change: Change) -> str:
    """Return what becomes of a file as a unified diff."""
    before, after = (
        [] if content is None else content.decode("utf-8", "replace").splitlines(keepends=True)
        for content in (change.before, change.after)
    )
    old, new = ("/dev/null" if content is None else change.path for content in (change.before, change.after))
    lines = difflib.unified_diff(before, after, old, new)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _replace(path: Path, content: bytes, new_mode: int = FILE_MODE) -> None:
    beside = _beside(path)
    mode = path.stat().st_mode & 0o7777 if path.exists() else new_mode
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask says
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _not_done(verb: str, path: Path, error: OSError) -> DropInError:
    advice = "; run it as root" if isinstance(error, PermissionError) else ""
    return DropInError(f"cannot {verb} {path}: {error.strerror}{advice}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _text_of(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _kept_of(record: Mapping[str, Any]) -> _Kept:
    earlier = record["Earlier"]
    content = None if earlier is None else base64.b64decode(earlier)
    return _Kept(content, str(record["SHA256"]), record.get("Replaced"))
