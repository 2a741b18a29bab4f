"""What a check of the data says, and where in the files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["error", "warning", "note"]
"""``error``: scores would be worth nothing, or the training refuses the data; ``warning``: the
training suffers, or something is most likely a mistake; ``note``: worth a look, or taken care of by
the config."""

LEVELS: tuple[Level, ...] = ("error", "warning", "note")

LISTED = 10_000
"""Rows that a finding lists at most."""


@dataclass(frozen=True, slots=True)
class Spots:
    """Some rows of one file, as users count them.

    Attributes
    ----------
    source
        The file, as the user wrote it, or ``builtin:NAME``.
    unit
        ``line``: lines of the file, counted from 1; ``row``: rows of arrays, counted from 0.
    numbers
        The lines or rows, ascending or worst first; at most `LISTED` of them.
    count
        How many there are.
    """

    source: str
    unit: Literal["line", "row"]
    numbers: tuple[int, ...]
    count: int

    def text(self, most: int) -> str:
        """Return ``lines 3, 17 and 5 more``."""
        shown = ", ".join(map(str, self.numbers[:most]))
        more = self.count - min(most, len(self.numbers))
        plural = "s" if self.count > 1 else ""
        return f"{self.unit}{plural} {shown}" + (f" and {more:,} more" if more else "")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes
    ----------
    level
        How grave it is.
    message
        What was found, in one sentence.
    remedy
        What to do: an option of the config, or with the file.
    spots
        Where, file by file; empty where it isn't about single rows.
    columns
        The columns that it is about.
    measured, threshold
        The number that was compared, and with what, where that is one number.
    details
        A line each for what is too much for the message.
    check
        The check that found it, its name in `CHECKS`.
    """

    level: Level
    message: str
    remedy: str
    spots: tuple[Spots, ...] = ()
    columns: tuple[str, ...] = ()
    measured: float | None = None
    threshold: float | None = None
    details: tuple[str, ...] = ()
    check: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {
            "check": self.check,
            "level": self.level,
            "message": self.message,
            "remedy": self.remedy,
            "columns": list(self.columns),
            "rows": [
                {
                    "source": spots.source,
                    f"{spots.unit}s": list(spots.numbers),
                    "count": spots.count,
                }
                for spots in self.spots
            ],
            "measured": self.measured,
            "threshold": self.threshold,
            "details": list(self.details),
        }


@dataclass(eq=False)
class DataReport:
    """All that was looked at, and what was found.

    Attributes
    ----------
    findings
        The gravest first.
    rows
        How many rows each part has, and ``left out`` those in none.
    sources
        The files.
    checks
        The checks that ran.
    skipped
        The checks that could not run, and why.
    sampled
        The checks that looked at a random part of the rows, and at how many.
    """

    findings: list[Finding] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    sampled: dict[str, int] = field(default_factory=dict)

    def count(self, level: Level) -> int:
        """Return how many findings are of that level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def passed(self) -> bool:
        """Whether there is no error and no warning."""
        return not (self.count("error") or self.count("warning"))

    @property
    def total(self) -> int:
        """Rows in all."""
        return sum(self.rows.values())

    def tally(self) -> str:
        """Return ``1 error, 2 warnings and 1 note``, or ``nothing found``."""
        said = [
            f"{self.count(level)} {level}{'s' if self.count(level) > 1 else ''}"
            for level in LEVELS
            if self.count(level)
        ]
        return joined(said) if said else "nothing found"

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "passed": self.passed,
            "rows": self.rows,
            "sources": self.sources,
            **{f"{level}s": self.count(level) for level in LEVELS},
            "findings": [finding.as_json() for finding in self.findings],
            "checks": self.checks,
            "skipped": self.skipped,
            "sampled": self.sampled,
        }


def joined(texts: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return " and ".join([*([", ".join(texts[:-1])] if texts[:-1] else []), *texts[-1:]])


def some(texts: Sequence[str], most: int = 6) -> str:
    """Return ``a, b, c and 4 more``."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def percent(part: float, whole: float) -> str:
    """Return a share for people: ``2.4 %``, ``under 0.1 %``, and never 100 % if it isn't."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "under 0.1 %"
    if 99.9 < share < 100:
        return "over 99.9 %"
    return f"{share:.1f} %" if share != int(share) else f"{share:.0f} %"


def named(finding: Finding, check: str) -> Finding:
    """Return the finding with the name of its check."""
    return dataclasses.replace(finding, check=check)
