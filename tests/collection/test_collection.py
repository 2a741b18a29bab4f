"""Runs of a folder: summarized, compared, chosen among, removed."""

import json
import os

import pytest

from bpnet.collection import removing
from bpnet.collection.choosing import choose, mode_of
from bpnet.collection.comparing import brief, compare
from bpnet.collection.summary import summarize, summarize_all
from bpnet.errors import RunError, UsageError
from bpnet.runs import lock

CONFIG = """\
name: a
data: {train: builtin:iris}
model:
  layers:
    - {type: dense, units: 8}
    - {type: relu}
loss: mse
optimizer: {type: adam, learning_rate: 0.1}
"""


@pytest.fixture
def make(tmp_path):
    """Return a function that makes a run directory by its files alone."""

    def run(name, status="done", config=CONFIG, rows=(), start="2026-01-01T00:00:00", **metrics):
        directory = tmp_path / "runs" / name
        (directory / "checkpoints").mkdir(parents=True)
        facts = {"id": name, "status": status, "seed": 0, "start": start, "resumed": []}
        (directory / "run.json").write_text(json.dumps({**facts, "data": [], "versions": {}}))
        (directory / "config.resolved.yaml").write_text(config)
        (directory / ".lock").touch()
        (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        if metrics:
            metrics = {key.replace("_", "/", 1): value for key, value in metrics.items()}
            result = {
                "epochs": 3,
                "monitor": "val/loss",
                "best": 0.5,
                "best_epoch": 2,
                "metrics": metrics,
                "training_s": 1.5,
            }
            (directory / "result.json").write_text(json.dumps(result))
        return directory

    return run


def test_a_finished_run_is_summed_up_from_its_result(make):
    found = summarize(make("a-001", val_loss=0.25))
    assert (found.kind, found.status, found.epochs, found.seconds) == ("run", "done", 3, 1.5)
    assert found.metrics == {"val/loss": 0.25}
    assert found.finished


def test_an_unfinished_run_is_summed_up_from_its_best_epoch(make):
    rows = [
        {"epoch": 1, "val/loss": 0.5, "time_s": 1.0, "best": True},
        {"epoch": 2, "val/loss": 0.7, "time_s": 2.0, "best": False},
    ]
    found = summarize(make("a-001", "interrupted", rows=rows))
    assert (found.epochs, found.best_epoch, found.seconds) == (2, 1, 3.0)
    assert found.metrics == {"val/loss": 0.5}
    assert not found.finished


def test_a_run_that_says_running_while_nobody_writes_was_cut_off(make):
    directory = make("a-001", "running")
    assert summarize(directory).status == "cut off"
    with lock.hold(directory):
        assert summarize(directory).status == "running"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.json", "{"),
        ("run.json", "[]"),
        ("result.json", "{}"),
        ("result.json", '{"epochs": "x"}'),
        ("result.json", '{"epochs": 1, "monitor": "m", "best": 1, "best_epoch": 1, "metrics": 3}'),
    ],
)
def test_a_broken_run_is_listed_as_damaged(make, tmp_path, name, text):
    make("b-001", val_loss=1)
    (make("a-001", val_loss=1) / name).write_text(text)
    found = {run.name: run.kind for run in summarize_all(tmp_path / "runs")}
    assert found == {"a-001": "damaged", "b-001": "run"}


def test_a_run_directory_without_its_run_json_is_damaged_and_other_folders_are_left_out(
    make, tmp_path
):
    directory = make("a-001")
    (directory / "run.json").unlink()
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "runs" / "file.txt").touch()
    assert [run.status for run in summarize_all(tmp_path / "runs")] == ["damaged"]
    with lock.hold(directory):
        assert summarize(directory).status == "starting"


def test_a_search_is_one_entry_and_its_trials_are_listed_below_it(make, tmp_path):
    trial = make("s-001/trials/0001-ab", val_loss=1)
    (tmp_path / "runs" / "s-001" / "search.sqlite").touch()
    (found,) = summarize_all(tmp_path / "runs")
    assert (found.kind, found.status, found.reason) == ("search", "cut off", "1 trial")
    assert [run.directory for run in summarize_all(tmp_path / "runs" / "s-001")] == [trial]


def test_a_folder_that_is_none_is_refused(make, tmp_path):
    with pytest.raises(RunError, match="no such folder"):
        summarize_all(tmp_path / "nowhere")
    with pytest.raises(RunError, match="a run itself"):
        summarize_all(make("a-001"))


def test_best_is_the_least_or_the_most_as_the_metric_is(make, tmp_path):
    make("a-001", val_loss=0.3, val_accuracy=0.8)
    make("a-002", val_loss=0.2, val_accuracy=0.9)
    make("a-003", val_loss=0.2, val_accuracy=0.7)
    make("a-004", "running")
    runs = summarize_all(tmp_path / "runs")
    assert choose(runs).run.name == "a-002"  # of two that are equal the first by name
    assert choose(runs, "val/accuracy").run.name == "a-002"
    assert choose(runs, "val/accuracy", "min").run.name == "a-003"
    assert choose(runs, "val/loss", "max").run.name == "a-001"
    with pytest.raises(UsageError, match="did you mean 'val/accuracy'"):
        choose(runs, "val/acuracy")
    with pytest.raises(RunError, match="no finished run"):
        choose([run for run in runs if not run.finished])


