from __future__ import annotations

import math

import pytest

from bpnet.errors import OptionError, RunError
from bpnet.optim.schedules import (
    SCHEDULES,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseSqrt,
    Linear,
    MultiStep,
    OneCycle,
    Plateau,
    Polynomial,
    StepDecay,
)
from bpnet.options import Span

TOTAL, EPOCH = 120, 10


def steps(count):
    return Span(count, "steps")


def epochs(count):
    return Span(count, "epochs")


# One row per table entry: what it needs to be built.
ROWS = {
    "constant": {},
    "step": {"every": steps(30)},
    "multistep": {"milestones": [steps(20), steps(60)]},
    "exponential": {"gamma": 0.9},
    "polynomial": {"power": 2.0},
    "linear": {},
    "cosine": {},
    "cosine_restarts": {"period": steps(25)},
    "one_cycle": {},
    "inverse_sqrt": {"timescale": steps(40)},
    "plateau": {},
}


def make(name, total=TOTAL, base=0.1, **options):
    schedule = SCHEDULES[name](**ROWS[name] | options)
    schedule.build(base, total, EPOCH)
    return schedule


def curve(schedule, total=TOTAL):
    return [schedule.lr(step) for step in range(total)]


def test_every_schedule_has_a_row_here():
    assert ROWS.keys() == SCHEDULES.keys()
    assert all(cls.type == name for name, cls in SCHEDULES.items())


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warm_up_rises_evenly_to_the_start_of_the_schedule(name):
    warm = 9
    schedule = make(name, warmup=steps(warm))
    start = schedule.lr(warm)
    for step in range(warm):
        assert schedule.lr(step) == pytest.approx(start * (step + 1) / (warm + 1), rel=1e-14)


@pytest.mark.parametrize("name", SCHEDULES)
def test_after_the_warm_up_comes_the_schedule_of_the_steps_that_are_left(name):
    warm = 20
    later = make(name, warmup=steps(warm))
    plain = make(name, total=TOTAL - warm)
    assert curve(later)[warm:] == curve(plain, TOTAL - warm)


