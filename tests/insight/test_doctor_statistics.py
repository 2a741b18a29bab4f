"""The doctor's statistics, against networks that can be worked out by hand."""

import math

import numpy as np
import pytest

from bpnet.config.document import Document
from bpnet.config.write import dump
from bpnet.data.dataset import Dataset
from bpnet.experiment import build
from bpnet.insight.doctor.constant import best_constant, constant_loss
from bpnet.insight.doctor.looking import Updates, look
from bpnet.insight.doctor.places import layers as places_of_layers
from bpnet.insight.doctor.rules import RULES
from bpnet.insight.untouched import untouched
from bpnet.nn.layers.base import Pass
from bpnet.nn.losses import LOSSES
from bpnet.training.events import StepEnd
from bpnet.training.fit import fit, learn


def experiment(layers, *overrides, train="builtin:iris", target="species", loss="cross_entropy"):
    content = {
        "name": "t",
        "dtype": "float64",
        "data": {"train": train, "target": target, "validation": 0.2, "test": 0},
        "model": {"layers": layers},
        "loss": loss,
        "training": {"epochs": 3, "batch_size": 50},
    }
    return build(Document.parse(dump(content)).override(overrides))


def dense(units="auto", **options):
    return {"type": "dense", "units": units, **options}


def layer(seen, name):
    return next(layer for layer in seen.layers if layer.name == name)


def test_dead_units_are_those_that_are_0_for_every_row():
    made = experiment([dense(4), {"type": "relu"}, dense()])
    params = made.state.network.arena.params
    params["dense_1.W"].value[...] = 0
    params["dense_1.b"].value[...] = [1, -1, 0, 2]  # 0 is no output either
    assert layer(look(made.state), "relu_1").dead == 0.5
    params["dense_1.b"].value[...] = 1
    assert layer(look(made.state), "relu_1").dead == 0


def test_a_unit_that_is_alive_for_a_single_row_is_not_dead():
    made = experiment([dense(2), {"type": "relu"}, dense()])
    params = made.state.network.arena.params
    params["dense_1.W"].value[...] = np.eye(4, 2)
    x = made.state.batches.data.x
    params["dense_1.b"].value[...] = -x[:, :2].max(axis=0) + [1e-9, -1e-9]
    assert layer(look(made.state), "relu_1").dead == 0.5


@pytest.mark.parametrize(("kind", "edge"), [("tanh", 2.185), ("sigmoid", 4.357)])
def test_saturated_is_where_the_slope_is_below_a_twentieth(kind, edge):
    # tanh' = 1 - tanh² is 0.05 at 2.1847; 4 σ (1 - σ) = 1 - tanh²(x / 2) is at 4.3694.
    made = experiment([dense(2), {"type": kind}, dense()])
    params = made.state.network.arena.params
    params["dense_1.W"].value[...] = 0
    params["dense_1.b"].value[...] = [edge * 0.99, -edge * 1.02]
    assert layer(look(made.state), f"{kind}_1").saturated == 0.5


def test_sizes_and_deltas_are_those_of_the_whole_batch():
    made = experiment([dense(5), {"type": "tanh"}, dense()])
    state = made.state
    seen = look(state)
    data, params = state.batches.data, state.network.arena.params
    w1, b1, w2, b2 = (params[f"dense_{i}.{p}"].value for i in (1, 2) for p in "Wb")
    hidden = np.tanh(data.x @ w1 + b1)
    z = hidden @ w2 + b2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    dz = p - np.eye(3)[data.target]
    dh = dz @ w2.T * (1 - hidden**2)
    assert layer(seen, "dense_2").size == pytest.approx(math.sqrt(np.square(z).mean()))
    assert layer(seen, "dense_2").delta == pytest.approx(math.sqrt(np.square(dz).sum(1).mean()))
    assert layer(seen, "dense_1").delta == pytest.approx(math.sqrt(np.square(dh).sum(1).mean()))
    assert seen.gradient_ratio == layer(seen, "dense_1").delta / layer(seen, "dense_2").delta
    assert math.isnan(layer(seen, "tanh_1").delta)
    assert seen.input_size == pytest.approx(math.sqrt(np.square(data.x).mean()))


def test_looking_changes_nothing():
    stack = [dense(6), {"type": "batch_norm"}, {"type": "relu"}, {"type": "dropout", "rate": 0.4}]
    first, second = (experiment([*stack, dense()]) for _ in range(2))
    look(first.state)
    assert all("forward" not in vars(layer) for _, layer, _ in first.state.network.walk())
    for made in (first, second):
        list(fit(made.state))
    assert first.state.network.arena.theta.tobytes() == second.state.network.arena.theta.tobytes()
    assert first.state.network.arena.state.tobytes() == second.state.network.arena.state.tobytes()
    assert first.state.facts()["dropout"] == second.state.facts()["dropout"]


