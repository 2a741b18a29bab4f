"""From a tree to dataclasses: what is accepted, and how every mistake is told."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from bpnet.options import Span

Read = Callable[..., Any]
Fail = Callable[..., str]

HEAD = "data: {train: a.csv}\nloss: mse\n"
MODEL = HEAD + "model: {layers: [relu]}\n"


def first(message: str) -> str:
    return message.split("\n")[0]


def test_the_contracts_example_word_for_word(fail: Fail) -> None:
    text = """\
data:
  train: train.csv
  target: digit

model:
  layers:
    - {type: dense, units: 64}
    - {type: relu}
    - {type: dense, units: -3}
loss: cross_entropy

optimizer:
    type: adam
    learning_rte: 0.01
"""
    assert (
        fail(text)
        == """\
c.yaml:9:28: error: model.layers[2].units: expected a positive integer or 'auto', received -3
    9 |     - {type: dense, units: -3}
      |                            ^^
c.yaml:14:5: error: unknown key 'learning_rte' in optimizer (adam); did you mean 'learning_rate'?
   14 |     learning_rte: 0.01
      |     ^^^^^^^^^^^^
2 errors. Options of adam: learning_rate, beta1, beta2, epsilon, weight_decay"""
    )


def test_a_valid_config_becomes_dataclasses(read: Read, sample: SimpleNamespace) -> None:
    config = read(
        "name: no\nseed: 3\ndata:\n  train: {images: i, labels: l}\n  target: [a, b]\n"
        "model:\n  init: {type: uniform, limits: [-1, 1]}\n"
        "  layers:\n    - {type: dense, units: 3}\n"
        "    - type: residual\n      layers: [relu, {type: dropout, rate: 0}]\n"
        "    - {type: reshape, shape: [2, 3]}\n"
        "loss: {type: cross_entropy, class_weight: {a: 1, 'b c': 2.5}}\n"
        "optimizer: sgd\ntraining: {epochs: 5, batch_size: full, max_time: 1.5 h, clip_norm: 5}\n"
        "early_stopping: {}\nmetrics: [accuracy, {type: top_k, k: 2}]\nsearch: {x: [1, {y: no}]}\n",
        "optimizer={type: sgd, learning_rate: 1}",
    )
    assert (config.name, config.seed, config.threads) == ("no", 3, "auto")
    assert config.data.train.labels == "l"
    assert config.data.target == ["a", "b"]
    assert config.model.layers[0] == sample.Dense(3)
    assert config.model.layers[1].layers[0] == sample.Relu()
    assert config.model.layers[1].layers[1].rate == 0.0
    assert config.model.layers[2].shape == (2, 3)
    assert config.model.init == sample.Uniform(limits=(-1.0, 1.0))
    assert config.loss.class_weight == {"a": 1.0, "b c": 2.5}
    assert config.training.max_time == Span(5400, "seconds")
    assert type(config.training.clip_norm) is float
    assert config.optimizer == sample.Sgd(learning_rate=1.0)
    assert config.early_stopping.patience == 10
    assert config.metrics[1].k == 2
    assert config.search == {"x": [1, {"y": "no"}]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("-3", "expected a positive integer, received -3"),
        ("0", "expected a positive integer, received 0"),
        ("50.0", "expected a positive integer, received 50.0; write 50"),
        ("1e3", "expected a positive integer, received 1e3; write 1000"),
        ("2.5", "expected a positive integer, received 2.5"),
        ("true", "expected a positive integer, received true"),
        ("'64'", "expected a positive integer, received the quoted text '64'; remove the quotes"),
        ("1_000", "expected a positive integer, received the text '1_000'; write 1000"),
        ("1 000", "expected a positive integer, received the text '1 000'; write 1000"),
        ("012", "expected a positive integer, received the text '012'; write 12"),
        ("0x10", "expected a positive integer, received the text '0x10'; write 16"),
        ("2**10", "expected a positive integer, received the text '2**10'; write 1024"),
        ("64k", "expected a positive integer, received the text '64k'; write 64000"),
        ("30 epochs", "expected a positive integer, received the text '30 epochs'; write 30"),
        ("“64”", "expected a positive integer, received the text '“64”'; write 64"),
        ("12:30", "expected a positive integer, received the text '12:30'"),
        ("ten", "expected a positive integer, received the text 'ten'"),
        ("no", "expected a positive integer, received the text 'no'"),
        (".inf", "expected a positive integer, received .inf; it must be finite"),
        (".nan", "expected a positive integer, received .nan; it must be finite"),
        ("9" * 5000, "it must be finite"),
        ("[5]", "expected a positive integer, received a list; write 5"),
        ("{a: 1}", "expected a positive integer, received a mapping"),
        ("null", "expected a positive integer, received null"),
        ("", "expected a positive integer, received nothing; write a value after the ':'"),
        ("5}", "expected a positive integer, received the text '5}'; write 5"),
        ("5 #five", None),
        ("5#five", "received the text '5#five'; a comment needs a space before the '#': 5 #five"),
    ],
)
def test_an_integer_that_is_none(read: Read, fail: Fail, value: str, message: str | None) -> None:
    text = f"{MODEL}training:\n  epochs: {value}\n"
    if message is None:
        assert read(text).training.epochs == 5
        return
    line = first(fail(text))
    assert line.startswith(f"c.yaml:5:{3 if value == '' else 11}: error: training.epochs: ")
    assert line.endswith(message)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("20", "expected a number from 0 to below 1, received 20; 20 % is 0.2"),
        ("20%", "expected a number from 0 to below 1, received the text '20%'; write 0.2"),
        ("0,2", "expected a number from 0 to below 1, received the text '0,2'; write 0.2"),
        ("1/4", "expected a number from 0 to below 1, received the text '1/4'; write 0.25"),
        ("5e -2", "expected a number from 0 to below 1, received the text '5e -2'; write 0.05"),
        ("0.2f", "expected a number from 0 to below 1, received the text '0.2f'; write 0.2"),
        ("\u22120.2", "received the text '\u22120.2'; -0.2 is out of range"),
        ("1", "expected a number from 0 to below 1, received 1"),
        ("-0.1", "expected a number from 0 to below 1, received -0.1"),
        ("1e999", "expected a number from 0 to below 1, received 1e999; it must be finite"),
        ("nan", "expected a number from 0 to below 1, received the text 'nan'; it must be finite"),
    ],
)
def test_a_fraction_that_is_none(fail: Fail, value: str, message: str) -> None:
    text = f"{HEAD}model:\n  layers:\n    - type: dropout\n      rate: {value}\n"
    line = first(fail(text))
    assert line.startswith("c.yaml:6:13: error: model.layers[0].rate: ")
    assert line.endswith(message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        # true and false
        ("shuffle: yes", "expected true or false, received the text 'yes'; write true"),
        ("shuffle: Off", "expected true or false, received the text 'Off'; write false"),
        ("shuffle: 0", "expected true or false, received 0; write false"),
        ("shuffle: 'true'", "received the quoted text 'true'; remove the quotes"),
        ("shuffle: maybe", "expected true or false, received the text 'maybe'"),
        # words, and numbers or words
        ("batch_size: Full", "a positive integer or 'full', received 'Full'; did you mean 'full'?"),
        ("batch_size: all", "expected a positive integer or 'full', received 'all'"),
        ("batch_size: -3", "expected a positive integer or 'full', received -3"),
        # null
        ("clip_norm: none", "a positive number or null, received the text 'none'; write null"),
        ("clip_norm: 0", "expected a positive number or null, received 0"),
        # types that read themselves
        ("warmup: soon", "expected a length such as 500, '500 steps', '5 epochs' or '10 min', "),
        ("warmup: 1.5 epochs", "expected a whole number of epochs, received the text '1.5 epochs'"),
        ("max_time: 1.5 steps", "expected a whole number of steps or null, received"),
        (f"warmup: {'9' * 400}", "expected a length such as 500"),
        ("warmup: [5]", "expected a length such as 500"),
        # what the dataclass itself refuses
        ("max_time: 5 epochs", "expected a time such as '10 min', received a count"),
        # keys
        ("batchSize: 3", "unknown key 'batchSize' in training; did you mean 'batch_size'?"),
        ("batch-size: 3", "unknown key 'batch-size' in training; did you mean 'batch_size'?"),
        ("max_epochs: 3", "unknown key 'max_epochs' in training; did you mean 'epochs'?"),
        ("learning_rate: 3", "unknown key 'learning_rate' in training; it belongs in optimizer"),
        ("lr: 3", "unknown key 'lr' in training; did you mean 'learning_rate' in optimizer?"),
        ("dropout: 3", "in training; dropout is a layer, chosen by 'type: dropout'"),
        ("seed: 3", "unknown key 'seed' in training; it belongs at the top level"),
        ("units: 3", "unknown key 'units' in training; it is an option of dense"),
        ("'': 3", "unknown key '' in training"),
        ("__class__: 3", "unknown key '__class__' in training"),
    ],
)
def test_a_mistake_in_a_block(fail: Fail, line: str, message: str) -> None:
    assert message in first(fail(f"{MODEL}training:\n  {line}\n"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("epochs: 50", "unknown key 'epochs' at the top level; it belongs in training"),
        ("sed: 3", "unknown key 'sed' at the top level; did you mean 'seed'?"),
        ("random_state: 3", "unknown key 'random_state' at the top level; did you mean 'seed'?"),
        ("foo: 3", "unknown key 'foo' at the top level"),
        ("name: 5", "name: expected text, received 5; put it in quotes if the text is meant: '5'"),
        ("name: true", "expected text, received true; put it in quotes if the text is meant"),
        (
            "dtype: float",
            "expected 'float32' or 'float64', received 'float'; did you mean 'float32'?",
        ),
        ("dtype: 64", "expected 'float32' or 'float64', received 64; did you mean 'float64'?"),
        ("seed: 9223372036854775808", "an integer from 0 to 9223372036854775807, received 922337"),
        ("metrics: accuracy", "a list of metrics or 'auto', received 'accuracy'; write [accuracy]"),
        ("metrics: accuracy, top_k", "; write [accuracy, top_k]"),
        ("metrics: {accuracy, top_k}", "received a mapping; write [accuracy, top_k]"),
        ("metrics: [accuracy top_k]", "unknown metric 'accuracy top_k'; a ',' is missing before"),
        ("metrics: [acc]", "metrics[0]: unknown metric 'acc'; did you mean 'accuracy'?"),
        ("metrics: [mse]", "metrics[0]: unknown metric 'mse'; it is a loss"),
        ("metrics: [top_k: 3]", "metrics[0]: write {type: top_k, k: 3}"),
        (
            "training: 50",
            "batch_size, clip_norm, shuffle, ...), received 50; write {epochs: 50}, say",
        ),
        ("training:", "training: expected options (epochs,"),
        ("training: [1, 2]", "shuffle, ...), received a list"),
        ("early_stopping: true", "received true; write {} for its defaults, or {key: value}"),
        (
            "early_stopping: false",
            "expected options (patience, monitor) or null, received false; write null",
        ),
        ("early_stopping: yes", "received the text 'yes'; write {} for its defaults"),
        ("early_stopping: off", "received the text 'off'; write null"),
        ("early_stopping: patience", "received the text 'patience'; write {patience: ...}"),
        (
            "search: grid",
            "expected a mapping ({name: ...}) or null, received the text 'grid'; write",
        ),
        ("dropout: 0.5", "at the top level; dropout is a layer, chosen by 'type: dropout'"),
        ("lr: 0.5", "at the top level; did you mean 'learning_rate' in optimizer?"),
        ("train: a.csv", "unknown key 'train' at the top level; it belongs in data"),
        ("train: {epochs: 5}", "unknown key 'train' at the top level; did you mean 'training'?"),
        ("early_stopping: 10", "received 10; write {patience: 10}, say"),
        # entries of tables
        ("optimizer: Adam", "optimizer: unknown optimizer 'Adam'; did you mean 'adam'?"),
        ("optimizer: {type: adm}", "optimizer.type: unknown optimizer 'adm'; did you mean 'adam'?"),
        (
            "optimizer: {learning_rate: 1}",
            "missing key 'type' in optimizer, the name of an optimizer",
        ),
        ("optimizer: {beta1: 0.5}", "the name of an optimizer; is it {type: adam, ...}?"),
        ("optimizer: {name: adam, lr: 1}", "optimizer: write 'type: adam' instead of 'name: adam'"),
        ("optimizer: {adam: {beta1: 0.5}}", "optimizer: write {type: adam, beta1: 0.5}"),
        ("optimizer: {type: 5}", "optimizer.type: expected an optimizer (adam, sgd), received 5"),
        ("optimizer: {type: }", "received nothing; write a value after the ':'"),
        (
            "optimizer: {type: [adam]}",
            "optimizer.type: expected an optimizer (adam, sgd), received a list",
        ),
        ("optimizer: adam(beta1=3)", "options are written {type: adam, ...}"),
        ("optimizer: type:adam", "optimizer: a space is missing after ':'; write 'type: adam'"),
        ("optimizer: type=adam", "optimizer: write 'type: adam' instead of 'type=adam'"),
        ("optimizer: [adam]", "received a list; remove the brackets"),
        ("optimizer: {type: mse}", "optimizer.type: unknown optimizer 'mse'; it is a loss"),
        ("optimizer: os.system", "optimizer: unknown optimizer 'os.system'"),
        (
            "optimizer: sgd",
            "missing key 'learning_rate' in optimizer (sgd): a positive number; write",
        ),
        ("optimizer: {type: adam, momentum: 1}", "in optimizer (adam); it is an option of sgd"),
        ("optimizer:\n  - type: adam", "received a list; remove the '- '"),
    ],
)
def test_a_mistake_at_the_top(fail: Fail, line: str, message: str) -> None:
    assert message in first(fail(f"{MODEL}{line}\n"))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("dense", "missing key 'units' in model.layers[0] (dense): a positive integer or 'auto'; "),
        ("dense", "write {type: dense, units: ...}"),
        ("dense 64", "unknown layer 'dense 64'; options are written {type: dense, units: ...}"),
        ("dense(64)", "unknown layer 'dense(64)'; options are written {type: dense, units: ...}"),
        ("dense: 64", "model.layers[0]: write {type: dense, units: 64}"),
        ("dense: {units: 64}", "model.layers[0]: write {type: dense, units: 64}"),
        ("relu:", "model.layers[0]: write {type: relu}"),
        ("dropout: 0.2", "model.layers[0]: write {type: dropout, rate: 0.2}"),
        ("{dense}", "model.layers[0]: write {type: dense, units: ...}"),
        ("ReLU()", "unknown layer 'ReLU()'; did you mean 'relu'?"),
        ("ReLU", "unknown layer 'ReLU'; did you mean 'relu'?"),
        ("Linear", "unknown layer 'Linear'; did you mean 'dense'?"),
        (
            "{type: dens, units: 3}",
            "model.layers[0].type: unknown layer 'dens'; did you mean 'dense'?",
        ),
        ("{Type: dense, units: 3}", "write 'type: dense' instead of 'Type: dense'"),
        ("{layer: dense, units: 3}", "write 'type: dense' instead of 'layer: dense'"),
        (
            "{units: 64}",
            "missing key 'type' in model.layers[0], the name of a layer; is it {type: dense",
        ),
        (
            "{type:dense, units: 3}",
            "model.layers[0]: a space is missing after ':'; write 'type: dense'",
        ),
        ("{type: dense, units:3}", "a space is missing after ':'; write 'units: 3'"),
        ("{type dense, units: 3}", "is a ':' missing after 'type'?"),
        ("{type: dense, units 3}", "is a ':' missing after 'units'?"),
        (
            "{type: dense, 64}",
            "unknown key '64' in model.layers[0] (dense); a value needs its key: write",
        ),
        ("{type: dense, units: 1,000}", "; write 1000 if the number 1,000 is meant"),
        ("{type: dropout, rate: 0,2}", "; write 0.2 if the number 0,2 is meant"),
        (
            "{type: dense, unit: 64}",
            "unknown key 'unit' in model.layers[0] (dense); did you mean 'units'?",
        ),
        ("{type: dense, units: 3, activation: relu}", "an activation is a layer of its own"),
        ("{type: dense, units: 3, input_shape: 3}", "the size of the input is known"),
        ("{type: relu, units: 3}", "in model.layers[0] (relu); it is an option of dense"),
        ("{type: reshape, shape: 5}", "expected a list of integers, received 5; write [5]"),
        (
            "{type: reshape, shape: [5, a]}",
            "model.layers[0].shape[1]: expected a positive integer, ",
        ),
        ("{type: residual, layers: {type: relu}}", "received a mapping; start each item with '- '"),
        (
            "{type: dense, units: 3, init: {type: uniform, limits: [1]}}",
            "2 values, received a list of 1",
        ),
        (
            "{type: dense, units: 3, init: glorot}",
            "model.layers[0].init: unknown initializer 'glorot'",
        ),
        ("64", "model.layers[0]: expected a layer (dense, relu, dropout, ...), received 64"),
        (
            "[dense, 64]",
            "model.layers[0]: expected a layer (dense, relu, dropout, ...), received a list",
        ),
        ("", "model.layers[0]: expected a layer"),
        ("type dense", "is a ':' missing after 'type'?"),
        ("adam", "unknown layer 'adam'; it is an optimizer"),
    ],
)
def test_a_mistake_in_a_layer(parser: str, fail: Fail, item: str, message: str) -> None:
    text = f"{HEAD}model:\n  layers:\n    - {item}\n"
    assert message in first(fail(text))


def test_each_mistake_is_told_once(fail: Fail) -> None:
    """A misspelled or misplaced key isn't also missing; a broken value isn't also wrong."""
    text = HEAD + "model:\n  layers:\n    - {type: dense, unit: 64}\n"
    assert fail(text).count("error:") == 1
    assert fail("data:\ntrain: a.csv\nmodel: {layers: [relu]}\nloss: mse\n").count("error:") == 2
    assert fail(f"data: {{}}\ntrain: a.csv\n{MODEL[20:]}").count("error:") == 1
    assert fail(MODEL + "seed: &a 1\nthreads: *a\n").count("error:") == 2
    assert fail(MODEL + "training:\n  epochs: 50\n    batch_size 32\n").count("error:") == 1


def test_all_mistakes_come_in_one_pass_in_the_order_of_the_file(fail: Fail) -> None:
    text = """\
