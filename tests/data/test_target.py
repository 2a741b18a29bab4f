import json

import numpy as np
import pytest

from bpnet.data.columns import in_order
from bpnet.data.target import TARGETS, fit_target, strata, target_from_state
from bpnet.errors import DataError, RunError


def fit(data, kind, rows=None, **options):
    rows = np.arange(data.rows) if rows is None else np.asarray(rows)
    return fit_target(data, list(data.columns), kind, rows, **options)


def restored(target):
    facts, arrays = target.to_state()
    return target_from_state(json.loads(json.dumps(facts)), arrays)


def refused(data, kind, words, rows=None):
    with pytest.raises(DataError) as caught:
        fit(data, kind, rows)
    assert words in str(caught.value)
    return caught.value


# Classes


def test_labels_become_codes_in_sorted_order(table):
    target = fit(table(y=["virginica", "setosa", "versicolor", "setosa"]), "class")
    assert (target.kind, target.outputs) == ("class", 3)
    assert target.class_names == ("setosa", "versicolor", "virginica")
    assert target.class_counts.tolist() == [2, 1, 1]
    codes = target.encode(table(y=["setosa", "virginica"]))
    assert codes.dtype == np.int64
    assert codes.tolist() == [0, 2]


def test_numbers_as_labels_are_ordered_by_value_and_come_back_as_numbers(table):
    target = fit(table(y=[10, 9, 9, -2]), "class")
    assert target.class_names == ("-2", "9", "10")
    labels = target.labels(np.eye(3))
    assert labels.tolist() == [-2, 9, 10]
    assert labels.dtype.kind == "i"
    assert target.encode(table(y=["9", "10"])).tolist() == [1, 2]


def test_texts_come_back_as_texts(table):
    target = fit(table(y=["ham", "spam"]), "class")
    outputs = np.array([[0.2, 0.8], [0.7, 0.3]])
    assert target.labels(outputs).tolist() == ["spam", "ham"]
    assert target.probabilities(outputs) is outputs
    assert target.to_units(outputs) is outputs


def test_a_single_class_in_training_is_refused(table):
    data = table(y=["a", "a", "b"])
    refused(data, "class", "only one class ('a') in the 2 training rows", [0, 1])
    refused(data, "binary", "target 'y' is 'a' in all 2 training rows", [0, 1])


@pytest.mark.parametrize("kind", ["class", "binary"])
def test_a_label_that_no_training_row_has_is_refused_with_its_rows(table, kind):
    data = table(y=["cat", "dog", "cat", "Dog", "dog", "cow"])
    target = fit(data, kind, [0, 1, 2])
    with pytest.raises(DataError) as caught:
        target.encode(data, np.array([3, 4, 5]))
    assert caught.value.line == 5
    message = caught.value.message
    assert "'Dog', 'cow' in 2 of 3 rows, lines 5, 7, which no training row has" in message
    assert "did you mean 'dog'" in message


@pytest.mark.parametrize("kind", ["class", "binary", "number"])
def test_a_missing_target_is_refused_with_its_lines(table, kind):
    data = table(y=[1, None, 0, None])
    error = refused(data, kind, "target 'y' has no value in lines 3, 5 (2 of 4 rows)")
    assert error.line == 3
    target = fit(data, kind, [0, 2])
    with pytest.raises(DataError, match="target 'y' has no value"):
        target.encode(data)
    assert len(target.encode(data, np.array([0, 2]))) == 2


def test_fractions_with_a_loss_for_classes_are_refused_with_the_right_loss(table):
    data = table(y=np.linspace(0, 1, 30).tolist())
    refused(data, "class", "use a loss for numbers, such as mse")
    refused(data, "binary", "use a loss for numbers, such as mse")
    half_steps = table(y=[0.5, 1, 1.5, 0.5])
    assert fit(half_steps, "class").class_names == ("0.5", "1", "1.5")


def test_a_class_for_nearly_every_row_is_refused(table):
    refused(table(y=range(100)), "class", "100 different values in 100 rows, too many")
    refused(table(y=[f"n{i}" for i in range(100)]), "class", "choose another target")


def test_two_hundred_classes_of_three_rows_are_fine(table):
    assert fit(table(y=[i % 200 for i in range(600)]), "class").outputs == 200


# Probabilities of classes


