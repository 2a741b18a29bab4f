"""The config as a whole: every block, its options, defaults and meaning.

The blocks that belong to a part of the engine (layers, losses, optimizers, schedules, metrics,
preprocessing) are that part's own dataclasses; here they only find their places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from bpnet.config.bind import bind
from bpnet.config.document import Document
from bpnet.config.emit import emit, to_plain
from bpnet.config.searching import METHODS, PRUNING, SearchConfig
from bpnet.data.preprocessing import (
    OUTLIERS,
    CategoricalOptions,
    ColumnOptions,
    ImageOptions,
    NumericOptions,
)
from bpnet.data.splits import SPLITS, RandomSplit, Split
from bpnet.data.target import TargetScale
from bpnet.errors import OptionError
from bpnet.nn.initializers import INITIALIZERS, He, Initializer, Zeros
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import LayerOption
from bpnet.nn.losses import LOSSES, Loss
from bpnet.optim.optimizers import OPTIMIZERS, Adam, Optimizer
from bpnet.optim.regularization import Regularization
from bpnet.optim.schedules import SCHEDULES, Constant, Schedule
from bpnet.options import Choice, Fraction, Positive, PositiveInt, Range, Span
from bpnet.runs.checkpoint import CheckpointOptions
from bpnet.training.early_stopping import EarlyStopping
from bpnet.training.metrics import METRICS, Metric

TABLES: Mapping[str, Mapping[str, type[Any]]] = {
    "layer": LAYERS,
    "initializer": INITIALIZERS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "metric": METRICS,
    "split": SPLITS,
    "outlier rule": OUTLIERS,
    "search method": METHODS,
    "pruning rule": PRUNING,
}
"""The closed tables that a `Choice` names."""


@dataclass
class ImageFiles:
    """Images and their labels in two IDX files."""

    images: Annotated[str, "IDX file of the images"]
    labels: Annotated[str, "IDX file of the labels"]


Source = str | ImageFiles
Part = Fraction | Source


@dataclass(kw_only=True)
class DataConfig:
    """Where the rows come from and how they become numbers."""

    train: Annotated[
        Source,
        "builtin:NAME, or a path relative to the config: .csv .tsv .jsonl (each also .gz), .npz, "
        ".npy, IDX images",
    ]
    validation: Annotated[Part, "a fraction of train, or a source; 0 for none"] = 0.15
    test: Annotated[Part, "a fraction of train, or a source; 0 for none"] = 0.15
    target: Annotated[
        str | list[str] | None,
        "the column to predict, or several; null: what a builtin set, NPZ (y) or IDX file says",
    ] = None
    features: Annotated[
        Literal["all"] | list[str], "the input columns; all: every column but target and weight"
    ] = "all"
    exclude: Annotated[list[str], "columns that are no inputs"] = field(default_factory=list)
    weight: Annotated[str | None, "a column with the weight of each row"] = None
    header: Annotated[bool, "whether a CSV or TSV file starts with the column names"] = True
    split: Annotated[Split, Choice("split"), "how train is divided"] = field(
        default_factory=RandomSplit
    )
    seed: Annotated[
        Annotated[int, Range(ge=0, le=2**63 - 1)] | None,
        "where the random stream of the split starts; null: the config's seed",
    ] = None
    stratify: Annotated[
        Literal["auto"] | bool,
        "keep the classes' shares in every part of a random split; auto: for classification",
    ] = "auto"
    numeric: Annotated[NumericOptions, "what is done to columns of numbers"] = field(
        default_factory=NumericOptions
    )
    categorical: Annotated[CategoricalOptions, "what is done to columns of categories"] = field(
        default_factory=CategoricalOptions
    )
    columns: Annotated[dict[str, ColumnOptions], "exceptions by column"] = field(
        default_factory=dict
    )
    images: Annotated[ImageOptions, "what is done to images and other arrays"] = field(
        default_factory=ImageOptions
    )
    target_scale: Annotated[
        TargetScale, "how numbers to predict are scaled inside; reports keep their own units"
    ] = "standard"


@dataclass(kw_only=True)
class ModelConfig:
    """The network: its layers in order, and how their parameters start."""

    layers: Annotated[list[LayerOption], "the layers, from the input to the output"]
    init: Annotated[
        Initializer, Choice("initializer"), "how weights start where the layer does not say"
    ] = field(default_factory=He)
    bias_init: Annotated[
        Initializer, Choice("initializer"), "how biases start where the layer does not say"
    ] = field(default_factory=Zeros)
    freeze: Annotated[
        list[str],
        "layers that keep their weights as they start, for fine-tuning: dense_1, residual_*, "
        "residual_1.dense_2",
    ] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.layers:
            raise OptionError("expected at least one layer, received none", "layers")


@dataclass(kw_only=True)
class TrainingConfig:
    """The loop: how long, in which portions, within which bounds."""

    epochs: Annotated[PositiveInt, "passes over the training rows"] = 50
    batch_size: Annotated[
        Literal["full"] | PositiveInt, "rows a step; 1 is stochastic descent, full batch descent"
    ] = 32
    accumulate: Annotated[PositiveInt, "batches whose gradients are added up before each step"] = 1
    shuffle: Annotated[bool, "whether each epoch has an order of its own"] = True
    clip_norm: Annotated[Positive | None, "largest norm of the whole gradient; null: any"] = None
    clip_value: Annotated[Positive | None, "largest size of each gradient element; null: any"] = (
        None
    )
    max_time: Annotated[Span | None, "stop after this time: 90 s, 10 min, 1.5 h"] = None

    def __post_init__(self) -> None:
        limit = self.max_time
        if limit is not None and (limit.unit != "seconds" or not limit.count):
            raise OptionError(
                f"expected a time such as '90 s' or '10 min', received {limit.to_yaml()}",
                "max_time",
            )


@dataclass(kw_only=True)
class LoggingConfig:
    """Other places that hear of a training."""

    tensorboard: Annotated[
        bool, "write a TensorBoard file into the run directory: tensorboard --logdir runs"
    ] = False
    wandb: Annotated[
        Literal["offline"] | None,
        "offline: keep a Weights & Biases run in the run directory, for wandb sync; sends nothing",
    ] = None
    histograms: Annotated[
        bool, "whether they get histograms of weights and gradients, beside the metrics"
    ] = True


_NAME = re.compile(r"\w[\w .+-]{0,99}")


@dataclass(kw_only=True)
class Config:
    """Everything that `bpnet train` needs; only data, model and loss are required."""

    name: Annotated[str, "name of the run; by default the file's name"] = ""
    seed: Annotated[int, Range(ge=0, le=2**63 - 1), "where all random streams start"] = 0
    dtype: Annotated[Literal["float32", "float64"], "type of all numbers in the network"] = (
        "float32"
    )
    threads: Annotated[
        Literal["auto"] | Annotated[int, Range(ge=1, le=1024)],
        "that compute; auto: one, or all cores if the network is wide",
    ] = "auto"
    compute: Annotated[
        Literal["numpy", "numba"],
        "what does the arithmetic; numba compiles loops at the first start, and needs bpnet[numba]",
    ] = "numpy"
    data: Annotated[DataConfig, "where the rows come from"]
    model: Annotated[ModelConfig, "the network"]
    loss: Annotated[Loss, Choice("loss"), "what is minimized"]
    regularization: Annotated[Regularization, "what keeps the weights small"] = field(
        default_factory=Regularization
    )
    optimizer: Annotated[Optimizer, Choice("optimizer"), "how the weights move"] = field(
        default_factory=Adam
    )
    schedule: Annotated[Schedule, Choice("schedule"), "how the learning rate changes"] = field(
        default_factory=Constant
    )
    training: Annotated[TrainingConfig, "the loop"] = field(default_factory=TrainingConfig)
    early_stopping: Annotated[
        EarlyStopping | None, "when to stop before the last epoch; null: never"
    ] = None
    metrics: Annotated[
        Literal["auto"] | list[Annotated[Metric, Choice("metric")]],
        "what is measured besides the loss; auto: what suits the task",
    ] = "auto"
    checkpoint: Annotated[CheckpointOptions, "when the training state is saved"] = field(
        default_factory=CheckpointOptions
    )
    logging: Annotated[LoggingConfig, "other places that hear of the training"] = field(
        default_factory=LoggingConfig
    )
    report: Annotated[
        Literal["auto", "always", "never"],
        "when `bpnet train` draws the report; auto: on a terminal, and after more than 10 seconds",
    ] = "auto"
    search: Annotated[SearchConfig | None, "what `bpnet gridsearch` tries; training ignores it"] = (
        None
    )

    def __post_init__(self) -> None:
        if self.name and not _NAME.fullmatch(self.name):
            raise OptionError(
                "expected letters, digits, spaces and . _ + - (at most 100, the first no sign), "
                f"received {self.name!r}",
                "name",
            )


def bind_config(document: Document) -> Config:
    """Check a config; a run without a name gets its file's.

    Raises
    ------
    ConfigError
        With everything that is wrong, in the order of the file.
    """
    config = bind(document, Config, TABLES)
    if not config.name:
        stem = re.sub(r"[^\w.+-]+", "-", Path(document.source.name).name.partition(".")[0])
        config.name = stem.strip(".+-")[:100] or "run"
    return config


def read_config(text: str, name: str) -> Config:
    """Check a config that is given as text; `name` stands for the file in messages."""
    return bind_config(Document.parse(text, name))


def emit_config(config: Config) -> str:
    """Return a config as YAML with every default filled in; itself a valid config."""
    return emit(config, TABLES)


def plain_config(config: Config) -> dict[str, Any]:
    """Return a config as nested dictionaries and lists, with every default filled in."""
    return to_plain(config, TABLES)


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema of the config."""
    from bpnet.config.json_schema import json_schema

    return json_schema(Config, TABLES)
