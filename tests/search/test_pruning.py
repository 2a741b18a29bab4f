"""Which trials are given up, and that it does not depend on the clock."""

import pytest

from bpnet.config.searching import MedianRule, PatienceRule
from bpnet.runs import rundir
from bpnet.search import pruning
from bpnet.search.store import Trial
from bpnet.search.task import Outcome, Task
from bpnet.search.watch import Watch

MEDIAN = "search.pruning=[{type: median, warmup: 1, trials: 3}]"
WIDE = (
    "search.method={type: random, points: 16}",
    "search.space.optimizer.learning_rate={log_uniform: [1e-4, 1]}",
    "training.epochs=8",
    "search.window=4",
)


def trial(curve):
    return Trial(1, "p", 0, -1, {}, {}, 0, "d", Outcome("done", curve=curve))


def task(mode="max"):
    return Task("", "", [], "", "val/accuracy", mode)


def verdicts(armed, scores):
    watch = Watch(armed)
    return [watch.see({"val/accuracy": score, "best": True}) for score in scores]


def test_the_median_rule_compares_with_the_middle_of_the_best_so_far():
    armed = task()
    earlier = [trial([0.1, 0.5, 0.4]), trial([0.2, 0.3, 0.6]), trial([0.3, 0.2])]
    pruning.arm(armed, [MedianRule(warmup=1, trials=3)], earlier)
    assert armed.bounds == [None, 0.3, None]
    assert verdicts(armed, [0.0, 0.3]) == ["", ""]
    assert (
        "its best val/accuracy was 0.2, and that of the earlier trials 0.3"
        in (verdicts(armed, [0.0, 0.2])[1])
    )


def test_less_is_better_if_the_metric_says_so():
    armed = task("min")
    pruning.arm(armed, [MedianRule(warmup=0, trials=3)], [trial([x]) for x in (1.0, 2.0, 3.0)])
    assert armed.bounds == [2.0]
    assert verdicts(armed, [2.0]) == [""]
    assert verdicts(armed, [2.5])[0]


def test_a_trial_without_a_number_is_worse_than_all():
    armed = task()
    pruning.arm(armed, [MedianRule(warmup=0, trials=1)], [trial([0.1])])
    assert "was none" in verdicts(armed, [float("nan")])[0]


def test_patience_gives_up_only_what_another_trial_beats():
    armed = task()
    pruning.arm(armed, [PatienceRule(epochs=2)], [trial([0.4, 0.9, 0.8])])
    assert armed.to_beat == 0.9
    assert verdicts(armed, [0.5, 0.4])[1] == ""
    assert "no better val/accuracy than 0.5 for 2 epochs" in verdicts(armed, [0.5, 0.4, 0.3])[2]
    assert verdicts(armed, [0.95, 0.4, 0.3, 0.2])[3] == ""


def test_hopeless_trials_are_given_up_and_say_why(plan, search):
    found = search(plan(MEDIAN, *WIDE))
    pruned = [t for t in found.trials if t.outcome.state == "pruned"]
    assert pruned
    assert all(t.number > 4 and t.outcome.epochs < 8 for t in pruned)
    assert all("median: after epoch" in t.outcome.reason for t in pruned)
    for t in pruned:
        facts = rundir.open_run(found.directory / t.directory)
        assert (facts["status"], facts["stop_reason"]) == ("interrupted", t.outcome.reason)
    everything = search(plan(*WIDE), "all")
    assert found.answer.rows[0].score == everything.answer.rows[0].score


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_same_trials_are_given_up_with_any_number_of_workers(plan, search, workers):
    rules = "search.pruning=[{type: median, warmup: 1, trials: 3}, {type: patience, epochs: 3}]"
    one = search(plan(rules, *WIDE), "1").directory
    other = search(plan(rules, *WIDE), "n", workers=workers).directory
    for name in ("leaderboard.csv", "leaderboard.json", "best.txt"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_trial_that_was_given_up_but_not_written_down_is_given_up_again(plan, search):
    found = search(plan(MEDIAN, *WIDE, "checkpoint.pause=0 s"))
    before = (found.directory / "leaderboard.json").read_bytes()
    (found.directory / "search.sqlite").unlink()
    again = search(plan(MEDIAN, *WIDE, "checkpoint.pause=0 s"))
    assert (again.directory / "leaderboard.json").read_bytes() == before
