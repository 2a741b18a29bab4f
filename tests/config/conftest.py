"""A small config of the same build as the real one, and short ways to read and bind a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal

import pytest
import yaml

from bpnet.config.bind import bind
from bpnet.config.document import Document
from bpnet.errors import ConfigError, OptionError
from bpnet.options import Choice, Fraction, NonNegative, Positive, PositiveInt, Range, Span


@dataclass
class Layer:
    type: ClassVar[str]
    name: Annotated[str, "name of the layer"] = field(default="", kw_only=True)
    rows: int = field(default=-1, init=False, repr=False, compare=False)


LayerOption = Annotated[Layer, Choice("layer")]


@dataclass
class Init:
    gain: Annotated[Literal["auto"] | Positive, "factor on the scale"] = "auto"


@dataclass
class He(Init):
    """He et al., 2015."""


@dataclass
class Uniform(Init):
    limits: Annotated[tuple[float, float], "from, to"] = (-0.1, 0.1)


@dataclass
class Dense(Layer):
    """Connect every input with every unit."""

    units: Annotated[Literal["auto"] | PositiveInt, "number of outputs"]
    bias: Annotated[bool, "whether b is added"] = True
    init: Annotated[Init | None, Choice("initializer"), "how W starts; null: as model.init"] = None


@dataclass
class Relu(Layer):
    """max(x, 0)."""


@dataclass
class Dropout(Layer):
    """Set a fraction of the inputs to 0."""

    rate: Annotated[Fraction, "fraction of the inputs set to 0"] = 0.5


@dataclass
class Reshape(Layer):
    """Give the input another shape."""

    shape: Annotated[tuple[PositiveInt, ...], "the shape, without the batch"]


@dataclass
class Residual(Layer):
    """y = x + f(x)."""

    layers: Annotated[list[LayerOption], "f"]


@dataclass
class Mse:
    """Mean of squared errors."""


@dataclass
class CrossEntropy:
    """Minus the log of the right class's probability."""

    label_smoothing: Annotated[Fraction, "share of all other classes"] = 0.0
    class_weight: Annotated[
        Literal["balanced"] | dict[str, Positive] | None, "weight of each class"
    ] = None


@dataclass(kw_only=True)
class Adam:
    """Kingma and Ba, 2015."""

    learning_rate: Annotated[Positive, "step size"] = 1e-3
    beta1: Annotated[Fraction, "decay of the first moment"] = 0.9
    beta2: Annotated[Fraction, "decay of the second moment"] = 0.999
    epsilon: Annotated[Positive, "keeps the divisor from 0"] = 1e-8
    weight_decay: Annotated[NonNegative, "pull of weights towards 0"] = 0


@dataclass(kw_only=True)
class Sgd:
    """Gradient descent."""

    learning_rate: Annotated[Positive, "step size"]
    momentum: Annotated[Fraction, "share of the last step"] = 0


@dataclass
class Accuracy:
    """Share of right answers."""


@dataclass
class TopK:
    """Share of rows whose class is among the k most likely."""

    k: Annotated[PositiveInt, "how many"] = 5


TABLES: dict[str, dict[str, type[Any]]] = {
    "layer": {
        "dense": Dense,
        "relu": Relu,
        "dropout": Dropout,
        "reshape": Reshape,
        "residual": Residual,
    },
    "initializer": {"he": He, "uniform": Uniform},
    "loss": {"mse": Mse, "cross_entropy": CrossEntropy},
    "optimizer": {"adam": Adam, "sgd": Sgd},
    "metric": {"accuracy": Accuracy, "top_k": TopK},
}


@dataclass
class Images:
    images: Annotated[str, "IDX file"]
    labels: Annotated[str, "IDX file"]


@dataclass(kw_only=True)
class Numeric:
    missing: Annotated[Literal["mean", "median", "drop"], "what fills holes"] = "median"
    fill: Annotated[float | str | None, "what fills holes, with `constant`"] = None


@dataclass(kw_only=True)
class Column:
    type: Annotated[Literal["number", "category"] | None, "what it is taken for"] = None
    scale: Annotated[Literal["minmax", "none"] | None, "how it is scaled"] = None


