"""Every option of every block and table refuses what it can't be, at its own place."""

import pytest
from option_places import PLACES

from bpnet.config import phrases
from bpnet.config.document import Document
from bpnet.config.kinds import Anything, Custom, Flag, MapOf, Null, Number, Text, options_of
from bpnet.config.schema import TABLES, Config, DataConfig, ModelConfig, TrainingConfig, bind_config
from bpnet.config.searching import SearchConfig
from bpnet.config.write import inline
from bpnet.data.preprocessing import CategoricalOptions, ColumnOptions, ImageOptions, NumericOptions
from bpnet.errors import ConfigError
from bpnet.optim.regularization import Regularization
from bpnet.runs.checkpoint import CheckpointOptions
from bpnet.training.early_stopping import EarlyStopping

LEAST = """\
data: {train: builtin:iris}
model: {layers: [{type: dense, units: auto}]}
loss: cross_entropy
metrics: [accuracy]
search: {space: {seed: [1]}, pruning: [median]}
"""

BLOCKS = {
    "": Config,
    "data": DataConfig,
    "data.numeric": NumericOptions,
    "data.categorical": CategoricalOptions,
    "data.columns.petal_width": ColumnOptions,
    "data.images": ImageOptions,
    "model": ModelConfig,
    "regularization": Regularization,
    "training": TrainingConfig,
    "early_stopping": EarlyStopping,
    "checkpoint": CheckpointOptions,
    "search": SearchConfig,
}

REQUIRED = {
    "units": 4,
    "layers": [{"type": "relu"}],
    "shape": [-1],
    "value": 0,
    "every": 1,
    "gamma": 0.5,
    "milestones": [1],
    "period": 1,
    "column": "x",
}

WRONG = [{"a": {"b": 1}}, [[1]], True, "@@nonsense", 10**400, -7.5, None]


def wrong_values(option):
    """Return the values that the option plainly does not take."""
    kinds = phrases.options(option.kind)
    wrong = list(WRONG)
    if any(isinstance(kind, Anything | MapOf) for kind in kinds):
        wrong = [value for value in wrong if not isinstance(value, dict)]
    if any(isinstance(kind, Flag) for kind in kinds):
        wrong.remove(True)
    if any(isinstance(kind, Text) for kind in kinds):
        wrong.remove("@@nonsense")
    if any(isinstance(kind, Null) for kind in kinds):
        wrong.remove(None)
    if any(isinstance(k, Number) and not k.whole and k.bounds.allows(-7.5) for k in kinds):
        wrong.remove(-7.5)
    if any(isinstance(kind, Custom) for kind in kinds):
        wrong = [value for value in wrong if value != 10**400]
    return [w for w in wrong if not (isinstance(w, list) and _takes_lists(kinds))]


def _takes_lists(kinds):
    return any("List" in type(kind).__name__ or "Fixed" in type(kind).__name__ for kind in kinds)


CASES = [
    pytest.param(f"{path}.{name}".lstrip("."), option, id=f"{path}.{name}".lstrip("."))
    for path, cls in BLOCKS.items()
    for name, option in options_of(cls).items()
]

ENTRIES = [
    pytest.param(table, entry, name, id=f"{table}-{entry}-{name}")
    for table, entries in TABLES.items()
    for entry, cls in entries.items()
    for name in options_of(cls)
]


@pytest.mark.parametrize(("path", "option"), CASES)
def test_every_option_of_a_block_refuses_bad_values_at_its_place(path, option):
    for value in wrong_values(option):
        text = f"{path}={inline(value)}"
        with pytest.raises(ConfigError) as caught:
            bind_config(Document.parse(LEAST).override([text]))
        assert caught.value.problems[0].startswith(path), text


@pytest.mark.parametrize(("table", "entry", "name"), ENTRIES)
def test_every_option_of_a_table_refuses_bad_values_by_its_name(table, entry, name):
    options = options_of(TABLES[table][entry])
    required = {k: REQUIRED[k] for k, option in options.items() if option.default is None}
    for value in wrong_values(options[name]):
        block = {"type": entry, **required, name: value}
        with pytest.raises(ConfigError, match=name):
            bind_config(
                Document.parse(LEAST).override([f"{PLACES.get(table, table)}={inline(block)}"])
            )


@pytest.mark.parametrize(("table", "entry", "name"), ENTRIES)
def test_every_option_of_a_table_is_documented(table, entry, name):
    assert options_of(TABLES[table][entry])[name].doc


@pytest.mark.parametrize(("path", "option"), CASES)
def test_every_option_of_a_block_is_documented(path, option):
    assert option.doc
