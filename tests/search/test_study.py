"""Searches from the config to the leaderboard."""

import concurrent.futures
import json
import multiprocessing
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from bpnet import model, session
from bpnet.config.document import Document
from bpnet.errors import BpnetError, ConfigError, RefusedError, RunError
from bpnet.experiment import build
from bpnet.runs import rundir
from bpnet.search import answer, directories, running, store
from bpnet.search.plan import make_plan
from bpnet.search.running import Crew

FILES = (answer.CSV, answer.JSON, answer.PLOT, answer.BEST, answer.BEST_CONFIG)


def outputs(found):
    return {name: (found.directory / name).read_bytes() for name in FILES}


def states(found):
    return [(trial.number, trial.outcome.state) for trial in found.trials]


def test_a_grid_is_tried_and_the_best_is_a_run_as_any_other(plan, search):
    found = search(plan())
    assert states(found) == [(i, "done") for i in range(1, 7)]
    answered = found.answer
    assert [row.rank for row in answered.rows] == sorted(row.rank for row in answered.rows)
    best = answered.rows[0]
    assert best.score == max(row.score for row in answered.rows)
    directory = found.directory / (found.directory / answer.BEST).read_text().strip()
    result = rundir.read_json(directory / rundir.RESULT)
    assert result["metrics"]["val/accuracy"] == best.score == answered.validation
    assert result["metrics"]["test/accuracy"] == answered.test
    assert answered.test_rows == 22
    again = build(Document.read(str(found.directory / answer.BEST_CONFIG)))
    with session.begin(again, run_dir=found.directory.parent / "again") as begun:
        list(begun.events())
    assert (begun.directory / rundir.MODEL).read_bytes() == (directory / rundir.MODEL).read_bytes()


def test_the_leaderboard_is_the_same_for_any_number_of_workers(plan, search):
    one = outputs(search(plan(), "1"))
    for workers in (1, 2, 8):
        assert outputs(search(plan(), f"w{workers}", workers=workers)) == one


@pytest.mark.slow
def test_the_leaderboard_is_the_same_from_other_executors(plan, search):
    one = outputs(search(plan(), "1"))
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        assert outputs(search(plan(), "pool", crew=Crew(pool, 2))) == one
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        assert outputs(search(plan(), "threads", crew=Crew(threads, 3))) == one


@pytest.mark.parametrize(
    "method",
    [
        "{type: random, points: 6}",
        "{type: sobol, points: 4}",
        "{type: tpe, points: 6, startup: 3, batch: 2}",
        "{type: halving, points: 6}",
        "hyperband",
    ],
)
def test_every_method_gives_the_same_for_any_number_of_workers(method, plan, search):
    if "tpe" in method:
        pytest.importorskip("optuna")
    chosen = f"search.method={method}"
    wide = "search.space.optimizer.learning_rate={log_uniform: [1e-3, 1]}"
    one = outputs(search(plan(chosen, wide), "1"))
    assert outputs(search(plan(chosen, wide), "2", workers=2)) == one


def test_a_finished_search_is_not_carried_out_again(plan, search, at_once):
    search(plan())
    executor = at_once()
    found = search(plan(), crew=Crew(executor, 1))
    assert executor.count == 0
    assert found.is_complete


@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_search_that_was_cut_off_goes_on(plan, search, at_once, after):
    def stop_after(progress):
        stop_after.count += progress.ended is not None
        if stop_after.count >= after:
            raise KeyboardInterrupt

    stop_after.count = 0
    with pytest.raises(KeyboardInterrupt):
        search(plan(), watch=stop_after)
    executor = at_once()
    found = search(plan(), crew=Crew(executor, 1))
    assert executor.count <= 6 - after
    assert outputs(found) == outputs(search(plan(), "whole"))


def test_a_finished_trial_that_was_not_written_down_is_taken_as_it_is(plan, search, at_once):
    found = search(plan())
    before = outputs(found)
    models = [p.stat().st_mtime_ns for p in sorted(found.directory.glob("trials/*/result.json"))]
    (found.directory / store.STORE).unlink()
    again = search(plan())
    assert outputs(again) == before
    after = [p.stat().st_mtime_ns for p in sorted(found.directory.glob("trials/*/result.json"))]
    assert after == models


