"""``bpnet report``, and the report after a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from bpnet import threads
from bpnet.cli.console import Console
from bpnet.errors import BpnetError, UsageError

if TYPE_CHECKING:
    from bpnet.cli.signals import Signals
    from bpnet.report.drawing import Drawn
    from bpnet.session import Session

Split = Literal["train", "val", "test"]

LONG = 10.0
"""Seconds of training after which a report is drawn in any case."""


def report(
    console: Console,
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Run directories.", show_default=False),
    ],
    split: Annotated[
        str | None, typer.Option(help="train, val or test; by default test, or else val.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the page of several runs goes.  [default: comparison.html]",
        ),
    ] = None,
) -> None:
    """Draw what people look at after a training.

    One run, or a search: report.html and plots/ in its directory. Several runs: one page that
    compares them.
    """
    from bpnet.runs import rundir

    if split is not None and split not in get_args(Split):
        raise UsageError(f"--split: expected train, val or test, received '{split}'")
    if len(runs) > 1:
        if split is not None:
            raise UsageError("--split is for the report of one run")
        _compare(runs, output or Path("comparison.html"), console)
        return
    if output is not None:
        raise UsageError(
            f"--output is for the page of several runs; the report of one goes to "
            f"{runs[0] / rundir.REPORT}"
        )
    from bpnet.collection.searches import is_search

    if is_search(runs[0]):
        if split is not None:
            raise UsageError("--split is for the report of one run, not of a search")
        threads.choose()
        from bpnet.report.search import draw_search

        _show(draw_search(runs[0]), runs[0], console)
        return
    threads.choose(like=rundir.latest_session(rundir.open_run(runs[0])))
    from bpnet.report.drawing import draw

    _show(draw(runs[0], split), runs[0], console)


def _show(drawn: Drawn, run: Path, console: Console) -> None:
    """Print the answers, and as the last line where the page is."""
    for note in drawn.notes:
        console.warn(note)
    if console.as_json:
        plots = [str(path) for path in drawn.plots]
        console.json(
            {
                "run": str(run),
                "report": str(drawn.page),
                "plots": plots,
                "answers": drawn.answers,
                "notes": drawn.notes,
            }
        )
        return
    if not console.quiet:
        from bpnet.cli.console import harmless

        for question, sentences in drawn.answers.items():
            console.out(question)
            for sentence in sentences:
                console.out(f"  {harmless(sentence)}")
        console.out()
    console.out(str(drawn.page))


def _compare(runs: list[Path], output: Path, console: Console) -> None:
    threads.choose()
    from bpnet.report.comparison import compare

    made = compare(runs, output)
    for note in made.notes:
        console.warn(note)
    if console.as_json:
        console.json(
            {
                "runs": [str(run) for run in runs],
                "report": str(output),
                "answer": made.answer,
                "notes": made.notes,
            }
        )
        return
    if not console.quiet:
        from bpnet.cli.console import harmless

        console.out(harmless(made.answer))
    console.out(str(output))


def draw_if_due(session: Session, console: Console, signals: Signals) -> None:
    """Draw the report of a training that is over, if the config or the moment asks for it.

    Nothing that fails here makes the training a failure: the run is complete without it.
    """
    from bpnet.runs.rundir import REPORT

    wanted = session.experiment.config.report
    long = session.experiment.state.elapsed > LONG
    there = (session.directory / REPORT).exists()  # of the training so far: not true any more
    if wanted == "never" or not (wanted == "always" or console.live or long or there):
        return
    if signals.received is not None:
        return
    signals.session = None  # from here on Ctrl-C ends the drawing
    from bpnet.report.drawing import draw

    later = f"bpnet report {session.directory} draws it"
    try:
        drawn = draw(session.directory, data=session.experiment.data)
    except KeyboardInterrupt:
        console.warn(f"interrupted, so the report is not drawn; {later}")
    except (BpnetError, OSError, MemoryError) as error:
        console.warn(f"the report could not be drawn: {error}; {later}")
    except Exception as error:  # a bug in the drawing is no reason to lose the result's last line
        console.warn(f"a bug in bpnet's report: {type(error).__name__}: {error}; please report it")
    else:
        console.info(f"report: {drawn.page}")
