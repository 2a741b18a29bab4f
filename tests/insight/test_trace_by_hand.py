"""The numbers of a trace are those of a network that was worked by hand, in plain Python."""

import json
import math

import numpy as np
import pytest
import small_configs

from bpnet.config.document import Document
from bpnet.insight.exact import build_exact
from bpnet.insight.trace.document import document
from bpnet.insight.trace.recording import trace_step
from bpnet.nn.layers.base import Pass
from bpnet.training.events import StepEnd
from bpnet.training.fit import learn

XOR = (
    small_configs.XOR.replace("binary_cross_entropy", "LOSS")
    + "optimizer: {type: sgd, learning_rate: 0.5}\n"
    + "training: {batch_size: full}\n"
)

W1 = [[0.5, -0.4], [0.3, 0.8]]
B1 = [0.1, -0.2]
W2 = [0.7, -0.6]
B2 = 0.05


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def by_hand(rows, loss):
    """Return one step of a 2-2-1 network on some rows: nothing but floats and loops."""
    count = len(rows)
    found = {"h": [], "a": [], "z": [], "dz": [], "da": [], "dh": [], "loss": 0.0}
    gw1, gb1 = [[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0]
    gw2, gb2 = [0.0, 0.0], 0.0
    for (x1, x2), t in rows:
        h = [x1 * W1[0][j] + x2 * W1[1][j] + B1[j] for j in range(2)]
        a = [sigmoid(value) for value in h]
        z = a[0] * W2[0] + a[1] * W2[1] + B2
        if loss == "mse":
            found["loss"] += (z - t) ** 2 / count
            dz = 2 * (z - t) / count
        else:
            p = sigmoid(z)
            found["loss"] += -(t * math.log(p) + (1 - t) * math.log(1 - p)) / count
            dz = (p - t) / count
        da = [dz * W2[j] for j in range(2)]
        dh = [da[j] * a[j] * (1 - a[j]) for j in range(2)]
        for j in range(2):
            gw2[j] += a[j] * dz
            gb1[j] += dh[j]
            gw1[0][j] += x1 * dh[j]
            gw1[1][j] += x2 * dh[j]
        gb2 += dz
        for name, value in [("h", h), ("a", a), ("z", [z]), ("dz", [dz]), ("da", da), ("dh", dh)]:
            found[name].append(value)
    lr = 0.5
    found["new"] = {
        "dense_1.W": [[W1[i][j] - lr * gw1[i][j] for j in range(2)] for i in range(2)],
        "dense_1.b": [B1[j] - lr * gb1[j] for j in range(2)],
        "dense_2.W": [[W2[j] - lr * gw2[j]] for j in range(2)],
        "dense_2.b": [B2 - lr * gb2],
    }
    found["gradient"] = {
        "dense_1.W": gw1,
        "dense_1.b": gb1,
        "dense_2.W": [[g] for g in gw2],
        "dense_2.b": [gb2],
    }
    return found


def traced(rows, loss):
    document = Document.parse(XOR.replace("LOSS", loss)).override(["data.target_scale=none"])
    experiment, _ = build_exact(document)
    experiment.state.network.take(
        {
            "dense_1.W": np.array(W1),
            "dense_1.b": np.array(B1),
            "dense_2.W": np.array(W2)[:, None],
            "dense_2.b": np.array([B2]),
        }
    )
    return trace_step(experiment, rows)


TABLE = [((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((1, 1), 0)]
exactly = {"rtol": 1e-13, "atol": 1e-16}


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy"])
@pytest.mark.parametrize("rows", [[1], [2], [3, 0], [0, 1, 2, 3]])
def test_a_2_2_1_network_worked_by_hand(rows, loss):
    found = traced(rows, loss)
    hand = by_hand([TABLE[row] for row in rows], loss)
    layers = found.layers
    np.testing.assert_allclose(found.x, [TABLE[row][0] for row in rows])
    np.testing.assert_allclose(layers["dense_1"].y, hand["h"], **exactly)
    np.testing.assert_allclose(layers["sigmoid_1"].y, hand["a"], **exactly)
    np.testing.assert_allclose(layers["dense_2"].y, hand["z"], **exactly)
    np.testing.assert_allclose(found.loss.value, hand["loss"], **exactly)
    np.testing.assert_allclose(found.loss.dz, hand["dz"], **exactly)
    np.testing.assert_allclose(layers["sigmoid_1"].dy, hand["da"], **exactly)
    np.testing.assert_allclose(layers["dense_1"].dy, hand["dh"], **exactly)
    for tensor in found.tensors:
        np.testing.assert_allclose(tensor.of_loss, hand["gradient"][tensor.name], **exactly)
        np.testing.assert_allclose(tensor.gradient, hand["gradient"][tensor.name], **exactly)
        np.testing.assert_allclose(tensor.after, hand["new"][tensor.name], **exactly)
        np.testing.assert_allclose(tensor.numeric.values, tensor.gradient, rtol=1e-6, atol=1e-10)
    for step in layers.values():
        np.testing.assert_allclose(step.numeric.values, step.dy, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(found.numeric.values, layers["dense_1"].dx, rtol=1e-6, atol=1e-10)


def test_the_document_has_the_same_numbers():
    found = traced([1, 2], "binary_cross_entropy")
    hand = by_hand([TABLE[1], TABLE[2]], "binary_cross_entropy")
    told = json.loads(json.dumps(document(found)))
    assert [layer["layer"] for layer in told["forward"]] == ["dense_1", "sigmoid_1", "dense_2"]
    np.testing.assert_allclose(told["forward"][1]["y"], hand["a"], **exactly)
    np.testing.assert_allclose(told["loss"]["dz"], hand["dz"], **exactly)
    assert [layer["layer"] for layer in told["backward"]] == ["dense_2", "sigmoid_1", "dense_1"]
    np.testing.assert_allclose(told["backward"][1]["dx"], hand["dh"], **exactly)
    tensors = {tensor["tensor"]: tensor for tensor in told["update"]["tensors"]}
    for name, new in hand["new"].items():
        np.testing.assert_allclose(tensors[name]["after"], new, **exactly)
        np.testing.assert_allclose(
            tensors[name]["by_differences"], hand["gradient"][name], rtol=1e-6, atol=1e-10
        )


IRIS = """\
data: {train: builtin:iris, target: species}
model:
  layers:
    - {type: dense, units: 6}
    - {type: batch_norm}
    - {type: dropout, rate: 0.4}
    - {type: residual, layers: [{type: dense, units: 6}, {type: relu}]}
    - {type: dense, units: auto}
loss: cross_entropy
training: {batch_size: 16}
"""


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["optimizer=adamw", "regularization={l1: 0.01, l2: 0.1, max_norm: 0.8}"],
        ["optimizer=nadam", "training={batch_size: 16, clip_norm: 0.1, clip_value: 0.02}"],
        ["optimizer={type: rmsprop, centered: true, momentum: 0.5}", "model.freeze=[dense_1]"],
    ],
)
def test_the_step_is_that_of_the_training_to_the_last_bit(overrides):
    """Trace the very batch that the training takes next, and let another one just learn it."""
    experiment, _ = build_exact(Document.parse(IRIS).override(overrides))
    batches = experiment.state.batches
    order = batches.order(0)
    rows = batches.data.rows[batches.group(order, 5)[0]].tolist()

    other, _ = build_exact(Document.parse(IRIS).override(overrides))
    done, step = StepEnd(), Pass(train=True, rng=other.state.dropout)
    for _ in range(6):
        learn(other.state, order, step, done)

    found = trace_step(experiment, rows, after=5)
    mine, theirs = experiment.state.network.arena, other.state.network.arena
    np.testing.assert_array_equal(mine.theta, theirs.theta)
    np.testing.assert_array_equal(mine.state, theirs.state)
    assert found.loss.value == done.loss
    assert found.rule.norm == done.grad_norm
    assert found.rule.lr == done.lr
    assert found.rule.step == 6
    for tensor in found.tensors:
        np.testing.assert_array_equal(tensor.after, mine.params[tensor.name].value)
        if tensor.numeric is not None and not tensor.frozen:
            known = ~np.isnan(tensor.numeric.values) & ~tensor.numeric.kinks
            np.testing.assert_allclose(
                tensor.numeric.values[known], tensor.gradient[known], rtol=1e-5, atol=1e-9
            )


def test_where_nothing_is_trained_there_are_no_derivatives():
    experiment, _ = build_exact(Document.parse(IRIS).override(["model.freeze=[dense_1]"]))
    found = trace_step(experiment, ())
    assert found.layers["dense_1"].dy is None
    assert found.layers["batch_norm_1"].dx is not None
    frozen = [tensor for tensor in found.tensors if tensor.frozen]
    assert [tensor.name for tensor in frozen] == ["dense_1.W", "dense_1.b"]
    assert all(np.array_equal(tensor.after, tensor.before) for tensor in frozen)


def test_the_loss_after_the_step_is_that_of_the_new_weights():
    found = traced([1, 2], "binary_cross_entropy")
    again, _ = build_exact(Document.parse(XOR.replace("LOSS", "binary_cross_entropy")))
    again.state.network.take({tensor.name: tensor.after for tensor in found.tensors})
    z = again.state.network.predict(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert found.loss.after == again.state.loss.forward(z, np.array([[1.0], [1.0]]))
    assert found.loss.after < found.loss.value


def test_a_relu_exactly_on_its_kink_is_marked():
    text = XOR.replace("LOSS", "binary_cross_entropy").replace("sigmoid", "relu")
    experiment, _ = build_exact(Document.parse(text))  # biases of 0, and the inputs of row 0 too
    found = trace_step(experiment, [0])
    bias = next(tensor for tensor in found.tensors if tensor.name == "dense_1.b")
    assert bias.numeric.kinks.all()
    weights = next(tensor for tensor in found.tensors if tensor.name == "dense_1.W")
    assert not weights.numeric.kinks.any()


@pytest.mark.parametrize("after", [7, 8, 14])
def test_after_steps_the_weights_are_those_of_the_training(after):
    """Also at the end of an epoch, where a schedule may have heard of its result."""
    from bpnet.training.events import EpochEnd
    from bpnet.training.fit import fit

    overrides = ["schedule={type: plateau, patience: 1, factor: 0.5}", "training.epochs=3"]
    experiment, _ = build_exact(Document.parse(IRIS).override(overrides))
    other, _ = build_exact(Document.parse(IRIS).override(overrides))
    assert other.state.batches.steps == 7
    taken, lr = 0, None
    for event in fit(other.state):
        taken += isinstance(event, StepEnd)
        ended = isinstance(event, EpochEnd) if after % 7 == 0 else True
        if taken == after and ended:
            lr = other.state.schedule.lr(other.state.step)
            break
    theta = other.state.network.arena.theta.copy()
    found = trace_step(experiment, (), after=after)
    for tensor in found.tensors:
        start = other.state.network.arena.params[tensor.name].value
        np.testing.assert_array_equal(tensor.before, start)
    assert found.rule.lr == lr
    assert np.array_equal(theta, other.state.network.arena.theta)
