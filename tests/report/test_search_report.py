"""The report of a search: what is best and why, whatever became of its points."""

import json
import shutil

import pytest

from bpnet.errors import RunError
from bpnet.report.search import draw_search

HOSTILE = "<script>alert('x')</script>&\""
RATE, UNITS = "optimizer.learning_rate", "model.layers.0.units"


def point(number, rate, layers, score, **more):
    return {
        "rank": number,
        "tied": False,
        "trial": number,
        "state": "done",
        "values": {RATE: rate, "model.layers": layers},
        "score": score,
        "interval": None,
        "metrics": {"val/loss": 0.5, "val/accuracy": score},
        "epochs": 12,
        "reason": None,
        "run": f"trials/{number:04d}-ab",
        **more,
    }


@pytest.fixture
def search(iris_once, tmp_path):
    """Return a function that makes a search of these points, which all were trained alike."""

    def make(points, **more):
        folder = tmp_path / "s-001"
        folder.mkdir()
        for entry in points:
            for trial in entry.get("trials") or [entry]:
                shutil.copytree(iris_once, folder / trial["run"], dirs_exist_ok=True)
        (folder / "search.sqlite").touch()
        told = {"metric": "val/accuracy", "mode": "max", "method": "grid", "complete": True}
        told |= {"importance": {RATE: 0.5}, "points": points, **more}
        (folder / "leaderboard.json").write_text(json.dumps(told))
        (folder / "best.txt").write_text("trials/0001-ab\n")
        return folder

    return make


DEEP = [{"type": "dense", "units": 8}, {"type": "relu"}]
POINTS = [
    point(1, 0.1, DEEP, 0.9),
    point(2, 0.01, HOSTILE, 0.8),
    point(3, 0.001, DEEP, 0.7),
    point(4, 0.01, DEEP, None, rank=None, state="failed", reason=f"it {HOSTILE}", metrics={}),
]


def test_it_says_what_is_best_and_whether_to_look_further(search, page_of):
    folder = search(POINTS)
    drawn = draw_search(folder)
    best, difference, trials = drawn.answers.values()
    assert best[0].startswith("optimizer.learning_rate 0.1 and model.layers dense 8, relu: ")
    assert best[0].endswith("val/accuracy 0.9, the best of 3 points.")
    assert best[1].startswith("On the test part, which chose nothing, test/accuracy is ")
    assert difference == [
        "Of the variance of the scores these explain: optimizer.learning_rate 50 %.",
        "The best point lies at the end of what was tried: optimizer.learning_rate 0.1 is the "
        "largest of 3. It may pay to try further.",
    ]
    assert trials == [
        "4 points, 3 done and 1 failed; 4 trainings.",
        f"Failed once: it {HOSTILE}",
    ]
    page = page_of(folder)
    assert "0.9" in page.text
    assert "<script" not in page.source
    assert {path.stem for path in drawn.plots} == {"score_1", "score_2", "trials"}


def test_repeated_trainings_have_intervals_and_ties(search):
    trainings = [{"run": "trials/0001-ab"}, {"run": "trials/0005-ab"}]
    points = [
        point(1, 0.1, DEEP, 0.9, interval=0.2, tied=True, trials=trainings),
        point(2, 0.01, DEEP, 0.8, interval=0.05, rank=1, tied=True),
    ]
    drawn = draw_search(search(points))
    best = drawn.answers["What is best?"]
    assert "0.9 ± 0.2 (mean and 95 % interval of 2 trainings)" in best[0]
    assert best[1] == "It can't be told apart from another one: their intervals overlap."
    picture = (drawn.page.parent / "plots" / "score_1.svg").read_text()
    assert "stroke-opacity" in picture  # whiskers
    assert drawn.answers["What made the difference?"][0].startswith("Of the variance")


def test_options_too_large_for_an_axis_are_drawn_by_name(search):
    values = [{"values": {"seed": seed}} for seed in (10**400, 1, float("inf"))]
    points = [point(i, 0.1, DEEP, i / 10, **value) for i, value in enumerate(values, 1)]
    drawn = draw_search(search(points))
    assert "score_1" in {path.stem for path in drawn.plots}


def test_a_search_that_is_not_summed_up_is_told_by_its_runs(search):
    folder = search(POINTS)
    (folder / "leaderboard.json").unlink()
    (folder / "config.yaml").write_text("search: {metric: val/accuracy}\n")
    drawn = draw_search(folder)
    assert "not been summed up" in drawn.notes[0]
    assert drawn.answers["What is best?"] == ["No point has been chosen yet."]
    assert "goes on" in drawn.answers["What became of the trials?"][-1]


def test_a_damaged_leaderboard_is_refused_and_a_search_without_points_is_not(search):
    folder = search([])
    assert draw_search(folder).plots == []
    (folder / "leaderboard.json").write_text("[]")
    with pytest.raises(RunError):
        draw_search(folder)


def test_plots_of_an_earlier_report_are_removed_if_they_are_no_more(search):
    folder = search(POINTS)
    draw_search(folder)
    (folder / "leaderboard.json").unlink()
    shutil.rmtree(folder / "trials")
    draw_search(folder)
    assert list((folder / "plots").iterdir()) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1240])
def test_in_a_browser_the_report_of_a_search_is_whole(search, browser, scheme, width):
    page = draw_search(search(POINTS)).page
    browser.open(page, scheme, width)
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.querySelectorAll('svg').length") == 3
