from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from bpnet.config import nodes, overrides
from bpnet.config.bind import bind
from bpnet.config.document import Document
from bpnet.config.parse import Refused
from bpnet.config.places import Place
from bpnet.errors import ConfigError, UsageError

Read = Callable[..., Any]
Fail = Callable[..., str]

TEXT = """\
data: {train: a.csv}
model:
  layers:
    - {type: dense, units: 8}
    - relu
    - dense
loss: mse
optimizer: adam
early_stopping:
"""


@pytest.fixture
def plain() -> Callable[..., Any]:
    """Return a function that gives a value of the text above after some overrides."""

    def plain(path: str, *assignments: str) -> Any:
        steps = [int(step) if step.isdigit() else step for step in path.split(".")]
        return Document.parse(TEXT, "c.yaml").override(assignments).peek(*steps)

    return plain


def first(message: str) -> str:
    return message.split("\n")[0]


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("seed=3", "seed", 3),
        ("seed = 3", "seed", 3),
        ("name=", "name", None),
        ("name=''", "name", ""),
        ("name=a=b", "name", "a=b"),
        ("name=no", "name", "no"),
        ("data.train=x y.csv # a comment", "data.train", "x y.csv"),
        ("data.validation=1e-1", "data.validation", 0.1),
        ("model.layers.0.units=64", "model.layers.0", {"type": "dense", "units": 64}),
        ("model.layers[0].units=64", "model.layers.0.units", 64),
        ("model.layers[ 2 ].units=64", "model.layers.2", {"type": "dense", "units": 64}),
        ("model.layers.1={type: tanh}", "model.layers.1", {"type": "tanh"}),
        ("model.layers=[relu, {type: dense, units: 3}]", "model.layers.1.units", 3),
        ("optimizer=sgd", "optimizer", "sgd"),
        ("optimizer.learning_rate=0.1", "optimizer", {"type": "adam", "learning_rate": 0.1}),
        ("optimizer.type=sgd", "optimizer", {"type": "sgd"}),
        ("early_stopping.patience=3", "early_stopping", {"patience": 3}),
        ("training.epochs=5", "training", {"epochs": 5}),
        ('data.columns."a.b".scale=none', "data.columns", {"a.b": {"scale": "none"}}),
        ('data.columns["a=b"].scale=none', "data.columns", {"a=b": {"scale": "none"}}),
        ("data.columns.'x[0]'.scale=none", "data.columns", {"x[0]": {"scale": "none"}}),
        ("data.columns.7.scale=none", "data.columns", {"7": {"scale": "none"}}),
        ("metrics=\n  - accuracy\n  - f1", "metrics", ["accuracy", "f1"]),
    ],
)
def test_a_value_is_set_by_its_path(
    plain: Callable[..., Any], assignment: str, path: str, value: Any
) -> None:
    assert plain(path, assignment) == value


def test_later_overrides_go_over_earlier_ones(plain: Callable[..., Any]) -> None:
    assert plain("seed", "seed=1", "seed=2") == 2
    assert plain("optimizer", "optimizer.learning_rate=1", "optimizer.beta1=0.5") == {
        "type": "adam",
        "learning_rate": 1,
        "beta1": 0.5,
    }
    assert plain("optimizer", "optimizer.learning_rate=1", "optimizer=sgd") == "sgd"
    assert plain("model.layers", "model.layers=[relu]", "model.layers.0=tanh") == ["tanh"]


def test_the_document_that_is_overridden_stays_as_it_was() -> None:
    document = Document.parse(TEXT, "c.yaml")
    before = document.peek()
    changed = document.override(["model.layers.0.units=1", "optimizer.beta1=0", "data.train=b"])
    again = changed.override(["model.layers.0.units=2"])
    assert document.peek() == before
    assert changed.peek("model", "layers", 0, "units") == 1
    assert again.peek("model", "layers", 0, "units") == 2
    assert again.assignments == (*changed.assignments, "model.layers.0.units=2")


def test_an_option_of_the_default_optimizer_can_be_set_alone(
    read: Read, sample: SimpleNamespace
) -> None:
    """As a search does it: the file says nothing about the optimizer."""
    config = read(sample.VALID, "optimizer.beta1=0.5")
    assert config.optimizer == sample.Adam(learning_rate=5e-3, beta1=0.5)
    assert read(sample.VALID, "model.init.gain=2").model.init.gain == 2.0
    assert read(sample.VALID, "optimizer.type=sgd", "optimizer.learning_rate=1").optimizer == (
        sample.Sgd(learning_rate=1.0)
    )


def test_a_path_becomes_two_by_overrides(read: Read, sample: SimpleNamespace) -> None:
    config = read(sample.VALID, "data.train.images=i", "data.train.labels=l")
    assert (config.data.train.images, config.data.train.labels) == ("i", "l")


