"""What a search found, on the terminal: the best points, and how good the best one really is."""

from __future__ import annotations

import shlex
import signal
from typing import TYPE_CHECKING

import typer

from bpnet.cli.console import Console, number
from bpnet.cli.search_progress import changed, counted, seen_from_here, short

if TYPE_CHECKING:
    from bpnet.search.answer import Answer
    from bpnet.search.study import Study

SHOWN = 10
"""Points of the leaderboard on the terminal, if not all are asked for."""

FAILED = 7
"""Exit code of a search that finished, but some trials failed."""


def show(study: Study, console: Console, received: int | None, show_all: bool) -> None:
    """Write the leaderboard; print it, the best run and how good it is."""
    from bpnet.search import answer as answers

    answer = answers.write(study)
    failed = [row for row in answer.rows if row.state == "failed"]
    if console.as_json:
        console.json(answer.as_json())
    elif console.quiet:
        if answer.run is not None and received is None:
            console.out(str(study.directory / answer.run.directory))
    elif received is None:
        _print(answer, console, show_all)
    if received is not None:
        done = sum(trial.is_over for trial in study.trials)
        kept = f"finished and kept: {counted(done, 'trial')}"
        console.warn(
            f"{signal.Signals(received).name}; {kept}; the same command goes on "
            f"({shlex.quote(str(study.directory))})"
        )
        raise typer.Exit(128 + received)
    if not study.is_complete:
        console.warn("ended at the first failure (--fail-fast); the same command goes on")
    if failed:
        raise typer.Exit(FAILED)


def _print(answer: Answer, console: Console, show_all: bool) -> None:
    from bpnet.search import leaderboard

    study = answer.study
    keys = study.plan.space.keys
    names = leaderboard.metric_names(study, answer.rows)
    names = [name for name in names if name.startswith("val/")]
    repeated = len(study.plan.units) > 1
    rows = []
    shown = answer.rows if show_all else answer.rows[:SHOWN]
    for row in shown:
        labels = row.tried.point.labels
        metrics = {**row.metrics, study.plan.search.metric: row.score}
        cells = [number(metrics.get(name)) for name in names]
        if repeated and row.spread is not None:
            cells[0] += f" ± {row.spread:.2g}"
        state = "" if row.state == "done" else row.state
        if row.state == "paused":
            state = f"left after {counted(row.epochs, 'epoch')}"
        rows.append(
            [row.place, row.first.number, *(labels.get(k, "") for k in keys), *cells, state]
        )
    header = ["rank", "trial", *short(keys), *names, ""]
    console.table(header, rows, right=[0, 1, *range(2 + len(keys), 2 + len(keys) + len(names))])
    if len(answer.rows) > len(shown):
        console.out(f"... and {len(answer.rows) - len(shown)} more points: --all shows them")
    _print_failures(answer, console)
    if answer.importance:
        order = sorted(answer.importance.items(), key=lambda item: -item[1])
        parts = ", ".join(f"{key} {share:.0%}" for key, share in order)
        console.out(f"importance (share of the score's variance): {parts}")
    console.out(f"{study.directory}: {', '.join(answer.files)}")
    console.out(last_line(answer))


def _print_failures(answer: Answer, console: Console) -> None:
    failed = [row for row in answer.rows if row.state == "failed"]
    if not failed:
        return
    console.out(f"{len(failed)} of {len(answer.rows)} points failed:")
    for row in failed[:5]:
        reason = seen_from_here(row.reason, row.tried.trials, answer.study)
        console.out(f"  trial {row.first.number}: {reason}")
    if len(failed) > 5:
        console.out(f"  ... and {len(failed) - 5} more: leaderboard.csv has them all")


def last_line(answer: Answer) -> str:
    """Say how good the best run is: on the rows that chose it, and on rows that nobody chose by."""
    best, run = answer.best, answer.run
    if best is None:
        return "no point finished, so there is no best"
    study = answer.study
    name = study.plan.search.metric.removeprefix("val/")
    first = f"best: trial {(run or best.first).number} ({changed(best.first)})"
    ties = sum(row.rank == best.rank for row in answer.rows) - 1
    if ties:
        first += f", a tie with {ties} other{'s' * (ties > 1)}"
    chosen = f"val/{name} {number(best.score)}"
    if best.spread is not None:
        trials = len(best.tried.trials)
        chosen += f" ± {best.spread:.2g} over {trials} trainings"
    chosen += ", by which it was chosen"
    if run is None:
        return f"{first}: {chosen}"
    if len(best.tried.trials) > 1:
        chosen += f" (this run {number(answer.validation)})"
    if answer.test is None:
        tested = "no test rows, so nobody knows how good it is on new ones (data.test)"
    else:
        tested = f"test/{name} {number(answer.test)} on {answer.test_rows} rows that chose nothing"
    return f"{first}: {chosen}; {tested}; {study.directory / run.directory}"
