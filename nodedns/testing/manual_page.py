"""``ManualPage``: what a page of the manual has its reader type, and the files it shows, for tests that do as it says.

A line of a ``console`` block that begins with ``$`` is a command, and what follows to the next one is what it prints. A
block with a caption is a file, or whatever else it is called. Read from reStructuredText as our pages use it, not as
all of it may be.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import attrs

__all__ = ["ManualPage", "Typed"]

_BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n((?:   +:\w+:.*\n)*)\n((?:   .*\n|\n)+)", re.MULTILINE)
_CAPTION = re.compile(r":caption: (.*)")
_HEADING = re.compile(r"^(\S.*)\n([=~-])\2+\n", re.MULTILINE)


@attrs.frozen
class Typed:
    """One command.

    Attributes:
        command: As it is typed.
        shown: What the page says that it prints; nothing where it shows nothing.
    """

    command: str
    shown: str


class ManualPage:
    """One page.

    Args:
        text: All of it.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def at(cls, path: Path) -> ManualPage:
        """Read the page from a file."""
        return cls(path.read_text(encoding="utf-8"))

    def typed(self, section: str) -> list[Typed]:
        """Return the commands below a heading, those below the next one left out."""
        found: list[Typed] = []
        for kind, _, block in self._blocks(self._section(section)):
            if kind == "console":
                found += _typed(block)
        return found

    def captioned(self, caption: str) -> str:
        """Return the one block with this caption."""
        (block,) = [block for said, block in self._captioned() if said == caption]
        return block

    def files(self) -> dict[str, str]:
        """Return all blocks that have a caption, by it.

        Raises:
            AssertionError: Two have the same.
        """
        blocks = self._captioned()
        found = dict(blocks)
        if len(found) < len(blocks):
            raise AssertionError(f"the captions are not all different: {[caption for caption, _ in blocks]}")
        return found

    def _captioned(self) -> list[tuple[str, str]]:
        return [(caption, block) for _, caption, block in self._blocks(self._text) if caption]

    def _section(self, heading: str) -> str:
        headings = list(_HEADING.finditer(self._text))
        (number,) = [number for number, found in enumerate(headings) if found[1] == heading]
        end = headings[number + 1].start() if number + 1 < len(headings) else len(self._text)
        return self._text[headings[number].end() : end]

    @staticmethod
    def _blocks(text: str) -> list[tuple[str, str, str]]:
        """Return of each block its kind, its caption and its text without the indent."""
        found = []
        for kind, options, body in _BLOCK.findall(f"{text}\n"):
            caption = _CAPTION.search(options)
            found.append((kind, caption[1] if caption else "", f"{textwrap.dedent(body).rstrip()}\n"))
        return found


def _typed(block: str) -> list[Typed]:
    found: list[Typed] = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        found.append(Typed(command, shown))
    return found