@dataclass(kw_only=True)
class Data:
    train: Annotated[str | Images, "a file, or two"]
    validation: Annotated[Fraction | str | Images, "a share of train, or a source"] = 0.15
    target: Annotated[str | list[str] | None, "the column to predict, or several"] = None
    features: Annotated[Literal["all"] | list[str], "the columns to learn from"] = "all"
    stratify: Annotated[Literal["auto"] | bool, "keep the classes' shares"] = "auto"
    numeric: Annotated[Numeric, "columns of numbers"] = field(default_factory=Numeric)
    columns: Annotated[dict[str, Column], "exceptions by column"] = field(default_factory=dict)


@dataclass(kw_only=True)
class Model:
    """The network."""

    layers: Annotated[list[LayerOption], "from the input to the output"]
    init: Annotated[Init, Choice("initializer"), "how weights start"] = field(default_factory=He)

    def __post_init__(self) -> None:
        if not self.layers:
            raise OptionError("expected at least one layer, received none", "layers")


@dataclass(kw_only=True)
class Training:
    epochs: Annotated[PositiveInt, "passes over the data"] = 50
    batch_size: Annotated[Literal["full"] | PositiveInt, "rows a step"] = 32
    clip_norm: Annotated[Positive | None, "largest norm of the gradient"] = None
    shuffle: Annotated[bool, "whether each epoch has an order of its own"] = True
    max_time: Annotated[Span | None, "stop after this time"] = None
    warmup: Annotated[Span, "linear rise over this length"] = field(
        default_factory=lambda: Span(0, "steps")
    )

    def __post_init__(self) -> None:
        if self.max_time is not None and self.max_time.unit != "seconds":
            raise OptionError("expected a time such as '10 min', received a count", "max_time")
        if self.batch_size == "full" and self.clip_norm == 13:
            raise OptionError("13 and full batches do not go together", "clip_norm")


@dataclass(kw_only=True)
class Stopping:
    patience: Annotated[PositiveInt, "epochs without improvement"] = 10
    monitor: Annotated[str, "what is watched"] = "val/loss"


@dataclass(kw_only=True)
class Config:
    """Everything that a training needs."""

    name: Annotated[str, "name of the run"] = ""
    seed: Annotated[int, Range(ge=0, le=2**63 - 1), "where random streams start"] = 0
    dtype: Annotated[Literal["float32", "float64"], "type of all numbers"] = "float32"
    threads: Annotated[Literal["auto"] | PositiveInt, "threads"] = "auto"
    data: Annotated[Data, "where the rows come from"]
    model: Annotated[Model, "the network"]
    loss: Annotated[Any, Choice("loss"), "what is minimized"]
    optimizer: Annotated[Any, Choice("optimizer"), "how the weights move"] = field(
        default_factory=lambda: Adam(learning_rate=5e-3)
    )
    training: Annotated[Training, "the loop"] = field(default_factory=Training)
    early_stopping: Annotated[Stopping | None, "when to stop"] = None
    metrics: Annotated[
        Literal["auto"] | list[Annotated[Any, Choice("metric")]], "what is measured"
    ] = "auto"
    search: Annotated[dict[str, Any] | None, "what a search tries"] = None


VALID = """\
data:
  train: a.csv
model:
  layers:
    - {type: dense, units: 8}
    - relu
    - {type: dense, units: auto}
loss: mse
"""


@pytest.fixture
def read() -> Callable[..., Config]:
    """Return a function that binds a text, with overrides."""

    def read(text: str, *overrides: str, name: str = "c.yaml") -> Config:
        return bind(Document.parse(text, name).override(overrides), Config, TABLES)

    return read


@pytest.fixture
def fail(read: Callable[..., Config]) -> Callable[..., str]:
    """Return a function that gives the message of the error that a text causes."""

    def fail(text: str, *overrides: str) -> str:
        with pytest.raises(ConfigError) as caught:
            read(text, *overrides)
        return str(caught.value)

    return fail


@pytest.fixture
def sample() -> SimpleNamespace:
    """Return the small config: its dataclasses, its tables and the text of a valid one."""
    return SimpleNamespace(
        Config=Config,
        TABLES=TABLES,
        VALID=VALID,
        Adam=Adam,
        Dense=Dense,
        Relu=Relu,
        Sgd=Sgd,
        Training=Training,
        Numeric=Numeric,
        Uniform=Uniform,
    )


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with libyaml's parser, and again with PyYAML's own."""
    if request.param == "libyaml" and not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param == "libyaml")
    return str(request.param)
