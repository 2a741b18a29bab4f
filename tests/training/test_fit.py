import itertools

import numpy as np
import pytest

from bpnet.errors import DivergedError
from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.optim.schedules import SCHEDULES
from bpnet.training.events import EpochEnd, Improved, LearningRateDropped, Started, StepEnd, Stopped
from bpnet.training.fit import fit


def rows_of(events):
    return [{k: v for k, v in e.row.items() if k != "time_s"} for e in events]


def test_a_training_tells_its_start_every_step_every_epoch_and_why_it_ended(make_state):
    state = make_state(epochs=3)
    kinds = [type(event) for event in fit(state) if not isinstance(event, Improved)]
    assert kinds == [Started, *([*[StepEnd] * 7, EpochEnd] * 3), Stopped]
    assert (state.epoch, state.step, state.samples) == (3, 21, 150)


def test_a_row_of_metrics_has_loss_metrics_learning_rate_and_norm(make_state):
    row = next(e.row for e in fit(make_state()) if isinstance(e, EpochEnd))
    assert list(row) == [
        "epoch",
        "step",
        "samples",
        "lr",
        "time_s",
        "train/loss",
        "val/loss",
        "val/accuracy",
        "grad_norm",
        "best",
    ]
    assert row["epoch"] == 1
    assert row["step"] == 7
    assert row["grad_norm"] > 0


def test_equal_trainings_are_byte_equal(make_state):
    states = [make_state(layers=("batch_norm", "relu", "dropout"), dtype="float32") for _ in "ab"]
    rows = [rows_of(e for e in fit(s) if isinstance(e, EpochEnd)) for s in states]
    assert rows[0] == rows[1]
    assert states[0].network.arena.theta.tobytes() == states[1].network.arena.theta.tobytes()


def test_another_seed_gives_another_order(make_state):
    first, second = make_state(seed=1), make_state(seed=2)
    for state in (first, second):
        list(fit(state))
    assert first.network.arena.theta.tobytes() != second.network.arena.theta.tobytes()


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("rows", [48, 50, 45], ids=["even", "odd last batch", "odd last step"])
def test_accumulated_batches_equal_one_batch_as_large_as_all(make_state, rows, weighted):
    options = {"rows": rows, "weighted": weighted, "epochs": 3}
    small = make_state(batch_size=4, accumulate=4, **options)
    large = make_state(batch_size=16, **options)
    small_rows, large_rows = (
        rows_of(e for e in fit(state) if isinstance(e, EpochEnd)) for state in (small, large)
    )
    assert small.step == large.step
    np.testing.assert_allclose(
        small.network.arena.theta, large.network.arena.theta, rtol=1e-9, atol=1e-12
    )
    for a, b in zip(small_rows, large_rows, strict=True):
        assert a["train/loss"] == pytest.approx(b["train/loss"], rel=1e-10)
        assert a["grad_norm"] == pytest.approx(b["grad_norm"], rel=1e-10)


def test_the_training_loss_is_the_mean_over_rows_not_over_batches(make_state):
    state = make_state(
        rows=50, batch_size=48, epochs=1, optimizer=OPTIMIZERS["sgd"](learning_rate=1e-300)
    )
    row = next(e.row for e in fit(state) if isinstance(e, EpochEnd))
    data = state.batches.data
    whole = state.loss.forward(state.network.predict(data.x), data.target)
    assert row["train/loss"] == pytest.approx(whole, rel=1e-12)


def test_early_stopping_ends_the_training_and_the_best_weights_come_back(make_state):
    state = make_state(epochs=300, patience=5, optimizer=OPTIMIZERS["adam"](learning_rate=0.2))
    events = list(fit(state))
    stopped = events[-1]
    assert isinstance(stopped, Stopped)
    assert stopped.reason == "early_stopping"
    assert state.epoch < 300
    assert state.epoch == state.monitor.best_epoch + 5
    losses = {e.epoch: e.row["val/loss"] for e in events if isinstance(e, EpochEnd)}
    assert state.use_best()
    valid = state.validation
    again = state.loss.forward(state.network.predict(valid.x), valid.target)
    assert again == losses[state.monitor.best_epoch] == min(losses.values())


