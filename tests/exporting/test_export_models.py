"""Whole models in the formats of others: opened by their own readers."""

import io
import json

import numpy as np
import pytest

from bpnet import load, train
from bpnet.data import memory
from bpnet.exporting import plain
from bpnet.model import Model

HEAD = "model:\n  layers:\n    - {type: dense, units: 8}\n    - {type: tanh}\n"
TAIL = "    - {type: dense, units: auto}\ntraining: {epochs: 3}\n"


@pytest.fixture
def fitted(tmp_path):
    """Return a function that trains a small network on rows and returns its model."""

    def fit(rows, data="", loss="cross_entropy", dtype="float32", more=""):
        (tmp_path / "t.csv").write_text(rows)
        config = tmp_path / "c.yaml"
        config.write_text(
            f"dtype: {dtype}\ndata:\n  train: t.csv\n  target: y\n{data}{HEAD}{more}{TAIL}"
            f"loss: {loss}\n"
        )
        return load(train(config, run_dir=tmp_path / "run").directory)

    return fit


@pytest.fixture
def session():
    """Return a function that opens a model in onnxruntime, and what it takes and gives."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    pytest.importorskip("onnx", reason="needs onnx")
    from bpnet.exporting.pipeline import to_onnx

    def open_(model):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        exported = to_onnx(model, {"run": "test"})
        opened = onnxruntime.InferenceSession(
            exported.data, options, providers=["CPUExecutionProvider"]
        )
        return opened, exported

    return open_


def table(n=80, target="kind"):
    random = np.random.default_rng(0)
    lines = ["a,b,place,size,y"]
    for i in range(n):
        a, b = random.standard_normal(2)
        place = ("Rome", "Oslo", "Kyiv", "")[i % 4]
        y = {"kind": "uvw"[int(a > 0) + int(b > 0)], "number": f"{1e6 + 1e3 * a}"}[target]
        lines.append(f"{'' if i % 9 == 0 else a},{b * 1e3},{place},{i % 3},{y}")
    return "\n".join(lines) + "\n"


OPTIONS = {
    "defaults": "",
    "one by one": "  numeric: {missing: mean, outliers: clip, scale: minmax}\n"
    "  categorical: {missing: most_frequent, encode: ordinal, unseen: missing}\n",
    "typed": "  columns: {size: {type: category, order: ['2', '0', '1'], encode: ordinal}}\n",
    "constant": "  numeric: {missing: constant, fill: -7, scale: robust}\n"
    "  categorical: {missing: constant, fill: nowhere}\n",
    "unscaled": "  numeric: {scale: none, outliers: {type: clip, method: zscore}}\n",
}
CELLS = {
    "a": [0.5, None, 300.0, -1e9, 0.0],
    "b": [10.0, 1e3, -5.5, 2.0, None],
    "place": ["Rome", "Mars", None, "Oslo", "Kyiv"],
    "size": [0, 1, 2, 1, 0],
}


def feed(exported, cells):
    made = {}
    for port in exported.inputs:
        (name,) = port.columns
        if port.type == "string":
            texts = ["" if v is None else str(v) for v in cells[name]]
            made[port.name] = np.array(texts, object)[:, None]
        else:
            numbers = [np.nan if v is None else v for v in cells[name]]
            made[port.name] = np.array(numbers, float)[:, None]
    return made


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS)
def test_raw_cells_become_the_same_answers(fitted, session, options, dtype):
    model = fitted(table(), OPTIONS[options], dtype=dtype)
    opened, exported = session(model)
    label, chances = opened.run(None, feed(exported, CELLS))
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    assert chances.dtype == dtype
    assert np.abs(chances - model.predict_proba(CELLS)).max() <= tolerance
    assert label.tolist() == model.predict(CELLS).tolist()


def test_rows_that_bpnet_leaves_out_or_refuses_get_no_answer(fitted, session):
    rules = "  numeric: {missing: drop}\n  categorical: {missing: drop, unseen: error}\n"
    model = fitted(table(), rules)
    opened, exported = session(model)
    label, chances = opened.run(None, feed(exported, CELLS))
    assert [bool(text) for text in label.tolist()] == [True, False, False, True, False]
    assert np.isnan(chances).all(axis=1).tolist() == [False, True, True, False, True]
    fine = {name: [cells[0], cells[3]] for name, cells in CELLS.items()}
    assert label[[0, 3]].tolist() == model.predict(fine).tolist()


def test_numbers_leave_in_their_own_units(fitted, session):
    model = fitted(table(target="number"), loss="mse")
    opened, exported = session(model)
    (prediction,) = opened.run(None, feed(exported, CELLS))
    assert prediction.shape == (5, 1)
    assert np.allclose(prediction[:, 0], model.predict(CELLS), rtol=1e-7)


def test_columns_of_numbers_are_one_matrix_and_whole_classes_whole_numbers(fitted, session):
    random = np.random.default_rng(1)
    rows = "\n".join(f"{a},{b},{int(a > b)}" for a, b in random.standard_normal((60, 2)))
    model = fitted(f"a,b,y\n{rows}\n", loss="binary_cross_entropy")
    opened, exported = session(model)
    assert [port.columns for port in exported.inputs] == [("a", "b")]
    x = random.standard_normal((200, 2))
    x[0, 1] = np.nan
    label, chances = opened.run(None, {"x": x})
    assert label.dtype == np.int64
    assert label.tolist() == model.predict(x).tolist()
    assert np.allclose(chances, model.predict_proba(x), atol=1e-6)
    assert opened.run(None, {"x": x[:0]})[1].shape == (0, 2)


def test_a_column_may_be_called_like_an_output(fitted, session):
    rows = table().replace("a,b,place", "label,probabilities,prediction", 1)
    opened, exported = session(fitted(rows))
    cells = dict(zip(["label", "probabilities", "prediction", "size"], CELLS.values(), strict=True))
    found = opened.run([port.name for port in exported.outputs], feed(exported, cells))
    assert found[1].shape == (5, 3)
    assert {port.name for port in exported.inputs}.isdisjoint(p.name for p in exported.outputs)


def test_several_labels_and_several_numbers(tmp_path, session):
    random = np.random.default_rng(2)
    for loss, y in (
        ("binary_cross_entropy", random.integers(0, 2, (60, 3)).astype(float)),
        ("mse", 5 + 100 * random.standard_normal((60, 3))),
        ("cross_entropy", random.dirichlet([1, 1, 1], 60)),
    ):
        x = random.standard_normal((60, 4))
        np.savez(tmp_path / "d.npz", x=x, y=y)
        (tmp_path / "c.yaml").write_text(f"data: {{train: d.npz}}\n{HEAD}{TAIL}loss: {loss}\n")
        model = load(train(tmp_path / "c.yaml", run_dir=tmp_path / loss).directory)
        opened, _ = session(model)
        found = opened.run(None, {"x": x})
        if loss == "mse":
            assert np.allclose(found[0], model.predict(x), rtol=1e-5)
            continue
        assert np.allclose(found[1], model.predict_proba(x), atol=1e-6)
        assert found[0].tolist() == model.predict(x).tolist()


@pytest.mark.parametrize("kind", ["uint8", "float32", "bool", "int16"])
def test_images_enter_as_they_were_stored(tmp_path, session, kind):
    random = np.random.default_rng(3)
    x = (random.random((60, 4, 3, 2)) * (2 if kind == "bool" else 200)).astype(kind)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(60) % 3)
    layers = HEAD.replace("layers:\n", "layers:\n    - {type: flatten}\n")
    (tmp_path / "c.yaml").write_text(f"data: {{train: d.npz}}\n{layers}{TAIL}loss: cross_entropy\n")
    model = load(train(tmp_path / "c.yaml", run_dir=tmp_path / "run").directory)
    opened, exported = session(model)
    fed = x.astype("float64") if kind == "float32" else x
    assert exported.inputs[0].shape == ("N", 4, 3, 2)
    assert np.allclose(opened.run(None, {"x": fed})[1], model.predict_proba(x), atol=1e-6)


def test_the_file_says_what_it_is_and_is_the_same_each_time(fitted, session):
    model = fitted(table())
    opened, exported = session(model)
    told = opened.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == list(model.classes)
    assert told["run"] == "test"
    assert exported.data == session(model)[1].data
    assert b"N" in exported.data


def forward(arrays, x):
    """Compute the network of `fitted` by hand, from the documented layout."""
    hidden = np.tanh(x @ arrays["dense_1.W"] + arrays["dense_1.b"])
    z = hidden @ arrays["dense_2.W"] + arrays["dense_2.b"]
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def inputs(model: Model):
    return model.features.transform(memory.from_columns(CELLS, model.features.columns)).x


def test_npz_holds_the_tensors_as_documented(fitted):
    model = fitted(table())
    data = plain.to_npz(model, {"run": "r"})
    arrays = np.load(io.BytesIO(data), allow_pickle=False)
    assert np.allclose(forward(arrays, inputs(model)), model.predict_proba(CELLS), atol=1e-6)
    about = json.loads(arrays["about"].item())
    assert json.loads(about["classes"]) == list(model.classes)
    assert (arrays["features/scale"] > 0).all()
    assert data == plain.to_npz(model, {"run": "r"})


def test_the_safetensors_library_reads_the_export(fitted):
    library = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    model = fitted(table())
    data = plain.to_safetensors(model, {"run": "r"})
    arrays = library.load(data)
    assert np.allclose(forward(arrays, inputs(model)), model.predict_proba(CELLS), atol=1e-6)
    assert {name for name in arrays if "/" not in name} == set(model.weights)


def test_bpnet_itself_does_not_take_an_export_for_a_model(fitted, tmp_path):
    from bpnet.errors import RunError

    (tmp_path / "e.safetensors").write_bytes(plain.to_safetensors(fitted(table()), {}))
    with pytest.raises(RunError, match="not made by bpnet"):
        load(tmp_path / "e.safetensors")


@pytest.mark.parametrize(
    ("target", "loss"), [("kind", "cross_entropy"), ("number", "mse")], ids=["classes", "number"]
)
def test_a_graph_holds_nothing_that_it_does_not_use(fitted, session, target, loss):
    """Or onnxruntime warns whoever loads it."""
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    _, exported = session(fitted(table(target=target), loss=loss))
    graph = onnx.load_from_string(exported.data).graph
    used = {name for node in graph.node for name in node.input}
    assert {constant.name for constant in graph.initializer} <= used
