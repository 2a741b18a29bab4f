"""How the commands that look into a network make it: of a config, or of a run with its weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bpnet import threads
from bpnet.cli.command import load_document
from bpnet.cli.console import Console
from bpnet.config.write import inline

if TYPE_CHECKING:
    from bpnet.experiment import Experiment

MOVABLE = ("data.train", "data.validation", "data.test")
"""What may be said of a run's data that has moved."""


def from_here(assignment: str) -> str:
    """Return an override whose path, as typed, starts where bpnet does, not at the run's config."""
    key, _, value = assignment.partition("=")
    if key in MOVABLE and Path(value).exists():
        return f"{key}={inline(str(Path(value).resolve()))}"
    return assignment


def load_exact(
    subject: str, overrides: Sequence[str] | None, weights: Path | None, console: Console
) -> Experiment:
    """Make the training of a config or a run in float64; say what was noticed on the way."""
    if Path(subject).is_dir():
        from bpnet.config import of_run
        from bpnet.runs import rundir

        run = Path(subject)
        facts = rundir.open_run(run)
        document = of_run.current(run, facts).override(map(from_here, overrides or []))
        threads.choose(document, like=facts)
        weights = weights or run
    else:
        document = load_document(subject, list(overrides or []))
    from bpnet.insight.exact import build_exact

    experiment, transfer = build_exact(document, weights)
    for warning in experiment.warnings:
        console.info(warning)
    for note in experiment.data.notes:
        console.info(f"note: {note}")
    if transfer is not None:
        for sentence in transfer.sentences():
            console.info(sentence)
        for warning in transfer.warnings:
            console.warn(warning)
    return experiment
