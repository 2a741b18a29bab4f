"""What a step of the page is, and what all of them are made from."""

from __future__ import annotations

from dataclasses import dataclass

from bpnet.insight.trace.details import Details
from bpnet.insight.trace.plan import Column, Plan
from bpnet.insight.trace.record import Trace

PHASES = ("forward", "loss", "backward", "update")

SHOWN = 4
"""Units whose derivations a step writes out; the others are a click away."""


@dataclass(frozen=True)
class Chapter:
    """One step of the page.

    Attributes
    ----------
    phase, title
        Its phase, and what it is called.
    body
        What it says, as HTML, for each row that is shown.
    seen, known
        How many columns have their values; the numbers of those that have their derivatives.
    now
        The columns that it is about.
    flow
        The column whose ties are at work; -1 for none.
    """

    phase: str
    title: str
    body: list[str]
    seen: int
    known: tuple[int, ...]
    now: tuple[int, ...]
    flow: int = -1


@dataclass(frozen=True)
class View:
    """What the steps tell of.

    Attributes
    ----------
    trace, plan, details
        The training step, how its picture is laid out, and where each number comes from.
    rows
        The rows of the batch that are shown.
    """

    trace: Trace
    plan: Plan
    details: Details
    rows: range

    @property
    def all(self) -> int:
        """How many columns the picture has."""
        return len(self.plan.columns)

    @property
    def differentiated(self) -> tuple[int, ...]:
        """The numbers of the columns that have derivatives."""
        return tuple(c.number for c in self.plan.columns[:-1] if c.deltas is not None)


def rest(column: Column) -> str:
    """Say how many numbers of a column a step leaves out, if it does."""
    count = column.values.shape[1] - SHOWN
    if count <= 0:
        return ""
    return f'<p class="hint">{count} more; choose a circle to see how its number came about.</p>'
