"""Filling, scaling and encoding against scikit-learn, to 1e-12."""

import numpy as np
import pytest

from bpnet.data.features import fit_features
from bpnet.data.preprocessing import CategoricalOptions, ColumnOptions, NumericOptions

preprocessing = pytest.importorskip("sklearn.preprocessing")
impute = pytest.importorskip("sklearn.impute")

SCALERS = {
    "standard": preprocessing.StandardScaler,
    "minmax": preprocessing.MinMaxScaler,
    "robust": preprocessing.RobustScaler,
}


@pytest.fixture
def numbers():
    rng = np.random.default_rng(5)
    columns = [
        rng.normal(3, 2, 200),
        np.exp(rng.normal(0, 3, 200)),
        rng.integers(0, 4, 200),
        100 + rng.normal(size=200),
        (rng.random(200) < 0.1) * rng.random(200),
        1e-9 * rng.random(200),
    ]
    return np.array(columns).T


def named(array):
    return {f"x{i}": column.tolist() for i, column in enumerate(array.T)}


def ours(data, rows, **options):
    features = fit_features(data, list(data.columns), rows, **options)
    return features.transform(data, dtype="float64").x


@pytest.mark.parametrize("scale", SCALERS)
def test_scaling(table, numbers, scale):
    rows = np.arange(0, 200, 2)
    expected = SCALERS[scale]().fit(numbers[rows]).transform(numbers)
    found = ours(table(**named(numbers)), rows, numeric=NumericOptions(scale=scale))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [*SCALERS, "none"])
@pytest.mark.parametrize("missing", ["mean", "median", "most_frequent", "constant"])
def test_filling_then_scaling(table, numbers, missing, scale):
    rng = np.random.default_rng(6)
    numbers[rng.random(numbers.shape) < 0.15] = np.nan
    rows = np.arange(50, 200)
    imputer = impute.SimpleImputer(
        strategy=missing, fill_value=2.5 if missing == "constant" else None
    )
    expected = imputer.fit(numbers[rows]).transform(numbers)
    if scale != "none":
        expected = SCALERS[scale]().fit(expected[rows]).transform(expected)
    options = NumericOptions(missing=missing, fill=2.5, scale=scale)
    found = ours(table(**named(numbers)), rows, numeric=options)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_encoding(table):
    rng = np.random.default_rng(7)
    cells = rng.choice(["cat", "dog", "Ant", "äpfel", "zebra fish"], (80, 2))
    data = table(a=cells[:, 0].tolist(), b=cells[:, 1].tolist())
    rows = np.arange(20)
    encoder = preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    assert np.array_equal(ours(data, rows), encoder.fit(cells[rows]).transform(cells))
    encoder = preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    found = ours(data, rows, categorical=CategoricalOptions(encode="ordinal"))
    assert np.array_equal(found, encoder.fit(cells[rows]).transform(cells))


def test_filling_of_categories(table):
    cells = np.array([["b"], ["a"], [None], ["b"], ["a"], [None]], dtype=object)
    data = table(a=cells[:, 0].tolist())
    columns = {"a": ColumnOptions(missing="most_frequent", encode="ordinal")}
    imputer = impute.SimpleImputer(strategy="most_frequent", missing_values=None)
    expected = (imputer.fit_transform(cells) == "b").astype(float)
    assert np.array_equal(ours(data, np.arange(6), columns=columns), expected)
