"""Every number that a trace explains is the one that the training itself computed."""

import math
import re

import numpy as np
import pytest

from bpnet.config.document import Document
from bpnet.insight.exact import build_exact
from bpnet.insight.trace.changes import changes
from bpnet.insight.trace.curves import CURVES
from bpnet.insight.trace.derivations import DERIVATIONS, all_derivations
from bpnet.insight.trace.formulas import LAYER_FORMULAS, LOSS_FORMULAS
from bpnet.insight.trace.outcomes import OUTCOMES, outcome_of
from bpnet.insight.trace.recording import trace_step
from bpnet.insight.trace.updates import UPDATES
from bpnet.nn.layers import LAYERS
from bpnet.nn.losses import LOSSES
from bpnet.optim.optimizers import OPTIMIZERS

IRIS = "data: {train: builtin:iris, target: species}"
CONCRETE = "data: {train: builtin:concrete}"
XOR = "data: {train: builtin:xor, target: y, validation: 0, test: 0, numeric: {scale: none}}"

STACKS = {
    "dense": ["{type: dense, units: 2, bias: false}"],
    "relu": ["{type: relu}"],
    "leaky_relu": ["{type: leaky_relu, slope: 0.2}"],
    "elu": ["{type: elu, alpha: 1.7}"],
    "gelu": ["{type: gelu}", "{type: gelu, approximate: tanh}"],
    "swish": ["{type: swish, beta: 1.5}"],
    "sigmoid": ["{type: sigmoid}"],
    "tanh": ["{type: tanh}"],
    "softplus": ["{type: softplus, beta: 2}"],
    "softmax": ["{type: softmax}"],
    "identity": ["{type: identity}"],
    "dropout": ["{type: dropout, rate: 0.4}", "{type: dropout, rate: 0}"],
    "batch_norm": ["{type: batch_norm}", "{type: batch_norm, affine: false, epsilon: 0.1}"],
    "layer_norm": ["{type: layer_norm}", "{type: layer_norm, over: all, affine: false}"],
    "flatten": ["{type: flatten}"],
    "reshape": ["{type: reshape, shape: [7]}", "{type: reshape, shape: [7, 1]}, {type: flatten}"],
    "residual": [
        "{type: residual, layers: [{type: dense, units: 7}, {type: tanh}]}",
        "{type: residual, layers: [{type: dense, units: 3}, {type: relu}], "
        "projection: {type: dense, units: 3}}",
    ],
}

LOSS_CONFIGS = {
    "cross_entropy": [
        (IRIS, "cross_entropy"),
        (IRIS, "{type: cross_entropy, label_smoothing: 0.2}"),
        (IRIS, "{type: cross_entropy, class_weight: [1, 0.5, 3]}"),
    ],
    "binary_cross_entropy": [
        (XOR, "binary_cross_entropy"),
        (XOR, "{type: binary_cross_entropy, label_smoothing: 0.1, class_weight: 3}"),
    ],
    "mse": [(CONCRETE, "mse")],
    "mae": [(CONCRETE, "mae")],
    "huber": [(CONCRETE, "{type: huber, delta: 0.3}"), (CONCRETE, "{type: huber, delta: 50}")],
}

OPTIMIZER_CONFIGS = {
    "sgd": ["sgd", "{type: sgd, weight_decay: 0.1}"],
    "momentum": ["momentum", "{type: momentum, dampening: 0.3, weight_decay: 0.1}"],
    "nesterov": ["{type: nesterov, weight_decay: 0.2, decoupled_weight_decay: true}"],
    "adagrad": ["{type: adagrad, learning_rate_decay: 0.5, initial_accumulator_value: 0.1}"],
    "rmsprop": ["rmsprop", "{type: rmsprop, centered: true, momentum: 0.8}"],
    "adam": ["adam", "{type: adam, weight_decay: 0.1, beta1: 0.5, epsilon: 0.1}"],
    "amsgrad": ["amsgrad"],
    "nadam": ["nadam"],
    "adamw": ["{type: adamw, weight_decay: 0.3, learning_rate: 0.1}"],
}


def config(data=IRIS, layers="{type: tanh}", loss="cross_entropy", more=""):
    stack = f"{{type: dense, units: 7, bias_init: {{type: normal, std: 0.3}}}}, {layers}"
    return (
        f"{data}\nmodel:\n  layers: [{stack}, {{type: dense, units: auto}}]\nloss: {loss}\n"
        f"training: {{batch_size: 16}}\n{more}"
    )


def trace(text, rows=(0,), after=0):
    experiment, _ = build_exact(Document.parse(text))
    return trace_step(experiment, list(rows), after=after)


def train_rows(text, count):
    experiment, _ = build_exact(Document.parse(text))
    return experiment.data.datasets["train"].rows[:count].tolist()


def evaluated(numbers):
    """Return what an expression of a derivation amounts to, and the sizes of what it adds up."""
    text = re.sub(r"√([\d.]+(?:e[+-]?\d+)?)", r"sqrt(\1)", numbers).replace("√(", "sqrt(")
    text = text.replace("·", "*").replace("²", "**2").replace("^", "**")
    known = {"exp": math.exp, "log": math.log, "tanh": math.tanh, "sqrt": math.sqrt, "max": max}
    value = eval(text, {"__builtins__": {}}, known)  # written by bpnet itself
    sizes = [abs(float(n)) for n in re.findall(r"[\d.]+(?:e[+-]?\d+)?", text)]
    return value, max(sizes, default=1.0)


def assert_adds_up(derivation):
    value, size = evaluated(derivation.numbers)
    assert value == pytest.approx(derivation.value, rel=1e-3, abs=2e-4 * size), derivation


