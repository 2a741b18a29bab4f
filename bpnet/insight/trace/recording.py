"""A training step, taken as the training takes it, with every array of it kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from bpnet.config.places import printable
from bpnet.data.batches import Batches
from bpnet.errors import UsageError
from bpnet.experiment import Experiment
from bpnet.insight.trace import estimates
from bpnet.insight.trace.choosing import Chosen, choose, describe_split
from bpnet.insight.trace.notebook import Notebook
from bpnet.insight.trace.record import Rule, Trace
from bpnet.nn.layers.base import Pass
from bpnet.nn.layers.normalization import BatchNorm
from bpnet.streams import stream
from bpnet.training.events import EpochEnd, StepEnd
from bpnet.training.fit import fit, learn
from bpnet.training.state import TrainingState


def trace_step(
    experiment: Experiment, rows: Sequence[int] = (), *, after: int = 0, numeric: int = 400
) -> Trace:
    """Take one training step on some rows and keep all of its numbers.

    Parameters
    ----------
    experiment
        The training, in float64 (see `insight.exact`). It has taken the step afterwards.
    rows
        Which rows of the training's source, from 0; they are one batch. By default the first
        training row.
    after
        How many ordinary steps of the training are taken before it.
    numeric
        How many derivatives at most are also estimated by differences.

    Raises
    ------
    UsageError
        If there is no such row, or the training ends earlier.
    DivergedError
        If a step gives NaN or Inf.
    """
    chosen = choose(experiment, rows)
    state = experiment.state
    _train(state, after)
    state.batches = Batches(chosen.dataset, "full", shuffle=False, seed=state.control.seed)
    state.position = 0
    around = estimates.Around(state, chosen.dataset)
    notebook = Notebook(state)
    penalty = state.regularization.penalty(state.network.arena)
    done = StepEnd()
    with notebook.open():
        learn(state, state.batches.order(0), Pass(train=True, rng=state.dropout), done)
    trace = _assemble(experiment, chosen, notebook, done)
    trace.loss.penalty = penalty
    trace.loss.after = around.loss()
    trace.loss.penalty_after = state.regularization.penalty(state.network.arena)
    around.estimate(trace, numeric)
    return trace


def _train(state: TrainingState, steps: int) -> None:
    """Take ordinary steps; with the last one of an epoch, also what follows on it."""
    taken = 0
    for event in fit(state) if steps else ():
        if isinstance(event, StepEnd):
            taken += 1
        elif not isinstance(event, EpochEnd):
            continue
        if taken == steps and state.position < state.batches.steps:
            break
    if taken < steps:
        raise UsageError(f"--after: the training ends after {taken} steps, before step {steps}")
    if state.position == 0 and state.dropout is not None:
        state.dropout = stream(state.control.seed, "dropout", state.epoch)


def _assemble(experiment: Experiment, chosen: Chosen, notebook: Notebook, done: StepEnd) -> Trace:
    state, data, control = experiment.state, experiment.data, experiment.state.control
    assert notebook.loss is not None
    train = experiment.config.data.train
    source = train if isinstance(train, str) else train.images
    return Trace(
        name=experiment.config.name or "",
        source=source,
        rows=chosen.rows,
        splits=chosen.splits,
        inputs=data.features.names,
        outputs=_outputs(experiment),
        answers=_answers(experiment, chosen),
        forward=notebook.forward,
        backward=notebook.backward,
        layers={name: notebook.layers[name] for name, _, _ in state.network.walk()},
        loss=notebook.loss,
        rule=Rule(
            state.optimizer,
            state.regularization,
            notebook.rate,
            state.step,
            control.clip_norm,
            control.clip_value,
            done.grad_norm,
            notebook.constants,
        ),
        notes=[*_unseen(chosen), *_unnormalized(state)],
    )


def _unseen(chosen: Chosen) -> Iterator[str]:
    """Say which rows the training never sees."""
    for split in dict.fromkeys(chosen.splits):
        rows = [str(r) for r, s in zip(chosen.rows, chosen.splits, strict=True) if s == split]
        if split != "train":
            listed = ", ".join(rows[:-1]) + " and " + rows[-1] if rows[1:] else rows[0]
            are, them = ("rows {} are", "them") if rows[1:] else ("row {} is", "it")
            part = describe_split(split)
            yield f"{are.format(listed)} in the {part} part: the training itself never sees {them}"


def _unnormalized(state: TrainingState) -> Iterator[str]:
    """Say which batch norms had too few numbers to normalize by."""
    for name, layer, _ in state.network.walk():
        if isinstance(layer, BatchNorm) and not layer.frozen and not layer.by_batch:
            yield (
                f"one row has no variance, so {name} normalizes by its running averages, as it "
                "does for predictions; --row 0-3 shows a batch"
            )


def _outputs(experiment: Experiment) -> tuple[str, ...]:
    """Return a name for each output of the network."""
    target = experiment.data.target
    if len(target.class_names) == target.outputs:
        return tuple(target.class_names)
    return tuple(itertools.islice(itertools.cycle(target.columns), target.outputs))


def _answers(experiment: Experiment, chosen: Chosen) -> list[str]:
    """Return the target of each row for people."""
    target, dataset = experiment.data.target, chosen.dataset
    names = target.class_names
    if dataset.target.ndim == 1:
        return [printable(names[int(k)]) for k in dataset.target]
    values = dataset.target if dataset.truth is None else dataset.truth
    if target.kind == "binary" and target.outputs == 1 and len(names) == 2:
        return [
            printable(names[int(row[0])]) if row[0] in (0, 1) else f"{row[0]:g}" for row in values
        ]
    return [", ".join(f"{value:.6g}" for value in row) for row in values]
