"""The only place where a config becomes data, network and training state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bpnet.assembly import Steps, assemble
from bpnet.combinations import check_last_layer, choose_metrics, doubts, make_monitor
from bpnet.config.document import Document
from bpnet.config.schema import Config, ImageFiles, bind_config, emit_config
from bpnet.errors import BpnetError, ConfigError
from bpnet.foresight import Memory, foresee
from bpnet.nn.layers.base import Pass
from bpnet.preparation import Prepared, prepare
from bpnet.training.evaluate import evaluate
from bpnet.training.events import StepEnd
from bpnet.training.fit import learn
from bpnet.training.state import TrainingState

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

    def memory(self) -> Memory:
        """Say how much memory the training needs, from the process as it stands before it."""
        return foresee(self.state, self.data.datasets, compiled=self.config.compute == "numba")


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
    folder = document.folder
    steps = Steps(document)
    steps.run(lambda: check_last_layer(config), "model")
    data = steps.run(lambda: (data_for or load_data)(config, folder))
    if data is None:  # what can be judged without it, in the same pass
        metrics = steps.run(lambda: choose_metrics(config, config.loss.target, _MANY), "metrics")
        if metrics is not None:
            wanted = config.data.validation != 0
            steps.run(lambda: make_monitor(config, metrics, wanted), "early_stopping")
    steps.finish()
    assert data is not None
    state = assemble(config, data, steps)
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
