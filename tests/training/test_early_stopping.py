import math

import pytest

from bpnet.training.early_stopping import Monitor


def run(monitor, values):
    """Return the epochs that were the best so far, and the epoch after which it stops."""
    best = []
    for epoch, value in enumerate(values, 1):
        if monitor.observe(epoch, value):
            best.append(epoch)
        if monitor.exhausted:
            return best, epoch
    return best, None


def test_it_stops_after_as_many_epochs_without_improvement_as_its_patience():
    assert run(Monitor("val/loss", "min", patience=2), [3, 2, 2.5, 2.4, 1]) == ([1, 2], 4)


def test_more_is_better_in_mode_max():
    assert run(Monitor("val/accuracy", "max", patience=2), [0.5, 0.7, 0.6, 0.7]) == ([1, 2], 4)


def test_an_improvement_below_min_delta_is_best_but_does_not_reset_the_patience():
    monitor = Monitor("val/loss", "min", patience=2, min_delta=0.5)
    assert run(monitor, [3.0, 2.9, 2.8]) == ([1, 2, 3], 3)
    assert monitor.best == 2.8


def test_min_delta_means_the_same_for_scores_below_zero():
    assert run(Monitor("val/loss", "min", patience=1, min_delta=0.1), [-1, -1.2, -1.25])[1] == 3
    assert run(Monitor("val/r2", "max", patience=1, min_delta=0.1), [-1, -0.8, -0.75])[1] == 3


@pytest.mark.parametrize("mode", ["min", "max"])
def test_nan_is_worse_than_every_number(mode):
    monitor = Monitor("val/loss", mode, patience=3)
    assert run(monitor, [math.nan, 5.0, math.nan, math.nan, math.nan]) == ([2], 5)
    assert monitor.best == 5.0


def test_epochs_before_the_first_that_counts_are_neither_best_nor_waited_for():
    monitor = Monitor("val/loss", "min", patience=2, start_epoch=4)
    assert run(monitor, [0.1, 0.2, 0.3, 5, 4, 6, 7]) == ([4, 5], 7)


def test_without_patience_it_only_chooses_the_best():
    assert run(Monitor("val/loss", "min"), [3, 1, 2] * 50) == ([1, 2], None)


@pytest.mark.parametrize("field", ["best", "best_epoch", "reference", "waited"])
def test_every_saved_field_matters(field):
    values = [3.0, 2.0, 2.5, 1.9, 2.2, 2.3, 2.4]
    whole = Monitor("val/loss", "min", patience=3, min_delta=0.05)
    expected = run(whole, values)

    def interrupted(drop):
        first = Monitor("val/loss", "min", patience=3, min_delta=0.05)
        for epoch, value in enumerate(values[:5], 1):
            first.observe(epoch, value)
        state = first.state()
        if drop:
            state[drop] = Monitor("val/loss", "min").state()[drop]
        second = Monitor("val/loss", "min", patience=3, min_delta=0.05)
        second.restore(state)
        stopped = None
        for epoch, value in enumerate(values[5:], 6):
            second.observe(epoch, value)
            if second.exhausted:
                stopped = epoch
                break
        return stopped, second.best, second.best_epoch

    assert interrupted(None) == (expected[1], whole.best, whole.best_epoch)
    assert interrupted(field) != interrupted(None)
