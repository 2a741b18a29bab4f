"""The methods by themselves: what they propose, on functions whose optimum is known."""

import math

import numpy as np
import pytest

from bpnet.config.searching import METHODS, Grid, Halving, Hyperband, RandomPoints, SobolPoints, Tpe
from bpnet.errors import OptionError
from bpnet.search.methods import CHECKS, PROPOSERS, Result, Setting, halving, sobol

RATE, UNITS = 0.01, 40


def planted(point, until, epochs):
    """Return a loss with one optimum, which is seen the better the longer one trains."""
    rate, units = point.values["optimizer.learning_rate"], point.values["model.layers.0.units"]
    distance = (math.log10(rate / RATE)) ** 2 + ((units - UNITS) / 30) ** 2
    return distance + 0.1 * (1 - (until or epochs) / epochs)


def carry_out(options, setting, loss=planted, fails=lambda point: False):
    """Run a method to its end; return its rounds and the losses of all trained to the end."""
    proposals = PROPOSERS[options.type](options, setting)
    rounds, finished = [], {}
    requests = next(proposals)
    try:
        while True:
            rounds.append(requests)
            results = []
            for request in requests:
                value = loss(request.point, request.until, setting.epochs)
                value = None if fails(request.point) else value
                results.append(Result(request.point, value, request.until is None))
                if request.until is None and value is not None:
                    finished[request.point.hash] = (value, request.point)
            requests = proposals.send(results)
    except StopIteration:
        return rounds, finished


@pytest.fixture
def setting(space):
    def make(seed=0, epochs=27, text=None):
        wide = (
            "optimizer.learning_rate: {log_uniform: [1e-5, 1], count: 21}\n"
            "model.layers.0.units: {integers: [10, 70], count: 13}"
        )
        return Setting(space(text or wide), seed, epochs)

    return make


EXAMPLES = [
    Grid(),
    RandomPoints(150),
    SobolPoints(64),
    Tpe(points=50),
    Halving(points=81),
    Hyperband(),
]


def test_every_method_is_there_and_has_its_example():
    assert PROPOSERS.keys() == METHODS.keys() == {options.type for options in EXAMPLES}
    assert CHECKS.keys() <= PROPOSERS.keys()


@pytest.mark.parametrize("options", EXAMPLES, ids=lambda o: o.type)
def test_a_planted_optimum_is_found(options, setting):
    if options.type == "tpe":
        pytest.importorskip("optuna")
    _, finished = carry_out(options, setting())
    value, point = min(finished.values(), key=lambda entry: entry[0])
    assert value < 0.25
    assert 2e-3 < point.values["optimizer.learning_rate"] < 5e-2
    assert abs(point.values["model.layers.0.units"] - UNITS) < 16


@pytest.mark.parametrize("options", EXAMPLES, ids=lambda o: o.type)
def test_a_method_proposes_the_same_again_and_other_points_for_another_seed(options, setting):
    if options.type == "tpe":
        pytest.importorskip("optuna")

    def hashes(seed):
        rounds, _ = carry_out(options, setting(seed))
        return [[r.point.hash for r in requests] for requests in rounds]

    assert hashes(3) == hashes(3)
    assert (hashes(3) == hashes(4)) == (options.type == "grid")


@pytest.mark.parametrize("options", EXAMPLES, ids=lambda o: o.type)
def test_failed_points_do_not_end_a_search(options, setting):
    if options.type == "tpe":
        pytest.importorskip("optuna")

    def fails(point):
        return point.values["model.layers.0.units"] > 30

    _, finished = carry_out(options, setting(), fails=fails)
    assert finished
    assert all(not fails(point) for _, point in finished.values())
    everything, nothing = carry_out(options, setting(), fails=lambda point: True)
    assert everything
    assert not nothing


@pytest.mark.parametrize("options", EXAMPLES[1:4], ids=lambda o: o.type)
def test_a_small_space_is_searched_whole_and_no_point_twice(options, setting):
    if options.type == "tpe":
        pytest.importorskip("optuna")
    rounds, _ = carry_out(
        options,
        setting(text="optimizer.learning_rate: [0.1, 0.01]\nmodel.layers.0.units: [3, 4, 4]"),
    )
    hashes = [request.point.hash for requests in rounds for request in requests]
    assert len(hashes) == len(set(hashes)) == 4


