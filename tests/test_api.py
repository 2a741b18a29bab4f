import numpy as np
import pytest

import bpnet
from bpnet.errors import ConfigError, DataError, RunError
from bpnet.runs import lock, rundir

CONFIG = {
    "data": {"train": "builtin:iris", "target": "species"},
    "model": {
        "layers": [{"type": "dense", "units": 8}, "tanh", {"type": "dense", "units": "auto"}]
    },
    "loss": "cross_entropy",
    "optimizer": {"type": "adam", "learning_rate": 0.02},
    "training": {"epochs": 30},
}

ROWS = [
    {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2},
    {"sepal_length": 6.3, "sepal_width": 3.3, "petal_length": 6.0, "petal_width": 2.5},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return bpnet.train(CONFIG, runs_root=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def model(run):
    return bpnet.load(run.directory)


def test_training_from_a_dictionary_gives_a_finished_run(run):
    assert run.directory.name == "config-001"
    assert run.result["status"] == "done"
    assert run.metrics["test/accuracy"] > 0.8


def test_overrides_are_keywords_with_double_underscores(tmp_path):
    run = bpnet.train(CONFIG, runs_root=tmp_path, training__epochs=2, seed=3, name="x")
    assert run.directory.name == "x-001"
    assert run.result["epochs"] == 2


def test_two_trainings_in_one_process_are_equal(run, tmp_path):
    again = bpnet.train(CONFIG, run_dir=tmp_path / "again")
    name = "model.safetensors"
    assert (again.directory / name).read_bytes() == (run.directory / name).read_bytes()


def test_a_wrong_config_is_an_error_with_its_place():
    with pytest.raises(ConfigError, match=r"target=specis: error: .*did you mean 'species'"):
        bpnet.train(CONFIG, data__target="specis")


def test_rows_can_be_dictionaries_columns_arrays_or_a_file(model, tmp_path):
    expected = ["setosa", "virginica"]
    assert list(model.predict(ROWS)) == expected
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    assert list(model.predict(columns)) == expected
    assert list(model.predict(np.array([list(row.values()) for row in ROWS]))) == expected
    lines = [",".join(ROWS[0]), *(",".join(map(str, row.values())) for row in ROWS)]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    assert list(model.predict(tmp_path / "rows.csv")) == expected


def test_probabilities_are_in_the_order_of_the_classes(model):
    chances = model.predict_proba(ROWS)
    assert model.classes == ("setosa", "versicolor", "virginica")
    assert chances.shape == (2, 3)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-6)
    assert chances.argmax(axis=1).tolist() == [0, 2]


def test_weights_have_names(model):
    assert {name: w.shape for name, w in model.weights.items()} == {
        "dense_1.W": (4, 8),
        "dense_1.b": (8,),
        "dense_2.W": (8, 3),
        "dense_2.b": (3,),
    }


def test_missing_columns_and_wrong_cells_are_data_errors(model):
    with pytest.raises(DataError, match="petal_width"):
        model.predict([{k: v for k, v in ROWS[0].items() if k != "petal_width"}])
    with pytest.raises(DataError, match="'abc' is not a number"):
        model.predict([ROWS[0] | {"petal_width": "abc"}])
    with pytest.raises(DataError, match=r"\(N, 4\)"):
        model.predict(np.zeros((2, 3)))
    with pytest.raises(DataError, match="expected a dictionary"):
        model.predict([1, 2])


def test_no_rows_give_no_answers(model):
    assert len(model.predict([])) == 0


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(RunError, match="no such"):
        bpnet.load(tmp_path / "nothing")


def test_a_killed_training_without_a_model_is_called_cut_off(run, tmp_path):
    facts = rundir.read_json(run.directory / rundir.RUN)
    (tmp_path / rundir.RUN).write_text(rundir.to_json({**facts, "status": "running"}))
    with pytest.raises(RunError, match="is cut off; bpnet train --resume"):
        bpnet.load(tmp_path)
    with lock.hold(tmp_path), pytest.raises(RunError, match="is running"):
        bpnet.load(tmp_path)


def test_a_model_with_a_foreign_tensor_is_refused(run, tmp_path):
    from bpnet.runs import tensors

    file = tensors.read(run.directory / "model.safetensors", "model")
    for arrays in (
        {**file.arrays, "extra": np.zeros(3)},
        {name: a for name, a in file.arrays.items() if name != "dense_1.b"},
        {**file.arrays, "dense_1.b": np.zeros(9, np.float32)},
        {**file.arrays, "dense_1.b": np.zeros(8)},
    ):
        tensors.write(tmp_path / "m.safetensors", "model", arrays, file.facts)
        with pytest.raises(RunError):
            bpnet.load(tmp_path / "m.safetensors")


def test_numbers_come_back_in_their_own_units(tmp_path):
    run = bpnet.train(
        CONFIG,
        runs_root=tmp_path,
        data__target="sepal_length",
        data__exclude=["species"],
        loss="mse",
        training__epochs=60,
    )
    model = run.model()
    (first, second) = model.predict(ROWS)
    assert first == pytest.approx(5.1, abs=1)
    assert second == pytest.approx(6.3, abs=1)
    with pytest.raises(TypeError, match="no probabilities"):
        model.predict_proba(ROWS)


def test_a_report_is_drawn_if_the_config_always_wants_one(tmp_path):
    for wanted in ("always", "never"):
        run = bpnet.train(CONFIG, run_dir=tmp_path / wanted, training__epochs=1, report=wanted)
        assert (run.directory / "report.html").exists() == (wanted == "always")
        assert run.result["stop_message"] == "the one epoch is done"
