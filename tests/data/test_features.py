import json

import numpy as np
import pytest

from bpnet.data.features import feature_names, features_from_state, fit_features
from bpnet.data.preprocessing import (
    CategoricalOptions,
    ClipOutliers,
    ColumnOptions,
    DropOutliers,
    NumericOptions,
)
from bpnet.errors import DataError, OptionError, RunError


def fit(data, rows=None, **options):
    rows = np.arange(data.rows) if rows is None else np.asarray(rows)
    return fit_features(data, list(data.columns), rows, **options)


def inputs(data, rows=None, **options):
    """The inputs of all rows, fitted on `rows`, in float64."""
    return fit(data, rows, **options).transform(data, dtype="float64").x


def one(data, **options):
    """The inputs that the only column becomes, as a list."""
    return inputs(data, **options)[:, 0].tolist()


def restored(features):
    facts, arrays = features.to_state()
    return features_from_state(json.loads(json.dumps(facts)), arrays)


# Choosing columns


def test_all_columns_are_inputs_but_those_with_another_part(table):
    data = table(a=[1], b=[2], c=["x"], y=[3])
    assert feature_names(data, others={"y": "the target"}) == ["a", "b", "c"]
    assert feature_names(data, exclude=["b"], others={"y": "the target"}) == ["a", "c"]
    assert feature_names(data, ["c", "a"]) == ["c", "a"]


@pytest.mark.parametrize(
    ("features", "exclude", "path", "words"),
    [
        (["age", "heigth"], [], ("features", 1), "no column 'heigth'; did you mean 'height'?"),
        (["age", "y"], [], ("features", 1), "'y' is the target"),
        (["age", "age"], [], ("features", 1), "twice"),
        (["age"], ["age"], ("features", 0), "also in exclude"),
        ([], [], ("features",), "at least one column"),
        ("all", ["ages"], ("exclude", 0), "did you mean 'age'?"),
        ("all", ["age", "height"], ("exclude",), "no column left"),
    ],
)
def test_a_wrong_choice_of_columns_is_refused(table, features, exclude, path, words):
    data = table(age=[1], height=[2], y=[3])
    with pytest.raises(OptionError) as caught:
        feature_names(data, features, exclude, {"y": "the target"})
    assert caught.value.path == path
    assert words in caught.value.message


# Numbers


def test_numbers_come_before_categories_and_each_input_has_its_name(table):
    data = table(island=["b", "a", "b"], age=[1, 2, 3], size=["s", "m", "s"])
    features = fit(data, columns={"size": ColumnOptions(encode="ordinal")})
    assert features.names == ("age", "island=a", "island=b", "size")
    assert features.shape == (4,)
    assert list(features.columns.items()) == [
        ("island", "category"),
        ("age", "number"),
        ("size", "category"),
    ]
    x = features.transform(data, dtype="float64").x
    assert np.allclose(x[:, 0], [-(1.5**0.5), 0, 1.5**0.5])
    assert x[:, 1:].tolist() == [[0, 1, 1], [1, 0, 0], [0, 1, 1]]
    assert x.flags.c_contiguous
    assert x.ctypes.data % 64 == 0


def test_figures_come_from_the_training_rows_alone(table):
    data = table(a=[0, 2, 1e9, None])
    x = inputs(data, rows=[0, 1])
    assert x[:, 0].tolist() == [-1, 1, 1e9 - 1, 0]


@pytest.mark.parametrize(
    ("missing", "fill"), [("median", 2), ("mean", 3), ("most_frequent", 1), ("constant", -7)]
)
def test_a_missing_number_is_filled(table, missing, fill):
    data = table(a=[1, 1, 2, 8, 3, None, 3, 5, 1])
    data = data.take(slice(0, 6))
    options = NumericOptions(missing=missing, fill=-7, scale="none")
    assert one(data, numeric=options) == [1, 1, 2, 8, 3, fill]
    transformed = fit(data, numeric=options).transform(data)
    assert transformed.filled == {"a": 1}


def test_columns_with_and_without_gaps_are_fitted_alike(table):
    full, gappy = [4.0, 8, 6, 1], [4.0, None, 8, 6, 1]
    alone = one(table(a=full), numeric=NumericOptions(scale="none"))
    both = inputs(
        table(a=[*full, 0], b=gappy, c=[1, 2, 3, 4, 5.0]), numeric=NumericOptions(scale="none")
    )
    assert alone == full
    assert both[:, 1].tolist() == [4, 5, 8, 6, 1]