@pytest.mark.parametrize("name", SCHEDULES)
def test_lengths_in_epochs_are_lengths_in_steps(name):
    def in_epochs(value):
        if isinstance(value, list):
            return [in_epochs(v) for v in value]
        is_whole = isinstance(value, Span) and value.count % EPOCH == 0
        return epochs(value.count // EPOCH) if is_whole else value

    options = {option: in_epochs(value) for option, value in ROWS[name].items()}
    assert curve(make(name, warmup=epochs(2), **options)) == curve(make(name, warmup=steps(20)))


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rate_of_a_step_depends_on_nothing_but_the_step(name):
    schedule = make(name, warmup=steps(5))
    backwards = [schedule.lr(step) for step in reversed(range(TOTAL))]
    assert curve(schedule) == backwards[::-1]


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_finite_and_never_negative_also_beyond_the_end(name):
    for total in (1, 2, 3, 7, TOTAL):
        fits = {"period": steps(1), "every": steps(1), "milestones": [steps(1)]}
        options = {option: fits[option] for option in ROWS[name] if option in fits}
        schedule = make(name, total=total, **options)
        for step in range(2 * total + 2):
            assert math.isfinite(schedule.lr(step))
            assert schedule.lr(step) >= 0


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warm_up_may_fill_the_whole_training(name):
    options = {"milestones": []} if name == "multistep" else {}
    if {"every", "period"} & ROWS[name].keys():
        with pytest.raises(OptionError, match="don't fit"):
            make(name, warmup=steps(TOTAL))
        return
    schedule = make(name, warmup=steps(TOTAL), **options)
    rates = curve(schedule)
    assert rates == sorted(rates)
    assert rates[0] > 0


@pytest.mark.parametrize("name", ["constant", "step", "multistep", "exponential", "inverse_sqrt"])
def test_a_longer_training_changes_only_what_depends_on_its_length(name):
    assert curve(make(name)) == curve(make(name, total=3 * TOTAL))


@pytest.mark.parametrize("name", ["polynomial", "linear", "cosine"])
def test_an_explicit_length_is_kept_in_a_longer_training(name):
    short = make(name, length=steps(50))
    assert curve(short) == curve(make(name, total=3 * TOTAL, length=steps(50)))
    assert curve(make(name)) != curve(make(name, total=3 * TOTAL))


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_scale_with_the_learning_rate(name):
    for one, ten in zip(curve(make(name)), curve(make(name, base=1.0)), strict=True):
        assert ten == pytest.approx(10 * one, rel=1e-13)


def test_the_defaults_end_where_they_say():
    assert make("polynomial", end=0.02).lr(TOTAL) == pytest.approx(0.02)
    assert make("linear", start_factor=0.5).lr(0) == pytest.approx(0.05)
    assert make("linear").lr(TOTAL) == 0
    assert make("cosine", minimum=0.03).lr(TOTAL) == pytest.approx(0.03)
    assert make("cosine", minimum=0.03, length=steps(50)).lr(90) == pytest.approx(0.03)
    assert make("one_cycle").lr(TOTAL - 1) == pytest.approx(0.1 / 25 / 1e4)
    assert max(curve(make("one_cycle"))) == pytest.approx(0.1)
    assert make("one_cycle", max_learning_rate=2.0).lr(0) == pytest.approx(2 / 25)


def test_exponential_shrinks_by_gamma_in_each_epoch():
    schedule = make("exponential", gamma=0.5)
    assert schedule.lr(EPOCH) == pytest.approx(0.05)
    assert schedule.lr(EPOCH // 2) == pytest.approx(0.1 * math.sqrt(0.5))


def test_inverse_sqrt_after_a_warm_up_is_that_of_the_transformer():
    warm = 30
    schedule = make("inverse_sqrt", timescale=None, warmup=steps(warm))
    for step in range(warm, TOTAL):
        assert schedule.lr(step) == pytest.approx(0.1 * math.sqrt(warm / step), rel=1e-14)


def test_inverse_sqrt_without_a_warm_up_takes_an_epoch_as_its_time_scale():
    assert make("inverse_sqrt", timescale=None).lr(3 * EPOCH) == pytest.approx(0.05)


def test_restarts_with_a_multiplier_begin_where_the_periods_end():
    schedule = make("cosine_restarts", period=steps(10), multiplier=3)
    starts = [step for step in range(TOTAL) if schedule.lr(step) == pytest.approx(0.1, rel=1e-12)]
    assert starts == [0, 10, 40]
    assert schedule.lr(10**12) > 0  # far periods are found without walking there


@pytest.mark.parametrize(
    ("schedule", "path", "message"),
    [
        (
            Cosine(warmup=steps(500)),
            ("warmup",),
            "500 steps don't fit, as the training has only 120",
        ),
        (Cosine(length=epochs(13)), ("length",), "13 epochs (130 steps) don't fit"),
        (Cosine(length=steps(101), warmup=steps(20)), ("length",), "120 steps, 100 after the warm"),
        (Polynomial(length=steps(121)), ("length",), "121 steps"),
        (Linear(length=steps(121)), ("length",), "121 steps"),
        (StepDecay(every=epochs(30)), ("every",), "30 epochs (300 steps)"),
        (MultiStep(milestones=[steps(5), steps(121)]), ("milestones", 1), "121 steps"),
        (CosineRestarts(period=steps(121)), ("period",), "121 steps"),
        (StepDecay(every=steps(0)), ("every",), "expected at least 1 step, received 0"),
        (Cosine(length=steps(0)), ("length",), "expected at least 1 step"),
        (CosineRestarts(period=steps(0)), ("period",), "expected at least 1 step"),
        (Exponential(gamma=0.9, every=steps(0)), ("every",), "expected at least 1 step"),
        (InverseSqrt(timescale=steps(0)), ("timescale",), "expected at least 1 step"),
        (OneCycle(warmup=Span(60, "seconds")), ("warmup",), "a time can't be counted in steps"),
        (MultiStep(milestones=[Span(60, "seconds")]), ("milestones", 0), "a time"),
        (Cosine(minimum=0.5), ("minimum",), "0.5 is above the learning rate itself, 0.1"),
        (CosineRestarts(period=steps(5), minimum=0.5), ("minimum",), "0.5 is above"),
        (Plateau(minimum=0.5), ("minimum",), "0.5 is above"),
    ],
)
def test_what_does_not_fit_the_training_is_named(schedule, path, message):
    with pytest.raises(OptionError) as error:
        schedule.build(0.1, TOTAL, EPOCH)
    assert error.value.path == path
    assert message in error.value.message


def test_schedules_as_long_as_the_training_fit():
    for schedule in (
        Cosine(length=steps(TOTAL)),
        StepDecay(every=steps(TOTAL)),
        MultiStep(milestones=[epochs(12)]),
        Cosine(length=steps(100), warmup=epochs(2)),
    ):
        schedule.build(0.1, TOTAL, EPOCH)


@pytest.mark.parametrize("name", SCHEDULES)
def test_only_plateau_has_a_state(name):
    schedule = make(name)
    assert schedule.observes == (name == "plateau")
    if not schedule.observes:
        schedule.observe(1.0, "min")
        assert schedule.state() == {}
        schedule.restore({})
        with pytest.raises(RunError, match=f"{name} has no state"):
            schedule.restore({"scale": 1.0})


def stalling(epoch):
    return 1 / (1 + epoch) if epoch < 4 else 0.5 - 0.1 * (epoch % 7 == 0)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_goes_on_from_a_saved_state_as_if_nothing_had_happened(mode):
    options = {"patience": 1, "cooldown": 2, "factor": 0.5, "warmup": epochs(3)}
    straight, rates = make("plateau", **options), []
    for epoch in range(30):
        straight.observe(stalling(epoch), mode)
        rates.append(straight.lr(200))
    assert len(set(rates)) > 3
    for stop in range(30):
        before = make("plateau", **options)
        for epoch in range(stop):
            before.observe(stalling(epoch), mode)
        after = make("plateau", **options)
        after.restore(before.state())
        for epoch in range(stop, 30):
            after.observe(stalling(epoch), mode)
            assert after.lr(200) == rates[epoch]


@pytest.mark.parametrize("key", ["scale", "stalled", "cooling", "heard", "best"])
def test_every_part_of_plateaus_state_matters(key):
    options = {"patience": 1, "cooldown": 2, "factor": 0.5, "warmup": epochs(8)}

    def rates(stop, dropped):
        schedule = make("plateau", **options)
        for epoch in range(stop):
            schedule.observe(stalling(epoch), "min")
        state = schedule.state()
        if dropped:
            fresh = make("plateau", **options).state()
            state = state | {key: fresh[key]} if key in fresh else state
            state.pop("best") if key == "best" else None
        schedule.restore(state)
        rows = []
        for epoch in range(stop, 30):
            schedule.observe(stalling(epoch) + 0.05, "min")
            rows.append(schedule.lr(200))
        return rows

    assert any(rates(stop, False) != rates(stop, True) for stop in range(1, 25))


def test_plateau_asks_for_improvement_of_negative_metrics_too():
    schedule = make("plateau", patience=0, threshold=0.1)
    schedule.observe(-10.0, "min")
    schedule.observe(-9.5, "min")  # worse: a relative threshold must not count it as better
    assert schedule.lr(0) == pytest.approx(0.01)
    schedule.observe(-11.5, "min")
    assert schedule.lr(0) == pytest.approx(0.01)


def test_nan_and_infinity_are_no_improvement():
    schedule = make("plateau", patience=2)
    for value in (math.nan, math.inf, -math.inf):
        schedule.observe(value, "min")
    assert schedule.lr(0) == pytest.approx(0.01)
    schedule.observe(1e9, "min")
    assert schedule.state()["best"] == 1e9


def test_epochs_of_the_warm_up_do_not_count_as_stalled():
    schedule = make("plateau", patience=1, warmup=epochs(5))
    for _ in range(6):
        schedule.observe(1.0, "min")
    assert schedule.lr(100) == pytest.approx(0.1)
    schedule.observe(1.0, "min")
    assert schedule.lr(100) == pytest.approx(0.01)


def test_plateau_never_undercuts_its_minimum():
    schedule = make("plateau", patience=0, minimum=0.03)
    for _ in range(20):
        schedule.observe(1.0, "max")
    assert schedule.lr(0) == 0.03


@pytest.mark.parametrize(
    "change", [{"scale": 0.0}, {"scale": math.nan}, {"stalled": -1.0}, {"other": 1.0}]
)
def test_an_impossible_state_of_plateau_is_refused(change):
    schedule = make("plateau")
    with pytest.raises(RunError, match="plateau"):
        schedule.restore(schedule.state() | change)
    with pytest.raises(RunError, match="received nothing"):
        schedule.restore({})
