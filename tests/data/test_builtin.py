import numpy as np
import pytest

from bpnet.data.builtin import BUILTINS, PREFIX, builtin_files, spirals
from bpnet.data.sources import read_source
from bpnet.data.table import Tensor
from bpnet.errors import DataError


@pytest.mark.parametrize("name", BUILTINS)
def test_every_builtin_set_is_what_its_entry_says(tmp_path, name):
    entry = BUILTINS[name]
    found = read_source(PREFIX + name, tmp_path)
    assert found.rows == entry.rows
    assert found.source == f"builtin:{name}"
    assert found.target_names == (entry.target,)
    target = found.columns[entry.target]
    assert len(target.values) == entry.rows
    assert not target.missing.any()
    assert len(found.files) == len(entry.files)
    assert entry.test_part is None or entry.test_part in BUILTINS


def test_names_are_sorted_and_the_unknown_one_is_refused(tmp_path):
    assert list(BUILTINS) == sorted(BUILTINS)
    with pytest.raises(DataError) as caught:
        read_source("builtin:iriss", tmp_path)
    assert str(caught.value) == (
        "builtin:iriss: no such data set; did you mean 'iris'? (there are concrete, digits, "
        "fashion, fashion_test, iris, penguins, spirals, xor)"
    )


def test_real_sets_have_their_known_shape(tmp_path):
    iris = read_source("builtin:iris", tmp_path)
    assert iris.columns["species"].levels == ("setosa", "versicolor", "virginica")
    assert np.bincount(iris.columns["species"].values).tolist() == [50, 50, 50]

    penguins = read_source("builtin:penguins", tmp_path)
    assert penguins.columns["island"].kind == "category"
    assert int(penguins.columns["sex"].missing.sum()) == 11
    assert int(penguins.columns["body_mass_g"].missing.sum()) == 2
    assert np.nanmin(penguins.columns["flipper_length_mm"].values) == 172

    digits = read_source("builtin:digits", tmp_path)
    pixels = np.stack([c.values for n, c in digits.columns.items() if n != "digit"], axis=1)
    assert pixels.shape == (1797, 64)
    assert (pixels.min(), pixels.max()) == (0, 16)
    assert sorted(set(digits.columns["digit"].values)) == list(range(10))

    fashion = read_source("builtin:fashion", tmp_path)
    assert isinstance(fashion, Tensor)
    assert fashion.x.shape == (2000, 28, 28, 1)
    assert fashion.x.dtype == np.uint8


def test_digits_agree_with_scikit_learn(tmp_path):
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_digits()
    ours = read_source("builtin:digits", tmp_path)
    pixels = np.stack([c.values for n, c in ours.columns.items() if n != "digit"], axis=1)
    np.testing.assert_array_equal(pixels, theirs.data)
    np.testing.assert_array_equal(ours.columns["digit"].values, theirs.target)


def test_labels_of_images_can_be_named(tmp_path):
    fashion = read_source("builtin:fashion_test", tmp_path, target="clothing")
    assert list(fashion.columns) == ["clothing"]


def test_xor_is_exclusive_or(tmp_path):
    table = read_source("builtin:xor", tmp_path)
    x1, x2, y = (column.values for column in table.columns.values())
    assert sorted(zip(x1, x2, strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    np.testing.assert_array_equal(y, np.logical_xor(x1, x2))


def test_spirals_are_the_same_points_for_ever(tmp_path):
    table = read_source("builtin:spirals", tmp_path, kinds={"y": "category"})
    rows = spirals()
    assert rows.shape == (400, 3)
    assert table.columns["y"].levels == ("0", "1")
    assert np.abs(rows[:, :2]).max() < 1.05
    expected = [[0.075397, 0.0241, 0], [-0.059953, -0.031231, 1], [0.981121, 0.007722, 1]]
    np.testing.assert_array_equal(rows[[0, 1, 399]], expected)


def test_spirals_wind_around_each_other():
    x, y = spirals()[:, :2], spirals()[:, 2]
    distance = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (y[distance.argmin(axis=1)] == y).mean() > 0.98  # neighbours are of one class
    a = np.column_stack([x, np.ones(len(x))])
    line = np.linalg.lstsq(a, y - 0.5, rcond=None)[0]
    assert ((a @ line > 0) == y).mean() < 0.7  # no straight line tells the classes apart


def test_files_are_credited():
    from importlib import resources

    text = (resources.files("bpnet.data.builtin") / "SOURCES.md").read_text()
    for name, entry in BUILTINS.items():
        assert f"`{name}`" in text
        assert len(builtin_files(PREFIX + name)) == len(entry.files)
