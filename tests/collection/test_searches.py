"""A search, from the files that it leaves: summed up, chosen by, and what is not there yet."""

import json

import pytest

from bpnet.collection.choosing import chosen_by_search
from bpnet.collection.searches import read_search
from bpnet.collection.summary import summarize
from bpnet.collection.trials import points_of
from bpnet.errors import RunError
from bpnet.runs import lock

CONFIG = """\
data: {train: builtin:iris}
model: {layers: [{type: dense, units: UNITS}]}
loss: mse
seed: SEED
search: {metric: val/accuracy, space: {model.layers.0.units: [4, 8]}}
"""


def trial(folder, number, units, *, status="done", best=False, **metrics):
    """Make a training of a search by its files alone."""
    directory = folder / "trials" / f"{number:04d}-ab"
    (directory / "checkpoints").mkdir(parents=True)
    config = CONFIG.replace("UNITS", str(units)).replace("SEED", str(100 + number))
    (directory / "config.resolved.yaml").write_text(config)
    facts = {"id": "a", "status": status, "seed": 0, "start": f"2026-01-0{number}T00:00:00"}
    (directory / "run.json").write_text(json.dumps({**facts, "data": [], "resumed": []}))
    (directory / ".lock").touch()
    told = {key.replace("_", "/", 1): value for key, value in metrics.items()}
    row = {"epoch": 1, "val/loss": 1.0, "time_s": 1.0, "best": True, **told}
    (directory / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    if status == "done":
        result = {"epochs": 1, "monitor": "val/loss", "best": 1.0, "best_epoch": 1}
        result |= {"metrics": told, "training_s": 1.0}
        (directory / "result.json").write_text(json.dumps(result))
    if best:
        (folder / "best.txt").write_text(f"trials/{directory.name}\n")
    return directory


def point(number, units, score, **more):
    return {
        "rank": number,
        "tied": False,
        "trial": number,
        "state": "done",
        "values": {"model.layers.0.units": units},
        "score": score,
        "interval": None,
        "metrics": {"val/accuracy": score},
        "epochs": 1,
        "reason": None,
        "run": f"trials/{number:04d}-ab",
        **more,
    }


@pytest.fixture
def search(tmp_path):
    """Return the directory of a search with two trainings, not summed up."""
    folder = tmp_path / "s-001"
    trial(folder, 1, 4, val_accuracy=0.5)
    trial(folder, 2, 8, val_accuracy=0.75, best=True)
    (folder / "search.sqlite").touch()
    (folder / "config.yaml").write_text(CONFIG)
    return folder


@pytest.fixture
def leaderboard(search):
    """Return a function that writes the leaderboard of the search."""

    def write(points, **more):
        told = {"metric": "val/accuracy", "mode": "max", "method": "grid", "complete": True}
        told |= {"importance": {"model.layers.0.units": 0.5}, "points": points, **more}
        (search / "leaderboard.json").write_text(json.dumps(told))

    return write


def test_a_search_is_summed_up_by_its_best_point(search, leaderboard):
    leaderboard([point(1, 8, 0.75, trial=2, run="trials/0002-ab"), point(2, 4, 0.5, trial=1)])
    found = read_search(search)
    assert (found.status, found.metric, found.mode, found.method) == (
        *("done", "val/accuracy", "max", "grid"),
    )
    assert (found.trials, found.start) == (2, "2026-01-01T00:00:00")
    assert found.best.values == {"model.layers.0.units": 8}
    assert found.best_run == search / "trials" / "0002-ab"
    entry = summarize(search)
    assert (entry.kind, entry.monitor, entry.best) == ("search", "val/accuracy", 0.75)
    assert entry.reason == "trial 2 of 2"
    assert entry.metrics == {"val/accuracy": 0.75}
    assert not entry.finished  # no model: `best` of a folder chooses among runs


def test_a_search_tells_whether_it_runs_and_whether_it_is_done(search, leaderboard):
    assert read_search(search).status == "cut off"
    leaderboard([point(1, 8, 0.75)], complete=False)
    assert read_search(search).status == "interrupted"
    with lock.hold(search):
        assert read_search(search).status == "running"


def test_ties_keep_their_sign_and_points_that_failed_have_no_place(search, leaderboard):
    failed = point(3, 2, None, rank=None, state="failed", reason="out of memory", metrics={})
    leaderboard([point(1, 8, 0.75, tied=True), point(1, 4, 0.7, tied=True), failed])
    found = read_search(search)
    assert [p.place for p in found.points] == ["1=", "1=", ""]
    assert found.points[2].reason == "out of memory"


def test_a_point_that_was_trained_several_times_has_all_its_runs(search, leaderboard):
    trainings = [{"run": "trials/0001-ab"}, {"run": "trials/0002-ab"}]
    leaderboard([point(1, 8, 0.75, interval=0.1, trials=trainings)])
    (best,) = read_search(search).points
    assert [run.name for run in best.runs] == ["0001-ab", "0002-ab"]


def test_the_best_of_a_search_is_by_its_own_metric(search, leaderboard):
    with pytest.raises(RunError, match="no best run yet"):
        chosen_by_search(search)
    leaderboard([point(1, 8, 0.75, trial=2)])
    found = chosen_by_search(search)
    assert (found.run.name, found.metric, found.mode, found.value) == (
        *("0002-ab", "val/accuracy", "max", 0.75),
    )


def test_a_search_without_a_leaderboard_is_told_by_its_runs(search):
    trial(search, 3, 8, status="running", val_accuracy=0.6)
    found = read_search(search)
    assert (found.summed_up, found.metric, found.points) == (False, "val/accuracy", [])
    points = points_of(found)
    assert [(p.trial, p.state, p.score) for p in points] == [
        (2, "done", 0.75),
        (3, "cut off", 0.6),
        (1, "done", 0.5),
    ]
    # The seed differs between all trials, so it says nothing.
    assert [p.values for p in points] == [{"model.layers.0.units": units} for units in (8, 8, 4)]
    assert not any(p.place for p in points)


def test_what_best_txt_names_must_lie_in_the_search(search, leaderboard):
    leaderboard([point(1, 8, 0.75)])
    for named in ("../elsewhere", "trials/../..", "trials/0009-no", "", "/etc"):
        (search / "best.txt").write_text(named)
        assert read_search(search).best_run is None


@pytest.mark.parametrize(
    "change",
    [
        {"points": 3},
        {"points": [3]},
        {"points": [{}]},
        {"points": [point(1, 1, 1.0, rank="x")]},
        {"points": [point(1, 1, 1.0, values=3)]},
        {"metric": None, "mode": None, "points": None},
        {"importance": {"a": "x"}},
        {"points": [point(1, 1, 10**400)]},
    ],
)
def test_a_damaged_leaderboard_is_an_error_that_names_it(search, leaderboard, change):
    leaderboard(**{"points": [point(1, 8, 0.5)], **change})
    with pytest.raises(RunError, match=r"leaderboard\.json: damaged"):
        read_search(search)
    assert summarize(search).status == "damaged"
