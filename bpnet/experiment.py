"""The only place where a config becomes data, network and training state."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from bpnet.combinations import check_last_layer, choose_metrics, doubts, make_monitor
from bpnet.config.document import Document
from bpnet.config.schema import Config, ImageFiles, bind_config, emit_config
from bpnet.data.batches import Batches
from bpnet.data.target import Target
from bpnet.errors import BpnetError, ConfigError, OptionError
from bpnet.nn.arena import Shape
from bpnet.nn.layers.base import Pass, sides
from bpnet.nn.network import EVALUATED, Network
from bpnet.preparation import Prepared, prepare
from bpnet.training.evaluate import evaluate
from bpnet.training.events import StepEnd
from bpnet.training.fit import learn
from bpnet.training.state import Control, TrainingState

T = TypeVar("T")

DataFor = Callable[[Config, Path], Prepared]
"""What prepares the data of a checked config, whose relative paths start at a folder."""


@dataclass(eq=False)
class Experiment:
    """A config with all that was made of it.

    Attributes
    ----------
    document, config
        The config as written, and as checked dataclasses with all defaults.
    folder
        Where its relative paths start.
    data
        The prepared data of every split.
    state
        The training, ready to start.
    warnings
        What is allowed but hardly meant, one located message each.
    """

    document: Document
    config: Config
    folder: Path
    data: Prepared
    state: TrainingState
    warnings: list[str] = field(default_factory=list)

    def resolved(self) -> str:
        """Return the config with every default filled in and paths that hold anywhere."""
        return emit_config(with_absolute_paths(self.config, self.folder))

    def rehearse(self) -> dict[str, float]:
        """Take one step and score every split, to see that all of it works."""
        state, done = self.state, StepEnd()
        learn(state, state.batches.order(0), Pass(train=True, rng=state.dropout), done)
        scores = {"train/loss": done.loss, "grad_norm": done.grad_norm}
        for split, dataset in self.data.datasets.items():
            if split != "train":
                scored = evaluate(state.network, state.loss, dataset, state.metrics, state.target)
                scores |= {f"{split}/{name}": value for name, value in scored.scores.items()}
        return scores

    def memory(self) -> int:
        """Return about how many bytes the training's arrays take: data, parameters, buffers."""
        state = self.state
        arena = state.network.arena
        datasets = self.data.datasets.values()
        data = sum(d.x.nbytes + d.target.nbytes for d in datasets)
        moments = sum(array.nbytes for array in state.optimizer.state().values())
        best = arena.theta.nbytes if state.control.keep_best else 0
        # Each layer holds its output and its dx, of as many rows as are evaluated at once.
        rows = max(state.batches.batch_size, min(EVALUATED, max(map(len, datasets))))
        walk = state.network.walk()
        width = sum(2 * math.prod(shape) for _, layer, shape in walk if layer.fresh_output)
        outputs = rows * (math.prod(state.network.in_shape) + width)
        scores = 4 * math.prod(state.network.out_shape) * max(map(len, datasets))
        buffers = (outputs + scores) * arena.dtype.itemsize
        return data + arena.theta.nbytes + arena.grad.nbytes + moments + best + buffers


def build(document: Document, data_for: DataFor | None = None) -> Experiment:
    """Check a config, load its data and make the training that it describes.

    Parameters
    ----------
    document
        The config.
    data_for
        What prepares the data, by default `load_data`; trainings that share their data are
        given what was prepared once.

    Raises
    ------
    ConfigError
        With every mistake that can be found in one pass, with its place.
    DataError
        If the data is missing, unreadable or wrong.
    """
    try:
        config = bind_config(document)
    except ConfigError as error:
        raise _with_later_mistakes(document, error) from None
    name = document.source.name
    folder = Path() if name.startswith("<") else Path(name).parent
    steps = _Steps(document)
    steps.run(lambda: check_last_layer(config), "model")
    data = steps.run(lambda: (data_for or load_data)(config, folder))
    if data is None:  # what can be judged without it, in the same pass
        metrics = steps.run(lambda: choose_metrics(config, config.loss.target, _MANY), "metrics")
        if metrics is not None:
            wanted = config.data.validation != 0
            steps.run(lambda: make_monitor(config, metrics, wanted), "early_stopping")
    steps.finish()
    assert data is not None
    state = _assemble(config, data, steps)
    warnings = [
        document.problem(path, message, level="warning") for path, message in doubts(config)
    ]
    return Experiment(document, config, folder, data, state, warnings)


def load_data(config: Config, folder: Path) -> Prepared:
    """Read and prepare the data of a config, whose relative paths start at `folder`.

    Raises
    ------
    OptionError
        If an option does not fit the data.
    DataError
        If the data is missing, unreadable or wrong.
    """
    return prepare(config.data, config.loss, folder, seed=config.seed, dtype=config.dtype)


_OPTIONAL = [
    "regularization",
    "optimizer",
    "schedule",
    "training",
    "early_stopping",
    "metrics",
    "checkpoint",
    "logging",
]
"""Blocks that have defaults; the order is that of the schema."""


