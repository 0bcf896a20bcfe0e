"""``DigAnswer``: what ``dig`` (or ``kdig``) printed, taken apart: status, flags, sections, the OPT record's line.

Strategy: the programs print a message in zone-file text between lines that
begin with semicolons; this reads those lines, for tests that ask the way a
person does.
"""

from __future__ import annotations

import re
from typing import Self

import attrs

__all__ = ["DigAnswer", "DigRecord"]

_STATUS = re.compile(r"status: (\w+)")
_FLAGS = re.compile(r"[Ff]lags: ([a-z ]*);")
_SECTION = re.compile(r";; (\w+) SECTION:")


@attrs.frozen
class DigRecord:
    """One record, as printed.

    Attributes:
        name: Its owner, in the letter case of the message.
        ttl_s: Its time to live.
        kind: Its type.
        data: Its data in zone-file text.
    """

    name: str
    ttl_s: int
    kind: str
    data: str

    @classmethod
    def of_line(cls, line: str) -> Self:
        """Read a line such as ``web.node.consul. 0 IN A 10.0.0.1``."""
        name, ttl, _, kind, data = line.split(maxsplit=4)
        return cls(name, int(ttl), kind, " ".join(data.split()))


@attrs.frozen
class DigAnswer:
    """One printed message.

    Attributes:
        status: The response code's name; empty where nothing was answered.
        flags: As printed, in order.
        edns: The line on the OPT record; empty where there is none.
        question: The question's name, letter case kept.
        answer: Records of that section.
        authority: Likewise.
        additional: Likewise, without the OPT record.
        text: All that was printed.
    """

    status: str
    flags: tuple[str, ...]
    edns: str
    question: str
    answer: tuple[DigRecord, ...]
    authority: tuple[DigRecord, ...]
    additional: tuple[DigRecord, ...]
    text: str

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Read what the program printed."""
        sections: dict[str, list[str]] = {}
        current: list[str] = []
        for line in text.splitlines():
            title = _SECTION.match(line)
            if title:
                current = sections.setdefault(title[1], [])
            elif not line.strip() or line.startswith((";; ->>", ";; OPT ")):
                current = []
            else:
                current.append(line)
        status, flags = _STATUS.search(text), _FLAGS.search(text)
        question = next((line for line in sections.get("QUESTION", []) if line.startswith(";")), "")
        return cls(
            status=status[1] if status else "",
            flags=tuple(flags[1].split()) if flags else (),
            edns=next((line for line in text.splitlines() if "EDNS: " in line or "EDNS PSEUDOSECTION" in line), ""),
            question=question.lstrip("; ").split()[0] if question else "",
            answer=_records(sections.get("ANSWER", [])),
            authority=_records(sections.get("AUTHORITY", [])),
            additional=_records(sections.get("ADDITIONAL", [])),
            text=text,
        )

    @property
    def outcome(self) -> tuple[str, list[str]]:
        """Status and data, which is what most questions are asked for."""
        return self.status, self.data

    @property
    def data(self) -> list[str]:
        """The answer's data, sorted."""
        return sorted(record.data for record in self.answer)

    @property
    def authority_kinds(self) -> list[str]:
        """The types in the authority section."""
        return [record.kind for record in self.authority]


def _records(lines: list[str]) -> tuple[DigRecord, ...]:
    return tuple(DigRecord.of_line(line) for line in lines if not line.startswith(";"))
