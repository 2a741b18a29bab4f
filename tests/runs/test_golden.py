"""Runs of every format that there ever was can be gone on with for ever."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import bpnet
from bpnet.runs import checkpoint
from bpnet.runs.tensors import FORMAT

GOLDEN = sorted(Path(__file__).parent.glob("golden_*"))


def test_every_format_has_its_golden_run():
    assert [path.name for path in GOLDEN] == [f"golden_{i}" for i in range(1, FORMAT + 1)]


@pytest.fixture(params=GOLDEN, ids=lambda path: path.name)
def golden(request, tmp_path):
    return Path(shutil.copytree(request.param, tmp_path / "run"))


def test_its_checkpoint_holds_what_was_saved(golden):
    file = checkpoint.read(checkpoint.newest(golden))
    assert (file.facts["step"], file.facts["epoch"], file.facts["position"]) == (18, 4, 2)
    assert file.facts["monitor"]["best_epoch"] == 4
    assert np.abs(file.arrays["theta"]).sum() == pytest.approx(54.332492, rel=1e-6)
    assert np.abs(file.arrays["optimizer/m"]).sum() == pytest.approx(12.447761, rel=1e-6)
    assert set(file.arrays) >= {"state", "best/theta", "best/state", "optimizer/v"}


def test_it_goes_on_and_ends_as_it_would_have(golden):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "not bit-exact")  # another machine
        run = bpnet.resume(golden)
    assert run.result["epochs"] == 8
    assert len((golden / "metrics.jsonl").read_text().splitlines()) == 8
    # Another processor rounds otherwise, and a row of the 22 may fall on the other side.
    assert run.metrics["test/accuracy"] >= 0.9, run.metrics
    assert run.metrics["val/loss"] == pytest.approx(0.32, rel=0.1), run.metrics


def test_its_model_predicts(golden):
    model = bpnet.load(golden)
    row = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    assert model.predict([row]).tolist() == ["setosa"]
    fine_tuned = bpnet.train(
        golden / "config.yaml", init_from=golden, run_dir=golden / "next", training__epochs=1
    )
    assert fine_tuned.result["epochs"] == 1