seed: -1
data: {train: 5, columns: {age: {scal: none}}}
seed: 2
model:
  layers:
    - {type: dense, units: 0}
    - reluu
los: mse
training: {epochs: x}
"""
    places = [line.split(":")[1:3] for line in fail(text).split("\n") if "error:" in line]
    assert [":".join(place) for place in places] == [
        "1:7",
        "2:15",
        "2:34",
        "3:1",
        "6:28",
        "7:7",
        "8:1",
        "9:20",
    ]
    assert fail(text).endswith(
        "8 errors. Options of data.columns.age: type, scale\nTop-level keys: name, seed, dtype, "
        "threads, data, model, loss, optimizer, training, early_stopping, metrics, search"
    )


def test_hundreds_of_mistakes_are_counted_and_fifty_shown(fail: Fail) -> None:
    message = fail(HEAD + "model:\n  layers:\n" + "    - reluu\n" * 300)
    assert message.count("error:") == 50
    assert message.endswith("300 errors, 250 of them not shown.")


def test_required_blocks_are_missed_by_name(fail: Fail) -> None:
    message = fail("seed: 1\n")
    assert message == (
        "c.yaml:1:1: error: missing key 'data' at the top level: options (train, validation, "
        "target, features, ...)\n"
        "c.yaml:1:1: error: missing key 'model' at the top level: options (layers, init)\n"
        "c.yaml:1:1: error: missing key 'loss' at the top level: a loss (mse, cross_entropy)\n"
        "3 errors."
    )


def test_a_missing_option_is_shown_at_its_block(fail: Fail) -> None:
    assert fail("data: {target: y}\nmodel: {layers: [relu]}\nloss: mse\n") == (
        "c.yaml:1:1: error: missing key 'train' in data: text or options (images, labels)\n"
        "    1 | data: {target: y}\n"
        "      | ^^^^"
    )


def test_what_a_dataclass_refuses_is_shown_at_its_option(fail: Fail) -> None:
    text = MODEL + "training:\n  clip_norm: 13\n  batch_size: full\n"
    assert fail(text) == (
        "c.yaml:5:14: error: training.clip_norm: 13 and full batches do not go together\n"
        "    5 |   clip_norm: 13\n"
        "      |              ^^"
    )


def test_of_several_kinds_of_mapping_the_fitting_one_is_meant(read: Read, fail: Fail) -> None:
    config = read(MODEL, "loss={type: cross_entropy, class_weight: balanced}")
    assert config.loss.class_weight == "balanced"
    assert "loss.class_weight.b: expected a positive number, received -1" in fail(
        MODEL, "loss={type: cross_entropy, class_weight: {a: 1, b: -1}}"
    )
    assert "data.train: expected" not in fail(MODEL, "data.train={images: x, label: y}")
    assert "unknown key 'label' in data.train; did you mean 'labels'?" in fail(
        MODEL, "data.train={images: x, label: y}"
    )


def test_a_percentage_is_no_path(read: Read, fail: Fail) -> None:
    assert read(MODEL, "data.validation=val.csv").data.validation == "val.csv"
    assert read(MODEL, "data.validation='15%'").data.validation == "15%"
    for text, value in (("15%", "0.15"), ("0,15", "0.15"), ("015", "0.15"), ("1/4", "0.25")):
        assert f"received the text '{text}'; write {value}\n" in fail(
            MODEL, f"data.validation={text}"
        )


def test_an_integer_is_a_number_where_one_is_expected(read: Read) -> None:
    config = read(MODEL, "data.validation=0", "optimizer={type: sgd, learning_rate: 1}")
    assert config.data.validation == 0.0
    assert type(config.data.validation) is float


def test_names_are_looked_up_in_closed_tables_only(fail: Fail) -> None:
    for name in ("os.system", "__class__", "builtins.eval", "Dense", "type", "../dense"):
        assert f"unknown layer '{name}'" in fail(
            f"{HEAD}model:\n  layers:\n    - {{type: {name}, units: 3}}\n"
        )


def test_a_long_or_odd_text_is_cut_and_made_harmless_in_messages(fail: Fail) -> None:
    message = fail(f"{MODEL}optimizer: '{'x' * 5000}'\n")
    assert max(map(len, message.split("\n"))) < 150
    message = fail(f"{MODEL}optimizer: 'a\u202eb\u200dc'\n")
    assert "\u202e" not in message
    assert "'a\ufffdb\ufffdc'" in message


def test_carets_stand_under_wide_and_combining_characters(fail: Fail) -> None:
    message = fail(MODEL + 'search: {"日本e\u0301": 1}\ntraining: {"日e\u0301": 1, epochs: -1}\n')
    line, carets = message.split("\n")[-3:-1]
    assert line.index("-1") + 1 - 1 == carets.index("^")  # one wide character, one of no width
    key = message.split("\n")[2]
    assert key.count("^") == len('"日e"') + 1


def test_the_window_of_a_long_line_shows_the_place(fail: Fail) -> None:
    items = ", ".join(["relu"] * 200 + ["rleu"] + ["relu"] * 200)
    message = fail(f"{HEAD}model: {{layers: [{items}]}}\n")
    line, carets = message.split("\n")[1:3]
    assert line[carets.index("^") :].startswith("rleu")
    assert len(line) < 120
    assert line.endswith("…")