def test_which_way_a_metric_is_better_is_known_of_all_metrics():
    from bpnet.training.metrics import METRICS

    for name, metric in METRICS.items():
        assert mode_of(f"val/{name}") == metric.mode
    assert mode_of("test/f1_macro") == "max"
    assert mode_of("val/top_3") == "max"
    assert mode_of("loss") == "min"
    with pytest.raises(UsageError, match="--mode max"):
        mode_of("val/lossy")


def test_only_options_that_differ_are_compared(make):
    other = CONFIG.replace("0.1", "0.2").replace("units: 8", "units: 16")
    found = compare(
        [make("a-001", val_loss=0.5), make("a-002", config=other, val_loss=0.75, val_f1=1)]
    )
    options = {row.name: row.values for row in found.rows if row.part == "config"}
    assert options == {"model.layers.0.units": (8, 16), "optimizer.learning_rate": (0.1, 0.2)}
    loss = next(row for row in found.rows if row.name == "val/loss")
    assert (loss.values, loss.difference(1)) == ((0.5, 0.75), 0.25)
    f1 = next(row for row in found.rows if row.name == "val/f1")
    assert (f1.values, f1.difference(1)) == ((None, 1), None)


def test_blocks_of_another_type_are_compared_as_a_whole(make):
    other = CONFIG.replace("{type: adam, learning_rate: 0.1}", "{type: sgd, learning_rate: 0.3}")
    more = CONFIG.replace("    - {type: relu}\n", "")
    found = compare([make("a"), make("b", config=other), make("c", config=more)])
    rows = {row.name: [brief(value) for value in row.values] for row in found.rows}
    assert rows["optimizer"] == ["adam 0.1", "sgd 0.3", "adam 0.1"]
    assert rows["model.layers"] == ["dense 8, relu", "dense 8, relu", "dense 8"]


def test_a_comparison_is_written_as_csv_markdown_and_json(make):
    found = compare([make("a", val_loss=0.5), make("b", val_loss=0.75)])
    assert found.as_csv() == (
        "part,name,a,b,b - a\nmetric,val/loss,0.5,0.75,0.25\n"
    )  # fmt: skip
    assert "| val/loss | 0.5 | 0.75 (+0.25) |" in found.as_markdown()
    assert found.as_json()["metrics"]["val/loss"] == {
        "values": [0.5, 0.75],
        "differences": [None, 0.25],
    }


def test_runs_that_cannot_be_compared_are_refused(make, tmp_path):
    a = make("a", val_loss=1)
    broken = make("b", val_loss=1)
    (broken / "run.json").write_text("{")
    for runs, error in (([a], UsageError), ([a, a], UsageError), ([a, broken], RunError)):
        with pytest.raises(error):
            compare(runs)
    with pytest.raises(RunError, match="no such run directory"):
        compare([a, tmp_path / "nowhere"])


def test_removing_takes_the_whole_directory_and_follows_no_link(make, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    directory = make("a-001", val_loss=1)
    (directory / "link").symlink_to(precious)
    (planned,) = removing.plan([directory])
    removing.remove(planned)
    assert not os.path.lexists(directory)
    assert list((tmp_path / "runs").iterdir()) == []
    assert (precious / "file").read_text() == "mine"


def test_a_search_is_removed_as_a_whole_but_no_single_trial(make, tmp_path):
    trial = make("s-001/trials/0001-ab", val_loss=1)
    search = tmp_path / "runs" / "s-001"
    (search / "search.sqlite").touch()
    with pytest.raises(UsageError, match="a trial"):
        removing.plan([trial])
    (planned,) = removing.plan([search])
    assert planned.trials == 1
    with lock.hold(trial), pytest.raises(RunError, match="another bpnet writes there"):
        removing.plan([search])
    removing.remove(planned)
    assert not search.exists()


def test_what_must_stay_stays_and_nothing_else_is_removed_either(make, tmp_path, monkeypatch):
    fine = make("a-001", val_loss=1)
    folder = tmp_path / "folder"
    (folder / "checkpoints").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(fine)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "run.json").write_text('{"run": "of another tool"}')
    for other, message in (
        (folder, "not a run directory"),
        (foreign, "not a run directory"),
        (tmp_path / "nowhere", "no such run directory"),
        (link, "a link, which is not followed"),
        (tmp_path / "runs", "not a run directory"),
        (fine, "there twice"),
    ):
        with pytest.raises((RunError, UsageError), match=message):
            removing.plan([fine, other])
    monkeypatch.chdir(fine / "checkpoints")
    with pytest.raises(UsageError, match="you are in it"):
        removing.plan([fine])
    monkeypatch.chdir(tmp_path)
    with lock.hold(fine), pytest.raises(RunError, match="another bpnet writes there"):
        removing.plan([fine])
    assert (fine / "run.json").exists()


def test_a_damaged_run_can_be_removed(make):
    directory = make("a-001")
    (directory / "run.json").write_text("{")
    removing.remove(*removing.plan([directory]))
    assert not directory.exists()
