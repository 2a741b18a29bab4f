"""``bpnet train``."""

from __future__ import annotations

import contextlib
import shlex
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bpnet.cli import threads
from bpnet.cli.command import load_document, load_experiment
from bpnet.cli.console import Console, number, seconds
from bpnet.cli.signals import answered
from bpnet.config.write import inline
from bpnet.errors import UsageError

if TYPE_CHECKING:
    from bpnet.experiment import Experiment
    from bpnet.session import Session
    from bpnet.training.events import Event
    from bpnet.training.state import TrainingState


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
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Values over the config's."),
    ] = None,
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
) -> None:
    """Train a network; leave a run directory.

    CONFIG describes data, network and training; the directory's name is the last line of stdout.
    """
    values = list(overrides or [])
    for key, value in (("name", name), ("seed", seed), ("training.max_time", max_time)):
        if value is not None:
            values.append(f"{key}={value}")
    if resume is not None:
        alone = {
            "--name": name,
            "--run-dir": run_dir,
            "--runs-root": runs_root,
            "--init-from": init_from,
        }
        for option, given in {**alone, "--dry-run": dry_run or None}.items():
            if given is not None:
                raise UsageError(f"--resume goes on with a run as it is; leave out {option}")
        if config is not None and "=" in config and not Path(config).exists():
            values.insert(0, config)
            config = None
        _resume(resume, config, values, console, wait, strict, allow_changed_data)
        return
    for option, flag in (
        ("--wait", wait),
        ("--strict", strict),
        ("--allow-changed-data", allow_changed_data),
    ):
        if flag:
            raise UsageError(f"{option} belongs to --resume RUN")
    if config is None:
        raise UsageError("expected a CONFIG to train, or --resume RUN; see 'bpnet train --help'")
    if run_dir is not None and runs_root is not None:
        raise UsageError("give either --run-dir, the directory itself, or --runs-root, its parent")
    experiment = load_experiment(load_document(config, values), console)
    if init_from is not None:
        _take_weights(experiment, init_from, console)
    elif experiment.config.model.freeze:
        console.warn("frozen layers keep their random start: --init-from gives them weights")
    if dry_run:
        _dry_run(experiment, console)
        return

    from bpnet import session

    parent = str(init_from) if init_from is not None else None
    with session.begin(experiment, run_dir=run_dir, runs_root=runs_root, parent=parent) as begun:
        _carry_out(begun, console)


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


def _resume(
    run: Path,
    config: str | None,
    values: list[str],
    console: Console,
    wait: bool,
    strict: bool,
    allow_changed_data: bool,
) -> None:
    """Go on with a run; a finished one stays as it is, to the byte."""
    from bpnet.runs import lock, rundir

    facts = rundir.open_run(run)
    if config is None and not values and (run / rundir.RESULT).is_file():
        _tell_finished(run, console)
        return
    if wait and lock.is_held(run):
        console.info(f"{run}: waiting until the other bpnet there has ended")
    with lock.hold(run, wait=wait) as doubt:
        from bpnet.config import of_run
        from bpnet.config.document import Document

        facts = rundir.open_run(run)
        document = of_run.current(run, facts) if config is None else Document.read(config)
        document = document.override(map(_from_here, values) if config is None else values)
        threads.choose(document, like=facts)
        from bpnet import resuming

        session = resuming.prepare(
            run, document, strict=strict, allow_changed_data=allow_changed_data, doubt=doubt
        )
        if session is not None:
            _carry_out(session, console)
            return
    _tell_finished(run, console)


def _from_here(assignment: str) -> str:
    """Return an override whose path, as typed, starts where bpnet does, not at the run's config."""
    key, _, value = assignment.partition("=")
    if key in ("data.train", "data.validation", "data.test") and Path(value).is_file():
        return f"{key}={inline(str(Path(value).resolve()))}"
    return assignment


_MORE = {
    "finished": "training.epochs=N, above {epochs}, goes on",
    "early_stopping": "a larger early_stopping.patience (and training.epochs) goes on",
    "time_limit": "a longer training.max_time goes on",
}
"""How a run that is over is given more to do, by what ended it."""


def _tell_finished(run: Path, console: Console) -> None:
    from bpnet.runs import rundir

    result = rundir.read_json(run / rundir.RESULT)
    if console.as_json:
        console.json({"run": str(run), **result})
        return
    more = _MORE.get(str(result.get("stop_reason")), "").format(epochs=result.get("epochs"))
    console.info(
        f"{run}: finished already ({result.get('stop_message')}), so nothing was done; {more}"
    )
    console.out(str(run))


