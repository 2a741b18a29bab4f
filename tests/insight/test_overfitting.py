"""Learning a few rows by heart: it works for what is sound, and fails with a reason otherwise."""

import numpy as np
import pytest

from bpnet.config.document import Document
from bpnet.config.write import dump
from bpnet.data.dataset import Dataset
from bpnet.errors import UsageError
from bpnet.experiment import build
from bpnet.insight.overfitting import STEPS, choose, overfit
from bpnet.optim.optimizers import OPTIMIZERS


def experiment(*overrides, train="builtin:digits", target="digit", loss="cross_entropy"):
    content = {
        "name": "t",
        "data": {"train": train, "target": target, "validation": 0.2, "test": 0},
        "model": {
            "layers": [
                {"type": "dense", "units": 32},
                {"type": "relu"},
                {"type": "dense", "units": "auto"},
            ]
        },
        "loss": loss,
        "optimizer": {"type": "adam", "learning_rate": 0.01},
    }
    return build(Document.parse(dump(content)).override(overrides))


NUMBER = {"train": "builtin:concrete", "target": "compressive_strength", "loss": "mse"}
BINARY = {"train": "builtin:spirals", "target": "y", "loss": "binary_cross_entropy"}


@pytest.mark.parametrize("count", [1, 2, 17, 64])
def test_a_sound_network_learns_rows_by_heart(count):
    found = overfit(experiment(), count)
    assert found.learned
    assert len(found.rows) == count
    assert found.floor == 0
    assert found.loss <= 0.01 * max(found.constant, 1)
    assert found.steps < STEPS
    assert found.hints == []


RATES = {"sgd": 0.1, "momentum": 0.05, "nesterov": 0.05, "adagrad": 0.05}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_can(kind):
    made = experiment(f"optimizer={{type: {kind}, learning_rate: {RATES.get(kind, 0.01)}}}")
    assert overfit(made, 20).learned


@pytest.mark.parametrize("task", [NUMBER, BINARY], ids=["number", "binary"])
def test_every_kind_of_target_can(task):
    assert overfit(experiment(**task), 16).learned


def test_everything_that_gets_in_the_way_is_switched_off_and_named():
    made = experiment(
        "model.layers.1={type: dropout, rate: 0.9}",
        "regularization.l2=1",
        "optimizer={type: adamw, learning_rate: 0.01, weight_decay: 5}",
        "loss={type: cross_entropy, label_smoothing: 0.5}",
        "schedule={type: cosine, warmup: 5 epochs}",
        "early_stopping={patience: 1}",
    )
    found = overfit(made, 32)
    assert found.learned
    assert found.switched_off == [
        *("dropout", "regularization", "weight decay", "label smoothing", "schedule"),
        "early stopping",
    ]


def test_a_rate_that_does_not_work_is_answered_with_one_that_does():
    found = overfit(experiment("optimizer={type: sgd, learning_rate: 1e-3}"), 16)
    assert not found.learned
    assert found.rate == 0.1 or found.rate == 0.01
    again = overfit(experiment(f"optimizer={{type: sgd, learning_rate: {found.rate}}}"), 16)
    assert again.learned


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("model.init=zeros", "initialization"),
        ("model.layers.0.bias_init={type: constant, value: -50}", "dead_relu"),
        ("training.clip_norm=1e-9", "constant answer"),
        ("model.layers.0.units=1", "more units"),
    ],
)
def test_a_network_that_can_not_says_why(override, hint):
    found = overfit(experiment(override, "optimizer.type=sgd"), 20)
    assert not found.learned
    assert found.steps == STEPS
    assert any(hint in text for text in found.hints)


def test_an_output_that_does_not_suit_is_named_with_its_change():
    made = experiment(
        "model.layers=[{type: dense, units: 32}, {type: relu}, {type: dense, units: auto}, "
        "{type: tanh}]"
    )
    found = overfit(made, 20)
    assert not found.learned
    assert any("model.layers.3.type=identity" in hint for hint in found.hints)


def test_equal_inputs_with_different_targets_have_a_floor(tmp_path):
    lines = ["a,y", *(f"{i // 2},{'pq'[i % 2]}" for i in range(8)), "9,p", "10,q"]
    (tmp_path / "d.csv").write_text("\n".join(lines) + "\n")
    made = experiment("data.validation=0", train=str(tmp_path / "d.csv"), target="y")
    found = overfit(made, 10)
    assert found.floor == pytest.approx(0.8 * np.log(2))
    assert found.learned  # as much as can be
    assert "rows 0 and 1 of the data (from 0) have equal inputs" in found.hints[0]


def test_a_floor_of_numbers_is_their_spread(tmp_path):
    (tmp_path / "d.csv").write_text("a,y\n0,1\n0,3\n1,7\n2,9\n")
    made = experiment("data.validation=0", "data.target_scale=none",
                      train=str(tmp_path / "d.csv"), target="y", loss="mse")  # fmt: skip
    found = overfit(made, 4)
    assert found.floor == pytest.approx(2 * 1 / 4)
    assert found.learned


def test_rows_are_taken_evenly_from_the_classes():
    target = np.array([0] * 90 + [1] * 8 + [2] * 2)
    data = Dataset(np.zeros((100, 1)), target)
    counts = np.bincount(target[choose(data, 12, seed=0)])
    assert counts.tolist() == [5, 5, 2]
    assert np.bincount(target[choose(data, 100, seed=0)]).tolist() == [90, 8, 2]
    yes = Dataset(np.zeros((100, 1)), (target > 0).astype(np.float32)[:, None])
    assert yes.target[choose(yes, 20, seed=1)].sum() == 10


def test_rows_are_chosen_by_the_seed_and_stand_in_order():
    data = Dataset(np.zeros((100, 1)), np.arange(100.0)[:, None])
    first = choose(data, 10, seed=0)
    assert (np.diff(first) > 0).all()
    assert (choose(data, 10, seed=0) == first).all()
    assert (choose(data, 10, seed=1) != first).any()


@pytest.mark.parametrize("count", [0, -3, 10_000])
def test_a_number_of_rows_that_there_is_not_is_refused(count):
    with pytest.raises(UsageError, match="expected 1 to 14"):
        overfit(experiment(), count)


def test_a_training_that_diverges_is_no_crash():
    found = overfit(experiment("optimizer={type: sgd, learning_rate: 1e6}", **NUMBER), 8)
    assert not found.learned


def test_of_a_rate_far_from_any_usual_one_a_usual_one_is_proposed():
    found = overfit(experiment("optimizer.learning_rate=1e-12"), 8, steps=400)
    assert not found.learned
    assert found.rate in (1e-3, 1e-2, 1e-1)


def test_a_loss_that_grows_is_not_said_to_stand_still():
    made = experiment("optimizer={type: sgd, learning_rate: 30}", **NUMBER)
    found = overfit(made, 8, steps=4)
    assert not found.learned
    assert any("the loss grows" in hint or "diverged" in hint for hint in found.hints)


def test_the_rows_are_named_by_their_numbers_in_the_file():
    made = experiment()
    data = made.state.batches.data
    found = overfit(made, 12)
    chosen = choose(data, 12, made.config.seed)
    assert found.rows == data.rows[chosen].tolist() != chosen.tolist()
