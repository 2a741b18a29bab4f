"""``bpnet eval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpnet import threads
from bpnet.cli.arguments import RunOrModel
from bpnet.cli.console import Console, number
from bpnet.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from bpnet.model import Model
    from bpnet.scoring import Report

SPLITS = ("train", "val", "test")


def evaluate(
    console: Console,
    run: RunOrModel,
    split: Annotated[
        str | None, typer.Option(help="train, val or test; by default test, or else val.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="PATH", help="A file to evaluate on instead.")
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(metavar="best|last|PATH", help="Which weights to evaluate.")
    ] = "best",
    fail_under: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=VALUE", help="Exit with 6 if METRIC is worse than VALUE."),
    ] = None,
) -> None:
    """Score a trained network.

    Metrics of a split or a file, with a confusion matrix or residuals.
    """
    limits = [_limit(text) for text in fail_under or []]
    if split is not None and data is not None:
        raise UsageError("give either --split or --data, not both")
    if split is not None and split not in SPLITS:
        raise UsageError(f"--split: expected train, val or test, received '{split}'")
    threads.choose()
    from bpnet import model, scoring

    loaded = model.load(run)
    if checkpoint != "best":
        _take_weights(loaded, run, checkpoint)
    if data is not None:
        report = scoring.score_file(loaded, data)
    else:
        report = scoring.score_split(loaded, split, run)
    for warning in report.warnings:
        console.warn(warning)
    failure = _enforce(limits, report)
    _show(report, console)
    if failure is not None:
        raise failure


def _take_weights(loaded: Model, run: Path, name: str) -> None:
    """Take a checkpoint's weights; a newest one that a training removes is looked for again."""
    from bpnet.errors import RunError
    from bpnet.runs import checkpoint

    while True:
        path = checkpoint.newest(run) if name == "last" else Path(name)
        try:
            loaded.use_checkpoint(path)
            return
        except RunError:
            if name != "last" or path.exists():
                raise


def _limit(text: str) -> tuple[str, float]:
    metric, _, value = text.partition("=")
    try:
        return metric, float(value)
    except ValueError:
        raise UsageError(f"--fail-under: expected METRIC=VALUE, received '{text}'") from None


def _enforce(limits: list[tuple[str, float]], report: Report) -> CheckFailedError | None:
    """Return the first limit that the scores do not keep."""
    for metric, limit in limits:
        part, _, name = metric.rpartition("/")
        if part not in ("", report.part):
            raise UsageError(
                f"--fail-under {metric}: what was scored is {report.part}; add --split"
            )
        if name not in report.scores:
            known = ", ".join(report.scores)
            raise UsageError(f"--fail-under: '{metric}' is not measured; measured are {known}")
        value, more = report.scores[name], report.modes[name] == "max"
        if not (value >= limit if more else value <= limit):
            side = "below" if more else "above"
            return CheckFailedError(f"{report.part}/{name} is {number(value)}, {side} {limit:g}")
    return None


def _show(report: Report, console: Console) -> None:
    if console.as_json:
        console.json(report.as_json())
        return
    if console.quiet:
        return
    console.out(f"{report.part}: {report.rows} rows of {report.source}")
    console.table(
        ["metric", "value"],
        [[name, number(value)] for name, value in report.scores.items()],
        right=(1,),
    )
    if report.confusion is not None:
        console.out()
        _confusion(report, console)
    for table in (report.class_scores, report.residuals):
        if table:
            console.out()
            header = list(table[0])
            rows: list[list[Any]] = [
                [number(v) if isinstance(v, float) else v for v in row.values()] for row in table
            ]
            console.table(header, rows, right=range(1, len(header)))


def _confusion(report: Report, console: Console) -> None:
    assert report.confusion is not None
    names = report.confusion["classes"]
    if len(names) > 20:
        console.out(f"confusion matrix of {len(names)} classes: see --json")
        return
    rows = [[name, *row] for name, row in zip(names, report.confusion["matrix"], strict=True)]
    console.table(
        ["true \\ predicted", *names], rows, title="confusion", right=range(1, len(names) + 1)
    )