def test_trials_with_damaged_or_half_made_directories_are_trained_anew(plan, search):
    found = search(plan())
    before = outputs(found)
    (found.directory / store.STORE).unlink()
    trials = sorted(found.directory.glob("trials/*"))
    (trials[0] / rundir.RESULT).unlink()
    (trials[1] / rundir.RESULT).write_text("{")
    (trials[2] / rundir.RESULT).unlink()
    (trials[2] / rundir.RUN).write_text("no JSON")
    (trials[3] / rundir.RESULT).unlink()
    (trials[3] / rundir.RUN).unlink()
    shutil.rmtree(trials[4] / rundir.CHECKPOINTS)
    (trials[4] / rundir.RESULT).unlink()
    assert outputs(search(plan())) == before


def test_new_values_add_points_and_old_ones_are_kept(plan, search, at_once):
    search(plan())
    executor = at_once()
    found = search(
        plan("search.space.optimizer.learning_rate=[0.01, 0.05, 1e-1]"),
        crew=Crew(executor, 1),
    )
    assert executor.count == 2
    assert sorted(trial.number for trial in found.trials) == [1, 2, 3, 4, 7, 8]
    assert len(found.store.trials) == 8


def test_another_config_shares_no_trial(plan, search, at_once):
    search(plan())
    executor = at_once()
    search(plan("training.epochs=4"), crew=Crew(executor, 1))
    assert executor.count == 6


def test_what_changes_no_number_changes_no_point(plan):
    def hashes(*overrides):
        return [point.hash for point in plan(*overrides).space.grid()]

    assert hashes("checkpoint.keep=5", "name=other", "search.seeds=2") == hashes()
    assert hashes("seed=1") != hashes()
    assert hashes("search.pruning=[median]") != hashes()


def test_seeds_come_from_the_search_and_the_point(plan, search):
    found = search(plan("search.seeds=2"))
    seeds = [trial.seed for trial in found.trials]
    assert len(set(seeds)) == 12
    assert seeds[::2] == [trial.seed for trial in search(plan(), "single").trials]
    assert not set(seeds) & {t.seed for t in search(plan("seed=1"), "other").trials}


def test_repeated_points_are_ranked_by_their_mean(plan, search):
    found = search(plan("search.seeds=3"))
    for row in found.answer.rows:
        scores = [trial.outcome.score for trial in row.tried.trials]
        assert row.score == pytest.approx(np.mean(scores))
        assert row.spread == pytest.approx(4.30265273 * np.std(scores, ddof=1) / np.sqrt(3))
    leader, *others = found.answer.rows
    for row in others:
        apart = leader.score - row.score > leader.spread + row.spread
        assert (row.rank == 1) == (not apart)
    assert leader.tied == any(row.rank == 1 for row in others)


def test_folds_validate_every_row_once_and_the_best_is_trained_again(plan, search):
    found = search(plan("search.folds=4"))
    first = found.answer.rows[0].tried.trials
    assert [trial.fold for trial in first] == [0, 1, 2, 3]
    rows = []
    for trial in first:
        directory = found.directory / trial.directory
        facts = rundir.open_run(directory)
        assert facts["status"] in ("done", "stopped")
        rows.append(model.load(directory).config.data.split)
    assert [split.fold for split in rows] == [0, 1, 2, 3]
    assert found.final.fold == -1
    best = found.directory / (found.directory / answer.BEST).read_text().strip()
    assert best == found.directory / found.final.directory
    assert model.load(best).config.data.split.type == "random"
    assert found.answer.test_rows == 22


def test_preprocessing_is_fitted_inside_each_fold(plan):
    made = plan("search.folds=3")
    means = set()
    for fold in range(3):
        values = made.assignments({}, 0, fold)
        data = build(made.document.override(values).without({"search"})).data
        assert np.allclose(data.datasets["train"].x.mean(axis=0), 0, atol=1e-5)
        assert not np.allclose(data.datasets["val"].x.mean(axis=0), 0, atol=1e-3)
        means.add(data.datasets["train"].x.tobytes())
    assert len(means) == 3