def _carry_out(session: Session, console: Console) -> None:
    """Train, show it, and leave with the code of the signal that ended it, if one did."""
    for note in session.notes:
        console.warn(note)
    _announce(session, console)
    with answered(session) as received:
        progress = Progress(console, session.experiment.state)
        with contextlib.closing(session.events()) as events:
            for event in events:
                progress.show(event)
    if session.result:
        _result(session, console)
        return
    name = signal.Signals(received[0]).name
    console.warn(
        f"{name}: the state is saved; go on with: bpnet train --resume "
        f"{shlex.quote(str(session.directory))}"
    )
    raise typer.Exit(128 + received[0])


def _announce(session: Session, console: Console) -> None:
    experiment, state = session.experiment, session.experiment.state
    data = experiment.data
    rows = ", ".join(f"{len(d.x)} {name}" for name, d in data.datasets.items())
    from_here = f"; from step {state.step} (epoch {state.epoch + 1})" if state.step else ""
    console.info(
        f"{experiment.config.name}: {rows} rows, {data.inputs_text} -> "
        f"{data.target_text}; {state.network.arena.size:,} parameters; {session.directory}"
        f"{from_here}"
    )


def _result(session: Session, console: Console) -> None:
    """Print the result table and, as the last line, the run directory."""
    result = session.result
    if console.as_json:
        console.json({"run": str(session.directory), **result})
        return
    if not console.quiet:
        metrics: dict[str, float] = result["metrics"]
        splits = list(dict.fromkeys(key.partition("/")[0] for key in metrics))
        names = list(dict.fromkeys(key.partition("/")[2] for key in metrics))
        rows = [[n, *(number(metrics.get(f"{s}/{n}")) for s in splits)] for n in names]
        assert session.stopped is not None
        console.info(
            f"{session.stopped.message}; the model is that of epoch {result['model_epoch']}; "
            f"{seconds(result['training_s'])} of training"
        )
        console.table(["metric", *splits], rows, right=range(1, len(splits) + 1))
    console.out(str(session.directory))


def _dry_run(experiment: Experiment, console: Console) -> None:
    """Take one step and one evaluation, and keep nothing."""
    losses = experiment.rehearse()
    if console.as_json:
        console.json({"dry_run": True, **losses})
    elif not console.quiet:
        text = " ".join(f"{key}={number(value)}" for key, value in losses.items())
        console.out(f"one batch went through everything: {text}")


class Progress:
    """Shows a training: a live line on a terminal, one plain line an epoch elsewhere."""

    def __init__(self, console: Console, state: TrainingState) -> None:
        from bpnet.training.events import EpochEnd, StepEnd

        self._console = console
        self._state = state
        self._live = console.live
        self._step_end, self._epoch_end = StepEnd, EpochEnd
        self._began = time.monotonic()
        self._began_at = state.samples
        self._last = ""
        self._next = 0.0

    def show(self, event: Event) -> None:
        """Show what an event says."""
        if isinstance(event, self._step_end):
            if self._live and time.monotonic() >= self._next:
                self._next = time.monotonic() + 0.1
                self._console.show_live(self._line(event.epoch, event.loss, event.lr))
        elif isinstance(event, self._epoch_end):
            if self._live:
                name, row = self._state.monitor.name, event.row
                self._last = f"{name} {row[name]:.4g} (best {self._state.monitor.best:.4g})"
            elif not self._console.quiet and not self._console.as_json:
                from bpnet.runs.recorder import plain_line

                self._console.info(plain_line(event.row))

    def _line(self, epoch: int, loss: float, lr: float) -> str:
        state = self._state
        elapsed = max(time.monotonic() - self._began, 1e-9)
        rate = (state.samples - self._began_at) / elapsed
        total = state.control.epochs * len(state.batches.data)
        left = (total - state.samples) / rate if rate else 0.0
        parts = [
            f"epoch {epoch}/{state.control.epochs}",
            f"loss {loss:.4g}",
            self._last,
            f"lr {lr:.3g}",
            f"{rate:,.0f} rows/s",
            f"{seconds(left)} left",
        ]
        return "  ".join(part for part in parts if part)
