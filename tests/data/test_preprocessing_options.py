import pytest

from bpnet.data.features import fit_features
from bpnet.data.preprocessing import (
    OUTLIERS,
    CategoricalOptions,
    ClipOutliers,
    ColumnOptions,
    NumericOptions,
    categorical_options,
    numeric_options,
)
from bpnet.errors import OptionError


def test_a_column_keeps_the_shared_options_but_for_its_exceptions():
    shared = NumericOptions(missing="mean", scale="robust")
    columns = {"age": ColumnOptions(scale="minmax", outliers=ClipOutliers())}
    assert numeric_options("height", shared, columns) == shared
    assert numeric_options("age", shared, columns) == NumericOptions(
        "mean", outliers=ClipOutliers(), scale="minmax"
    )
    assert shared.scale == "robust"


def test_a_number_as_the_fill_of_categories_becomes_its_text():
    columns = {"floor": ColumnOptions(missing="constant", fill=3.0)}
    assert categorical_options("floor", CategoricalOptions(), columns).fill == "3"


@pytest.mark.parametrize(
    ("kind", "options", "option"),
    [
        ("number", ColumnOptions(encode="ordinal"), "encode"),
        ("number", ColumnOptions(unseen="error"), "unseen"),
        ("number", ColumnOptions(max_levels=3), "max_levels"),
        ("number", ColumnOptions(order=["a"]), "order"),
        ("number", ColumnOptions(missing="category"), "missing"),
        ("number", ColumnOptions(missing="constant", fill="none"), "fill"),
        ("category", ColumnOptions(scale="minmax"), "scale"),
        ("category", ColumnOptions(outliers=ClipOutliers()), "outliers"),
        ("category", ColumnOptions(missing="mean"), "missing"),
    ],
)
def test_an_option_of_the_other_kind_of_column_is_refused_at_its_place(
    table, every_row, kind, options, option
):
    data = table(n=[1, 2, 3], c=["a", "b", "a"])
    name = {"number": "n", "category": "c"}[kind]
    with pytest.raises(OptionError) as caught:
        fit_features(data, ["n", "c"], every_row(data), columns={name: options})
    assert caught.value.path == ("columns", name, option)
    assert {"number": "numbers", "category": "categories"}[kind] in caught.value.message


def test_exceptions_for_a_column_that_is_not_there_or_no_input_are_refused(table, every_row):
    data = table(age=[1, 2, 3], y=[1, 2, 3])
    with pytest.raises(OptionError, match="did you mean 'age'") as caught:
        fit_features(data, ["age"], every_row(data), columns={"Age": ColumnOptions(scale="none")})
    assert caught.value.path == ("columns", "Age")
    with pytest.raises(OptionError, match="'y' is no input"):
        fit_features(data, ["age"], every_row(data), columns={"y": ColumnOptions(scale="none")})
    fit_features(data, ["age"], every_row(data), columns={"y": ColumnOptions(type="category")})


def test_an_order_with_a_category_twice_is_refused():
    with pytest.raises(OptionError, match="'b' is there twice") as caught:
        ColumnOptions(order=["a", "b", "b"])
    assert caught.value.path == ("order",)


def test_every_rule_for_outliers_knows_its_name():
    assert {name: rule.type for name, rule in OUTLIERS.items()} == {n: n for n in OUTLIERS}