def test_several_columns_with_a_loss_for_classes_are_probabilities(table):
    target = fit(table(a=[0.25, 1], b=[0.75, 0]), "class")
    assert (target.kind, target.outputs, target.class_names) == ("class", 2, ("a", "b"))
    assert target.class_counts.tolist() == [1.25, 0.75]
    encoded = target.encode(table(a=[0.5], b=[0.5]))
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[0.5, 0.5]]
    assert target.labels(np.array([[0.4, 0.6]])).tolist() == ["b"]


def test_probabilities_written_with_few_digits_are_brought_to_a_sum_of_1(table):
    target = fit(table(a=[0.333], b=[0.333], c=[0.333]), "class")
    encoded = target.encode(table(a=[0.333], b=[0.333], c=[0.333]), dtype="float64")
    assert encoded.sum() == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("wrong", [(1, 1), (0.5, 0.4), (1.5, -0.5)])
def test_numbers_that_are_no_probabilities_are_refused_with_their_line(table, wrong):
    a, b = wrong
    error = refused(table(a=[1, a], b=[0, b]), "class", "expected probabilities that sum to 1")
    assert error.line == 3


# Yes and no


@pytest.mark.parametrize(
    ("values", "no", "yes"),
    [
        ([1, 0], "0", "1"),
        ([-1, 1], "-1", "1"),
        ([10, 9], "9", "10"),
        (["yes", "no"], "no", "yes"),
        (["False", "true"], "False", "true"),
        (["TRUE", "false"], "false", "TRUE"),
        (["spam", "ham"], "ham", "spam"),
    ],
)
def test_the_later_of_two_values_is_yes(table, values, no, yes):
    data = table(y=values)
    target = fit(data, "binary")
    assert (target.kind, target.outputs, target.class_names) == ("binary", 1, (no, yes))
    expected = [[float(str(value) == yes)] for value in values]
    assert target.encode(data).tolist() == expected
    assert list(map(str, target.labels(np.array([[0.5], [0.6]])))) == [no, yes]


def test_probabilities_of_yes_or_no_are_those_of_both(table):
    target = fit(table(y=[0, 0, 1]), "binary")
    assert target.class_counts.tolist() == [2, 1]
    assert target.probabilities(np.array([[0.25]])).tolist() == [[0.75, 0.25]]


def test_more_than_two_values_are_refused_with_the_right_loss(table):
    refused(table(y=["a", "b", "c"]), "binary", "3 values (a, b, c), but yes or no are two")
    refused(table(y=["a", "b", "c"]), "binary", "use cross_entropy")


def test_several_labels(table):
    data = table(red=[1, 0, 1], big=["yes", "no", "no"], rare=[0, 0, 0])
    target = fit(data, "binary")
    assert (target.outputs, target.class_names) == (3, ("red", "big", "rare"))
    assert target.class_counts.tolist() == [[1, 2, 3], [2, 1, 0]]
    assert target.encode(data).tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 0]]
    outputs = np.array([[0.9, 0.1, 0.6]])
    assert target.labels(outputs).tolist() == [[1, "no", 1]]
    assert target.probabilities(outputs) is outputs


# Numbers


@pytest.mark.parametrize(
    ("scale", "expected"), [("standard", [-1, 1, 3]), ("minmax", [0, 1, 2]), ("none", [2, 4, 6])]
)
def test_numbers_are_scaled_inside_and_told_in_their_own_units(table, scale, expected):
    data = table(y=[2, 4, 6])
    target = fit(data, "number", [0, 1], scale=scale)
    encoded = target.encode(data, dtype="float64")
    assert encoded[:, 0].tolist() == expected
    assert target.to_units(encoded)[:, 0].tolist() == [2, 4, 6]
    assert target.labels(target.to_units(encoded)).tolist() == [2, 4, 6]
    assert target.class_names == ()
    assert target.class_counts is None


def test_several_numbers_have_scales_of_their_own(table):
    data = table(a=[0, 2], b=[10, 30])
    target = fit(data, "number")
    encoded = target.encode(data)
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[-1, -1], [1, 1]]
    units = target.to_units(encoded)
    assert units.dtype == np.float64
    assert target.labels(units).tolist() == [[0, 10], [2, 30]]


