"""``bpnet gradcheck``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpnet.cli.arguments import Overrides, Subject, Weights
from bpnet.cli.console import Console
from bpnet.cli.subject import load_exact
from bpnet.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from bpnet.insight.gradients import GradientReport
    from bpnet.nn.gradcheck import GradientError


def gradcheck(
    console: Console,
    subject: Subject,
    overrides: Overrides = None,
    tolerance: Annotated[
        float, typer.Option(help="Largest relative error that passes; above it the exit is 6.")
    ] = 1e-6,
    batches: Annotated[
        int, typer.Option(min=1, help="Batches to check: the last, and those an epoch starts with.")
    ] = 2,
    rows: Annotated[int, typer.Option(min=1, help="Rows of a batch to use at most.")] = 256,
    entries: Annotated[
        int, typer.Option(min=0, help="Single numbers per tensor and batch to check at most.")
    ] = 20,
    directions: Annotated[
        int, typer.Option(min=1, help="Random directions per tensor and batch.")
    ] = 3,
    weights: Weights = None,
) -> None:
    """Compare backpropagation with differences of the loss.

    In float64, on batches of the config's data, for every parameter tensor and the input: the loss
    is computed again a small step to either side, along random directions and for single numbers.
    """
    if not 0 < tolerance < math.inf:
        raise UsageError(f"--tolerance: expected a number above 0, received {tolerance:g}")
    experiment = load_exact(subject, overrides, weights, console)
    from bpnet.insight.gradients import check

    report = check(
        experiment,
        batches=batches,
        rows=rows,
        directions=directions,
        entries=entries,
        tolerance=tolerance,
    )
    if console.as_json:
        console.json(_as_json(report))
    elif not console.quiet:
        _show(report, console)
    if report.wrong:
        wrong = [error for error in report.wrong if error in report.tensors] or report.wrong
        names = ", ".join(f"{error.name} ({_error(error.error)})" for error in wrong[:5])
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise CheckFailedError(
            f"gradients that differ by more than {tolerance:g} from those of the loss itself: "
            f"{names}{more}"
        )


def _show(report: GradientReport, console: Console) -> None:
    console.out(_what(report))
    console.out()
    console.table(
        ["tensor", "shape", "directions", "entries", "checked", "on kinks", ""],
        [_row(error) for error in report.errors],
        right=(2, 3, 4, 5),
    )
    console.out()
    for error in report.wrong:
        worst = error.worst
        if worst is not None and error.single > report.tolerance:
            place = ", ".join(map(str, worst.place))
            console.out(
                f"{error.name}[{place}]: backpropagation says {worst.computed:.10g}, "
                f"differences say {worst.estimated:.10g}"
            )
    kinks = sum(error.kinks for error in report.errors)
    if kinks:
        what = "1 difference was" if kinks == 1 else f"{kinks} differences were"
        console.out(
            f"{what} left out, as a kink (of a relu, of an absolute value) lies there: the slopes "
            "on its two sides differ, and the gradient is between them"
        )
    zero = [error.name for error in report.errors if error.zero]
    if zero:
        console.out(
            f"too small to be told from rounding, so that no mistake could show: {', '.join(zero)}"
        )
    if report.frozen:
        console.out(f"frozen, so without a gradient: {', '.join(report.frozen)}")
    largest = report.largest
    if not report.wrong:
        console.out(
            f"the gradients are right: the largest relative error is {_error(largest.error)} "
            f"({largest.name}), the tolerance {report.tolerance:g}"
        )


def _what(report: GradientReport) -> str:
    *others, last = report.batches
    batches = "a batch" if not others else f"{len(report.batches)} batches"
    sizes = f"{last} row{'s' if last > 1 else ''}"
    if others and others[0] != last:  # all but the last one are of one size
        sizes = f"{others[0]}{' and' if len(others) == 1 else ', the last of'} {sizes}"
    return (
        f"backpropagation against differences of the loss: {batches} of {sizes}, in float64; "
        "largest relative errors"
    )


def _row(error: GradientError) -> list[str]:
    return [
        error.name,
        "x".join(map(str, error.shape)) or f"{error.size:,} numbers",
        _error(error.along),
        _error(error.single) if error.entries else "-",
        str(error.entries),
        str(error.kinks),
        ("0" if error.zero else "ok") if error.passed else "WRONG",
    ]


def _error(value: float) -> str:
    return f"{value:.1e}" if math.isfinite(value) else "not finite"


def _as_json(report: GradientReport) -> dict[str, Any]:
    return {
        "passed": not report.wrong,
        "tolerance": report.tolerance,
        "batches": list(report.batches),
        "frozen": list(report.frozen),
        "largest_error": report.largest.error,
        "tensors": [
            {
                "tensor": error.name,
                "shape": list(error.shape),
                "size": error.size,
                "passed": error.passed,
                "error": error.error,
                "error_along_directions": error.along,
                "error_of_entries": error.single if error.entries else None,
                "entries": error.entries,
                "kinks": error.kinks,
                "zero": error.zero,
                "worst": None
                if error.worst is None
                else {
                    "index": list(error.worst.place),
                    "backpropagation": error.worst.computed,
                    "differences": error.worst.estimated,
                },
            }
            for error in report.errors
        ],
    }
