"""Every example config reaches the score that it states."""

import json
from pathlib import Path

import pytest

import bpnet

CONFIGS = Path(__file__).parent.parent / "configs"

STATED = {
    "xor": ("train/accuracy", 1.0),
    "iris": ("test/accuracy", 0.86),
    "penguins": ("test/accuracy", 0.96),
    "concrete": ("test/r2", 0.87),
    "digits": ("test/accuracy", 0.96),
    "digits_search": ("test/accuracy", 0.96),
    "fashion": ("test/accuracy", 0.81),
}
"""The worst of ten seeds."""


def test_every_example_has_its_row():
    assert {path.stem for path in CONFIGS.iterdir()} == STATED.keys()


@pytest.mark.parametrize("name", STATED)
def test_an_example_reaches_its_stated_score(name, tmp_path):
    run = bpnet.train(CONFIGS / f"{name}.yaml", runs_root=tmp_path)
    metric, least = STATED[name]
    assert run.metrics[metric] >= least
    assert json.loads((run.directory / "result.json").read_text())["metrics"] == run.metrics


@pytest.mark.slow
@pytest.mark.parametrize("name", STATED)
@pytest.mark.parametrize("seed", range(10))
def test_an_example_reaches_its_stated_score_with_every_seed(name, seed, tmp_path):
    run = bpnet.train(CONFIGS / f"{name}.yaml", runs_root=tmp_path, seed=seed)
    metric, least = STATED[name]
    assert run.metrics[metric] >= least