def test_the_most_frequent_of_equally_many_is_the_least(table):
    options = NumericOptions(missing="most_frequent", scale="none")
    assert one(table(a=[5, 3, 3, 5, None]), numeric=options)[-1] == 3


def test_rows_with_a_missing_cell_are_dropped_everywhere(table):
    data = table(a=[1, None, 3, 4], b=[None, 2, 2, 4])
    features = fit(data, numeric=NumericOptions(missing="drop"))
    assert features.training_rows.tolist() == [2, 3]
    assert features.transform(data).kept.tolist() == [2, 3]
    assert features.transform(data, np.array([0, 1, 3])).kept.tolist() == [3]


@pytest.mark.parametrize("stage", ["training", "later"])
def test_a_missing_cell_is_refused_with_its_line(table, stage):
    data = table(a=[1, 2, None, None])
    rows, options = ([1, 2, 3] if stage == "training" else [0, 1]), NumericOptions(missing="error")
    with pytest.raises(DataError, match="column 'a' has no value") as caught:
        fit(data, rows, numeric=options).transform(data)
    assert (caught.value.source, caught.value.line) == ("t.csv", 4)


def test_a_column_without_any_value_is_refused_unless_a_constant_fills_it(table):
    data = table(a=[1, 2, 3], b=[None, None, 5])
    with pytest.raises(DataError, match="column 'b' has no value in any of the 2 training rows"):
        fit(data, [0, 1])
    options = NumericOptions(missing="constant", fill=4)
    assert inputs(data, [0, 1], numeric=options)[:, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("scale", ["standard", "minmax", "robust"])
@pytest.mark.parametrize("value", [0.1, 0, 1e300, -7e-310])
def test_a_constant_column_becomes_0_whatever_comes_later(table, scale, value):
    data = table(a=[value] * 10 + [5.0])
    x = inputs(data, range(10), numeric=NumericOptions(scale=scale))
    assert (x == 0).all()


def test_a_constant_column_stays_as_it_is_without_scaling(table):
    assert one(table(a=[7, 7]), numeric=NumericOptions(scale="none")) == [7, 7]


def test_one_training_row_is_enough(table):
    assert inputs(table(a=[3, 4], c=["u", "v"]), [0]).tolist() == [[0, 1], [0, 0]]


def test_robust_scaling_of_equal_quartiles_only_shifts(table):
    data = table(a=[5, 5, 5, 5, 5, 9])
    assert one(data, numeric=NumericOptions(scale="robust")) == [0, 0, 0, 0, 0, 4]


def test_minmax_reaches_exactly_0_and_1(table):
    rng = np.random.default_rng(0)
    data = table(a=rng.normal(size=1000).tolist())
    x = inputs(data, numeric=NumericOptions(scale="minmax"))
    assert (x.min(), x.max()) == (0, 1)


def test_standard_scaling_of_tiny_and_huge_numbers(table):
    for size in (1e-300, 1e150, 1e300):
        x = inputs(table(a=[1 * size, 2 * size, 3 * size]))
        np.testing.assert_allclose(x[:, 0], [-(1.5**0.5), 0, 1.5**0.5], atol=1e-12)


@pytest.mark.parametrize("scale", ["standard", "minmax", "robust"])
def test_numbers_too_far_apart_to_scale_are_refused(table, scale):
    data = table(a=[-1.7e308, 1.7e308, -1.7e308, 1.7e308])
    with pytest.raises(DataError, match=r"column 'a' has values from -1.7e\+308 to 1.7e\+308"):
        fit(data, numeric=NumericOptions(scale=scale))


def test_numbers_too_large_for_a_mean_are_refused(table):
    data = table(a=[1.7e308, 1.7e308, -1.7e308])
    for options in (
        NumericOptions(missing="mean", scale="none"),
        NumericOptions(outliers=ClipOutliers("zscore"), scale="none"),
        NumericOptions(outliers=DropOutliers("zscore"), scale="none"),
    ):
        with pytest.raises(DataError, match="too large to work with"):
            fit(data, numeric=options)


def test_a_number_too_large_for_the_networks_type_is_refused_with_its_line(table):
    data = table(a=[1, 2, 3], b=[1, 1e39, -2])
    features = fit(data, numeric=NumericOptions(scale="none"))
    with pytest.raises(DataError, match="'b': 1e\\+39, once scaled, is too large") as caught:
        features.transform(data)
    assert caught.value.line == 3
    assert features.transform(data, dtype="float64").x[1, 1] == 1e39


# Outliers


def test_outliers_are_clipped_to_the_training_bounds_in_every_row(table):
    data = table(a=[1, 2, 3, 4, 100, -50, None])
    options = NumericOptions(outliers=ClipOutliers(), scale="none")
    features = fit(data, range(5), numeric=options)
    x = features.transform(data, dtype="float64").x[:, 0]
    assert x.tolist() == [1, 2, 3, 4, 7, -1, 3]


def test_a_missing_cell_is_filled_from_the_clipped_numbers(table):
    data = table(a=[1, 2, 3, 4, 100, None])
    options = NumericOptions(missing="mean", outliers=ClipOutliers(), scale="none")
    assert one(data, numeric=options)[-1] == (1 + 2 + 3 + 4 + 7) / 5


def test_rows_with_outliers_are_dropped_from_the_training_only(table):
    data = table(a=[1, 2, 3, 4, 100, None], b=[5, 5, 6, 5, 5, 5])
    options = NumericOptions(outliers=DropOutliers(), scale="none")
    features = fit(data, numeric=options)
    assert features.training_rows.tolist() == [0, 1, 2, 3, 5]
    rows = np.arange(6)
    assert features.transform(data, rows, training=True).kept.tolist() == [0, 1, 2, 3, 5]
    assert features.transform(data, rows).kept.tolist() == [0, 1, 2, 3, 4, 5]
    again = restored(features).transform(data, rows, training=True)
    assert again.kept.tolist() == [0, 1, 2, 3, 5]


def test_scales_are_fitted_without_the_dropped_outliers(table):
    data = table(a=[1, 2, 3, 4, 1000])
    options = NumericOptions(outliers=DropOutliers(), scale="minmax")
    assert inputs(data, numeric=options)[:4, 0].tolist() == [0, 1 / 3, 2 / 3, 1]


def test_outliers_by_their_distance_in_standard_deviations(table):
    values = [0.0] * 10 + [1.0] * 10 + [50.0]
    bound = np.mean(values) + 2 * np.std(values)
    options = NumericOptions(outliers=ClipOutliers("zscore", 2), scale="none")
    assert one(table(a=values), numeric=options)[-1] == pytest.approx(bound, rel=1e-14)


def test_a_column_with_equal_quartiles_has_no_outliers(table):
    data = table(a=[0] * 8 + [1, 2])
    options = NumericOptions(outliers=DropOutliers(), scale="none")
    assert len(fit(data, numeric=options).training_rows) == 10


def test_dropping_all_rows_is_refused(table):
    data = table(a=[1, None], b=[None, 1])
    with pytest.raises(DataError, match="all 2 training rows have a missing cell"):
        fit(data, numeric=NumericOptions(missing="drop"))


# Categories


def test_one_hot_has_an_input_for_each_category_and_missing_cells_their_own(table):
    data = table(c=["b", None, "a"])
    features = fit(data)
    assert features.names == ("c=a", "c=b", "c=(missing)")
    assert features.transform(data).x.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_a_missing_cell_that_training_never_had_is_all_0(table):
    data = table(c=["b", "a", None])
    assert inputs(data, [0, 1]).tolist() == [[0, 1], [1, 0], [0, 0]]


def test_numbers_as_categories_are_ordered_by_their_value(table):
    data = table(floor=[10, 9, 2, 10])
    features = fit(data, columns={"floor": ColumnOptions(type="category", encode="ordinal")})
    assert features.transform(data).x[:, 0].tolist() == [2, 1, 0, 2]


def test_categories_can_have_an_order_of_their_own(table):
    data = table(size=["small", "large", "medium"])
    options = ColumnOptions(encode="ordinal", order=["small", "medium", "large"])
    assert one(data, columns={"size": options}) == [0, 2, 1]
    wrong = ColumnOptions(order=["small", "medum", "large"])
    with pytest.raises(DataError, match="did you mean 'medum'") as caught:
        fit(data, columns={"size": wrong})
    assert caught.value.line == 4


@pytest.mark.parametrize(
    ("missing", "expected"),
    [("category", 2), ("most_frequent", 1), ("constant", 0), ("drop", None)],
)
def test_a_missing_category(table, missing, expected):
    data = table(c=["b", "a", None, "b"])
    options = CategoricalOptions(missing=missing, fill="a", encode="ordinal")
    values = one(data, categorical=options)
    assert values == ([1, 0, 1] if expected is None else [1, 0, expected, 1])


def test_a_constant_for_missing_categories_can_be_a_new_one(table):
    data = table(c=["b", None])
    features = fit(data, categorical=CategoricalOptions(missing="constant", fill="none"))
    assert features.names == ("c=b", "c=none")
    assert features.transform(data).x.tolist() == [[1, 0], [0, 1]]


def test_a_missing_category_is_refused_with_its_line(table):
    data = table(c=["b", "a", None])
    with pytest.raises(DataError, match="column 'c' has no value; set `missing`") as caught:
        fit(data, categorical=CategoricalOptions(missing="error"))
    assert caught.value.line == 4


@pytest.mark.parametrize(
    ("unseen", "encode", "expected"),
    [
        ("ignore", "one_hot", [[1, 0, 0], [0, 0, 0]]),
        ("missing", "one_hot", [[1, 0, 0], [0, 0, 1]]),
        ("ignore", "ordinal", [[0], [-1]]),
        ("missing", "ordinal", [[0], [2]]),
    ],
)
def test_a_category_that_training_never_saw(table, unseen, encode, expected):
    training = table(c=["a", "b", None])
    features = fit(training, categorical=CategoricalOptions(unseen=unseen, encode=encode))
    transformed = features.transform(table(c=["a", "Mars"]))
    assert transformed.x.tolist() == expected
    assert transformed.unseen == {"c": {"Mars": 1}}


def test_an_unseen_category_can_be_refused_or_dropped(table):
    training, later = table(c=["Dream", "Biscoe"]), table(c=["Dream", "dream"])
    features = fit(training, categorical=CategoricalOptions(unseen="error"))
    with pytest.raises(DataError, match="'dream', which training never saw; did you") as caught:
        features.transform(later)
    assert caught.value.line == 3
    features = fit(training, categorical=CategoricalOptions(missing="drop", unseen="missing"))
    assert features.transform(later).kept.tolist() == [0]


def test_categories_outside_the_training_rows_are_unseen(table):
    data = table(c=["a", "b", "c"])
    features = fit(data, [0, 1])
    assert features.names == ("c=a", "c=b")
    assert features.transform(data).unseen == {"c": {"c": 1}}


def test_too_many_categories_are_refused(table):
    data = table(c=[f"v{i % 12}" for i in range(36)])
    fit(data)
    with pytest.raises(DataError, match="'c' has 12 categories in 36 training rows"):
        fit(data, categorical=CategoricalOptions(max_levels=11))


# Other files


def test_columns_are_found_by_name_and_others_are_ignored(table):
    features = fit(table(a=[0, 2], b=["u", "v"]))
    x = features.transform(table(z=[9, 9], b=["v", "u"], a=[2, 0])).x
    assert x.tolist() == [[1, 0, 1], [-1, 1, 0]]


def test_a_missing_column_is_named(table):
    features = fit(table(age=[0, 2], b=["u", "v"]))
    with pytest.raises(DataError, match=r"column 'age' .* is missing; did you mean 'Age'"):
        features.transform(table(Age=[1], b=["u"]))


def test_text_where_training_had_numbers_is_refused_with_its_line(table):
    features = fit(table(a=[0, 2]))
    with pytest.raises(DataError, match="column 'a': 'old' is not a number") as caught:
        features.transform(table(a=["1", "old"]))
    assert caught.value.line == 3
    assert features.transform(table(a=["1", "3"])).x[:, 0].tolist() == [0, 2]
    with pytest.raises(DataError, match="set its type to category"):
        fit(table(a=["1", "old"]), columns={"a": ColumnOptions(type="number")})


def test_numbers_where_training_had_categories_are_their_texts(table):
    features = fit(table(c=["1", "2", "x"]))
    assert features.transform(table(c=[2, 1])).x.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_no_rows_give_no_inputs(table):
    features = fit(table(a=[0, 2], c=["u", "v"]))
    assert features.transform(table(a=[1], c=["u"]), np.arange(0)).x.shape == (0, 3)


def test_rows_in_blocks_are_the_rows_at_once(table, monkeypatch):
    rng = np.random.default_rng(1)
    cells = rng.normal(size=(100, 3))
    cells[rng.random(cells.shape) < 0.2] = np.nan
    data = table(a=cells[:, 0], b=cells[:, 1], c=cells[:, 2])
    options = NumericOptions(outliers=ClipOutliers())
    expected = fit(data, numeric=options).transform(data)
    monkeypatch.setattr("bpnet.data.features.numeric.BLOCK", 7)
    blocked = fit(data, numeric=options).transform(data)
    assert np.array_equal(blocked.x, expected.x)
    assert blocked.filled == expected.filled


# Model files


@pytest.fixture
def mixed(table):
    data = table(
        a=[1, None, 3, 100, 5], b=[2, 2, 1, 2, 2], c=["u", None, "v", "u", "u"], d=list("xyzzy")
    )
    columns = {
        "a": ColumnOptions(outliers=ClipOutliers(), scale="robust"),
        "b": ColumnOptions(missing="drop"),
        "d": ColumnOptions(encode="ordinal", unseen="error"),
    }
    return data, fit(data, columns=columns)


def test_features_from_a_model_file_give_the_same_inputs(mixed):
    data, features = mixed
    again = restored(features)
    assert again.training_rows is None
    assert again.to_state()[0] == features.to_state()[0]
    assert list(again.columns.items()) == list(features.columns.items())
    assert np.array_equal(again.transform(data).x, features.transform(data).x)


def spoil(facts, arrays, spot, value):
    *steps, last = spot
    inner = facts
    for step in steps:
        inner = inner[step]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return facts, arrays


@pytest.mark.parametrize(
    ("spot", "value"),
    [
        (("type",), "other"),
        (("type",), None),
        (("extra",), 1),
        (("columns",), ["a", "b", "c"]),
        (("columns",), ["a", "b", "c", "c"]),
        (("columns",), "abcd"),
        (("numeric",), []),
        (("numeric", "names"), ...),
        (("numeric", "names"), ["a", "a"]),
        (("numeric", "names"), ["a", 1]),
        (("numeric", "names"), ["a"]),
        (("numeric", "missing"), ["fill", "fall"]),
        (("numeric", "outliers"), ["none"]),
        (("numeric", "more"), 1),
        (("categories",), {}),
        (("categories", 0), None),
        (("categories", 0, "levels"), ["u", "u"]),
        (("categories", 0, "levels"), ["u", "v", None]),
        (("categories", 0, "fill"), 3),
        (("categories", 0, "fill"), -2),
        (("categories", 0, "fill"), True),
        (("categories", 0, "fill"), 1.0),
        (("categories", 0, "encode"), "binary"),
        (("categories", 0, "unseen"), ...),
        (("categories", 0, "name"), "a"),
        (("categories", 0, "more"), 1),
    ],
)
def test_a_model_file_with_other_facts_is_refused(mixed, spot, value):
    facts, arrays = mixed[1].to_state()
    facts = json.loads(json.dumps(facts))
    features_from_state(facts, arrays)
    with pytest.raises(RunError, match="damaged model: "):
        features_from_state(*spoil(facts, arrays, spot, value))


@pytest.mark.parametrize("name", ["fill", "low", "high", "center", "scale"])
@pytest.mark.parametrize(
    "change",
    [
        lambda a: None,
        lambda a: a[:1],
        lambda a: a[None],
        lambda a: np.zeros(2, np.float32),
        lambda a: a * np.nan,
        lambda a: a + np.inf,
    ],
)
def test_a_model_file_with_other_arrays_is_refused(mixed, name, change):
    facts, arrays = mixed[1].to_state()
    arrays[name] = change(arrays[name])
    if arrays[name] is None:
        del arrays[name]
    with pytest.raises(RunError, match=f"'{name}' of its"):
        features_from_state(json.loads(json.dumps(facts)), arrays)


def test_a_model_file_with_contradicting_arrays_is_refused(mixed):
    for name, value in (("scale", -1.0), ("low", 1e308), ("more", 0.0)):
        facts, arrays = mixed[1].to_state()
        arrays[name] = np.full(2, value)
        with pytest.raises(RunError, match=f"'{name}' of its"):
            features_from_state(json.loads(json.dumps(facts)), arrays)
