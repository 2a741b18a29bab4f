import numpy as np
import pytest

from bpnet.data.dataset import make_dataset
from bpnet.data.features import fit_features
from bpnet.data.preprocessing import DropOutliers, NumericOptions
from bpnet.data.target import fit_target
from bpnet.errors import DataError


def fit(data, numeric=None, kind="class"):
    rows = np.arange(data.rows)
    features = fit_features(data, ["a"], rows, numeric=numeric)
    return features, fit_target(data, ["y"], kind, features.training_rows)


def test_inputs_targets_and_weights_are_those_of_the_same_rows(table):
    data = table(a=[0, None, 2, 4], y=["u", "v", "v", "u"], w=[1, 2, 3, 4])
    features, target = fit(data, NumericOptions(missing="drop", scale="none"))
    dataset = make_dataset(data, features, target, weight="w", dtype="float64")
    assert len(dataset) == 3
    assert dataset.x[:, 0].tolist() == [0, 2, 4]
    assert dataset.target.tolist() == [0, 1, 0]
    assert dataset.weight.tolist() == [1, 3, 4]
    assert dataset.rows.tolist() == [0, 2, 3]
    chosen = make_dataset(data, features, target, np.array([2, 1]))
    assert (chosen.x.tolist(), chosen.target.tolist(), chosen.weight) == ([[2]], [1], None)


def test_rows_with_outliers_are_left_out_of_the_training_only(table):
    data = table(a=[1, 2, 3, 4, 100], y=[1, 2, 3, 4, 5])
    features, target = fit(data, NumericOptions(outliers=DropOutliers()), "number")
    assert len(make_dataset(data, features, target, training=True)) == 4
    assert len(make_dataset(data, features, target)) == 5
    assert target.center.tolist() == [2.5]


def test_a_file_without_a_row_that_can_be_used_is_refused(table):
    data = table(a=[1, 2], y=["u", "v"])
    features, target = fit(data, NumericOptions(missing="drop"))
    with pytest.raises(DataError, match="no row is left"):
        make_dataset(table(a=[None], y=["u"]), features, target)


@pytest.mark.parametrize(
    ("weights", "words", "line"),
    [
        ([1, None], "expected a number of 0 or more, received nothing", 3),
        ([1, -2], "received -2", 3),
        ([0, 0], "is 0 in all 2 rows", None),
        ([1, 1e39], "too large for float32", 3),
        (["1", "much"], "'much' is not a number; a weight is a number", 3),
    ],
)
def test_a_wrong_weight_is_refused_with_its_line(table, weights, words, line):
    data = table(a=[1, 2], y=["u", "v"], w=weights)
    features, target = fit(data)
    with pytest.raises(DataError) as caught:
        make_dataset(data, features, target, weight="w")
    assert words in caught.value.message
    assert caught.value.line == line


def test_filled_cells_and_unseen_categories_are_counted(table):
    data = table(a=["p", "q", "p"], y=["u", "v", "u"])
    features, target = fit(data)
    dataset = make_dataset(table(a=["r", None, "r"], y=["u", "v", "u"]), features, target)
    assert dataset.unseen == {"a": {"r": 2}}
    assert dataset.filled == {"a": 1}
