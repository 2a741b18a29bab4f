"""``bpnet watch``."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from bpnet.cli.arguments import Run
from bpnet.cli.console import Console, harmless, number, seconds

if TYPE_CHECKING:
    from bpnet.report.following import Follower

_RECENT = 20
"""Epochs by whose times the time left is told."""

_PAUSE = 0.25
"""Seconds between two looks at the run."""


def watch(
    console: Console,
    run: Run,
) -> None:
    """Show the curves of a training while it runs.

    Ends when the run does, or with q. Not on a terminal: a plain line for each epoch.
    """
    from bpnet.report.following import Follower

    follower = Follower(run)
    terminal = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if console.as_json or console.quiet or not terminal:
        _follow(follower, console)
    else:
        _draw(follower, console)


def _follow(follower: Follower, console: Console) -> None:
    """Print a line for each epoch; with --json one document at the end, with -q nothing."""
    plain = not console.as_json and not console.quiet
    while True:
        over = follower.over  # before the last look, so that no row is missed
        for row in follower.poll():
            if plain:
                from bpnet.runs.recorder import plain_line

                _write(harmless(plain_line(row)) + "\n")
        if over:
            break
        _wait(_PAUSE)
    if console.as_json:
        facts = follower.facts
        console.json(
            {
                "run": str(follower.directory),
                "status": facts.get("status"),
                "stop_reason": facts.get("stop_reason"),
                "epochs": len(follower.rows),
                "last": follower.rows[-1] if follower.rows else None,
            }
        )
    else:
        console.info(over)


def _wait(seconds: float) -> None:
    """Wait; find out at once if nobody reads any more.

    Raises
    ------
    BrokenPipeError
        If so.
    """
    if sys.stdout is None:
        time.sleep(seconds)
        return
    reader = select.poll()
    reader.register(sys.stdout.fileno(), 0)
    if reader.poll(int(1000 * seconds)):
        raise BrokenPipeError


def _draw(follower: Follower, console: Console) -> None:
    """Draw the curves until the run is over or somebody has seen enough."""
    over, seen = "", False
    with Screen() as terminal:
        while not over and not seen:
            over = follower.over
            follower.poll()
            width, height = terminal.size
            if not over:
                terminal.show(_lines(follower, width, height, console, "q ends this, not the run"))
            seen = terminal.key(_PAUSE) in ("q", "Q", "\x03", "\x04")
    width, height = terminal.size
    for line in _lines(follower, width, min(height, 40), console, over or "still training"):
        console.out(line)


def _lines(follower: Follower, width: int, height: int, console: Console, last: str) -> list[str]:
    """Return the whole screen: where the run stands, the curves, and a last line."""
    from bpnet.report.characters import screen

    rows = follower.rows
    standing = _standing(follower)
    head = f"{follower.directory}: {standing}"
    if len(head) >= width:  # where it stands is worth more than where the run lies
        head = f"{follower.directory.resolve().name}: {standing}"
    curves = screen(rows, width - 1, height - 3) if rows else []
    if console.color:
        curves = [_colored(line) for line in curves]
    return [_cut(head, width), *curves, _cut(last, width)][:height]


def _standing(follower: Follower) -> str:
    if not follower.rows:
        return "no epoch is done yet"
    row, planned = follower.rows[-1], follower.planned
    said = [f"epoch {row['epoch']}{f' of {planned}' if planned else ''}"]
    times = [t for r in follower.rows[-_RECENT:] if isinstance(t := r.get("time_s"), float)]
    mean = sum(times) / len(times) if times else 0.0
    left = planned - row["epoch"] if planned and times else 0
    if left > 0 and follower.facts.get("status") == "running":
        said.append(f"{'at most ' if follower.monitor else ''}{seconds(left * mean)} left")
    best = next((r for r in reversed(follower.rows) if r.get("best") is True), None)
    if best is not None:
        name = next((n for n in (follower.monitor, "val/loss") if n in best), "train/loss")
        said.append(f"best in epoch {best['epoch']} ({name} {number(best.get(name))})")
    if times:
        said.append(f"{seconds(mean) if mean >= 0.1 else f'{1000 * mean:.3g} ms'} an epoch")
    return ", ".join(said)


def _cut(text: str, width: int) -> str:
    return harmless(text)[: max(1, width - 1)]


def _colored(line: str) -> str:
    """Return a line of a plot with its stars and dots in colours."""
    head, bar, rest = line.partition("|")
    if not bar or head.strip(" .0123456789e+-"):
        return line
    return f"{head}{bar}{_painted(rest)}"


def _painted(text: str) -> str:
    painted, color = [], ""
    for letter in text:
        wanted = {"*": "\x1b[33m", ".": "\x1b[36m"}.get(letter, "")
        if letter != " " and wanted != color:
            painted.append(wanted or "\x1b[0m")
            color = wanted
        painted.append(letter)
    return "".join(painted) + ("\x1b[0m" if color else "")


class Screen:
    """A terminal that is drawn on as a whole, and is left as it was."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        self._shown: list[str] = []
        self._handlers: dict[int, Any] = {}
        self._input = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None

    def __enter__(self) -> Screen:
        for name in ("SIGTERM", "SIGHUP", "SIGTSTP"):
            caught = getattr(signal, name)
            if signal.getsignal(caught) is not signal.SIG_IGN:
                self._handlers[caught] = signal.signal(caught, self._received)
        self._take()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        self._give_back()
        for caught, handler in self._handlers.items():
            signal.signal(caught, handler)
        return kind is KeyboardInterrupt  # as good as q

    def _received(self, caught: int, frame: FrameType | None) -> None:
        if caught != signal.SIGTSTP:
            raise SystemExit(128 + caught)
        self._give_back()  # the shell gets its terminal as it was
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    def _take(self) -> None:
        if self._input is not None:
            import termios
            import tty

            self._before = termios.tcgetattr(self._input)
            tty.setcbreak(self._input, termios.TCSANOW)
        self._shown = []
        _write("\x1b[?1049h\x1b[?25l")

    def _give_back(self) -> None:
        with contextlib.suppress(OSError):
            _write("\x1b[?25h\x1b[?1049l")
        if self._before is not None and self._input is not None:
            import termios

            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._input, termios.TCSANOW, self._before)

    @property
    def size(self) -> tuple[int, int]:
        """Characters across and lines down."""
        try:
            found = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            return 80, 24
        return found.columns or 80, found.lines or 24

    def show(self, lines: list[str]) -> None:
        """Draw lines from the top; only if they, or the size, have changed."""
        state = [*lines, repr(self.size)]
        if state == self._shown:
            return
        self._shown = state
        _write("\x1b[H" + "".join(f"{line}\x1b[K\r\n" for line in lines[:-1]))
        _write(f"{lines[-1]}\x1b[K\x1b[J" if lines else "\x1b[J")

    def key(self, seconds: float) -> str:
        """Wait, and return the key that was pressed meanwhile, if one was."""
        if self._input is None:
            time.sleep(seconds)
            return ""
        with _interrupted_quietly():
            ready, _, _ = select.select([self._input], [], [], seconds)
            if ready:
                return os.read(self._input, 1).decode("ascii", "replace") or "\x04"
        return ""


@contextlib.contextmanager
def _interrupted_quietly() -> Iterator[None]:
    """Take a terminal that has gone away for a key that ends the watching."""
    try:
        yield
    except OSError:
        raise KeyboardInterrupt from None


def _write(text: str) -> None:
    if sys.stdout is not None:
        sys.stdout.write(text)
        sys.stdout.flush()
