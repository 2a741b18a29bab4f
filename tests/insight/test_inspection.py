import numpy as np
import pytest

from bpnet import model as models
from bpnet.config.document import Document
from bpnet.errors import DataError, UsageError
from bpnet.experiment import build
from bpnet.insight import chosen_rows, inspection
from bpnet.insight.array_files import as_csv, check_name, write_arrays
from bpnet.nn.layers.base import Pass

CONFIG = """\
data: {train: 'builtin:penguins', target: species, exclude: [island]}
model:
  layers:
    - {type: dense, units: 8}
    - {type: batch_norm}
    - {type: relu}
    - {type: dropout, rate: 0.5}
    - type: residual
      layers:
        - {type: dense, units: 8}
        - {type: tanh}
    - {type: dense, units: auto}
loss: cross_entropy
"""


@pytest.fixture
def model(tmp_path):
    experiment = build(Document.parse(CONFIG))
    models.save(tmp_path / "model.safetensors", experiment)
    return models.load(tmp_path / "model.safetensors")


def test_weights_are_those_of_the_model_by_name(model):
    found = inspection.weights(model)
    assert found.keys() == model.weights.keys()
    assert next(iter(found)) == "dense_1.W"
    assert list(found)[-1].startswith("dense_2.")
    assert set(inspection.weights(model, "dense_1")) == {"dense_1.W", "dense_1.b"}
    assert set(inspection.weights(model, "residual_1")) == {
        "residual_1.dense_1.W",
        "residual_1.dense_1.b",
    }
    assert set(inspection.weights(model, "dense_2.b")) == {"dense_2.b"}
    assert inspection.weights(model, "relu_1") == {}
    assert "batch_norm_1.running_mean" in inspection.weights(model, "batch_norm_1")


def test_activations_are_those_of_the_arithmetic(model):
    rows = chosen_rows.rows_of_split(model, "test")
    w = model.weights
    first = rows.x @ w["dense_1.W"] + w["dense_1.b"]
    np.testing.assert_allclose(inspection.activations(model, rows.x, "dense_1"), first, rtol=1e-5)
    given = inspection.activations(model, rows.x, "batch_norm_1")
    relu = inspection.activations(model, rows.x, "relu_1")
    np.testing.assert_array_equal(relu, np.maximum(given, 0))
    dropped = inspection.activations(model, rows.x, "dropout_1")
    np.testing.assert_array_equal(dropped, relu)
    inner = inspection.activations(model, rows.x, "residual_1.tanh_1")
    whole = inspection.activations(model, rows.x, "residual_1")
    np.testing.assert_allclose(whole, relu + inner, rtol=1e-5, atol=1e-6)
    last = inspection.activations(model, rows.x, "dense_2")
    np.testing.assert_array_equal(last, model.network.predict(rows.x))
    np.testing.assert_array_equal(inspection.activations(model, rows.x, "input"), rows.x)


def test_looking_leaves_the_network_as_it_was(model):
    rows = chosen_rows.rows_of_split(model, "test")
    before = model.network.predict(rows.x)
    list(inspection.each_activation(model, rows.x))
    assert all("forward" not in vars(layer) for _, layer, _ in model.network.walk())
    np.testing.assert_array_equal(model.network.predict(rows.x), before)


def test_activations_of_many_rows_are_put_together_from_batches(model):
    x = np.random.default_rng(0).normal(size=(2500, *model.features.shape)).astype(np.float32)
    found = inspection.activations(model, x, "relu_1")
    parts = [inspection.activations(model, x[i : i + 1], "relu_1") for i in (0, 1024, 2499)]
    np.testing.assert_allclose(found[[0, 1024, 2499]], np.concatenate(parts), rtol=1e-5)


def test_activations_that_take_too_much_memory_are_refused(model, monkeypatch):
    monkeypatch.setattr(inspection, "MOST", 1000)
    with pytest.raises(UsageError, match="GiB; choose a file with fewer rows"):
        inspection.activations(model, np.zeros((100, *model.features.shape), "f4"), "dense_1")


def test_unknown_names_are_refused_with_the_nearest(model):
    with pytest.raises(UsageError, match="did you mean 'dense_1'"):
        inspection.weights(model, "dens_1")
    with pytest.raises(UsageError, match=r"did you mean 'residual_1\.dense_1'"):
        inspection.activations(model, np.zeros((1, 7), "f4"), "residual_1.dense1")


def test_summaries_are_numpys_own():
    array = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    array[0, :3] = 0
    found = inspection.summarize("a", array)
    exact = array.astype(np.float64)
    assert found.mean == pytest.approx(exact.mean())
    assert found.deviation == pytest.approx(exact.std())
    assert found.median == pytest.approx(np.median(exact))
    assert (found.low, found.high) == (exact.min(), exact.max())
    assert (found.count, found.zeros, found.not_finite, found.idle) == (35, 3, 0, None)
    assert found.shape == (5, 7)