def test_a_time_limit_ends_the_training_after_a_step(make_state):
    state = make_state(epochs=10_000, time_limit=0.0)
    assert list(fit(state))[-1].reason == "time_limit"
    assert state.step == 1


def test_a_stop_request_pauses_after_the_step_and_the_rest_is_as_if_nothing_happened(make_state):
    whole = make_state()
    expected = rows_of(e for e in fit(whole) if isinstance(e, EpochEnd))
    state = make_state()
    rows = []
    for count, event in enumerate(fit(state)):
        if isinstance(event, EpochEnd):
            rows.append(event)
        if count == 17:
            state.stop_request = "enough"
    assert event == Stopped("interrupted", "enough")
    state.stop_request = ""
    rows += [e for e in fit(state) if isinstance(e, EpochEnd)]
    assert rows_of(rows) == expected
    assert state.network.arena.theta.tobytes() == whole.network.arena.theta.tobytes()


def test_a_diverging_training_stops_before_the_bad_step_changes_a_weight(make_state):
    state = make_state(
        dtype="float32", layers=(), optimizer=OPTIMIZERS["sgd"](learning_rate=1e37), epochs=50
    )
    before = None

    def watch():
        nonlocal before
        for _ in fit(state):
            before = state.network.arena.theta.copy()

    with pytest.raises(DivergedError, match=r"diverged at step \d+ \(epoch \d+\) on a batch of"):
        watch()
    np.testing.assert_array_equal(state.network.arena.theta, before)


def test_a_bad_input_is_named_by_its_layer(make_state):
    state = make_state()
    state.network.arena.params["dense_2.b"].value[2] = np.inf
    with pytest.raises(DivergedError, match=r"weights dense_2\.b are not finite"):
        list(fit(state))


def test_plateau_lowers_the_learning_rate_and_says_so(make_state):
    schedule = SCHEDULES["plateau"](factor=0.1, patience=0)
    state = make_state(
        epochs=40, schedule=schedule, optimizer=OPTIMIZERS["adam"](learning_rate=0.3)
    )
    events = list(fit(state))
    drops = [e for e in events if isinstance(e, LearningRateDropped)]
    assert drops
    assert drops[0].after == pytest.approx(0.1 * drops[0].before)


RESUMED = {
    "adam, dropout": {"layers": ("relu", "dropout")},
    "nadam, batch norm": {"layers": ("batch_norm",), "optimizer": "nadam"},
    "momentum, plateau, accumulation": {
        "optimizer": "momentum",
        "schedule": "plateau",
        "accumulate": 2,
    },
    "rmsprop, one cycle, patience": {
        "optimizer": "rmsprop",
        "schedule": "one_cycle",
        "patience": 4,
    },
}


def named(make_state, options):
    options = dict(options)
    if "optimizer" in options:
        options["optimizer"] = OPTIMIZERS[options["optimizer"]](learning_rate=0.02)
    if "schedule" in options:
        options["schedule"] = SCHEDULES[options["schedule"]]()
    return make_state(dtype="float32", **options)


@pytest.mark.parametrize("options", RESUMED.values(), ids=RESUMED)
@pytest.mark.parametrize("steps", [1, 5, 7, 11, 23])
def test_a_training_restored_from_its_saved_state_ends_byte_equal(make_state, options, steps):
    whole = named(make_state, options)
    expected = rows_of(e for e in fit(whole) if isinstance(e, EpochEnd))

    first = named(make_state, options)
    rows = []
    taken = itertools.count(1)
    for event in fit(first):
        if isinstance(event, EpochEnd):
            rows.append(event)
        if isinstance(event, StepEnd) and next(taken) == steps:
            break
    arrays = {name: array.copy() for name, array in first.arrays().items()}
    second = named(make_state, options)
    second.restore(arrays, first.facts())
    rows += [e for e in fit(second) if isinstance(e, EpochEnd)]
    assert rows_of(rows) == expected
    assert second.network.arena.theta.tobytes() == whole.network.arena.theta.tobytes()
    assert second.best_theta.tobytes() == whole.best_theta.tobytes()
    final, reference = second.optimizer.state(), whole.optimizer.state()
    assert all(final[name].tobytes() == reference[name].tobytes() for name in reference)
