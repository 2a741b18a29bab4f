"""``bpnet doctor``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bpnet import threads
from bpnet.cli.arguments import Overrides
from bpnet.cli.command import load_document, load_experiment
from bpnet.cli.console import Console, seconds
from bpnet.cli.subject import MOVABLE, from_here
from bpnet.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from bpnet.insight.doctor.evidence import Evidence
    from bpnet.insight.doctor.findings import Finding
    from bpnet.insight.doctor.laboratory import Laboratory


def doctor(
    console: Console,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="RUN|CONFIG",
            help="A run directory, or a config (- for stdin).",
            show_default=False,
        ),
    ],
    overrides: Overrides = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 6 on a finding.")] = False,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of the training in memory, at most (CONFIG only).")
    ] = 10_000,
    max_time: Annotated[
        float, typer.Option(min=0, help="Seconds for trying changes; 0 tries none.")
    ] = 60.0,
) -> None:
    """Find what ails a training, and a change to the config that mends it.

    A config is trained in memory first; a run is looked at as it is, and stays as it is. Proposed
    changes are tried in memory too.
    """
    values = list(overrides or [])
    if Path(subject).is_dir():
        seen, laboratory = _run(Path(subject), values, max_time, console)
    else:
        seen, laboratory = _config(subject, values, steps, max_time, console)
    from bpnet.insight.doctor.examination import examine
    from bpnet.insight.doctor.report import as_json

    if console.live:
        console.show_live("trying changes", force=True)
    findings = examine(seen, laboratory if max_time else None)
    console.clear_live()
    if console.as_json:
        console.json(as_json(subject, seen, findings))
    elif not console.quiet:
        _show(seen, findings, laboratory, console)
    if strict and findings:
        names = ", ".join(dict.fromkeys(finding.rule for finding in findings))
        raise CheckFailedError(f"{subject}: {_count(len(findings))}: {names}")


def _config(
    name: str, values: list[str], steps: int, max_time: float, console: Console
) -> tuple[Evidence, Laboratory]:
    document = load_document(name, values)
    experiment = load_experiment(document, console)
    from bpnet.insight.doctor.laboratory import Laboratory
    from bpnet.insight.doctor.probe import Limits, observe

    if console.live:
        console.show_live("training in memory", force=True)
    seen = observe(experiment, Limits(steps))
    return seen, Laboratory(document, max_time)


def _run(
    directory: Path, values: list[str], max_time: float, console: Console
) -> tuple[Evidence, Laboratory]:
    if any(value.partition("=")[0] not in MOVABLE for value in values):
        raise UsageError(
            "a run is looked at as it is; of a run only data that has moved may be given, such as "
            "data.train=PATH, other values belong to a CONFIG"
        )
    from bpnet.runs import rundir

    threads.choose(like=rundir.open_run(directory))
    from bpnet.insight.doctor import past
    from bpnet.insight.doctor.laboratory import Laboratory

    if console.live:
        console.show_live("looking at the run", force=True)
    document = past.document_of(directory).override(map(from_here, values))
    seen = past.recall_run(directory, document)
    return seen, Laboratory(document, max_time, weights=past.initial_weights(directory))


def _show(
    seen: Evidence, findings: list[Finding], laboratory: Laboratory, console: Console
) -> None:
    from bpnet.insight.doctor.report import layer_rows
    from bpnet.insight.doctor.rules import RULES

    console.out(_training(seen))
    rows = layer_rows(seen)
    if rows:
        console.out()
        console.table(
            [
                "layer",
                "size of outputs",
                "dead or saturated",
                "gradient that arrives",
                "update/weight",
            ],
            rows,
            title="layers, start -> end" if seen.end is not None else "layers, at the start",
            right=(1, 2, 3, 4),
        )
    for gap in seen.gaps:
        console.out(f"not looked at: {gap}")
    console.out()
    if not findings:
        console.out(f"no findings ({len(RULES)} rules)")
        return
    said: dict[tuple[str, ...], int] = {}
    for number, finding in enumerate(findings, 1):
        where = f" ({finding.where})" if finding.where else ""
        console.out(f"{number}. {finding.rule}{where}: {finding.text}")
        console.out(
            f"   {finding.measure or RULES[finding.rule].measure}: {finding.number:.3g} "
            f"(threshold {finding.threshold:.3g})"
        )
        if finding.follows:
            console.out(f"   may follow from {', '.join(finding.follows)}: mend that first")
        if finding.change is not None:
            overrides = finding.change.overrides
            first = said.setdefault(overrides, number) if overrides else number
            same = f"the change of {first}"
            if finding.tried is not None:
                same += f": {_TRIED[finding.tried]}"
            console.out(f"   {_advice(finding) if first == number else same}")
    if laboratory.trials:
        trials = laboratory.trials
        console.out(f"{'1 change' if trials == 1 else f'{trials} changes'} tried, in memory")


_TRIED = {True: "tried, and it is gone", False: "tried: not enough by itself", None: "not tried"}


def _advice(finding: Finding) -> str:
    change = finding.change
    assert change is not None
    if not change.overrides:
        return change.advice
    effect = f"; {finding.effect}" if finding.effect else ""
    return f"{shlex.join(change.overrides)}  ({change.advice}; {_TRIED[finding.tried]}{effect})"


def _training(seen: Evidence) -> str:
    """Say in a line what was looked at."""
    took = f" in {seconds(seen.seconds)}, in memory" if seen.in_memory else ""
    how = "the whole training" if seen.complete else f"of {seen.planned:,} planned"
    if seen.diverged:
        how = "then it diverged"
    parts = [f"{seen.steps:,} steps{took} ({how})"]
    if seen.train_loss == seen.train_loss:
        val = f", val/loss {seen.val_loss:.4g}" if seen.val_loss == seen.val_loss else ""
        parts.append(
            f"train/loss {seen.train_loss:.4g}{val}; the best constant answer has "
            f"{seen.base_train:.4g}"
        )
    return "; ".join(parts)


def _count(findings: int) -> str:
    return "1 finding" if findings == 1 else f"{findings} findings"