def assert_layers_hold(found):
    count = 0
    for derivation, number in all_derivations(found):
        assert derivation.value == pytest.approx(number, rel=1e-9, abs=1e-12), derivation
        assert_adds_up(derivation)
        count += 1
    assert count


def test_every_layer_loss_and_optimizer_is_explained():
    assert LAYER_FORMULAS.keys() == LAYERS.keys() == DERIVATIONS.keys() == STACKS.keys()
    assert LOSS_FORMULAS.keys() == LOSSES.keys() == OUTCOMES.keys() == LOSS_CONFIGS.keys()
    assert UPDATES.keys() == OPTIMIZERS.keys() == OPTIMIZER_CONFIGS.keys()
    assert CURVES.keys() < LAYERS.keys()
    for formula in [*LAYER_FORMULAS.values(), *LOSS_FORMULAS.values()]:
        assert formula.forward
        assert formula.backward
        assert formula.why
    for update in UPDATES.values():
        assert update.formula
        assert update.why


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("name", "layers"), [(name, text) for name, texts in STACKS.items() for text in texts]
)
def test_the_numbers_of_every_layer_come_about_as_it_says(name, layers, rows):
    text = config(layers=layers)
    found = trace(text, train_rows(text, rows), after=3)
    types = {step.type for step in found.layers.values()}
    assert name in types
    assert_layers_hold(found)
    for step in found.layers.values():
        formula = LAYER_FORMULAS[step.type]
        assert formula.gradients.keys() >= {tensor.short for tensor in step.tensors}


def test_a_frozen_batch_norm_is_explained_by_its_running_averages():
    text = config(layers="{type: batch_norm}, {type: tanh}").replace(
        "model:", "model:\n  freeze: [batch_norm_1]"
    )
    found = trace(text, train_rows(text, 3))
    assert_layers_hold(found)
    assert not np.allclose(found.layers["batch_norm_1"].y.mean(axis=0), 0)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("name", "data", "loss"),
    [(name, *case) for name, cases in LOSS_CONFIGS.items() for case in cases],
)
def test_the_numbers_of_every_loss_come_about_as_it_says(name, data, loss, rows):
    text = config(data, loss=loss)
    found = trace(text, train_rows(text, rows))
    assert found.loss.loss.type == name
    outcome = outcome_of(found)
    value = outcome.value()
    assert value.value == pytest.approx(found.loss.value, rel=1e-12)
    assert_adds_up(value)
    for n in range(rows):
        assert_adds_up(outcome.of_row(n))
        for k in range(found.loss.z.shape[1]):
            gradient = outcome.gradient(n, k)
            assert gradient.value == pytest.approx(found.loss.dz[n, k], rel=1e-12, abs=1e-15)
            assert_adds_up(gradient)
            meaning = outcome.meaning(n, k)
            if meaning is not None:
                assert meaning.value == pytest.approx(found.loss.meaning[n, k], rel=1e-12)
                assert_adds_up(meaning)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_the_chain_rule_written_out_gives_the_short_formula(loss):
    text = config(IRIS if loss == "cross_entropy" else XOR, loss=loss)
    found = trace(text, train_rows(text, 1))
    outcome = outcome_of(found)
    lines = outcome.chain(0)
    for line in lines:
        assert_adds_up(line)
    by_z = {line.symbol: line.value for line in lines if line.symbol.startswith("dL/dz")}
    assert by_z
    for symbol, value in by_z.items():
        k = int(symbol.removeprefix("dL/dz[").rstrip("]"))
        assert value == pytest.approx(found.loss.dz[0, k], rel=1e-9)


@pytest.mark.parametrize("after", [0, 4])
@pytest.mark.parametrize(
    ("name", "optimizer"),
    [(name, text) for name, texts in OPTIMIZER_CONFIGS.items() for text in texts],
)
def test_the_new_weights_come_about_as_every_optimizer_says(name, optimizer, after):
    assert_updates_hold(f"optimizer: {optimizer}\n", name, after)


@pytest.mark.parametrize(
    "more",
    [
        "regularization: {l1: 0.01}",
        "regularization: {l2: 0.3}",
        "regularization: {l1: 0.02, l2: 0.1, max_norm: 0.5}",
        "training: {batch_size: 16, clip_norm: 0.01}",
        "training: {batch_size: 16, clip_value: 0.001}",
        "training: {batch_size: 16, clip_norm: 0.05, clip_value: 0.01}",
        "schedule: {type: cosine, warmup: 1 epoch}",
    ],
)
def test_penalties_clipping_and_schedules_are_part_of_it(more):
    base = config().replace("training: {batch_size: 16}\n", "") if "training" in more else config()
    found = trace(f"{base}{more}\noptimizer: {{type: adamw, learning_rate: 0.1}}\n", (), 2)
    assert_changes_hold(found)


def assert_updates_hold(more, name, after):
    text = config(more=more)
    found = trace(text, train_rows(text, 2), after)
    assert found.rule.optimizer.type == name
    assert_changes_hold(found)


def assert_changes_hold(found):
    for tensor in found.tensors:
        for index in np.ndindex(tensor.shape):
            lines = changes(found.rule, tensor, index)
            new = lines[-1].value
            assert lines[-1].symbol == "new w"
            assert new == pytest.approx(tensor.after[index], rel=1e-9, abs=1e-12), lines
            for line in lines[1:]:
                value, size = evaluated(line.numbers)
                assert value == pytest.approx(line.value, rel=1e-3, abs=1e-4 * size), line
