"""What is printed, where and how. The only file that knows rich.

Results go to stdout, progress and messages to stderr. On a terminal there are colours and one
live line; elsewhere plain lines without control codes, and rich isn't even imported.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from typing import IO, Literal

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Console:
    """The two streams of one command.

    Parameters
    ----------
    as_json
        Print one JSON document on stdout and nothing else there.
    quiet
        Print errors only on stderr, and on stdout only what scripts ask for.
    color
        Allow colours where the stream is a terminal.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, color: bool = True) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.color = color and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._live = 0
        self._live_at = 0.0

    @property
    def live(self) -> bool:
        """Whether a live line can be shown."""
        return (
            not self.quiet and not self.as_json and sys.stderr is not None and sys.stderr.isatty()
        )

    @property
    def width(self) -> int | None:
        """How many letters a line of results has room for; None where it is no terminal."""
        if sys.stdout is None or not sys.stdout.isatty():
            return None
        try:
            return os.get_terminal_size(sys.stdout.fileno()).columns or 80
        except OSError:
            return 80

    def out(self, text: str = "") -> None:
        """Print a result."""
        self.clear_live()
        _write(sys.stdout, text + "\n")

    def json(self, value: object) -> None:
        """Print the command's JSON document; a number that JSON lacks becomes null."""
        from bpnet.runs.rundir import finite

        self.out(json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False))

    def info(self, text: str) -> None:
        """Print a message, unless only errors are wanted."""
        if not self.quiet and not self.as_json:
            self.clear_live()
            _write(sys.stderr, harmless(text) + "\n")

    def warn(self, text: str) -> None:
        """Print a warning, unless only errors are wanted."""
        if not self.quiet:
            self._message("warning", text, "yellow")

    def error(self, text: str) -> None:
        """Print an error."""
        self._message("error", text, "red")

    def problems(self, text: str) -> None:
        """Print errors that carry their own places, as a compiler's."""
        self.clear_live()
        text = harmless(text)
        if self._colored(sys.stderr):
            text = re.sub(r"(?m)^(.*?: )(error:|warning:)", "\x1b[1m\\1\x1b[31m\\2\x1b[0m", text)
            text = re.sub(r"(?m)^(\s+\|\s*)(\^+)$", "\\1\x1b[31m\\2\x1b[0m", text)
        _write(sys.stderr, text + "\n")

    def _message(self, kind: str, text: str, color: str) -> None:
        self.clear_live()
        text = harmless(text)
        if self._colored(sys.stderr):
            code = {"red": 31, "yellow": 33}[color]
            _write(sys.stderr, f"\x1b[1mbpnet: \x1b[{code}m{kind}:\x1b[0m {text}\n")
        else:
            _write(sys.stderr, f"bpnet: {kind}: {text}\n")

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        title: str = "",
        right: Sequence[int] = (),
        whole: Sequence[int] = (),
    ) -> None:
        """Print a table of results.

        `right` lists the columns that are aligned right, `whole` those that a narrow terminal
        breaks last.
        """
        self.clear_live()
        cells = [[harmless(str(cell)) for cell in row] for row in rows]
        if self._colored(sys.stdout):
            self._rich_table(header, cells, title, right, whole)
            return
        if title:
            _write(sys.stdout, title + "\n")
        widths = [max(map(letters, column)) for column in zip(header, *cells, strict=True)]
        for row in [list(header), *cells]:
            parts = [
                f"{' ' * (width - letters(cell))}{cell}"
                if i in right
                else f"{cell}{' ' * (width - letters(cell))}"
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            _write(sys.stdout, "  ".join(parts).rstrip() + "\n")

    def _rich_table(
        self,
        header: Sequence[str],
        cells: Sequence[Sequence[str]],
        title: str,
        right: Sequence[int],
        whole: Sequence[int],
    ) -> None:
        from rich import box
        from rich.console import Console as RichConsole
        from rich.table import Table
        from rich.text import Text

        widths = [max(map(letters, column)) for column in zip(header, *cells, strict=True)]
        widths = fitted(widths, whole, (self.width or 80) - 2 * (len(widths) - 1))
        table = Table(
            title=title or None,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for i, name in enumerate(header):
            # Folded and not cut off: a name is there to be copied.
            justify: Literal["left", "right"] = "right" if i in right else "left"
            table.add_column(name, justify=justify, width=widths[i], overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))
        RichConsole(file=sys.stdout, highlight=False, width=self.width).print(table)

    def show_live(self, text: str, *, force: bool = False) -> None:
        """Replace the live line or lines, ten times a second at most."""
        at = time.monotonic()
        if not force and at - self._live_at < 0.1:
            return
        self._live_at = at
        try:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        except OSError:
            width = 80
        lines = [harmless(line)[: width - 1] for line in text.split("\n")]
        start = "\r" if len(lines) == self._live == 1 else self._over_live()
        _write(sys.stderr, start + "\x1b[K\n".join(lines) + "\x1b[K")
        self._live = len(lines)

    def clear_live(self) -> None:
        """Remove the live line or lines before something else is printed."""
        if self._live:
            _write(sys.stderr, self._over_live() + "\x1b[K")
            self._live = 0

    def _over_live(self) -> str:
        """Return what brings the cursor to the start of the live lines and removes them."""
        return "\r" if self._live <= 1 else f"\x1b[{self._live - 1}A\r\x1b[J"

    def close_stdout(self) -> None:
        """Write no more to a pipe whose reader has gone."""
        _silence(sys.stdout)

    def _colored(self, stream: IO[str] | None) -> bool:
        return self.color and stream is not None and stream.isatty()


def fitted(widths: Sequence[int], whole: Sequence[int], room: int) -> list[int]:
    """Return the widths of columns so that they fit; the widest gives way first, `whole` last."""
    found = list(widths)
    others = [i for i in range(len(found)) if i not in whole]
    for columns, least in ((others, 10), (range(len(found)), 8), (range(len(found)), 1)):
        while columns and sum(found) > room:
            widest = max(columns, key=lambda i: found[i])
            if found[widest] <= least:
                break
            found[widest] -= 1
    return found


def letters(text: str) -> int:
    """Return how many places of a terminal a text takes: a Japanese letter takes two."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def harmless(text: str) -> str:
    """Return `text` with control characters made visible: a file may hold terminal escapes."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _write(stream: IO[str] | None, text: str) -> None:
    """Write at once; a reader that has gone away must not harm the training."""
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        _silence(stream)  # or Python would write the rest again, and fail again, as it exits
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            raise  # a result that can't be written is an error; a message is not
    except UnicodeEncodeError:
        encoding = getattr(stream, "encoding", None) or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


def _silence(stream: IO[str]) -> None:
    """Send what is still written to a closed pipe nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def number(value: object) -> str:
    """Return a number for people, with four significant digits or more where they are whole."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.6g}"
    return "-" if value is None else str(value)


def seconds(value: float) -> str:
    """Return a duration for people: ``0.84 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if value < 60:
        return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60):02d} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60):02d} min"