def test_frozen_layers_have_no_gradient_to_judge():
    made = experiment([dense(6), {"type": "relu"}, dense()], "model.freeze=[dense_1]")
    assert [layer.name for layer in look(made.state).weighted] == ["dense_2"]
    assert math.isnan(look(made.state).gradient_ratio)


def test_twins_are_units_with_the_same_weights():
    assert look(experiment([dense(4), {"type": "relu"}, dense()]).state).twins == []
    made = experiment([dense(4, init="zeros"), {"type": "relu"}, dense()])
    assert look(made.state).twins == ["dense_1"]
    made = experiment([dense(4), {"type": "relu"}, dense(init="zeros")])
    assert look(made.state).twins == []  # the last layer may start at 0


def test_updates_are_measured_relative_to_the_weights():
    made = experiment([dense()], "optimizer={type: sgd, learning_rate: 0.1}")
    state = made.state
    updates = Updates(state)
    w = state.network.arena.params["dense_1.W"]
    before = w.value.copy()
    updates.before()
    learn(state, state.batches.order(0), Pass(train=True), StepEnd())
    updates.after()
    expected = np.linalg.norm(w.value - before) / np.linalg.norm(before)
    assert updates.medians() == {"dense_1.W": pytest.approx(expected)}


def test_a_training_is_untouched_after_anything():
    made, plain = (experiment([dense(6), {"type": "dropout"}, dense()]) for _ in range(2))
    state = made.state
    schedule, batches = state.schedule, state.batches

    def spoil():
        with untouched(state):
            list(fit(state))
            state.schedule = state.batches = None
            raise RuntimeError("anything")

    with pytest.raises(RuntimeError, match="anything"):
        spoil()
    assert (state.schedule, state.batches) == (schedule, batches)
    for one in (state, plain.state):
        list(fit(one))
    for name, array in state.arrays().items():
        assert array.tobytes() == plain.state.arrays()[name].tobytes()


CASES = {
    "mse": {},
    "mae": {},
    "huber": {"delta": 0.7},
    "cross_entropy": {"label_smoothing": 0.1, "class_weight": [1.0, 5.0, 0.5]},
    "binary_cross_entropy": {"label_smoothing": 0.2, "class_weight": [3.0, 0.5]},
}


def test_every_loss_has_its_constant():
    assert CASES.keys() == LOSSES.keys()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_no_other_constant_is_better(name, weighted):
    rng = np.random.default_rng(1)
    loss, n = LOSSES[name](**CASES[name]), 60
    outputs = {"class": 3, "binary": 2, "number": 1}[loss.target]
    target = {
        "class": rng.choice(3, n, p=[0.2, 0.1, 0.7]),
        "binary": (rng.random((n, 2)) < [0.1, 0.6]).astype(float),
        "number": rng.exponential(1.0, (n, 1)),
    }[loss.target]
    weight = rng.uniform(0.1, 2, n) if weighted and name not in ("mae", "huber") else None
    loss.build(outputs, dtype="float64")
    data = Dataset(np.zeros((n, 1)), target, weight)
    z = best_constant(loss, data)
    least = constant_loss(loss, data, z)
    # The mean or median of an asymmetric target is near, not at, the least Huber loss.
    room = 0.05 * least if name == "huber" else 1e-9
    for _ in range(200):
        other = z + rng.normal(0, 0.3, z.shape)
        assert constant_loss(loss, data, other) >= least - room


def test_places_lead_to_the_layers_that_they_name():
    inner = {"type": "residual", "layers": [dense(6), {"type": "relu"}, dense(6)],
             "projection": dense(6)}  # fmt: skip
    made = experiment([dense(6), {"type": "sigmoid"}, inner, dense()])
    places = places_of_layers(made)
    assert set(places) == {name for name, _, _ in made.state.network.walk()}
    overrides = [
        f"{places['sigmoid_1'][0]}.type=tanh",
        f"{places['residual_1.dense_2'][0]}.units=6",
    ]
    changed = build(made.document.override(overrides))
    assert [layer.type for layer in changed.config.model.layers][1] == "tanh"


def test_rules_are_in_their_table_under_their_names():
    assert [rule.name for rule in RULES.values()] == list(RULES)
