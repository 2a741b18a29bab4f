"""The gradients of a config, checked on its own data."""

import numpy as np
import pytest

from bpnet.config.document import Document
from bpnet.errors import CheckFailedError
from bpnet.insight.exact import build_exact
from bpnet.insight.gradients import check
from bpnet.nn.layers.activations import Tanh
from bpnet.nn.layers.dense import Dense
from bpnet.optim.regularization import Regularization

IRIS = """\
data: {train: builtin:iris, target: species}
model:
  layers:
    - {type: dense, units: 8}
    - {type: tanh}
    - {type: dense, units: auto}
loss: cross_entropy
training: {batch_size: 20}
"""


def build(text=IRIS, *overrides):
    experiment, _ = build_exact(Document.parse(text).override(overrides))
    return experiment


def test_right_gradients_pass_with_a_row_for_every_tensor_and_the_input():
    report = check(build())
    assert [error.name for error in report.errors] == [
        *("everything", "input", "dense_1.W", "dense_2.W", "dense_1.b", "dense_2.b")
    ]
    assert not report.wrong
    assert 0 < report.largest.error < 1e-7
    assert report.batches == (20, 5)  # 105 training rows: the first batch, and the last
    assert [error.entries for error in report.tensors] == [40, 40, 40, 16, 6]


def test_it_is_float64_whatever_the_config_says_and_leaves_the_training_as_it_was():
    experiment = build(IRIS, "dtype=float32")
    arena = experiment.state.network.arena
    assert arena.dtype == np.float64
    theta = arena.theta.copy()
    x = experiment.state.batches.data.x.copy()
    check(experiment)
    assert np.array_equal(arena.theta, theta)
    assert np.array_equal(experiment.state.batches.data.x, x)


@pytest.mark.parametrize(
    "overrides",
    [
        ["regularization={l1: 0.01, l2: 0.1}"],
        ["loss={type: cross_entropy, class_weight: [1, 5, 0.2], label_smoothing: 0.1}"],
        ["model.layers.1={type: dropout, rate: 0.5}"],
        ["model.layers.1={type: relu}"],
        ["model.layers.1={type: batch_norm}"],
        ["model.layers.1={type: layer_norm}"],
        ["model.layers.1={type: residual, layers: [{type: dense, units: 8}, {type: relu}]}"],
        ["training.batch_size=1"],
        ["training.batch_size=full"],
        ["training={batch_size: 8, accumulate: 3}"],
        ["training.shuffle=false"],
    ],
)
def test_every_part_of_the_loss_is_included(overrides):
    report = check(build(IRIS, *overrides))
    assert not report.wrong, report.wrong


def test_relus_and_absolute_errors_have_kinks_and_pass():
    text = (
        "data: {train: builtin:xor, target: y, validation: 0, test: 0, numeric: {scale: none}}\n"
        "model: {layers: [{type: dense, units: 30}, {type: relu}, {type: dense, units: 1}]}\n"
        "loss: mae\n"
    )
    assert not check(build(text), entries=1000).wrong


def test_row_weights_are_included(tmp_path):
    rows = "\n".join(f"{i % 5},{i % 7},{i % 3},{0.5 + i % 4}" for i in range(60))
    (tmp_path / "d.csv").write_text(f"a,b,y,w\n{rows}\n")
    text = (
        f"data: {{train: {tmp_path}/d.csv, target: y, weight: w}}\n"
        "model: {layers: [{type: dense, units: 4}, {type: gelu}, {type: dense, units: auto}]}\n"
        "loss: cross_entropy\n"
    )
    experiment = build(text)
    assert experiment.state.batches.data.weight is not None
    assert not check(experiment).wrong
    # and they matter: the gradient without them is another one
    wrong = build(text)
    forward = wrong.state.loss.forward
    backward = wrong.state.loss.backward
    seen = []

    def remember(z, target, weight=None, total=None):
        seen[:] = [(z.copy(), target.copy())]
        return forward(z, target, weight, total)

    def unweighted():
        backward()
        z, target = seen[0]
        p = wrong.state.loss.predict(z)
        p[np.arange(len(p)), target] -= 1
        return p / len(p)

    vars(wrong.state.loss).update(forward=remember, backward=unweighted)
    assert check(wrong).wrong


def test_frozen_tensors_are_named_and_not_checked():
    report = check(build(IRIS.replace("model:", "model:\n  freeze: [dense_1]")))
    assert report.frozen == ("dense_1.W", "dense_1.b")
    assert [error.name for error in report.tensors] == ["input", "dense_2.W", "dense_2.b"]
    assert not report.wrong


def test_a_wrong_backward_pass_of_a_layer_is_found(monkeypatch):
    right = Tanh.backward
    monkeypatch.setattr(Tanh, "backward", lambda self, dy, *, need_dx=True: dy if need_dx else None)
    report = check(build())
    assert {error.name for error in report.wrong} == {
        *("everything", "input", "dense_1.W", "dense_1.b")
    }
    monkeypatch.setattr(Tanh, "backward", right)
    assert not check(build()).wrong


def test_a_mistake_that_only_a_smaller_last_batch_shows_is_found(monkeypatch):
    """As if the bias were summed with ones of the first batch's length."""
    right = Dense.backward

    def stale(self, dy, *, need_dx=True):
        dx = right(self, dy, need_dx=need_dx)
        if len(dy) == 5 and self.b is not None:
            self.b.grad *= 20 / 5
        return dx

    monkeypatch.setattr(Dense, "backward", stale)
    assert {error.name for error in check(build()).wrong} == {
        *("everything", "dense_1.b", "dense_2.b")
    }
    assert check(build(), batches=1).wrong  # the last batch is always among them


def test_a_forgotten_penalty_is_found(monkeypatch):
    monkeypatch.setattr(Regularization, "add_gradient", lambda self, arena: None)
    report = check(build(IRIS, "regularization.l2=0.1"))
    assert {error.name for error in report.wrong} == {"everything", "dense_1.W", "dense_2.W"}


def test_a_loss_that_is_not_finite_is_said():
    experiment = build()
    experiment.state.network.arena.theta[:] = 1e308
    with pytest.raises(CheckFailedError, match="nothing to compare"):
        check(experiment)


def test_large_batches_are_cut():
    report = check(build(IRIS, "training.batch_size=full"), rows=7)
    assert report.batches == (7,)
    assert report.errors[1].shape == (7, 4)


def test_the_weights_of_a_run_can_be_put_in(tmp_path):
    from bpnet.runs.checkpoint import save_weights

    trained = build(IRIS, "seed=5")
    save_weights(trained.state.network, tmp_path / "w.safetensors")
    document = Document.parse(IRIS)
    experiment, transfer = build_exact(document, tmp_path / "w.safetensors")
    assert transfer is not None
    assert len(transfer.taken) == 4
    theta = experiment.state.network.arena.theta
    assert np.array_equal(theta, trained.state.network.arena.theta)
    assert not check(experiment).wrong