def test_tpe_draws_blocks_with_their_own_parameters(setting):
    pytest.importorskip("optuna")
    text = (
        "optimizer: [adam, {type: momentum, learning_rate: {log_uniform: [1e-3, 1]}, "
        "momentum: [0.5, 0.9, 0.99]}]"
    )

    def loss(point, until, epochs):
        return point.values.get("optimizer.learning_rate", 5)

    _, finished = carry_out(Tpe(points=30), setting(text=text), loss)
    best = min(finished.values(), key=lambda entry: entry[0])[1]
    assert best.values["optimizer.learning_rate"] < 0.01


@pytest.mark.slow
def test_tpe_is_better_than_random_over_twenty_seeds(setting):
    pytest.importorskip("optuna")
    stats = pytest.importorskip("scipy.stats")

    def best(options, seed):
        _, finished = carry_out(options, setting(seed))
        return min(value for value, _ in finished.values())

    tpe = [best(Tpe(points=40, batch=2), seed) for seed in range(20)]
    random = [best(RandomPoints(40), seed) for seed in range(20)]
    assert stats.mannwhitneyu(tpe, random, alternative="less").pvalue < 0.05


def test_points_of_sobol_are_those_of_scipy():
    qmc = pytest.importorskip("scipy.stats").qmc
    dimensions = len(sobol.DIRECTIONS) + 1
    places = sobol.sequence(dimensions)
    own = np.array([next(places) for _ in range(256)]) / 2.0**32
    assert (own == qmc.Sobol(dimensions, scramble=False, bits=32).random(256)).all()


def test_points_of_sobol_fill_the_space_evenly(space):
    setting = Setting(
        space("optimizer.learning_rate: {uniform: [1, 2]}\nmodel.layers.0.units: [1, 2, 3, 4]"),
        7,
        3,
    )
    points = [request.point for request in next(sobol.propose(SobolPoints(64), setting))]
    cells = {
        (
            int((p.values["optimizer.learning_rate"] - 1) * 16),
            p.values["model.layers.0.units"],
        )
        for p in points
    }
    assert len(cells) == 64  # one in each sixteenth of every quarter


def test_sobol_refuses_more_parameters_than_it_has_numbers_for(space):
    layers = ", ".join("{type: dense, units: [1, 2]}" for _ in range(65))
    setting = Setting(space(f"model.layers: [[{layers}, {{type: dense, units: auto}}]]"), 0, 3)
    with pytest.raises(OptionError, match="66 parameters are more than the 64"):
        sobol.check(SobolPoints(), setting)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((27, None, 3, 27), [(27, 1), (9, 3), (3, 9), (1, 27)]),
        ((27, 9, 3, 27), [(27, 9), (9, 27)]),
        ((9, None, 3, 50), [(9, 6), (3, 18), (1, 50)]),
        ((4, 1, 2, 3), [(4, 1), (2, 2), (1, 3)]),
        ((100, None, 3, 5), [(100, 1), (33, 3), (11, 5)]),
        ((1, None, 3, 7), [(1, 7)]),
    ],
)
def test_rungs_end_with_the_whole_training(arguments, expected):
    assert halving.rungs(*arguments) == expected


def test_brackets_are_those_of_the_paper():
    assert halving.brackets(Hyperband(), 81) == [(81, 1), (34, 3), (15, 9), (8, 27), (5, 81)]


def test_halving_keeps_the_best(setting):
    rounds, finished = carry_out(Halving(points=27), setting())
    assert [len(requests) for requests in rounds] == [27, 9, 3, 1]
    everyone = [planted(r.point, None, 27) for r in rounds[0]]
    assert min(everyone) == next(iter(finished.values()))[0]


@pytest.mark.parametrize(
    ("options", "text", "message"),
    [
        (Halving(), "training.epochs: [1, 2]", "chooses how many epochs"),
        (Halving(first=28), "optimizer.learning_rate: [1]", "expected at most training.epochs"),
        (Grid(), "optimizer.learning_rate: {uniform: [1, 2]}", "add `count: 5`"),
        (
            Grid(),
            "training.epochs: {integers: [1, 1000000000]}",
            "1,000,000,000 points are more than a grid can try",
        ),
    ],
)
def test_what_a_method_can_not_search_is_refused(options, text, message, setting):
    with pytest.raises(OptionError, match=message):
        CHECKS[options.type](options, setting(text=text))
