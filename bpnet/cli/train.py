"""``bpnet train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bpnet.cli.arguments import Overrides
from bpnet.cli.command import load_document, load_experiment
from bpnet.cli.console import Console, number
from bpnet.cli.overfit import prove
from bpnet.cli.progress import carry_out
from bpnet.cli.resume import resume as go_on
from bpnet.cli.signals import answered
from bpnet.errors import UsageError

if TYPE_CHECKING:
    from bpnet.config.document import Document
    from bpnet.experiment import Experiment


def train(
    console: Console,
    config: Annotated[
        str | None,
        typer.Argument(
            metavar="CONFIG",
            help="The config, or - for stdin; with --resume the run's own.",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="The run directory itself; must not exist.")
    ] = None,
    runs_root: Annotated[
        Path | None,
        typer.Option(help="Where NAME-NNN, the run directory, is made.  [default: runs]"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run; default: the config's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same as seed=N.")] = None,
    max_time: Annotated[
        str | None, typer.Option(help="Same as training.max_time=TIME: 90s, 10m, 2h.")
    ] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Start from the weights of a run (fine-tuning)."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with a run from its newest checkpoint."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="With --resume: wait until no other process trains it.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --resume: refuse a damaged newest checkpoint.")
    ] = False,
    allow_changed_data: Annotated[
        bool,
        typer.Option("--allow-changed-data", help="With --resume: go on although data changed."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="One batch through everything; no run directory.")
    ] = False,
    overfit: Annotated[
        int | None,
        typer.Option(metavar="N", help="Prove that N rows can be learned; no run directory."),
    ] = None,
) -> None:
    """Train a network; leave a run directory.

    CONFIG describes data, network and training; the directory's name is the last line of stdout.
    """
    values = list(overrides or [])
    for key, value in (("name", name), ("seed", seed), ("training.max_time", max_time)):
        if value is not None:
            values.append(f"{key}={value}")
    of_new = {
        "--name": name,
        "--run-dir": run_dir,
        "--runs-root": runs_root,
        "--init-from": init_from,
        "--dry-run": dry_run or None,
        "--overfit": overfit,
    }
    of_old = {"--wait": wait, "--strict": strict, "--allow-changed-data": allow_changed_data}
    with answered() as signals:
        if resume is not None:
            for option, given in of_new.items():
                if given is not None:
                    raise UsageError(f"--resume goes on with a run as it is; leave out {option}")
            if config is not None and "=" in config and not Path(config).exists():
                values.insert(0, config)
                config = None
            flags = {"wait": wait, "strict": strict, "allow_changed_data": allow_changed_data}
            go_on(resume, config, values, console, signals=signals, **flags)
            return
        for option, flag in of_old.items():
            if flag:
                raise UsageError(f"{option} belongs to --resume RUN")
        if dry_run and overfit is not None:
            raise UsageError("give either --dry-run or --overfit N")
        if config is None:
            raise UsageError(
                "expected a CONFIG to train, or --resume RUN; see 'bpnet train --help'"
            )
        if run_dir is not None and runs_root is not None:
            raise UsageError(
                "give either --run-dir, the directory itself, or --runs-root, its parent"
            )
        experiment = _load(load_document(config, values), init_from, console)
        if dry_run:
            _dry_run(experiment, console)
            return
        if overfit is not None:
            prove(experiment, overfit, console)
            return

        from bpnet import session

        parent = str(init_from) if init_from is not None else None
        with session.begin(
            experiment, run_dir=run_dir, runs_root=runs_root, parent=parent
        ) as begun:
            carry_out(begun, console, signals)


def _load(document: Document, init_from: Path | None, console: Console) -> Experiment:
    """Make the training, with the weights of another run if it is to start from them."""
    experiment = load_experiment(document, console)
    if init_from is not None:
        _take_weights(experiment, init_from, console)
    elif experiment.config.model.freeze:
        console.warn("frozen layers keep their random start: --init-from gives them weights")
    return experiment


def _take_weights(experiment: Experiment, source: Path, console: Console) -> None:
    from bpnet.fine_tuning import initialize_from

    transfer = initialize_from(
        experiment.state.network,
        source,
        features=experiment.data.features,
        target=experiment.data.target,
    )
    for sentence in transfer.sentences():
        console.info(sentence)
    for warning in transfer.warnings:
        console.warn(warning)


def _dry_run(experiment: Experiment, console: Console) -> None:
    """Take one step and one evaluation, and keep nothing."""
    losses = experiment.rehearse()
    if console.as_json:
        console.json({"dry_run": True, **losses})
    elif not console.quiet:
        text = " ".join(f"{key}={number(value)}" for key, value in losses.items())
        console.out(f"one batch went through everything: {text}")
