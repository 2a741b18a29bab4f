"""Draws the report of a run: ``report.html`` and ``plots/`` in its directory."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bpnet.errors import BpnetError
from bpnet.preparation import Prepared
from bpnet.report import amounts, answers, ending, history, inside, verdict, worst
from bpnet.report.chart import MARK, standalone
from bpnet.report.outcome import Outcome, examine
from bpnet.report.page import run_page
from bpnet.report.record import Record, read_record
from bpnet.report.section import Section
from bpnet.runs import durable, rundir


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn.

    Attributes
    ----------
    page
        The page.
    plots
        The pictures, files of their own.
    answers
        Each question with the sentences that answer it.
    notes
        What was left out, and why.
    """

    page: Path
    plots: list[Path]
    answers: dict[str, list[str]]
    notes: list[str]


def draw(directory: Path, split: str | None = None, data: Prepared | None = None) -> Drawn:
    """Draw the report of a run, whatever became of it; what can't be shown is left out.

    Parameters
    ----------
    directory
        The run directory; the drawings go there.
    split
        Which part of the data is looked at; by default test, or else val, or else train.
    data
        The run's data, if it is in memory anyway.

    Raises
    ------
    RunError
        If `directory` is no run.
    RefusedError
        If the operating system refuses.
    """
    record = read_record(directory)
    notes = list(record.notes)
    outcome: Outcome | None = None
    try:
        outcome = examine(record, split, data)
    except BpnetError as error:
        if split is not None and "this run has no" in str(error):
            raise
        reason = " ".join(str(error).split("\n")[0].split())
        notes.append(f"What needs data and weights is left out: {reason.rstrip('.')}.")
    found, sections = None, [history.section(record)]
    with np.errstate(all="ignore"):
        if outcome is not None and np.isfinite(outcome.output).all():
            if outcome.target.kind == "number":
                sections.append(amounts.section(outcome))
            else:
                found = answers.judge(outcome)
                sections.append(answers.section(found))
            sections.append(worst.section(outcome))
        if outcome is not None:
            sections.append(inside.section(outcome))
        said = {
            "How good is it?": verdict.how_good(record, outcome, found),
            "Why did it stop?": ending.why_stopped(record),
            "Where does it fail?": verdict.where_it_fails(outcome, found),
        }
    if outcome is not None and outcome.source is None:
        notes.append(
            "The data is large, so it was not read once more for this page: the values of the "
            "worst rows are left out. bpnet report shows them."
        )
    text = run_page(record, list(said.items()), sections, notes, _about(record, outcome))
    plots = write_plots(directory, sections)
    durable.write(directory / rundir.REPORT, text)
    plain = {question: [s.replace("\u00a0", " ") for s in told] for question, told in said.items()}
    return Drawn(directory / rundir.REPORT, plots, plain, notes)


def _about(record: Record, outcome: Outcome | None) -> str:
    """Say in a line what is predicted, and from what."""
    name = record.plain.get("name")
    if outcome is None:
        return str(name or "")
    target = outcome.target
    columns = ", ".join(target.columns[:5]) + (", …" if len(target.columns) > 5 else "")
    kinds = {"class": f"{len(target.class_names)} classes", "number": "a number"}
    kind = kinds.get(target.kind, "yes or no")
    if target.outputs > 1 and target.kind != "class":
        kind = f"{target.outputs} {'numbers' if target.kind == 'number' else 'labels'}"
    inputs = " × ".join(map(str, outcome.dataset.x.shape[1:]))
    return f"{name}: {columns} ({kind}) from {inputs} inputs"


def write_plots(directory: Path, sections: Sequence[Section]) -> list[Path]:
    """Write every plot as a file, and remove those of an earlier report that are no more."""
    folder = directory / rundir.PLOTS
    with durable.refusals("make", folder):
        folder.mkdir(exist_ok=True)
    written = []
    for plot in (plot for section in sections for plot in section.plots):
        path = folder / f"{plot.name}.svg"
        durable.write(path, standalone(plot.svg))
        written.append(path)
    for path in folder.glob("*.svg"):
        with contextlib.suppress(OSError):
            if path not in written and MARK.encode() in path.read_bytes()[:2000]:
                path.unlink()
    return sorted(written)
