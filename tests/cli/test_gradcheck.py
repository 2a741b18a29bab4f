"""`bpnet gradcheck` as users run it."""

import pytest

from bpnet.nn.layers.activations import Tanh


def test_right_gradients_give_a_table_and_0(bpnet, config):
    done = bpnet("gradcheck", config())
    assert done.err == ""
    names = [line.split()[0] for line in done.lines if line.endswith("  ok")]
    assert names == ["everything", "input", "dense_1.W", "dense_2.W", "dense_1.b", "dense_2.b"]
    assert "in float64" in done.lines[0]
    assert done.lines[-1].startswith("the gradients are right: the largest relative error is ")
    assert "\x1b" not in done.out


def test_a_wrong_gradient_exits_with_6_and_is_named(monkeypatch, inside, config):
    monkeypatch.setattr(Tanh, "backward", lambda self, dy, *, need_dx=True: dy if need_dx else None)
    done = inside("gradcheck", config(), code=6)
    wrong = [line.split()[0] for line in done.lines if line.endswith("WRONG")]
    assert wrong == ["everything", "input", "dense_1.W", "dense_1.b"]
    assert done.err.startswith("bpnet: error: gradients that differ by more than 1e-06 from those ")
    assert "dense_1.W (" in done.err
    assert "dense_2" not in done.err
    assert "backpropagation says " in done.out
    assert "differences say " in done.out


def test_the_tolerance_is_an_option(inside, config):
    done = inside("gradcheck", config(), "--tolerance", "1e-14", code=6)
    assert "differ by more than 1e-14" in done.err
    for wrong in ("0", "-1", "nan", "inf", "x"):
        assert "--tolerance" in inside("gradcheck", config(), f"--tolerance={wrong}", code=2).err


def test_as_json(inside, config):
    done = inside("gradcheck", config(), "--json", "--entries", "5", "--batches", "1")
    found = done.json()
    assert found["passed"] is True
    assert found["tolerance"] == 1e-6
    assert len(found["batches"]) == 1
    assert found["largest_error"] < 1e-7
    tensors = {tensor["tensor"]: tensor for tensor in found["tensors"]}
    assert tensors["dense_1.W"]["shape"] == [4, 8]
    assert tensors["dense_1.W"]["entries"] == 5
    worst = tensors["dense_1.W"]["worst"]
    assert worst["backpropagation"] == pytest.approx(worst["differences"], rel=1e-5)
    failed = inside("gradcheck", config(), "--json", "--tolerance", "1e-14", code=6)
    assert failed.json()["passed"] is False


def test_quiet_prints_nothing_and_keeps_the_exit_code(inside, config):
    assert inside("gradcheck", config(), "-q").out == ""
    done = inside("gradcheck", config(), "-q", "--tolerance", "1e-14", code=6)
    assert done.out == ""
    assert done.err.count("\n") == 1


def test_overrides_and_frozen_layers(inside, config):
    done = inside(
        *("gradcheck", config(), "model.freeze=[dense_1]", "model.layers.1={type: relu}"),
        *("regularization={l1: 0.01, l2: 0.1}", "training.batch_size=8"),
    )
    assert "frozen, so without a gradient: dense_1.W, dense_1.b" in done.out
    assert "2 batches of 8 and " in done.out


def test_a_run_is_checked_with_its_trained_weights(inside, trained, config):
    done = inside("gradcheck", trained)
    assert f"initialized 4 of 4 tensors from {trained}" in done.err
    assert "the gradients are right" in done.out
    other = inside("gradcheck", config(), "--weights", trained)
    assert other.out == done.out


def test_mistakes_are_located(inside, config, tmp_path):
    broken = config("data: {train: builtin:iris}\nmodel: {layers: []}\nloss: cross_entropi\n")
    assert "did you mean 'cross_entropy'?" in inside("gradcheck", broken, code=2).err
    assert "no such file" in inside("gradcheck", "nothing.yaml", code=2).err
    assert "not a run directory" in inside("gradcheck", tmp_path, code=5).err
    unknown = config(
        "data: {train: builtin:iris, target: species}\nloss: cross_entropy\n"
        "model: {layers: [{type: dense, units: auto}]}\ndtype: float16\n"
    )
    assert "dtype" in inside("gradcheck", unknown, code=2).err


def test_gradients_that_rounding_hides_are_named(inside, config):
    done = inside("gradcheck", config(), "model.layers.1={type: batch_norm}", "--batches", "1")
    assert (
        "too small to be told from rounding, so that no mistake could show: dense_1.b" in done.out
    )
    (row,) = [line for line in done.lines if line.startswith("dense_1.b")]
    assert row.endswith("  0")
