"""``bpnet lrfind``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpnet.cli.arguments import Config, Overrides
from bpnet.cli.command import load_document, load_experiment
from bpnet.cli.console import Console
from bpnet.cli.overwriting import refuse_other_file

if TYPE_CHECKING:
    from bpnet.experiment import Experiment
    from bpnet.insight.learning_rate import RangeTest


def lrfind(
    console: Console,
    config: Config,
    overrides: Overrides = None,
    lowest: Annotated[float, typer.Option("--from", help="The first learning rate.")] = 1e-6,
    highest: Annotated[float, typer.Option("--to", help="The last learning rate.")] = 100.0,
    steps: Annotated[int, typer.Option(help="How many steps lie between them.")] = 240,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the curve as a table.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the curve as a picture.")
    ] = None,
) -> None:
    """Find a learning rate: let it grow with every step, and watch the loss.

    Nothing is kept. With -q only the override is printed: bpnet train c.yaml $(bpnet lrfind c.yaml
    -q).
    """
    if csv is not None:
        refuse_other_file("--csv", csv, _HEADER, "no curve of bpnet lrfind")
    if svg is not None:
        refuse_other_file("--svg", svg, "<svg", "no SVG picture")
    experiment = load_experiment(load_document(config, list(overrides or [])), console)
    from bpnet.insight.learning_rate import find_learning_rate

    if console.live:
        console.show_live("raising the learning rate", force=True)
    test = find_learning_rate(experiment.state, low=lowest, high=highest, steps=steps)
    console.clear_live()
    _write_files(experiment, test, csv, svg)
    if console.as_json:
        console.json(_as_json(experiment, test))
        return
    if not console.quiet:
        _show(experiment, test, console)
    if test.suggestion is not None:
        console.out(_override(experiment, test.suggestion))
    else:
        console.warn(f"no suggestion: {test.reason}")


_HEADER = "step,learning_rate,loss,smoothed"


def _override(experiment: Experiment, rate: float) -> str:
    peak = getattr(experiment.config.schedule, "max_learning_rate", None)
    key = "optimizer.learning_rate" if peak is None else "schedule.max_learning_rate"
    return f"{key}={rate:g}"


def _curve(experiment: Experiment, test: RangeTest) -> Any:
    from bpnet.insight.curve_drawing import Curve

    return Curve(
        test.rates,
        test.losses,
        test.smoothed,
        test.suggestion,
        f"Learning-rate range test of {experiment.config.name}",
        "learning rate",
        "loss",
    )


def _write_files(
    experiment: Experiment, test: RangeTest, csv: Path | None, svg: Path | None
) -> None:
    from bpnet.runs import durable

    if csv is not None:
        rows = zip(test.rates, test.losses, test.smoothed, strict=True)
        lines = [f"{i},{r:.9g},{x:.9g},{s:.9g}" for i, (r, x, s) in enumerate(rows, 1)]
        with durable.growing(csv) as file:
            file.write("\n".join([_HEADER, *lines]) + "\n")
    if svg is not None and len(test.rates):
        from bpnet.insight.curve_drawing import as_svg

        with durable.growing(svg) as file:
            file.write(as_svg(_curve(experiment, test)))


_STOPPED = {
    "exploded": "then the loss exploded",
    "diverged": "then the loss or its gradient was no number any more",
    "end": "the end of the range",
}


def _show(experiment: Experiment, test: RangeTest, console: Console) -> None:
    if len(test.rates) > 2:
        from bpnet.insight.curve_drawing import in_characters

        console.out(f"loss by learning rate, {experiment.config.optimizer.type}")
        for line in in_characters(_curve(experiment, test)):
            console.out(line)
        console.out(
            f"{len(test.rates)} steps from {test.rates[0]:.1e} to {test.rates[-1]:.1e}, "
            f"{_STOPPED[test.stopped]}; weights, streams and data order are as before"
        )
    for note in test.notes:
        console.out(note)
    if test.suggestion is not None:
        console.out(f"suggestion: {test.reason}")


def _as_json(experiment: Experiment, test: RangeTest) -> dict[str, Any]:
    found = test.suggestion
    return {
        "suggestion": found,
        "override": None if found is None else _override(experiment, found),
        "reason": test.reason,
        "stopped": test.stopped,
        "notes": test.notes,
        "curve": [
            {"step": i, "learning_rate": float(rate), "loss": float(loss), "smoothed": float(mean)}
            for i, (rate, loss, mean) in enumerate(
                zip(test.rates, test.losses, test.smoothed, strict=True), 1
            )
        ],
    }
