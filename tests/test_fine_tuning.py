"""The start from the weights of another training, and trainings with frozen layers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import bpnet
from bpnet.cli.check import describe
from bpnet.config.document import Document
from bpnet.config.schema import emit_config, read_config
from bpnet.config.write import dump
from bpnet.errors import ConfigError, RunError
from bpnet.experiment import build
from bpnet.fine_tuning import initialize_from
from bpnet.nn.layers import LAYERS
from bpnet.nn.network import Network
from bpnet.runs import checkpoint, rundir, tensors
from bpnet.training.fit import fit

LAYERS_OF_IT = [
    {"type": "dense", "units": 6},
    "batch_norm",
    "tanh",
    {"type": "residual", "layers": [{"type": "dense", "units": 6}, "relu"]},
    {"type": "dense", "units": "auto"},
]
CONFIG = {
    "data": {"train": "builtin:iris", "target": "species"},
    "model": {"layers": LAYERS_OF_IT},
    "loss": "cross_entropy",
    "training": {"epochs": 3},
    "checkpoint": {"pause": "0 s"},
}


def config(layers=LAYERS_OF_IT, *, data=(), freeze=(), **blocks):
    """Return the text of a config."""
    model = {"layers": list(layers), "freeze": list(freeze)}
    return dump({**CONFIG, "data": {**CONFIG["data"], **dict(data)}, "model": model, **blocks})


def built(*arguments, **options):
    return build(Document.parse(config(*arguments, **options)))


def copies(network):
    return {name: value.copy() for name, value in network.weights().items()}


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """Return the directory of a finished run, which no test changes."""
    return bpnet.train(CONFIG, run_dir=tmp_path_factory.mktemp("parent") / "run").directory


@pytest.fixture
def unfinished(parent, tmp_path):
    """Return a copy of it as it stood before its end."""
    directory = tmp_path / "unfinished"
    shutil.copytree(parent, directory)
    for name in (rundir.MODEL, rundir.RESULT):
        (directory / name).unlink()
    return directory


def test_a_network_of_the_same_layers_starts_where_the_other_ended(parent):
    network = built(seed=5).state.network
    transfer = initialize_from(network, parent)
    trained = bpnet.load(parent).weights
    assert set(transfer.taken) == set(trained)
    assert "batch_norm_1.running_mean" in transfer.taken
    for name, value in network.weights().items():
        assert value.tobytes() == trained[name].tobytes(), name
    assert transfer.source == parent / "model.safetensors"
    assert transfer.sentences() == [f"initialized 10 of 10 tensors from {transfer.source}"]
    assert (transfer.own, transfer.unused, transfer.warnings) == ((), (), ())


def test_layers_that_do_not_fit_keep_their_own_start_as_a_whole(parent):
    layers = [
        *LAYERS_OF_IT[:3],
        {"type": "residual", "layers": [{"type": "dense", "units": 6, "bias": False}, "relu"]},
        {"type": "dense", "units": 4, "name": "extra"},
        {"type": "dense", "units": "auto", "name": "dense_2"},
    ]
    network = built(layers, seed=5).state.network
    before, trained = copies(network), bpnet.load(parent).weights
    transfer = initialize_from(network, parent)
    assert [str(misfit) for misfit in transfer.unfitting] == [
        "dense_2.W is 4 x 3 here, 6 x 3 there"
    ]
    assert transfer.left == ("dense_2.b",)
    assert transfer.missing == ("extra.W", "extra.b")
    assert transfer.unused == ("residual_1.dense_1.b",)
    assert transfer.sentences() == [
        f"initialized 7 of 11 tensors from {parent / 'model.safetensors'}",
        "dense_2 keeps its own start: dense_2.W is 4 x 3 here, 6 x 3 there",
        "with their own start, as they are not there: extra.W, extra.b",
        "not used, as they are not here: residual_1.dense_1.b",
    ]
    for name, value in network.weights().items():
        expected = trained[name] if name in transfer.taken else before[name]
        assert value.tobytes() == expected.tobytes(), name
    assert {*transfer.taken, *transfer.own} == set(before)


def test_before_the_end_the_best_weights_are_taken_and_else_the_newest_checkpoint(unfinished):
    best, newest = built(seed=5).state.network, built(seed=5).state.network
    transfer = initialize_from(best, unfinished)
    assert transfer.source == unfinished / rundir.BEST
    assert len(transfer.taken) == 10
    expected = built().state.network
    checkpoint.load_weights(expected, transfer.source)
    assert best.arena.theta.tobytes() == expected.arena.theta.tobytes()
    assert best.arena.state.tobytes() == expected.arena.state.tobytes()

    (unfinished / rundir.BEST).unlink()
    transfer = initialize_from(newest, unfinished)
    assert transfer.source == checkpoint.all_of(unfinished)[0]
    checkpoint.load_weights(expected, transfer.source)
    assert newest.arena.theta.tobytes() == expected.arena.theta.tobytes()
    assert newest.arena.state.tobytes() == expected.arena.state.tobytes()

    for path in checkpoint.all_of(unfinished):
        path.unlink()
    with pytest.raises(RunError, match="no weights there yet: the training is done"):
        initialize_from(newest, unfinished)


def test_a_checkpoint_of_a_training_with_frozen_layers_is_read_in_its_own_order(tmp_path):
    trained = built(freeze=["dense_1", "residual_1"], seed=8).state
    list(fit(trained))
    path = tmp_path / "weights.safetensors"
    checkpoint.save_weights(trained.network, path)
    for freeze in ([], ["batch_norm_1"], ["dense_1", "residual_1"]):
        network = built(freeze=freeze).state.network
        assert len(initialize_from(network, path).taken) == 10
        for name, value in trained.network.weights().items():
            assert network.weights()[name].tobytes() == value.tobytes(), name
    with pytest.raises(RunError, match="are not those of this run's network"):
        checkpoint.load_weights(built().state.network, path)  # of the same names and shapes


@pytest.mark.parametrize(("here", "there"), [("float32", "float64"), ("float64", "float32")])
@pytest.mark.parametrize("kind", ["model", "weights"])
def test_the_other_precision_is_converted_and_noted(kind, here, there, tmp_path):
    other = built(dtype=there, seed=5)
    path = tmp_path / "file.safetensors"
    if kind == "model":
        bpnet.model.save(path, other)
    else:
        checkpoint.save_weights(other.state.network, path)
    network = built(dtype=here).state.network
    transfer = initialize_from(network, path)
    assert transfer.sentences() == [
        f"initialized 10 of 10 tensors from {path}, converted from {there}"
    ]
    for name, value in other.state.network.weights().items():
        np.testing.assert_array_equal(network.weights()[name], value.astype(here))


def small(*units, seed=0, dtype="float32", names=("a", "b", "c")):
    layers = [LAYERS["dense"](n, name=name) for n, name in zip(units, names, strict=False)]
    return Network(layers, (3,), seed=seed, dtype=dtype)


def refused(network, path, match):
    """Check that a file is refused and that the network stays as it was."""
    before = network.arena.theta.tobytes()
    with pytest.raises(RunError, match=match) as caught:
        initialize_from(network, path)
    assert caught.value.exit_code == 5
    assert str(path) in str(caught.value)
    assert network.arena.theta.tobytes() == before


def test_where_nothing_fits_it_is_said_why(tmp_path):
    path = tmp_path / "w.safetensors"
    checkpoint.save_weights(small(4, 2), path)
    refused(
        small(5, 3), path, r"no layer of it fits .*: a\.W is 3 x 5 here, 3 x 4 there; a\.b is 5"
    )
    refused(small(4, names=("z",)), path, "here the layers are z, there a, b")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["a.W", "b.b"])
def test_weights_that_are_not_finite_are_refused_even_where_they_would_not_be_used(
    name, value, tmp_path
):
    other, path = small(4, 2), tmp_path / "w.safetensors"
    other.weights()[name].flat[0] = value
    checkpoint.save_weights(other, path)
    refused(small(4, 5), path, rf"{name} holds NaN or Inf")


def test_numbers_beyond_the_networks_precision_are_refused(tmp_path):
    other, path = small(4, 2, dtype="float64"), tmp_path / "w.safetensors"
    other.weights()["b.W"][0, 0] = 1e300
    checkpoint.save_weights(other, path)
    refused(small(4, 2), path, r"b\.W holds a number that is not finite in float32")
    other.weights()["b.W"][0, 0] = 1e-300
    checkpoint.save_weights(other, path)
    initialize_from(small(4, 2), path)


def layout(**changed):
    vectors = {"theta": [["a.W", [3, 4]], ["a.b", [4]]], "state": []}
    return {"layout": {**vectors, **changed}}


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"layout": None},
        {"layout": {"a.W": [3, 4]}},
        layout(theta=None),
        layout(theta="ab"),
        layout(theta=[["a.W", [3, 4]]]),
        layout(theta=[["a.W", [3, 4]], ["a.W", [4]]]),
        layout(theta=[["a.W", [3, 4]], ["a.b", [10**9, 10**9]]]),
        layout(theta=[[["a"], [3, 4]], ["a.b", [4]]]),
        layout(theta=[["a.W", 12], ["a.b", [4]]]),
        layout(theta=[["a.W", [3, 4.0]], ["a.b", [4]]]),
        layout(theta=[["a.W", [1] * 100], ["a.b", [4]]]),
        layout(state=[["a.mean", [4]]]),
    ],
    ids=str,
)
def test_a_layout_that_is_none_is_refused(facts, tmp_path):
    network, path = small(4), tmp_path / "w.safetensors"
    arrays = {"theta": np.ones(32, "f4"), "state": np.ones(0, "f4")}
    tensors.write(path, checkpoint.WEIGHTS, arrays, layout())
    initialize_from(network, path)
    tensors.write(path, checkpoint.WEIGHTS, arrays, facts)
    refused(network, path, "not weights to start from")


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"theta": np.ones(32, "f4")},
        {"theta": np.ones((2, 16), "f4"), "state": np.ones(0, "f4")},
        {"theta": np.ones((), "f4"), "state": np.ones(0, "f4")},
        {"theta": np.ones(32, "i4"), "state": np.ones(0, "f4")},
        {"theta": np.ones(128, "?"), "state": np.ones(0, "f4")},
    ],
    ids=str,
)
def test_vectors_that_are_none_are_refused(arrays, tmp_path):
    path = tmp_path / "w.safetensors"
    tensors.write(path, checkpoint.WEIGHTS, arrays, layout())
    refused(small(4), path, "not weights to start from")


def test_what_is_no_file_of_weights_is_refused(parent, tmp_path):
    network = small(4)
    missing = tmp_path / "none"
    refused(network, missing, "no such run directory or file; `ls runs` shows the runs")
    refused(network, tmp_path, "not a run directory of bpnet")
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"PK\x03\x04...")
    refused(network, path, "a zip archive")
    tensors.write(path, "divergence", {}, {})
    refused(network, path, "found a divergence file")
    data = bytearray((parent / rundir.MODEL).read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refused(network, path, "damaged")


def test_inputs_in_another_order_and_other_inputs_are_a_warning(parent):
    columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]

    def warnings(layers=LAYERS_OF_IT, **data):
        experiment = built(layers, data=data)
        network, seen = experiment.state.network, experiment.data
        return initialize_from(network, parent, features=seen.features, target=seen.target).warnings

    assert warnings() == ()
    turned = [columns[1], columns[0], *columns[2:]]
    assert warnings(features=turned) == (
        "dense_1 was trained on these inputs in another order: sepal_length, sepal_width, "
        "petal_length, petal_width; here they are sepal_width, sepal_length, petal_length, "
        "petal_width",
    )
    renamed = [
        {**layer, "name": "new"} if i == 0 else layer for i, layer in enumerate(LAYERS_OF_IT)
    ]
    assert warnings(renamed, features=turned) == ()  # the first layer was not taken


def test_other_columns_and_other_outputs_are_a_warning(parent, tmp_path):
    rng = np.random.default_rng(0)
    rows = [",".join([*map(str, rng.normal(size=4).round(3)), "xyz"[i % 3]]) for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,d,kind", *rows]))

    def warnings(**options):
        data = {"train": str(tmp_path / "t.csv"), "target": "kind"}
        experiment = built(data=data, **options)
        seen = experiment.data
        return initialize_from(
            experiment.state.network, parent, features=seen.features, target=seen.target
        ).warnings

    assert warnings() == (
        "dense_1 was trained on other inputs: sepal_length, sepal_width, petal_length, "
        "petal_width; here they are a, b, c, d",
        "dense_2 was trained for other outputs: setosa, versicolor, virginica; "
        "here they are x, y, z",
    )


def test_a_frozen_layer_that_was_not_taken_is_a_warning(parent):
    layers = [{"type": "dense", "units": 4, "name": "first"}, *LAYERS_OF_IT]
    network = built(layers, freeze=["first", "dense_2", "batch_norm_1"]).state.network
    assert initialize_from(network, parent).warnings == tuple(
        f"{name} is frozen with the start that it drew, as it was not taken over; "
        "drop it from model.freeze"
        for name in ("first", "dense_2")
    )


def test_the_choice_of_frozen_layers_survives_the_config():
    text = config(freeze=["dense_1", "residual_*"])
    once = read_config(text, "c.yaml")
    assert once.model.freeze == ["dense_1", "residual_*"]
    again = read_config(emit_config(once), "c.yaml")
    assert again.model.freeze == once.model.freeze
    assert emit_config(again) == emit_config(once)
    assert read_config(config(), "c.yaml").model.freeze == []


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        (["dense_1", "dens_2"], r"model\.freeze\[1\]: no layer is named 'dens_2'; did you mean 'd"),
        (["tanh_1"], r"model\.freeze\[0\]: tanh_1 has no parameters that could be frozen"),
        (["*"], r"model\.freeze: every parameter of the network is frozen"),
    ],
)
def test_a_wrong_choice_is_an_error_with_its_place(freeze, message):
    with pytest.raises(ConfigError, match=message):
        built(freeze=freeze)


@pytest.mark.parametrize(
    "training",
    [{}, {"accumulate": 2, "batch_size": 16}, {"clip_norm": 0.1}, {"clip_value": 0.01}],
    ids=str,
)
def test_a_whole_training_changes_no_bit_of_what_is_frozen(parent, training):
    freeze = ["dense_1", "batch_norm_1", "residual_1"]
    state = built(
        freeze=freeze,
        seed=5,
        training={"epochs": 3, **training},
        optimizer={"type": "adamw", "weight_decay": 0.1},
        regularization={"l1": 1e-3, "l2": 1e-3, "max_norm": 0.5},
    ).state
    initialize_from(state.network, parent)
    before = copies(state.network)
    list(fit(state))
    for name, value in state.network.weights().items():
        assert (value.tobytes() == before[name].tobytes()) == (not name.startswith("dense_2")), name


def test_a_finished_training_with_frozen_layers_predicts_from_its_file(parent, tmp_path):
    model = {**CONFIG["model"], "freeze": ["dense_1", "batch_norm_1"]}
    run = bpnet.train({**CONFIG, "model": model}, run_dir=tmp_path / "run", init_from=parent)
    weights, trained = bpnet.load(run.directory).weights, bpnet.load(parent).weights
    for name, value in weights.items():
        frozen = name.startswith(("dense_1", "batch_norm_1"))
        assert (value.tobytes() == trained[name].tobytes()) == frozen, name
    row = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    assert bpnet.load(run.directory).predict([row]).shape == (1,)


def test_less_memory_is_predicted_and_taken_for_what_is_frozen():
    wide = [{"type": "dense", "units": 2000}, "relu", {"type": "dense", "units": "auto"}]
    plain, frozen = built(wide), built(wide, freeze=["dense_1"])
    spared = 3 * 4 * 5 * 2000  # gradient and two moments of 4 x 2000 weights and 2000 biases
    spared += 2 * 4 * 2000 * plain.state.batches.batch_size  # dL/dx of the two layers above
    assert plain.memory().arrays - frozen.memory().arrays == pytest.approx(spared, rel=0.01)
    assert len(frozen.state.network.arena.grad) * 10 < len(plain.state.network.arena.grad) * 4


def test_the_path_may_be_that_of_a_checkpoint(parent):
    path: Path = checkpoint.all_of(parent)[0]
    assert initialize_from(built(seed=5).state.network, path).source == path


def test_check_shows_what_is_frozen_and_how_much_is_trained():
    shown = describe(built(freeze=["dense_1", "batch_norm_1", "residual_1"]))
    frozen = {entry["layer"] for entry in shown["layers"] if entry["frozen"]}
    assert frozen == {"dense_1", "batch_norm_1", "residual_1", "residual_1.dense_1"}
    assert (shown["parameters"], shown["trained_parameters"]) == (105, 21)
    shown = describe(built())
    assert not any(entry["frozen"] for entry in shown["layers"])
    assert shown["parameters"] == shown["trained_parameters"]
