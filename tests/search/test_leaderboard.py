"""The order of points, their files, and what each parameter matters."""

import csv
import io
import json
import random
import xml.etree.ElementTree as ET

import pytest

from bpnet.search import answer, leaderboard
from bpnet.search.importance import importance
from bpnet.search.task import Outcome


@pytest.fixture
def scored(plan, search):
    """Return a function that makes a study whose trials have the scores of a function."""

    def make(score, *overrides):
        made = plan(*overrides)
        directory = _fresh(made, search)
        for requests in directory.rounds():
            for trial in directory.left(requests):
                value = score(trial)
                outcome = (
                    value
                    if isinstance(value, Outcome)
                    else Outcome("done", metrics={"val/accuracy": value})
                )
                trial.outcome = outcome
        return directory

    return make


def _fresh(made, search):
    from bpnet.search.study import Study

    class Nothing:
        next_number = 1

        def __init__(self):
            self.trials = {}

        def add(self, new):
            self.trials = {**self.trials, **{t.key: t for t in new}}

    return Study(made, None, Nothing(), [])


def rate(trial):
    return trial.values["optimizer.learning_rate"]


def units(trial):
    return trial.values["model.layers.0.units"]


def test_the_best_comes_first_and_failures_last(scored):
    def score(trial):
        if rate(trial) == 0.1:
            return Outcome("failed", "diverged", "it diverged")
        return units(trial) / 10 + rate(trial)

    rows = leaderboard.rows(scored(score))
    assert [row.state for row in rows] == ["done"] * 4 + ["failed"] * 2
    assert [row.score for row in rows[:4]] == [0.61, 0.601, 0.31, 0.301]
    assert [row.place for row in rows] == ["1", "2", "3", "4", "-", "-"]
    assert rows[-1].reason == "it diverged"


def test_less_is_better_for_a_loss(scored):
    rows = leaderboard.rows(scored(rate, "search.mode=min"))
    assert rows[0].score == 0.001


def test_equal_scores_are_ties_in_the_order_of_the_search(scored):
    rows = leaderboard.rows(scored(lambda trial: 0.5 if units(trial) == 3 else 0.25))
    assert [row.place for row in rows] == ["1="] * 3 + ["4="] * 3
    assert [row.first.number for row in rows] == [1, 3, 5, 2, 4, 6]


def test_overlapping_intervals_are_ties(scored):
    offsets = {0: -0.01, 1: 0.01}

    def score(trial):
        middle = {0.1: 0.9, 0.01: 0.8, 0.001: 0.1}[rate(trial)] + units(trial) / 1000
        return middle + offsets[trial.repeat]

    rows = leaderboard.rows(scored(score, "search.seeds=2"))
    assert [row.place for row in rows] == ["1="] * 4 + ["5="] * 2
    assert rows[0].score == pytest.approx(0.906)
    assert rows[0].spread == pytest.approx(12.7062047 * 0.01)


def test_a_point_with_a_failed_repetition_has_no_rank(scored):
    def score(trial):
        if trial.repeat and rate(trial) == 0.1:
            return Outcome("failed", "memory", "out of memory")
        return 1.0

    rows = leaderboard.rows(scored(score, "search.seeds=2"))
    assert [row.rank for row in rows] == [1] * 4 + [None] * 2
    assert {row.state for row in rows[4:]} == {"failed"}


def test_importance_is_the_share_that_a_parameter_explains(scored):
    study = scored(lambda trial: rate(trial))
    shares = importance(study, leaderboard.rows(study))
    assert shares == {"optimizer.learning_rate": 1.0, "model.layers.0.units": 0.0}
    study = scored(lambda trial: rate(trial) * units(trial))
    shares = importance(study, leaderboard.rows(study))
    assert 0.5 < shares["optimizer.learning_rate"] < 1


def test_importance_of_what_means_nothing_is_nothing(scored):
    many = "search.space.optimizer.learning_rate={log_uniform: [1e-3, 1e-1], count: 30}"
    rng = random.Random(0)
    study = scored(lambda trial: rng.random(), many, "search.method={type: random, points: 100}")
    assert max(importance(study, leaderboard.rows(study)).values()) < 0.1
    study = scored(lambda trial: 0.5)
    assert importance(study, leaderboard.rows(study)) == {}


def test_importance_takes_ranges_by_their_parts(scored):
    wide = (
        "search.space.optimizer.learning_rate={log_uniform: [1e-4, 1]}",
        "search.method={type: random, points: 60}",
    )
    study = scored(lambda trial: -abs(rate(trial) - 0.5), *wide)
    shares = importance(study, leaderboard.rows(study))
    assert shares["optimizer.learning_rate"] > 0.5 > shares["model.layers.0.units"]


def test_csv_and_json_hold_the_same(plan, search):
    found = search(plan("search.seeds=2"))
    lines = list(csv.DictReader(io.StringIO((found.directory / answer.CSV).read_text())))
    points = json.loads((found.directory / answer.JSON).read_text())["points"]
    assert len(lines) == len(points) == 6
    for line, point in zip(lines, points, strict=True):
        assert int(line["trial"]) == point["trial"]
        assert float(line["val/accuracy"]) == point["score"]
        assert float(line["interval"]) == point["interval"]
        assert float(line["optimizer.learning_rate"]) == point["values"]["optimizer.learning_rate"]
        assert len(point["trials"]) == 2
        assert (found.directory / line["run"]).is_dir()
    assert not any("test/" in name for name in lines[0])


def test_the_picture_has_every_point_in_every_panel(plan, search):
    found = search(plan('search.space."model.layers.1"=[tanh, relu]'))
    tree = ET.fromstring((found.directory / answer.PLOT).read_text())
    circles = list(tree.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == 12 * 3
    assert sum(circle.get("r") == "5" for circle in circles) == 3