def test_a_constant_number_comes_back(table):
    data = table(y=[0.1, 0.1, 0.1])
    target = fit(data, "number")
    encoded = target.encode(data)
    assert encoded.tolist() == [[0], [0], [0]]
    assert target.to_units(encoded)[:, 0].tolist() == [0.1] * 3


def test_text_with_a_loss_for_numbers_is_refused_with_its_line(table):
    error = refused(table(y=["1", "2", "many"]), "number", "'many' is not a number; for classes")
    assert error.line == 4


def test_numbers_that_are_too_large_are_refused(table):
    refused(table(y=[-1.7e308, 1.7e308]), "number", "target 'y' has numbers too far apart")
    target = fit(table(y=[0, 1]), "number")
    with pytest.raises(DataError, match=r"target 'y': 1e\+60 is too large for float32") as caught:
        target.encode(table(y=[0, 1e60]))
    assert caught.value.line == 3


# All of them


def test_a_missing_column_is_named(table):
    target = fit(table(species=["a", "b"]), "class")
    with pytest.raises(DataError, match=r"column 'species' \(the target\) is missing; did you"):
        target.encode(table(Species=["a"]))


def test_classes_for_a_stratified_split_are_those_of_a_single_column(table):
    assert strata(table(y=["b", "a", "b"]), ["y"], "class").tolist() == [1, 0, 1]
    assert strata(table(y=[1, 0]), ["y"], "binary").tolist() == [1, 0]
    assert strata(table(y=[1, 0]), ["y"], "number") is None
    assert strata(table(a=[1, 0], b=[0, 1]), ["a", "b"], "binary") is None


def test_categories_are_sorted_by_value_only_if_all_are_numbers():
    assert in_order(["10", "9", "-1", "1e1"]) == ("-1", "9", "10", "1e1")
    assert in_order(["10", "9", "x"]) == ("10", "9", "x")


# Model files

EXAMPLES = {
    "class": ("class", {"y": ["a", "b", "b"]}),
    "shares": ("class", {"a": [0.5, 1], "b": [0.5, 0]}),
    "binary": ("binary", {"y": [0, 1], "z": ["no", "yes"]}),
    "number": ("number", {"y": [1.5, 2], "z": [0, 0]}),
}


def test_every_target_has_its_example():
    assert set(EXAMPLES) == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_from_a_model_file_is_the_same(table, name):
    kind, columns = EXAMPLES[name]
    data = table(**columns)
    target = fit(data, kind)
    again = restored(target)
    assert type(target).type == name
    assert again.columns == target.columns
    assert again.class_names == target.class_names
    assert np.array_equal(again.class_counts, target.class_counts)
    assert np.array_equal(again.encode(data), target.encode(data))
    outputs = np.random.default_rng(0).random((4, target.outputs))
    assert again.labels(outputs).tolist() == target.labels(outputs).tolist()


BROKEN = {
    "class": [
        {"names": ["a"], "counts": [3]},
        {"names": ["a", "a"]},
        {"names": ["a", 1]},
        {"counts": [1, 2, 3]},
        {"counts": [0, 3]},
        {"counts": [1.0, 2]},
        {"columns": ["y", "z"]},
        {"columns": "y"},
    ],
    "shares": [{"columns": ["a"]}, {"columns": ["a", "b", "c"]}, {"columns": ["a", "a"]}],
    "binary": [
        {"no": ["0"]},
        {"yes": ["0", "yes"]},
        {"counts": [1, 1, 1]},
        {"columns": []},
        {"counts": [-1, 3, 1, 1]},
    ],
    "number": [{"columns": []}, {"columns": ["y"]}, {"columns": ["y", "y"]}],
}


@pytest.mark.parametrize(
    ("name", "change"), [(name, change) for name in BROKEN for change in BROKEN[name]]
)
def test_a_model_file_with_other_facts_is_refused(table, name, change):
    kind, columns = EXAMPLES[name]
    facts, arrays = fit(table(**columns), kind).to_state()
    for damaged in (facts | change, facts | {"more": 1}, facts | {"type": "?"}, None, []):
        with pytest.raises(RunError, match="damaged model: "):
            target_from_state(damaged, arrays)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_model_file_with_an_impossible_scale_is_refused(table, scale):
    facts, arrays = fit(table(y=[1, 2]), "number").to_state()
    with pytest.raises(RunError, match="'scale' of its"):
        target_from_state(facts, arrays | {"scale": np.array([scale])})
