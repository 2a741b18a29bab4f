"""A browser without a window, and runs to draw."""

import shutil

import numpy as np
import pytest
from outline import Outline

import bpnet

WIDTHS = {"phone": 390, "wide": 1240}


@pytest.fixture(scope="session")
def page_of():
    """Return a function that reads the page of a run directory, or a page itself."""

    def read(path):
        path = path / "report.html" if path.is_dir() else path
        return Outline(path.read_text("utf-8"))

    return read


IRIS = """\
data: {train: builtin:iris, target: species}
model: {layers: [{type: dense, units: 8}, {type: tanh}, {type: dense, units: auto}]}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
training: {epochs: 12}
"""


@pytest.fixture(scope="session")
def train(tmp_path_factory):
    """Return a function that trains a config in a folder of its own and returns the run."""

    def run(text=IRIS, name="run", **files):
        folder = tmp_path_factory.mktemp("trained")
        for file, content in files.items():
            path = folder / file.replace("__", ".")
            path.write_text(content) if isinstance(content, str) else np.savez(path, **content)
        (folder / "c.yaml").write_text(text)
        bpnet.train(folder / "c.yaml", run_dir=folder / name)
        return folder / name

    return run


@pytest.fixture
def iris(iris_once, tmp_path):
    """Return a copy of a small finished run."""
    shutil.copytree(iris_once, tmp_path / "iris")
    return tmp_path / "iris"


@pytest.fixture(scope="session")
def iris_once(train):
    return train()
