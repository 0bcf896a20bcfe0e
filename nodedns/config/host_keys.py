"""The rule of ``dns_config.ssh_host_keys``: a directory in, the fingerprints of the host keys in it out.

Strategy: sshd keeps each host key in two files, and only the public one is opened, whose name ends in ``.pub``.
A file that cannot be used is told of and passed over, and the agent starts: keys may be made after it, when the
machine starts for the first time. Which keys sshd uses its own configuration says; a fingerprint more does no harm.

Source: OpenSSH's names of host keys (sshd_config, HostKey).
"""

from __future__ import annotations

from pathlib import Path

from nodedns.config.draft import Draft
from nodedns.errors import WireError, shorten
from nodedns.model.host_key import MAX_KEY_LINE_CHARS, Fingerprint, fingerprint_of_public_key

__all__ = ["FILES", "host_key_directory", "host_keys"]

PATH = "dns_config.ssh_host_keys"
FILES = "ssh_host_*_key.pub"
"""What the files of a directory are called; others there may be keys of users, or of who signs keys."""
MAX_HOST_KEYS = 8
"""Read from one directory; ours: OpenSSH makes three, and each takes 44 of the 512 bytes that all tags have."""


def host_key_directory(draft: Draft) -> Path | None:
    """Return the directory, which may not be there yet; None where none is given."""
    given = draft.settings.dns_config.ssh_host_keys if draft.settings.dns_config else None
    if not given:
        return None
    if Path(given).is_file():
        draft.problem(PATH, f"must be a directory with files {FILES}, such as /etc/ssh, not the file {shorten(given)}")
        return None
    return Path(given)


def host_keys(draft: Draft) -> tuple[Fingerprint, ...]:
    """Return the fingerprints of the host keys in the directory, sorted; what cannot be used there is a warning."""
    directory = host_key_directory(draft)
    if directory is None:
        return ()
    files = sorted(file for file in directory.glob(FILES) if file.is_file())
    if not files:
        draft.warnings.append(f"{PATH}: no {FILES} in {directory}, so no SSHFP records of this node are published")
    if len(files) > MAX_HOST_KEYS:
        draft.warnings.append(f"{PATH}: more than {MAX_HOST_KEYS} host keys in {directory}; the first are published")
    found = [_read(draft, file) for file in files[:MAX_HOST_KEYS]]
    return tuple(sorted({each: None for each in found if each is not None}))


def _read(draft: Draft, file: Path) -> Fingerprint | None:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return fingerprint_of_public_key(opened.read(MAX_KEY_LINE_CHARS))
    except (OSError, WireError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else problem.reason
        draft.warnings.append(f"{PATH}: {file} is passed over: {why}")
        return None
