"""The errors that bpnet raises on purpose; everything else is a bug.

::

    BpnetError                      exit code
    ├── UsageError                  2   a command line that makes no sense
    ├── OptionError                 2   one value of the config, named by its path
    ├── ConfigError                 2   everything wrong with a config, with places
    ├── DataError                   3   data: missing, unreadable, wrong
    ├── DivergedError               4   the training produced NaN or Inf
    ├── RunError                    5   run or checkpoint refused
    ├── CheckFailedError            6   a check that was asked for failed
    └── RefusedError                8   the operating system refused

A message is one sentence that says where, what was expected, what was received
and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar

Path = tuple[str | int, ...]
"""A place in a config: ``("model", "layers", 2, "units")``."""


class BpnetError(Exception):
    """Any error that is the user's to mend; ``exit_code`` is the process's."""

    exit_code: ClassVar[int] = 1


class UsageError(BpnetError):
    """A command line that makes no sense."""

    exit_code = 2


class OptionError(BpnetError):
    """A value that does not fit, named by its path in the config.

    The engine raises it with the innermost name (``OptionError("...", "units")``);
    each level that it passes through puts its own step in front with :meth:`within`.

    Parameters
    ----------
    message
        What is wrong and what to do, without the place.
    path
        Steps from the level that raises down to the value.
    """

    exit_code = 2

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.path: Path = path

    def within(self, *steps: str | int) -> OptionError:
        """Return the same error, seen from further outside."""
        return OptionError(self.message, *steps, *self.path)

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.message}" if self.path else self.message


class ConfigError(BpnetError):
    """Everything that is wrong with a config, as finished text.

    Parameters
    ----------
    problems
        One rendered problem each: ``FILE:LINE:COL: error: ...`` and its source lines.
    footer
        Lines that help with all of them (the options of the type concerned).
    """

    exit_code = 2

    def __init__(self, problems: Sequence[str], footer: str = "") -> None:
        super().__init__("\n".join([*problems, *([footer] if footer else [])]))
        self.problems = list(problems)
        self.footer = footer

    def joined(self, other: ConfigError) -> ConfigError:
        """Return one error with the problems of both, and this one's footer."""
        problems = [*self.problems, *other.problems]
        _, _, lists = self.footer.partition(".")
        return ConfigError(problems, f"{len(problems)} errors.{lists}")


class DataError(BpnetError):
    """Data that is missing, unreadable or wrong.

    Parameters
    ----------
    message
        What is wrong and what to do.
    source, line
        The file (as the user wrote it) and its line, counted from 1, where known.
    """

    exit_code = 3

    def __init__(self, message: str, source: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.line = line

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.message}" if place else self.message


class DivergedError(BpnetError):
    """The training produced NaN or Inf."""

    exit_code = 4


class RunError(BpnetError):
    """A run, checkpoint or model file that is refused: corrupt, foreign, locked, there already."""

    exit_code = 5


class CheckFailedError(BpnetError):
    """A check that the user asked for failed."""

    exit_code = 6


class RefusedError(BpnetError):
    """The operating system refused: disk full, permission, input or output error."""

    exit_code = 8


def dotted(path: Path) -> str:
    """Write a path as users write it: ``model.layers[2].units``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like `name`, or None if none is near."""
    by_lower = {k.lower(): k for k in known}
    wanted = name[:100].lower().replace("-", "_").replace(" ", "_")
    if wanted in by_lower:
        return by_lower[wanted]
    found = difflib.get_close_matches(wanted, by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"``, or nothing if no known name is near."""
    match = nearest(name, known)
    return f"; did you mean '{match}'?" if match else ""
