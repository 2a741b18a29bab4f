"""Going on from a file is as if nothing had happened, whatever is trained and wherever cut."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.optim.schedules import SCHEDULES
from bpnet.options import Span
from bpnet.runs import checkpoint, tensors
from bpnet.training.events import EpochEnd, StepEnd
from bpnet.training.fit import fit

FEATURES = {
    "plain": {},
    "dropout": {"layers": ("relu", "dropout")},
    "batch norm": {"layers": ("batch_norm", "relu")},
    "early stopping": {"patience": 2, "layers": ("relu",)},
    "accumulation": {"accumulate": 2, "layers": ("tanh", "dropout")},
}
CUTS = {
    "an epoch's end": [("epoch", 2)],
    "the middle of an epoch": [("step", 10)],
    "two": [("step", 3), ("epoch", 3)],
    "five": [("step", 1), ("epoch", 1), ("step", 2), ("step", 4), ("epoch", 4)],
}
OPTIONS = {
    "step": {"every": Span(7, "steps")},
    "multistep": {"milestones": [Span(1, "epochs"), Span(20, "steps")]},
    "cosine_restarts": {"period": Span(2, "epochs")},
    "exponential": {"gamma": 0.98},
    "plateau": {"patience": 1},
}
EVERYTHING = list(itertools.product(OPTIMIZERS, SCHEDULES, FEATURES, CUTS))


def training(make_state, optimizer, schedule, feature):
    return make_state(
        dtype="float32",
        optimizer=OPTIMIZERS[optimizer](learning_rate=0.02),
        schedule=SCHEDULES[schedule](**OPTIONS.get(schedule, {})),
        clip_norm=3.0,
        **FEATURES[feature],
    )


def outcome(state, rows):
    """Return everything that resuming must not change."""
    arrays = {name: array.tobytes() for name, array in state.arrays().items()}
    facts = {name: value for name, value in state.facts().items() if name != "elapsed"}
    lines = [{k: v for k, v in row.items() if k != "time_s"} for row in rows]
    return json.dumps([lines, facts], sort_keys=True), arrays


def advance(state, unit, count, rows):
    """Train until so many more steps are done, or so many epochs have been completed."""
    wanted = EpochEnd if unit == "epoch" else StepEnd
    taken = 0
    for event in fit(state):
        if isinstance(event, EpochEnd):
            rows.append(event.row)
        taken += isinstance(event, wanted)
        if isinstance(event, wanted) and (state.epoch if unit == "epoch" else taken) >= count:
            return


def uninterrupted(state):
    rows = [event.row for event in fit(state) if isinstance(event, EpochEnd)]
    return outcome(state, rows)


def check(make_state, folder, optimizer, schedule, feature, cuts):
    expected = uninterrupted(training(make_state, optimizer, schedule, feature))
    state, rows = training(make_state, optimizer, schedule, feature), []
    (folder / "checkpoints").mkdir(exist_ok=True)
    for unit, count in CUTS[cuts]:
        advance(state, unit, count, rows)
        facts = {"training": "x", "metrics": {"bytes": 0, "sha256": ""}}
        path = checkpoint.save(state, folder, facts)
        state = training(make_state, optimizer, schedule, feature)
        checkpoint.load(state, checkpoint.read(path), path)
    rows += [event.row for event in fit(state) if isinstance(event, EpochEnd)]
    assert outcome(state, rows) == expected


@pytest.mark.parametrize("case", EVERYTHING[::23], ids=", ".join)
def test_a_training_that_goes_on_from_a_file_ends_byte_equal(make_state, tmp_path, case):
    check(make_state, tmp_path, *case)


@pytest.mark.faults
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_combination_ends_byte_equal(make_state, tmp_path, optimizer):
    for case in EVERYTHING:
        if case[0] == optimizer:
            check(make_state, tmp_path, *case)


def test_the_matrix_has_every_optimizer_schedule_feature_and_cut_in_its_quick_part():
    for i, table in enumerate((OPTIMIZERS, SCHEDULES, FEATURES, CUTS)):
        assert {case[i] for case in EVERYTHING[::23]} == set(table)


def rich(make_state):
    """Return a training in which everything that is saved matters."""
    return make_state(
        layers=("batch_norm", "relu", "dropout"),
        dtype="float32",
        epochs=12,
        patience=3,
        optimizer=OPTIMIZERS["adam"](learning_rate=0.1),
        schedule=SCHEDULES["plateau"](patience=1),
    )


ARRAYS = ["theta", "state", "best/theta", "best/state"]
ARRAYS += ["optimizer/count", "optimizer/m", "optimizer/v"]
PROGRESS = ["epoch", "position", "step", "samples", "loss_sum", "weight_sum", "norm_sum", "lr"]
MONITOR = ["best", "best_epoch", "reference", "waited"]
PARTS = ["schedule", "dropout", *(f"monitor.{name}" for name in MONITOR), *PROGRESS]


@pytest.fixture
def expected(make_state):
    return uninterrupted(rich(make_state))


@pytest.fixture
def saved(make_state, tmp_path):
    """Return files of one training, cut within and at the end of epochs, with the rows so far."""
    state, rows, files = rich(make_state), [], []
    (tmp_path / "checkpoints").mkdir()
    for event in fit(state):
        if isinstance(event, EpochEnd):
            rows.append(event.row)
        if isinstance(event, StepEnd) and state.epoch >= 2 and state.position in (4, 7):
            facts = {"training": "x", "metrics": {"bytes": 0, "sha256": ""}}
            path = checkpoint.save(state, tmp_path, facts)
            files.append((checkpoint.read(path), path, list(rows)))
    return files


def end_of(make_state, file, path, rows):
    state = rich(make_state)
    checkpoint.load(state, file, path)
    rest = [event.row for event in fit(state) if isinstance(event, EpochEnd)]
    return outcome(state, [*rows, *rest])


def test_the_file_holds_what_is_left_out_below_and_nothing_else(saved):
    file = saved[0][0]
    assert set(file.arrays) == set(ARRAYS)
    others = {"layout", "watches", "mode", "elapsed", "training", "metrics", "monitor"}
    parts = {name for name in PARTS if "." not in name}
    assert set(file.facts) == parts | others
    assert set(file.facts["monitor"]) == set(MONITOR)


def test_all_of_it_gives_the_uninterrupted_end(make_state, saved, expected):
    assert len(saved) > 5
    for file, path, rows in saved:
        assert end_of(make_state, file, path, rows) == expected


@pytest.mark.parametrize("name", [*ARRAYS, *PARTS])
def test_without_one_field_some_training_ends_otherwise(make_state, saved, expected, name):
    first = rich(make_state)
    first.keep_best()
    fresh, start = first.arrays(), first.facts()
    ends = []
    for file, path, rows in saved:
        arrays, facts = dict(file.arrays), json.loads(json.dumps(file.facts))
        if name in arrays:
            arrays[name] = fresh[name]
        elif name.startswith("monitor."):
            part = name.partition(".")[2]
            facts["monitor"][part] = start["monitor"][part]
        else:
            facts[name] = start[name]
        forgetful = tensors.TensorFile(file.kind, arrays, facts)
        ends.append(end_of(make_state, forgetful, path, rows) == expected)
    assert not all(ends)


@pytest.mark.parametrize(
    "name", ["layout", "watches", "monitor", "position", "theta", "optimizer/m"]
)
def test_a_file_without_a_field_is_refused(make_state, saved, name):
    from bpnet.errors import RunError

    file, path, _ = saved[0]
    arrays = {key: array for key, array in file.arrays.items() if key != name}
    facts = {key: fact for key, fact in file.facts.items() if key != name}
    with pytest.raises(RunError, match="not a checkpoint of this training"):
        checkpoint.load(rich(make_state), tensors.TensorFile(file.kind, arrays, facts), path)


HOSTILE = {
    "epoch": [-1, 1e300, None, "x", [1]],
    "position": [-1, 10**6],
    "step": [-5],
    "samples": [-1],
    "elapsed": [-1.0, "a"],
    "dropout": [
        None,
        {},
        {"bit_generator": "MT19937"},
        {
            "bit_generator": "PCG64",
            "state": {"state": -1, "inc": 1},
            "has_uint32": 0,
            "uinteger": 0,
        },
        {"bit_generator": "PCG64", "state": {"state": 2**200, "inc": 1}, "has_uint32": 0},
    ],
    "schedule": [None, {}, {"x": 1}],
    "monitor": [None, {}, {"best": "a"}],
    "watches": [None, "val/accuracy"],
    "mode": [None, "max", 1],
    "layout": [None, {}, {"W": [10**30]}],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in HOSTILE.items() for v in vs])
def test_hostile_facts_with_a_right_checksum_are_refused(make_state, saved, name, value):
    from bpnet.errors import RunError

    file, path, _ = saved[0]
    bad = tensors.TensorFile(file.kind, file.arrays, {**file.facts, name: value})
    with pytest.raises(RunError, match="not a checkpoint of this training"):
        checkpoint.load(rich(make_state), bad, path)


@pytest.mark.parametrize("name", ["theta", "best/theta", "optimizer/v", "state"])
def test_numbers_that_are_not_finite_are_never_gone_on_from(make_state, saved, name):
    from bpnet.errors import RunError

    file, path, _ = saved[0]
    arrays = {key: array.copy() for key, array in file.arrays.items()}
    arrays[name].flat[0] = np.nan
    Path(path).write_bytes(tensors.encode(file.kind, arrays, file.facts))
    with pytest.raises(RunError, match=f"{name} holds NaN"):
        checkpoint.read(path)
