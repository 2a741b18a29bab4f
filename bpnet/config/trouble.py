"""A YAML parser's complaint, the lines it is about, and what somebody makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bpnet.config.nodes import Scalar

LONG = 200
"""Characters of a line that are looked at: the searches here are not made for longer ones."""


@dataclass(slots=True)
class Trouble:
    """The parser's complaint; lines and columns from 0, `from_line` -1 if it names no start."""

    problem: str
    context: str
    line: int
    column: int
    from_line: int
    from_column: int


@dataclass(slots=True)
class Finding:
    """What is wrong, and the stretch of a line to be marked; line and columns from 1."""

    line: int
    column: int
    end: int
    message: str


@dataclass(slots=True)
class Scene:
    """A complaint, the lines it is about, and the last scalar that was read before."""

    trouble: Trouble
    lines: Sequence[str]
    last: Scalar | None

    def line(self, index: int) -> str:
        return self.lines[index] if 0 <= index < len(self.lines) else ""

    def finding(self, index: int, start: int, stop: int, message: str) -> Finding:
        """Mark characters `start` to `stop` (from 0) of the line with this index."""
        return Finding(index + 1, start + 1, max(stop, start + 1) + 1, message)

    def rest(self, index: int, start: int, message: str) -> Finding:
        """Mark everything from a character to the end of its line."""
        return self.finding(index, start, len(self.line(index).rstrip()), message)

    def content(self, index: int, message: str) -> Finding:
        """Mark a line without its indentation."""
        return self.rest(index, indentation(self.line(index)), message)


def indentation(line: str) -> int:
    """Return the number of spaces that a line starts with."""
    return len(line) - len(line.lstrip(" "))
