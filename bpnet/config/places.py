"""Where something stands in a config, and how a problem with it is shown.

A problem reads like a compiler's: ``FILE:LINE:COL: error: MESSAGE``, the source line, carets
under the text concerned. Everything that is echoed is made harmless for terminals first.
"""

from __future__ import annotations

from typing import Literal

Level = Literal["error", "warning", "note"]

WIDTH = 100
"""Display columns of a source line before it is cut to a window around the place."""


class Source:
    """A text with a name: a config file, or one override (``KEY=VALUE``).

    Attributes
    ----------
    name
        The file as the user wrote it, or the whole override.
    lines
        The text's lines, without line ends.
    rank
        Order in reports: 0 for the file, then the overrides as they were given.
    """

    __slots__ = ("lines", "name", "rank")

    def __init__(self, name: str, text: str, rank: int = 0) -> None:
        self.name = name
        self.lines = text.split("\n")
        self.rank = rank


class Place:
    """A stretch of one line: where a node, or a key, stands.

    Attributes
    ----------
    line, column
        From 1; the column counts characters.
    end
        Column behind the last character; equal to `column` for a place without extent, which
        is shown without its source line.
    """

    __slots__ = ("column", "end", "line", "source")

    def __init__(self, source: Source, line: int, column: int, end: int) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.end = end

    def __str__(self) -> str:
        if self.source.rank:
            return printable(self.source.name)
        return f"{printable(self.source.name)}:{self.line}:{self.column}"

    def excerpt(self) -> list[str]:
        """Return the source line and the line of carets below it."""
        if self.end <= self.column or self.line > len(self.source.lines):
            return []
        line = self.source.lines[self.line - 1]
        if not line.strip():
            return []
        first, last = self.column - 1, min(self.end - 1, len(line))
        start, stop = _window(line, first, last)
        text = ("…" if start else "") + _display(line[start:stop]) + "…" * (stop < len(line))
        gap = len("…" * bool(start)) + _columns(line[start:first])
        carets = "^" * max(1, _columns(line[first : min(last, stop)]))
        number = "" if self.source.rank else str(self.line)
        return [f"{number:>5} | {text}", f"{'':5} | {' ' * gap}{carets}"]


class Problem:
    """Something wrong (or worth a word) at a place; as text, what the user reads."""

    __slots__ = ("level", "message", "place")

    def __init__(self, place: Place, message: str, level: Level = "error") -> None:
        self.place = place
        self.message = message
        self.level = level

    def __str__(self) -> str:
        head = f"{self.place}: {self.level}: {printable(self.message)}"
        return "\n".join([head, *self.place.excerpt()])

    @property
    def order(self) -> tuple[int, int, int]:
        """Where it comes in a report: by source, line and column."""
        return (self.place.source.rank, self.place.line, self.place.column)


def printable(text: str) -> str:
    """Replace what a terminal could obey (escapes, controls, direction marks) by pictures."""
    if text.isprintable():
        return text
    return "".join(ch if ch.isprintable() else _picture(ch) for ch in text)


def shown(text: str, limit: int = 60) -> str:
    """Return the text in single quotes, harmless, and cut to about `limit` characters."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return f"'{printable(text)}'"


def _picture(ch: str) -> str:
    code = ord(ch)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else " " if ch == "\u00a0" else "\N{REPLACEMENT CHARACTER}"


def _display(text: str) -> str:
    return printable(text.replace("\t", "    "))


def _columns(text: str) -> int:
    """Return how many terminal columns `_display(text)` takes."""
    text = _display(text)
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(ch) in ("Mn", "Me") else 2 if east_asian_width(ch) in "WF" else 1
        for ch in text
    )


def _window(line: str, first: int, last: int) -> tuple[int, int]:
    """Choose the part of a long line that shows the stretch from `first` to `last`."""
    if len(line) <= WIDTH:
        return 0, len(line)
    start = max(0, min(first - WIDTH // 3, len(line) - WIDTH))
    return start, min(len(line), max(start + WIDTH, first + 1))