def test_a_point_that_diverges_is_written_down_and_never_chosen(plan, search):
    rates = "search.space.optimizer.learning_rate=[0.1, 1e6]"
    found = search(plan(rates, "optimizer.type=sgd", "model.layers.1=relu"))
    failed = [row for row in found.answer.rows if row.state == "failed"]
    assert len(failed) == 2
    assert found.answer.rows[-1] in failed
    assert all(row.rank is None and row.first.outcome.cause == "diverged" for row in failed)
    assert (
        "NaN" in failed[0].reason or "Inf" in failed[0].reason or "not finite" in failed[0].reason
    )
    assert found.answer.run is not None


def test_what_is_written_of_a_failure_is_the_same_wherever_the_search_is(plan, search):
    rates = "search.space.optimizer.learning_rate=[0.1, 1e6]"
    made = plan(rates, "optimizer.type=sgd", "model.layers.1=relu")
    one, other = search(made, "one"), search(made, "other")
    assert outputs(one) == outputs(other)
    last = one.answer.rows[-1]
    assert last.reason.endswith(f"bpnet replay {last.first.directory}")


def test_with_fail_fast_a_failure_ends_the_search(plan, search):
    rates = "search.space.optimizer.learning_rate=[1e6, 0.1]"
    found = search(plan(rates, "optimizer.type=sgd", "model.layers.1=relu"), fail_fast=True)
    assert [trial.outcome.state for trial in found.trials][::3] == ["failed", "waiting"]
    assert not found.is_complete
    assert found.answer.run is None


def test_a_point_that_is_wrong_only_as_a_whole_fails_alone(plan, search):
    found = search(
        plan(
            "search.space={early_stopping: [null, {patience: 2, start_epoch: 4}], "
            "training.epochs: [3, 5]}"
        )
    )
    failed = [row for row in found.answer.rows if row.state == "failed"]
    assert [row.first.outcome.cause for row in failed] == ["config"]
    assert "so none would count" in failed[0].reason


def test_a_trial_that_takes_too_long_fails(plan, search):
    made = plan("search.trial_time=0.01 s", "training.epochs=100000")
    found = search(made)
    assert {trial.outcome.cause for trial in found.trials} == {"time"}
    assert "took longer than 0.01 s" in found.answer.rows[0].reason
    facts = rundir.open_run(found.directory / found.trials[0].directory)
    assert facts["stop_reason"] == "took longer than 0.01 s, its limit"


def test_a_trial_that_takes_too_much_memory_fails(plan, search):
    made = plan(
        "search.trial_memory=64",
        "search.space={model.layers.0.units: [4, 1000000]}",
    )
    found = search(made, workers=1)
    assert [trial.outcome.state for trial in found.trials] == ["done", "failed"]
    assert found.trials[1].outcome.cause == "memory"


def test_a_lost_process_is_tried_again_and_fails_alone_in_the_end(plan, search, at_once):
    lost = {2: 1, 4: 9}  # trial 2 loses its process once, trial 4 whenever it runs

    def before(task):
        number = int(task["directory"].rpartition("/")[2][:4])
        if lost.get(number, 0):
            lost[number] -= 1
            raise ConnectionResetError("gone")

    executor = at_once(before)
    found = search(plan(), crew=Crew(executor, 1))
    assert executor.count == 6 + 1 + running.ATTEMPTS - 1
    assert states(found) == [(i, "failed" if i == 4 else "done") for i in range(1, 7)]
    assert "lost 3 times: gone" in found.trials[3].outcome.reason


def test_failures_that_may_have_gone_are_tried_again_if_asked(plan, search, at_once):
    def before(task):
        raise ConnectionResetError("gone")

    search(plan(), crew=Crew(at_once(before), 1))
    directory = directories.create_exactly(Path(search(plan()).directory))
    with directories.opened(plan(), directory) as opened:
        assert opened.forget_failures() == 6
    assert {state for _, state in states(search(plan()))} == {"done"}