def test_summaries_leave_out_what_is_not_finite_and_count_it():
    found = inspection.summarize("a", np.array([1.0, np.nan, 3.0, np.inf]))
    assert (found.mean, found.low, found.high, found.not_finite) == (2.0, 1.0, 3.0, 2)
    assert np.isnan(inspection.summarize("a", np.array([np.nan])).mean)


def test_units_that_give_the_same_for_every_row_are_idle():
    array = np.array([[0.0, 1.0, 5.0], [0.0, 2.0, 5.0]])
    assert inspection.summarize("a", array, by_row=True).idle == 2
    assert inspection.summarize("a", array[:1], by_row=True).idle is None


def test_histograms_count_every_finite_number_once():
    array = np.random.default_rng(0).normal(size=1000)
    array[:5] = np.nan
    counts, edges = inspection.histogram(array)
    assert sum(counts) == 995
    assert len(edges) == len(counts) + 1 == 21
    assert inspection.histogram(np.ones(4)) == ([4], [1.0, 1.0])
    assert inspection.histogram(np.array([np.nan])) == ([], [])


def test_one_row_is_chosen_by_its_number_and_named_by_its_line(model):
    rows = chosen_rows.rows_of_split(model, "test")
    number = int(rows.rows[3])
    assert number != 3
    for one in (rows.only(number), chosen_rows.row_of_data(model, number)):
        assert (len(one), one.part) == (1, "test")
        np.testing.assert_array_equal(one.x[0], rows.x[3])
        assert one.place(int(one.rows[0])) == f"line {number + 2}"
    with pytest.raises(UsageError, match="no row 344: the rows go from 0 to 343"):
        chosen_rows.row_of_data(model, 344)
    with pytest.raises(UsageError, match=f"row {number} is in test, not in val"):
        chosen_rows.row_of_data(model, number, "val")


def test_rows_of_a_file_need_no_target(model, tmp_path):
    names = list(model.features.columns)
    cells = {"sex": "male"}
    path = tmp_path / "new.csv"
    path.write_text(
        ",".join(names) + "\n" + ",".join(cells.get(name, "40.5") for name in names) + "\n"
    )
    rows = chosen_rows.rows_of_file(model, str(path))
    assert (rows.part, len(rows)) == ("data", 1)
    path.write_text("x\n1\n")
    with pytest.raises(DataError, match="is missing"):
        chosen_rows.rows_of_file(model, str(path))


def test_a_split_that_is_not_there_is_refused(model):
    with pytest.raises(UsageError, match="no valid part; there are train, val, test"):
        chosen_rows.rows_of_split(model, "valid")


def test_the_pass_is_that_of_predictions(model, monkeypatch):
    seen = []
    forward = model.network.forward

    def watch(x, step):
        seen.append(step)
        return forward(x, step)

    monkeypatch.setattr(model.network, "forward", watch)
    inspection.activations(model, np.zeros((2, *model.features.shape), "f4"), "relu_1")
    assert seen == [Pass(train=False)]


@pytest.mark.parametrize("ending", ["npy", "npz", "csv"])
def test_arrays_are_written_so_that_others_can_read_them(tmp_path, ending):
    array = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    path = tmp_path / f"a.{ending}"
    write_arrays(path, {"w": array}, as_csv(array, ["x", "y", "z"], ["p", "q"], "input"))
    if ending == "npy":
        read = np.load(path, allow_pickle=False)
    elif ending == "npz":
        read = np.load(path, allow_pickle=False)["w"]
    else:
        lines = [line.split(",") for line in path.read_text().splitlines()]
        assert lines[0] == ["input", "p", "q"]
        assert [line[0] for line in lines[1:]] == ["x", "y", "z"]
        read = np.array([line[1:] for line in lines[1:]], np.float32)
    np.testing.assert_array_equal(read, array)


def test_arrays_of_more_axes_become_columns_named_by_their_indices():
    text = as_csv(np.arange(8.0).reshape(2, 2, 2), None, None, "row")
    assert text.splitlines()[0] == "row,0.0,0.1,1.0,1.1"
    assert text.splitlines()[2].startswith("1,4.0,5.0")
    assert as_csv(np.arange(2.0), None, None, "unit").splitlines() == [
        "unit,value",
        "0,0.0",
        "1,1.0",
    ]


def test_files_that_hold_one_array_refuse_several(tmp_path):
    with pytest.raises(UsageError, match="holds one array, but there are 2"):
        write_arrays(tmp_path / "a.npy", {"a": np.ones(1), "b": np.ones(1)}, None)
    with pytest.raises(UsageError, match=r"\.npy, \.npz or \.csv"):
        check_name(tmp_path / "a.txt")
    assert list(tmp_path.glob("a.*")) == []