def _with_later_mistakes(document: Document, error: ConfigError) -> ConfigError:
    """Add to the mistakes in the text those that show only once data and network are made.

    What is wrong in a block with defaults says nothing of data, model and loss: those are checked
    without it, and without the blocks that depend on it, so that no mistake causes another one.
    """
    wrong = {name for name in _OPTIONAL if (name,) in document and _is_cause(document, name, error)}
    if "metrics" in wrong:
        wrong.add("early_stopping")
    if wrong & {"training", "optimizer"}:
        wrong |= {"schedule", "early_stopping"}
    rest = document.without(wrong)
    try:
        bind_config(rest)
    except ConfigError:
        return error  # data, model or loss themselves
    try:
        build(rest)
    except ConfigError as later:
        return error.joined(later)
    except BpnetError:
        pass  # the data can't be read; the mistakes in the text come first
    return error


def _is_cause(document: Document, name: str, error: ConfigError) -> bool:
    """Say whether there are fewer mistakes without a block."""
    try:
        bind_config(document.without({name}))
    except ConfigError as rest:
        return len(rest.problems) < len(error.problems)
    return True


class _Steps:
    """Runs the steps of building; their mistakes are reported together."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.errors: list[OptionError] = []

    def run(self, step: Callable[[], T], *path: str | int) -> T | None:
        """Run one step; its mistakes lie below `path`."""
        try:
            return step()
        except OptionError as error:
            self.errors.append(error.within(*path))
            return None

    def finish(self) -> None:
        """Report what was collected so far."""
        if self.errors:
            raise self.document.error(*self.errors)


def _assemble(config: Config, data: Prepared, steps: _Steps) -> TrainingState:
    """Make the parts of the training and check that they fit one another."""
    target, training = data.target, config.training
    batches = Batches(
        data.datasets["train"],
        training.batch_size,
        accumulate=training.accumulate,
        shuffle=training.shuffle,
        seed=config.seed,
    )
    network = steps.run(lambda: build_network(config, data.features.shape, target), "model")
    steps.run(lambda: build_loss(config, target), "loss")
    total = training.epochs * batches.steps
    steps.run(
        lambda: config.schedule.build(config.optimizer.learning_rate, total, batches.steps),
        "schedule",
    )
    metrics = steps.run(lambda: choose_metrics(config, target.kind, target.outputs), "metrics")
    monitor = None
    if metrics is not None:
        monitor = steps.run(
            lambda: make_monitor(config, metrics, "val" in data.datasets),
            "early_stopping",
        )
    steps.finish()
    assert network is not None
    assert metrics is not None
    assert monitor is not None
    early = config.early_stopping
    # Without a validation part the loss of an epoch, measured while its weights still moved,
    # is no reason to prefer an earlier epoch, unless the config asks for it.
    keep_best = early.restore_best if early is not None else "val" in data.datasets
    control = Control(
        epochs=training.epochs,
        seed=config.seed,
        clip_norm=training.clip_norm,
        clip_value=training.clip_value,
        time_limit=training.max_time.count if training.max_time else None,
        keep_best=keep_best,
    )
    return TrainingState(
        network=network,
        loss=config.loss,
        optimizer=config.optimizer,
        schedule=config.schedule,
        batches=batches,
        control=control,
        monitor=monitor,
        target=target,
        regularization=config.regularization,
        validation=data.datasets.get("val"),
        metrics=metrics,
    )


def build_network(config: Config, in_shape: Shape, target: Target) -> Network:
    """Build the config's network for inputs of this shape.

    Raises
    ------
    OptionError
        If shapes do not connect, or the output is not what the target needs; the path starts
        below ``model``.
    """
    network = Network(
        config.model.layers,
        in_shape,
        dtype=config.dtype,
        seed=config.seed,
        init=config.model.init,
        bias_init=config.model.bias_init,
        output_size=target.outputs,
        freeze=config.model.freeze,
    )
    if network.out_shape != (target.outputs,):
        last = len(config.model.layers) - 1
        units = ("units",) if hasattr(config.model.layers[last], "units") else ()
        raise OptionError(
            f"the last layer has {sides(network.out_shape)} outputs, but {_needs(target)}; "
            "end with {type: dense, units: auto}",
            "layers",
            last,
            *units,
        )
    return network


def build_loss(config: Config, target: Target) -> None:
    """Prepare the config's loss for a target.

    Raises
    ------
    OptionError
        If an option does not fit the target; the path starts below ``loss``.
    """
    config.loss.build(
        target.outputs,
        dtype=config.dtype,
        class_counts=target.class_counts,
        class_names=target.class_names,
    )


def _needs(target: Target) -> str:
    names = target.class_names
    if target.kind == "class":
        return f"{target.columns[0]} has {len(names)} classes" + (
            f" ({', '.join(names)})" if len(names) <= 6 else ""
        )
    if target.outputs == 1:
        return f"{target.columns[0]} needs one"
    return f"there are {target.outputs} targets"


_MANY = 1 << 20
"""Stands for the number of outputs as long as the target is unknown."""


def with_absolute_paths(config: Config, folder: Path) -> Config:
    """Return a config whose paths, which start at `folder`, hold from anywhere."""
    data = config.data
    paths = {
        "train": _absolute(data.train, folder),
        "validation": _absolute(data.validation, folder),
        "test": _absolute(data.test, folder),
    }
    return replace(config, data=replace(data, **paths))


def _absolute(part: Any, folder: Path) -> Any:
    """Return a path from the config so that it holds from anywhere; other values as they are."""
    if isinstance(part, ImageFiles):
        return ImageFiles(*(str(_absolute(p, folder)) for p in (part.images, part.labels)))
    if not isinstance(part, str) or part.startswith("builtin:"):
        return part
    return str((folder / part).resolve())