def test_a_full_disk_ends_the_search_and_fails_no_trial(plan, search, monkeypatch):
    from bpnet.search import trial

    def refuse(watch):
        raise RefusedError("can't write: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(trial, "_train", refuse)
        with pytest.raises(RefusedError, match="disk is full"):
            search(plan())
    assert {state for _, state in states(search(plan()))} == {"done"}


@pytest.mark.parametrize("damage", ["tail", "middle", "head", "empty", "rubbish"])
def test_a_damaged_store_is_refused_and_repaired_from_the_trials(plan, search, damage):
    found = search(plan())
    before = outputs(found)
    path = found.directory / store.STORE
    data = bytearray(path.read_bytes())
    if damage == "tail":
        data = data[: len(data) // 2 + 17]
    elif damage == "middle":
        data[4096:12288] = bytes(8192)
    elif damage == "head":
        data[:100] = bytes(100)
    elif damage == "rubbish":
        data = bytearray(b"no database at all " * 500)
    elif damage == "empty":
        data = bytearray(b"SQLite format 3\0")
    path.write_bytes(data)
    with pytest.raises(RunError, match=r"damaged.*--repair"):
        search(plan())
    with directories.opened(plan(), found.directory, repair=True) as opened:
        assert "set aside" in opened.notes[0]
    assert outputs(search(plan())) == before


def test_a_store_of_a_newer_version_is_refused(plan, search):
    found = search(plan())
    with sqlite3.connect(found.directory / store.STORE) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RunError, match="made by a newer bpnet"):
        search(plan())


def test_a_search_that_was_moved_with_its_config_goes_on(plan, tmp_path, at_once):
    table = "\n".join(f"{i},{i % 7},{'ab'[i % 2]}" for i in range(60))
    config = plan().document.data.decode().replace("builtin:iris", "data.csv")

    def carry_out(folder, executor):
        made = make_plan(Document.read(str(folder / "c.yaml")))
        root = folder / "runs"
        found = directories.find(made, root) or directories.create(made, root)
        with directories.opened(made, found) as opened:
            list(opened.run(Crew(executor, 1)))
            return answer.write(opened)

    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "data.csv").write_text(f"x,y,species\n{table}\n")
    (old / "c.yaml").write_text(config)
    first = carry_out(old, at_once())
    old.rename(new)
    executor = at_once()
    again = carry_out(new, executor)
    assert executor.count == 0
    assert again.study.directory == new / "runs/c-001"
    assert (again.validation, again.test) == (first.validation, first.test)


def test_two_searches_in_one_directory_are_refused(plan, tmp_path):
    directory = directories.create_exactly(tmp_path / "s")
    with (
        directories.opened(plan(), directory),
        pytest.raises(RunError, match="another bpnet writes there"),
        directories.opened(plan(), directory),
    ):
        raise AssertionError


def test_a_score_that_does_not_come_again_from_disk_is_refused(plan, search):
    found = search(plan())
    with sqlite3.connect(found.directory / store.STORE) as connection:
        best = found.answer.run.number
        text = json.dumps({"val/accuracy": 1.5})
        connection.execute("UPDATE trials SET metrics = ? WHERE number = ?", (text, best))
    with pytest.raises(RunError, match=r"but 1\.5 was written down"):
        search(plan())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["search.metric=val/f2"], "'val/f2' is not measured here"),
        (["search.metric=test/accuracy"], "kept for the end"),
        (["search.metric=train/loss"], "not trained on"),
        (["data.validation=0"], "no validation rows"),
        (["search.folds=3", "data.split={type: time}"], "data.split is time"),
        (["search.pruning=[median]", "search.method=halving"], "gives trials up itself"),
        (["search.space={}"], "nothing to try"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused_before_it_starts(plan, overrides, message):
    with pytest.raises(ConfigError, match=message):
        plan(*overrides)


def test_a_config_without_a_search_says_how_one_looks(plan):
    with pytest.raises(ConfigError, match="no `search` block; write, say"):
        plan(search="")


def test_every_error_of_a_search_is_one_of_bpnets(plan):
    with pytest.raises(BpnetError):
        plan("search.method=grd")
