"""``Shell``: an interactive shell at a terminal of its own, whose keys a test presses.

Strategy: keys are typed ahead; the shell reads them when it is done with those before. So a line is typed, the Tab key
pressed, and then the line turned into the argument of an ``echo``, whose output says what became of it. No pause
is needed anywhere.

It knows the emacs keys of bash and zsh, and no others.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType

from nodedns.testing.processes import DEADLINE_S, poll

__all__ = ["Shell"]

READ_BYTES = 4_096
TAB, HOME, END, ENTER = "\t", "\x01", "\x05", "\r"


class Shell:
    """A running shell; a context manager.

    Args:
        argv: The shell, interactive.
        environment: All its variables.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._keys, terminal = os.openpty()
        self._process = subprocess.Popen(  # noqa: S603 - the tests' own command lines
            ["/usr/bin/setsid", "--ctty", "--wait", *argv],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**environment, "TERM": "dumb"},
        )
        os.close(terminal)
        self._shown = b""
        self._count = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Shell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._keys)  # the terminal hangs up, which ends the shell
        self._process.kill()
        self._process.wait(DEADLINE_S)

    def _read(self) -> None:
        while True:
            try:
                read = os.read(self._keys, READ_BYTES)
            except OSError:
                return
            if not read:
                return
            self._shown += read

    @property
    def shown(self) -> str:
        """All that the terminal has shown."""
        return self._shown.decode(errors="replace")

    def type(self, line: str) -> None:
        """Run a line."""
        os.write(self._keys, f"{line}{ENTER}".encode())

    def complete(self, line: str) -> str:
        """Return what becomes of a line when the Tab key is pressed at its end."""
        self._count += 1
        mark = f"<{self._count}>"
        os.write(self._keys, f"{line}{TAB}{HOME}echo '{mark}{END}'{ENTER}".encode())

        def echoed() -> str:
            # The line as it was typed has "echo" before the mark.
            found = re.search(rf"^{re.escape(mark)}(.*?)\r?$", self.shown.replace("\r\n", "\n"), re.MULTILINE)
            return f"{found[1]}$" if found else ""

        return poll(echoed, f"{line!r} is completed; shown: {self.shown[-2000:]}").removesuffix("$")