@pytest.mark.parametrize(
    ("assignment", "message", "marked"),
    [
        (
            "optimizer.learning_rte=1",
            "unknown key 'learning_rte' in optimizer (adam)",
            "learning_rte",
        ),
        ("optimizer.learning_rate=-1", "optimizer.learning_rate: expected a positive number", "-1"),
        ("epochs=3", "unknown key 'epochs' at the top level; it belongs in training", "epochs"),
        ("training.epochs=1_0", "training.epochs: expected a positive integer", "1_0"),
        ("training.epochs=", "received nothing; write a value after the '='", "epochs"),
        ("model.layers.7.units=4", "'model.layers' has 3 items, counted from 0; there is no", "7"),
        ("model.layers.-1=relu", "'model.layers' has 3 items, counted from 0; there is no", "-1"),
        ("model.layers[3]=relu", "there is no item 3", "[3]"),
        ("model.layers.units=4", "a list of 3 items; say which: model.layers.0.units", "units"),
        ("model.layers.1.units=4", "unknown key 'units' in model.layers[1] (relu)", "units"),
        ("model[0]=4", "'model' is no list, so it has no item 0", "[0]"),
        ("training[0]=4", "there is no list 'training', so it has no item 0", "[0]"),
        ("seed.x=4", "seed: expected an integer from 0", "seed"),
        ("seed=[1", "this '[' is never closed; add ']'", "[1"),
        ("seed=*a", "aliases (*name) are not supported", "*a"),
        (
            "training={epochs: 1, epochs: 2}",
            "the key 'epochs' is there twice; remove one",
            "epochs",
        ),
        ("a..b=3", "expected a path such as optimizer.learning_rate or layers[0]", "."),
        ("a[b=3", "expected a path such as optimizer.learning_rate or layers[0]", "["),
        ("a.=3", "expected a path such as", "."),
        (".a=3", "expected a path such as", "."),
        ("name=a\x1bb", "the character U+001B can't be part of it", "␛"),
        ("name=a\udcffb", "the character U+DCFF can't be part of it", "\ufffd"),
        ("data.train='a", "this quote is never closed", "'a"),
    ],
)
def test_a_mistake_is_located_in_the_override(
    parser: str, fail: Fail, assignment: str, message: str, marked: str
) -> None:
    text = fail(TEXT.replace("    - dense\n", "    - relu\n"), assignment)
    lines = text.split("\n")
    shown = assignment.replace("\x1b", "␛").replace("\udcff", "\ufffd")
    assert lines[0].startswith(f"{shown}: error: ")
    assert message in lines[0]
    assert lines[1] == f"      | {shown}"
    start = lines[2].index("^")
    assert lines[1][start:].startswith(marked)


def test_mistakes_of_the_file_come_first_then_those_of_the_overrides_in_order(fail: Fail) -> None:
    message = fail(TEXT, "training.epochs=x", "sed=1", "training.batch_size=y")
    heads = [line.split(": error: ")[0] for line in message.split("\n") if ": error: " in line]
    assert heads == ["c.yaml:6:7", "training.epochs=x", "sed=1", "training.batch_size=y"]


def test_all_overrides_that_lead_nowhere_are_told_at_once(fail: Fail) -> None:
    message = fail(TEXT, "model.layers.9=relu", "seed=1", "model[1]=2")
    assert message.count("error:") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed", "expected KEY=VALUE (such as training.epochs=20), received 'seed'"),
        ("other.yaml", "expected KEY=VALUE (such as training.epochs=20), received 'other.yaml'"),
        ("seed: 3", "expected KEY=VALUE, received 'seed: 3'; write 'seed=3'"),
        ("=3", "'=3': a key is missing before '='"),
        (" = 3", "' = 3': a key is missing before '='"),
        ("", "expected KEY=VALUE (such as training.epochs=20), received ''"),
    ],
)
def test_what_is_no_assignment_is_a_wrong_command_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Document.parse(TEXT).override([text])
    assert str(caught.value) == message


def test_a_path_of_thousands_of_steps_is_refused(sample: SimpleNamespace) -> None:
    with pytest.raises(ConfigError, match="a path of more than 64 steps"):
        Document.parse(sample.VALID).override([".".join("a" * 20_000) + "=1"])
    deep = Document.parse(sample.VALID).override([".".join("a" * 64) + "=" + "[" * 60 + "]" * 60])
    with pytest.raises(ConfigError, match="unknown key 'a'"):
        bind(deep, sample.Config, sample.TABLES)


def test_a_value_can_be_put_where_a_key_leads_and_keep_its_own_place() -> None:
    document = Document.parse(TEXT, "c.yaml")
    place = Place(document.source, 2, 3, 9)
    root = overrides.put(document.root, "optimizer.beta1", place, nodes.Scalar(place, "2"))
    assert nodes.plain(root)["optimizer"] == {"type": "adam", "beta1": 2}
    assert nodes.plain(document.root)["optimizer"] == "adam"
    with pytest.raises(Refused) as caught:
        overrides.put(document.root, "model.layers.9", place, nodes.Scalar(place, "2"))
    assert str(caught.value.problems[0].place) == "c.yaml:2:3"
    assert overrides.path_of("model.layers[0].'a.b'") == ("model", "layers", "0", "a.b")
