"""Most of these run the command line within the test's process, which is much quicker."""

import csv
import io
import os
import re
import shutil

import numpy as np
import pytest

from bpnet import api

CONFIG = """\
data: {train: 'builtin:iris', target: species}
model: {layers: [{type: dense, units: 8}, {type: tanh}, {type: dense, units: auto}]}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
training: {epochs: 5}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the directory of a small finished run."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "c.yaml").write_text(CONFIG)
    return api.train(folder / "c.yaml", runs_root=folder / "runs").directory


def read_csv(text):
    return list(csv.reader(io.StringIO(text)))


def test_without_a_layer_all_tensors_are_listed(inside, trained):
    done = inside("inspect", trained)
    names = [line.split()[0] for line in done.lines]
    assert names == ["tensor", "dense_1.W", "dense_1.b", "dense_2.W", "dense_2.b"]
    assert "4 x 8" in done.out
    assert done.err == ""


def test_with_rows_the_activations_of_all_layers_are_listed(inside, trained):
    done = inside("inspect", trained, "--split", "test")
    assert done.lines[0] == "activations for 22 rows of test: builtin:iris"
    names = [line.split()[0] for line in done.lines[1:]]
    assert names == ["tensor", "input", "dense_1", "tanh_1", "dense_2"]


def test_a_small_array_is_shown_number_by_number_with_its_names(inside, trained):
    done = inside("inspect", trained, "dense_2", "--row", "17")
    assert re.search(r"row 17 of (train|val|test): builtin:iris \(line 19\)", done.lines[0])
    assert [line.split()[0] for line in done.lines[-3:]] == ["setosa", "versicolor", "virginica"]
    done = inside("inspect", trained, "dense_1.W")
    assert "sepal_length" in done.out


def test_a_large_array_is_shown_as_a_histogram(inside, trained):
    done = inside("inspect", trained, "tanh_1", "--split", "train")
    assert "value" in done.out
    assert sum(int(line.split()[3]) for line in done.lines if " to " in line) == 105 * 8


@pytest.mark.parametrize("ending", ["npy", "npz", "csv"])
def test_arrays_go_into_files(inside, trained, tmp_path, ending):
    inside("inspect", trained, "dense_1.W", "-o", f"w.{ending}", "-q")
    path = tmp_path / f"w.{ending}"
    if ending == "csv":
        rows = read_csv(path.read_text())
        assert rows[1][0] == "sepal_length"
        array = np.array([row[1:] for row in rows[1:]], np.float32)
    else:
        array = np.load(path, allow_pickle=False)
        array = array["dense_1.W"] if ending == "npz" else array
    assert array.shape == (4, 8)
    assert array.dtype == np.float32


def test_activations_of_a_file_go_to_stdout_as_csv(inside, trained, tmp_path):
    (tmp_path / "new.csv").write_text(
        "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n"
    )
    done = inside("inspect", trained, "dense_2", "--data", "new.csv", "-o", "-")
    rows = read_csv(done.out)
    assert rows[0] == ["row", "setosa", "versicolor", "virginica"]
    said = [rows[0][1 + int(np.argmax([float(v) for v in row[1:]]))] for row in rows[1:]]
    predicted = read_csv(inside("predict", trained, "new.csv").out)
    assert said == [row[0] for row in predicted[1:]]


def test_json_has_statistics_histogram_and_values(inside, trained):
    found = inside("inspect", trained, "tanh_1", "--row", "2", "--json").json()
    assert (found["what"], found["row"], found["row_numbers"]) == ("activations", 2, [2])
    assert found["place"] == "line 4"
    (tensor,) = found["tensors"]
    assert np.shape(tensor["values"]) == (1, 8)
    assert sum(tensor["histogram"]["counts"]) == 8
    assert tensor["mean"] == pytest.approx(np.mean(tensor["values"]), rel=1e-6)


def test_a_layer_without_weights_shows_its_activations_and_says_so(inside, trained):
    done = inside("inspect", trained, "tanh_1")
    assert done.err == "tanh_1 has no weights; these are its activations\n"
    assert done.out.startswith("activations for 22 rows of test")
    inside("inspect", trained, "tanh_1", "--what", "weights", code=2)


def test_importance_is_a_table_with_the_metric_named(inside, trained):
    done = inside("inspect", trained, "--importance", "permutation", "--repeats", "4")
    assert done.lines[0].startswith("how far accuracy falls from ")
    assert "shuffled, 4 times each; 22 rows of test (builtin:iris)" in done.lines[0]
    assert {line.split()[0] for line in done.lines[2:]} == {
        "sepal_length",
        "sepal_width",
        "petal_length",
        "petal_width",
    }
    found = inside("inspect", trained, "--importance", "permutation", "--json").json()
    assert found["metric"] == "accuracy"
    assert found["repeats"] == 10
    values = [column["importance"] for column in found["columns"]]
    assert values == sorted(values, reverse=True)
    again = inside("inspect", trained, "--importance", "permutation", "--json").json()
    assert again == found
    other = inside(
        "inspect", trained, "--importance", "permutation", "--seed", "1", "--json"
    ).json()
    assert other != found


def test_importance_by_gradients_needs_no_target(inside, trained, tmp_path):
    (tmp_path / "new.csv").write_text(
        "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n"
    )
    arguments = ("inspect", trained, "--importance", "gradient", "--data", "new.csv")
    assert inside(*arguments).lines[0].startswith("how far the output moves")
    assert read_csv(inside(*arguments, "-o", "-").out)[0] == ["column", "importance", "spread"]
    assert "permutation" not in inside(*arguments, "--json").out
    inside("inspect", trained, "--importance", "permutation", "--data", "new.csv", code=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dens_1"], "did you mean 'dense_1'"),
        (["dense_3", "--row", "0"], "there are input, dense_1, tanh_1, dense_2"),
        (["--row", "150"], "there is no row 150: the rows go from 0 to 149"),
        (["--row", "-1"], "there is no row -1: the rows go from 0 to 149"),
        (["--checkpoint", "none", "--what", "weight"], "expected weights or activations"),
        (["--what", "gradients"], "expected weights or activations"),
        (["--what", "weights", "--row", "0"], "weights are the same for all rows"),
        (["--split", "valid"], "expected train, val or test"),
        (["--split", "val", "--data", "x.csv"], "not both"),
        (["-o", "w.npy"], "holds one array, but there are 4"),
        (["-o", "-"], "-o - writes one array"),
        (["dense_1", "-o", "w.txt"], "ends in .npy, .npz or .csv"),
        (["--importance", "shap"], "expected permutation or gradient"),
        (["dense_1", "--importance", "gradient"], "leave out LAYER"),
        (["--importance", "gradient", "--row", "1"], "leave out --row"),
        (["--importance", "gradient", "--repeats", "3"], "goes with --importance permutation"),
        (["--importance", "permutation", "--repeats", "0"], "expected 1 or more"),
        (["--importance", "permutation", "--metric", "rmse"], "is none that suits this model"),
        (["--metric", "accuracy"], "goes with --importance permutation"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_refused_in_one_line(inside, trained, arguments, message):
    done = inside("inspect", trained, *arguments, code=2)
    assert message in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_no_run_is_refused(inside):
    assert "no such file" in inside("inspect", "runs/none", code=5).err


def test_a_pipe_gets_the_arrays_and_nothing_else(bpnet, trained):
    done = bpnet("inspect", trained, "dense_1.b", "-o", "-")
    rows = read_csv(done.out)
    assert rows[0] == ["unit", "value"]
    assert len(rows) == 9
    assert done.err == ""


def test_a_row_has_the_number_that_it_has_in_the_file_for_trace_and_inspect_alike(inside, trained):
    listed = read_csv(inside("inspect", trained, "input", "--split", "test", "-o", "-").out)
    number, *values = listed[1]
    one = read_csv(inside("inspect", trained, "input", "--row", number, "-o", "-").out)
    assert one[1] == [number, *values]
    assert (
        inside("inspect", trained, "input", "--row", number, "--split", "test")
        .lines[0]
        .startswith(f"activations for row {number} of test")
    )
    where = inside("inspect", trained, "--row", number, "--split", "train", code=2).err
    assert f"row {number} is in test, not in train" in where
    traced = inside("trace", trained, "--row", number, "--json").json()
    given = traced["forward"][0]["x"][0]
    np.testing.assert_allclose(given, np.array(values, float), rtol=1e-5)


def test_an_interrupted_run_is_looked_at_by_its_checkpoint(inside, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "cut")
    (tmp_path / "cut" / "model.safetensors").unlink()
    done = inside("inspect", "cut", "dense_1.W")
    assert "these are the weights of best.safetensors" in done.err
    assert done.out == inside("inspect", trained, "dense_1.W").out
    last = inside("inspect", trained, "dense_1.W", "--checkpoint", "last", "--json").json()
    newest = max((trained / "checkpoints").glob("step-*"))
    named = inside("inspect", "cut", "dense_1.W", "--checkpoint", newest, "--json").json()
    assert named["tensors"] == last["tensors"]


def test_a_config_is_not_mistaken_for_a_damaged_model(inside, tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    assert "a config has no trained weights" in inside("inspect", "c.yaml", code=2).err


def test_a_pipe_is_not_replaced_by_a_file(inside, trained, tmp_path):
    os.mkfifo(tmp_path / "w.npy")
    assert "no regular file" in inside("inspect", trained, "dense_1.W", "-o", "w.npy", code=2).err
    assert (tmp_path / "w.npy").is_fifo()
