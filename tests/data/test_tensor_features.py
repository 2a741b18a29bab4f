import json

import numpy as np
import pytest

from bpnet.data.features import features_from_state, fit_features
from bpnet.data.preprocessing import ImageOptions
from bpnet.data.table import Tensor
from bpnet.errors import DataError, RunError


def tensor(x):
    return Tensor(np.asarray(x), {}, "images.npz")


def fit(x, scale="auto", rows=None):
    data = tensor(x)
    rows = np.arange(data.rows) if rows is None else np.asarray(rows)
    return fit_features(data, [], rows, images=ImageOptions(scale))


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), np.uint8)


@pytest.fixture
def signals():
    rng = np.random.default_rng(1)
    return rng.normal([1, -50, 1e5], [1, 10, 1e-3], (30, 7, 3))


def test_whole_numbers_are_scaled_by_the_largest_of_their_type(images):
    features = fit(images)
    transformed = features.transform(tensor(images))
    assert features.shape == (4, 5, 3)
    assert transformed.x.dtype == np.float32
    assert transformed.x.ctypes.data % 64 == 0
    np.testing.assert_allclose(transformed.x, images / 255, rtol=1e-7)
    assert (
        fit(images.astype(np.uint16))
        .transform(tensor(np.full((1, 4, 5, 3), 65535, np.uint16)))
        .x.max()
        == 1
    )


def test_fractions_are_standardized_by_channel_from_the_training_rows(signals):
    rows = [2, 3, 5, 7, 11]
    x = fit(signals, rows=rows).transform(tensor(signals), dtype="float64").x
    training = signals[rows]
    expected = (signals - training.mean((0, 1))) / training.std((0, 1))
    np.testing.assert_allclose(x, expected, rtol=1e-9, atol=1e-9)


def test_blocks_give_the_figures_of_all_rows(signals, monkeypatch):
    whole = fit(signals)
    monkeypatch.setattr("bpnet.data.features.tensors.BLOCK", 50)
    blocks = fit(signals)
    np.testing.assert_allclose(blocks.center, whole.center, rtol=1e-14)
    np.testing.assert_allclose(blocks.scale, whole.scale, rtol=1e-8)
    np.testing.assert_allclose(
        blocks.transform(tensor(signals)).x,
        whole.transform(tensor(signals)).x,
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_constant_channel_becomes_0():
    x = np.random.default_rng(2).normal(size=(10, 3, 2))
    x[:, :, 1] = 0.1
    later = x.copy()
    later[:, :, 1] = 5
    assert (fit(x).transform(tensor(later)).x[:, :, 1] == 0).all()


def test_no_scaling_leaves_the_numbers(images):
    x = fit(images, "none").transform(tensor(images), np.array([3, 1])).x
    assert np.array_equal(x, images[[3, 1]])


def test_unit_scaling_of_fractions_is_refused(signals):
    with pytest.raises(DataError, match=r"data.images.scale: unit is for whole numbers"):
        fit(signals, "unit")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused_with_its_row(signals, bad):
    features = fit(signals)
    signals[4, 2, 1] = bad
    for attempt in (lambda: fit(signals), lambda: features.transform(tensor(signals))):
        with pytest.raises(DataError, match=r"row 4: has a number that is missing") as caught:
            attempt()
        assert caught.value.source == "images.npz"


def test_numbers_too_large_are_refused():
    x = np.array([[[1.0]], [[1e39]]])
    with pytest.raises(DataError, match=r"row 1: .* too large for float32"):
        fit(x, "none").transform(tensor(x))
    with pytest.raises(DataError, match="too far apart to scale"):
        fit(np.array([[[-1e308]], [[1e308]]]), "standard")


def test_other_shapes_and_types_than_in_training_are_refused(images, table):
    features = fit(images)
    with pytest.raises(DataError, match=r"are 4x5x1, but the model was trained on 4x5x3"):
        features.transform(tensor(images[..., :1]))
    with pytest.raises(DataError, match=r"stored as float, but the model was trained on uint8"):
        features.transform(tensor(images / 255))
    with pytest.raises(DataError, match=r"holds a table"):
        features.transform(table(a=[1, 2]))
    columns = table(a=[1, 2])
    with pytest.raises(DataError, match=r"trained on the columns a"):
        fit_features(columns, ["a"], np.arange(2)).transform(tensor(images))


def test_features_from_a_model_file_give_the_same_inputs(signals):
    features = fit(signals)
    facts, arrays = features.to_state()
    again = features_from_state(json.loads(json.dumps(facts)), arrays)
    assert again.shape == features.shape
    assert np.array_equal(again.transform(tensor(signals)).x, features.transform(tensor(signals)).x)


@pytest.mark.parametrize(
    ("key", "value"),
    [("shape", [7, 4]), ("shape", [7, 0]), ("shape", "7"), ("stored", "complex"), ("more", 1)],
)
def test_a_model_file_with_other_facts_is_refused(signals, key, value):
    facts, arrays = fit(signals).to_state()
    with pytest.raises(RunError, match="damaged model: "):
        features_from_state(facts | {key: value}, arrays)
