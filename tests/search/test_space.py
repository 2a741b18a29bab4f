"""From the text of a space to points."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpnet.errors import ConfigError
from bpnet.search.dimensions import Interval
from bpnet.search.space import digest


def points(space):
    return [point.assignments for point in space.grid()]


def refusal(space, text):
    with pytest.raises(ConfigError) as caught:
        space(text)
    return str(caught.value)


def test_a_grid_is_every_combination_the_last_key_fastest(space):
    found = points(space("training.epochs: [1, 2]\nmodel.layers.0.units: [3, 4]"))
    assert found == [
        ["training.epochs=1", "model.layers.0.units=3"],
        ["training.epochs=1", "model.layers.0.units=4"],
        ["training.epochs=2", "model.layers.0.units=3"],
        ["training.epochs=2", "model.layers.0.units=4"],
    ]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{integers: [3, 6]}", [3, 4, 5, 6]),
        ("{integers: [10, 100], count: 4}", [10, 40, 70, 100]),
        ("{log_integers: [1, 64], count: 4}", [1, 4, 16, 64]),
        ("{steps: [4, 16, 4]}", [4, 8, 12, 16]),
        ("{choice: [3, 5]}", [3, 5]),
    ],
)
def test_ranges_of_whole_numbers(space, text, values):
    found = space(f"model.layers.0.units: {text}")
    assert [p.values["model.layers.0.units"] for p in found.grid()] == values
    assert found.size == len(values)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{uniform: [0.1, 0.3], count: 3}", [0.1, 0.2, 0.3]),
        ("{log_uniform: [1e-4, 1e-1], count: 4}", [1e-4, 1e-3, 1e-2, 1e-1]),
        ("{steps: [0.1, 0.5, 0.2]}", [0.1, 0.3, 0.5]),
    ],
)
def test_ranges_of_numbers(space, text, values):
    found = space(f"optimizer.learning_rate: {text}")
    assert [p.values["optimizer.learning_rate"] for p in found.grid()] == values


def test_a_block_brings_its_own_parameters_along(space):
    found = points(
        space(
            "optimizer:\n"
            "  - adam\n"
            "  - {type: momentum, learning_rate: [0.1, 0.2], momentum: {uniform: [0, 0.9], "
            "count: 2}}"
        )
    )
    block = "optimizer={type: momentum, learning_rate: 0.1, momentum: 0.0}"
    assert found == [
        ["optimizer=adam"],
        [block, "optimizer.learning_rate=0.1", "optimizer.momentum=0.0"],
        [block, "optimizer.learning_rate=0.1", "optimizer.momentum=0.9"],
        [block, "optimizer.learning_rate=0.2", "optimizer.momentum=0.0"],
        [block, "optimizer.learning_rate=0.2", "optimizer.momentum=0.9"],
    ]


def test_lists_of_layers_are_values_and_may_hold_parameters(space):
    found = points(
        space(
            "model.layers:\n"
            "  - [{type: dense, units: [3, 5]}, relu, {type: dense, units: auto}]\n"
            "  - [{type: dense, units: auto}]"
        )
    )
    assert [len(p) for p in found] == [2, 2, 1]
    assert found[1][1] == "model.layers.0.units=5"


def test_a_key_below_another_holds_for_each_of_its_options(space):
    found = space("optimizer.learning_rate: [0.1, 0.2]\noptimizer: [adam, sgd]")
    assert points(found)[3] == ["optimizer=sgd", "optimizer.learning_rate=0.2"]
    assert len({p.hash for p in found.grid()}) == 4


def test_nested_keys_are_dotted_ones(space):
    nested = space("optimizer:\n  learning_rate: [0.1]\n  beta1: [0.5, 0.6]")
    dotted = space("optimizer.learning_rate: [0.1]\noptimizer.beta1: [0.5, 0.6]")
    assert points(nested) == points(dotted)


def test_values_that_mean_the_same_are_one_point(space):
    found = list(space("optimizer.learning_rate: [0.1, 1e-1, 1, 1.0]").grid())
    assert [p.hash == found[0].hash for p in found] == [True, True, False, False]
    assert found[2].hash == found[3].hash
    whole = list(space("optimizer: [adam, {type: adam}, {type: adam, beta1: 0.9}]").grid())
    assert len({p.hash for p in whole}) == 1


def test_the_digest_knows_numbers_by_value():
    assert digest({"a": 0.1, "b": [1, 0]}) == digest({"b": [1.0, -0.0], "a": 1e-1})
    assert len({digest(v) for v in (1, True, "1", None, [1], {"a": 1}, 1.5)}) == 7


@given(
    st.floats(1e-6, 1e3),
    st.floats(1.01, 1e3),
    st.booleans(),
    st.booleans(),
    st.floats(0, 1, exclude_max=True),
)
def test_every_draw_lies_in_its_range(low, factor, log, whole, part):
    high = low * factor
    if whole:
        low, high = max(1, math.ceil(low)), max(1, math.ceil(low)) + math.ceil(factor)
    interval = Interval(low, high, log, whole)
    value = interval.at(part)
    assert low <= value <= high
    assert isinstance(value, int) == whole


def test_whole_numbers_of_a_range_are_drawn_alike():
    drawn = [Interval(1, 4, whole=True).at(i / 400) for i in range(400)]
    assert [drawn.count(n) for n in (1, 2, 3, 4)] == [100] * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "optimizer.learning_rte: [1]",
            "no option 'optimizer.learning_rte'; the nearest right path is optimizer.learning_rate",
        ),
        ("lr: [1]", "the nearest right path is optimizer.learning_rate"),
        ("epochs: [1]", "the nearest right path is training.epochs"),
        ("model.layers.1.units: [1]", "the nearest right path is model.layers."),
        ("a..b: [1]", "is no path of the config"),
        ("seed: [1, 2]", "`seeds: 5` repeats each point"),
        ("data.test: [0.1]", "looked at once"),
        ("metrics: [[f1]]", "what is measured changes no training"),
        ("training.epochs: []", "an empty list leaves nothing to try"),
        ("training.epochs: 5", "received 5; write [5]"),
        ("training.epochs:", "received nothing"),
        ("training.epochs: [5, -1]", "training.epochs: expected a positive integer, received -1"),
        ("training.epochs: {uniform: [1, 5]}", "write integers instead of uniform"),
        ("optimizer.learning_rate: {loguniform: [1, 2]}", "did you mean 'log_uniform'?"),
        ("optimizer.learning_rate: {log_uniform: [0, 1]}", "starts above 0"),
        ("optimizer.learning_rate: {uniform: [2, 1]}", "the range ends at 1, but starts at 2"),
        ("optimizer.learning_rate: {uniform: [1]}", "expected {uniform: [LOW, HIGH]}"),
        ("optimizer.learning_rate: {uniform: [1, .nan]}", "finite numbers"),
        ("optimizer.learning_rate: {uniform: [1, 2], count: 1}", "a count from 2 to 10,000"),
        ("optimizer.learning_rate: {uniform: [1, 2], step: 1}", "'step' does not belong"),
        ("optimizer.learning_rate: {uniform: [-1, 1]}", "expected a number above 0"),
        ("optimizer.learning_rate: {steps: [0.1, 1, 0]}", "a step above 0"),
        ("optimizer.learning_rate: {steps: [0.1, 1, 1e-9]}", "at most 10,000"),
        ("optimizer: [adam, sgdd]", "did you mean 'sgd'?"),
        ("optimizer: [adam, {type: sgd, momentum: [0, 1]}]", "unknown key 'momentum'"),
        ("optimizer: [adam, sgd]\noptimizer.beta1: [0.5]", "give it inside the block"),
        ("training.epochs: [1]\ntraining:\n  epochs: [2]", "is there twice"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(space, text, message):
    found = refusal(space, text)
    assert message in found
    assert found.startswith("c.yaml:1")


def test_all_mistakes_come_in_one_pass(space):
    found = refusal(space, "lr: [1]\ntraining.epochs: [-1]\nmodel.layers.0.units: [0, x]")
    assert found.count(": error:") == 4
    assert "c.yaml:14:5" in found
    assert "c.yaml:16:31" in found


def test_an_override_replaces_a_parameter(plan):
    found = plan("search.space.optimizer.learning_rate=[0.5]")
    assert [p.values["optimizer.learning_rate"] for p in found.space.grid()] == [0.5, 0.5]
