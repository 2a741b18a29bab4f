"""Data that is small or odd ends in a training or in one clear error."""

import pytest

import bpnet
from bpnet.errors import DataError

CONFIG = {
    "model": {
        "layers": [
            {"type": "dense", "units": 4},
            "batch_norm",
            "relu",
            {"type": "dense", "units": "auto"},
        ]
    },
    "loss": "cross_entropy",
    "training": {"epochs": 3, "batch_size": 4},
}

ROWS = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(9))


def train(folder, text, **data):
    (folder / "d.csv").write_text(text)
    config = {"data": {"train": str(folder / "d.csv"), "target": "y", **data}, **CONFIG}
    return bpnet.train(config, runs_root=folder / "runs")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("x,y\n", "has no rows"),
        ("x,y\n1,a\n", "too few rows .* for these fractions"),
        ("x,y\n1,a\n2\n", r"d\.csv:3: expected 2 cells as in the header, found 1"),
        ("x,x,y\n1,2,a\n", r"d\.csv:1: the name 'x' is there twice"),
        ("x,y\n" + "1,a\n" * 10, "only one class"),
        ("x,y\n" + ROWS + "oops,a\n", r"d\.csv:11: column 'x': 'oops' is not a number"),
        ("x,y\n" + ROWS + "3,\n", r"d\.csv:11: target 'y' has no value"),
    ],
)
def test_what_can_not_be_learned_from_is_one_error(tmp_path, text, says):
    with pytest.raises(DataError, match=says):
        train(tmp_path, text)


def test_one_row_of_each_class_is_enough_without_other_parts(tmp_path):
    run = train(tmp_path, "x,y\n1,a\n2,b\n", validation=0, test=0)
    assert run.result["epochs"] == 3


def test_a_last_batch_of_one_row_with_batch_norm_is_fine(tmp_path):
    run = train(tmp_path, "x,y\n" + ROWS, validation=0, test=0)
    assert run.result["steps"] == 9
    assert run.metrics["train/loss"] < 10


def test_a_batch_larger_than_the_data_is_all_of_it(tmp_path):
    (tmp_path / "d.csv").write_text("x,y\n" + ROWS)
    config = {"data": {"train": str(tmp_path / "d.csv"), "target": "y"}, **CONFIG}
    run = bpnet.train(config, runs_root=tmp_path / "runs", training__batch_size=4096)
    assert run.result["steps"] == 3
