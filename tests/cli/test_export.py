import importlib.util
import shutil

import numpy as np
import pytest

from bpnet import train

SMALL = """\
data: {train: builtin:iris, target: species}
model:
  layers:
    - {type: dense, units: 8}
    - {type: tanh}
    - {type: dense, units: auto}
loss: cross_entropy
training: {epochs: 5}
"""

HERE = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
needs_onnx = pytest.mark.skipif(not HERE, reason="needs onnx and onnxruntime")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a small finished run, made once."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "c.yaml").write_text(SMALL)
    return train(folder / "c.yaml", run_dir=folder / "c-001").directory


@pytest.fixture
def trained(made, tmp_path):
    """Return the directory of a small finished run."""
    shutil.copytree(made, tmp_path / "runs" / "c-001")
    return tmp_path / "runs" / "c-001"


@pytest.fixture
def without(tmp_path):
    """Return a function that gives the environment in which a package is not installed."""

    def hide(name):
        folder = tmp_path / "hidden"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text("raise ImportError")
        return {"PYTHONPATH": str(folder)}

    return hide


@needs_onnx
def test_onnx_is_compared_with_bpnet_on_the_test_part(bpnet, trained, tmp_path):
    done = bpnet("export", trained, "--to", "onnx")
    assert done.lines == [f"{trained.name}.onnx"]
    assert "on 22 rows of the test part: largest difference" in done.err
    assert (tmp_path / f"{trained.name}.onnx").stat().st_size > 500
    told = bpnet("export", trained, "--to", "onnx", "-o", "m.onnx", "--json").json()
    assert told["check"]["difference"] <= told["check"]["tolerance"] == 1e-5
    assert told["check"]["labels"] == 0
    assert [port["name"] for port in told["outputs"]] == ["label", "probabilities"]
    assert told["bytes"] == (tmp_path / "m.onnx").stat().st_size
    assert bpnet("export", "-q", trained, "--to", "onnx").err == ""


@needs_onnx
def test_a_difference_above_the_tolerance_exits_with_6_and_writes_nothing(bpnet, trained, tmp_path):
    done = bpnet("export", trained, "--to", "onnx", "--tolerance", "0", "-o", "m.onnx", code=6)
    assert "above the tolerance of 0; nothing was written" in done.err
    assert not (tmp_path / "m.onnx").exists()


@needs_onnx
def test_without_onnxruntime_it_says_that_nothing_was_checked(bpnet, trained, without):
    done = bpnet("export", trained, "--to", "onnx", env=without("onnxruntime"))
    assert "not checked: onnxruntime is not installed; pip install 'bpnet[onnx]'" in done.err
    told = bpnet("export", trained, "--to", "onnx", "--json", env=without("onnxruntime")).json()
    assert told["check"] is None


def test_without_onnx_it_names_what_to_install(bpnet, trained, without):
    done = bpnet("export", trained, "--to", "onnx", env=without("onnx"), code=2)
    assert "pip install 'bpnet[onnx]'" in done.err
    bpnet("export", trained, "--to", "npz", env=without("onnx"))


@needs_onnx
def test_a_run_whose_data_has_moved_is_checked_on_made_up_rows(bpnet, config, tmp_path):
    rows = "\n".join(f"{i % 7},{'AB'[i % 2]},{'xyz'[i % 3]}" for i in range(60))
    (tmp_path / "d.csv").write_text(f"n,c,y\n{rows}\n")
    text = (
        "data: {train: d.csv, target: y}\nloss: cross_entropy\ntraining: {epochs: 2}\n"
        "model: {layers: [{type: dense, units: auto}]}\n"
    )
    run = bpnet("train", config(text), "-q").lines[-1]
    (tmp_path / "d.csv").unlink()
    done = bpnet("export", run, "--to", "onnx")
    assert "checked on made-up rows, as the data can't be read" in done.err
    assert "on 256 made-up rows: largest difference" in done.err


@pytest.mark.parametrize("form", ["npz", "safetensors"])
def test_tensors_are_written_under_plain_names(bpnet, trained, tmp_path, form):
    done = bpnet("export", trained, "--to", form)
    assert "4 tensors: dense_1.W, dense_2.W, dense_1.b, dense_2.b" in done.err
    data = (tmp_path / done.lines[-1]).read_bytes()
    assert b"dense_1.W" in data
    if form == "npz":
        assert np.load(tmp_path / done.lines[-1])["dense_1.W"].shape == (4, 8)
    again = bpnet("export", trained / "model.safetensors", "--to", form, "-o", f"b.{form}")
    assert again.lines == [f"b.{form}"]


def test_an_output_that_would_do_harm_is_refused(bpnet, trained, tmp_path):
    def refused(output, code, form="safetensors"):
        return bpnet("export", trained, "--to", form, "-o", output, code=code).err

    before = (trained / "model.safetensors").read_bytes()
    for path in (trained / "model.safetensors", trained / "checkpoints" / "best.safetensors"):
        assert "there already, and no export of bpnet" in refused(path, 5)
    assert before == (trained / "model.safetensors").read_bytes()
    np.savez(tmp_path / "data.npz", x=np.ones(9))
    assert "there already, and no export of bpnet" in refused("data.npz", 5, "npz")
    if HERE:
        (tmp_path / "m.onnx").write_text("mine")
        assert "there already, and no export of bpnet" in refused("m.onnx", 5, "onnx")
    assert "expected a name that ends in .npz" in refused("c.yaml", 2, "npz")
    (tmp_path / "f.npz").mkdir()
    assert "a folder stands there" in refused("f.npz", 2, "npz")
    assert "the folder does not exist" in refused("nowhere/f.npz", 8, "npz")


@pytest.mark.parametrize("form", ["npz", "safetensors", pytest.param("onnx", marks=needs_onnx)])
def test_an_earlier_export_is_replaced_by_the_same(bpnet, trained, tmp_path, form):
    path = tmp_path / f"c-001.{form}"
    bpnet("export", trained, "--to", form)
    first = path.read_bytes()
    bpnet("export", trained, "--to", form)
    assert path.read_bytes() == first


def test_an_unknown_format_is_named_with_the_nearest(bpnet, trained):
    done = bpnet("export", trained, "--to", "onx", code=2)
    assert "no format 'onx'; did you mean 'onnx'?" in done.err
    assert "Missing option '--to'" in bpnet("export", trained, code=2).err
