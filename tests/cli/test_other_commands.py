import json
import os

import pytest


def test_eval_scores_the_test_part_as_the_training_did(bpnet, trained):
    result = json.loads((trained / "result.json").read_text())
    report = bpnet("eval", trained, "--json").json()
    assert report["split"] == "test"
    assert report["metrics"]["test/accuracy"] == result["metrics"]["test/accuracy"]
    assert report["metrics"]["test/loss"] == result["metrics"]["test/loss"]
    assert sum(map(sum, report["confusion"]["matrix"])) == report["rows"] == 22


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_eval_scores_every_split(bpnet, trained, split):
    result = json.loads((trained / "result.json").read_text())
    report = bpnet("eval", trained, "--split", split, "--json").json()
    key = f"{split}/accuracy"
    assert report["metrics"][key] == result["metrics"][key]


def test_eval_scores_a_file_with_the_target_in_it(bpnet, trained, tmp_path):
    (tmp_path / "new.csv").write_text(
        "species,petal_width,petal_length,sepal_width,sepal_length,extra\n"
        "setosa,0.2,1.4,3.5,5.1,x\nvirginica,2.5,6.0,3.3,6.3,y\n"
    )
    report = bpnet("eval", trained, "--data", "new.csv", "--json").json()
    assert report["rows"] == 2
    assert report["metrics"]["data/accuracy"] == 1.0


def test_eval_takes_the_last_checkpoint_or_one_by_its_path(bpnet, trained):
    rows = (trained / "metrics.jsonl").read_text().splitlines()
    last = bpnet("eval", trained, "--split", "val", "--checkpoint", "last", "--json").json()
    assert last["metrics"]["val/loss"] == json.loads(rows[-1])["val/loss"]
    path = trained / "checkpoints/best.safetensors"
    best = bpnet("eval", trained, "--split", "val", "--checkpoint", path, "--json").json()
    assert best["metrics"]["val/loss"] == min(json.loads(row)["val/loss"] for row in rows)


def test_eval_fails_with_6_below_a_limit(bpnet, trained):
    bpnet("eval", trained, "--fail-under", "accuracy=0.1", "--fail-under", "test/loss=9", "-q")
    done = bpnet("eval", trained, "--fail-under", "accuracy=1.01", "-q", code=6)
    assert done.err.startswith("bpnet: error: test/accuracy is")
    done = bpnet("eval", trained, "--fail-under", "loss=0.0001", "-q", code=6)
    assert "above 0.0001" in done.err
    bpnet("eval", trained, "--fail-under", "speed=1", code=2)


def test_eval_says_when_the_data_has_changed(bpnet, config, tmp_path):
    rows = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(60)]
    (tmp_path / "d.csv").write_text("\n".join(["x,y,z", *rows]) + "\n")
    text = "data: {train: d.csv, target: z}\nmodel: {layers: [{type: dense, units: auto}]}\n"
    run = bpnet("train", config(text + "loss: cross_entropy\n"), "-q").lines[-1]
    assert "changed" not in bpnet("eval", run).err
    (tmp_path / "d.csv").write_text("\n".join(["x,y,z", *rows[:-1]]) + "\n")
    assert "d.csv: has changed since the training" in bpnet("eval", run).err


def test_eval_of_numbers_shows_residuals(bpnet, config):
    run = bpnet(
        "train", config(), "data.target=sepal_length", "loss=mse", "metrics=[rmse]", "-q"
    ).lines[-1]
    report = bpnet("eval", run, "--json").json()
    (residuals,) = report["residuals"]
    assert residuals["name"] == "sepal_length"
    assert residuals["low"] <= residuals["median"] <= residuals["high"]


ROWS = "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n"


def test_predict_reads_stdin_and_writes_a_line_per_row(bpnet, trained):
    done = bpnet("predict", trained, "-", stdin=ROWS)
    assert done.lines[0] == "prediction,probability"
    assert [line.partition(",")[0] for line in done.lines[1:]] == ["setosa", "virginica"]


def test_predict_writes_json_lines_by_the_name_of_the_output(bpnet, trained, tmp_path):
    (tmp_path / "rows.csv").write_text(ROWS)
    done = bpnet("predict", trained, "rows.csv", "-o", "out.jsonl", "--probabilities")
    assert done.out == ""
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["prediction"] for row in rows] == ["setosa", "virginica"]
    chances = [v for k, v in rows[0].items() if k.startswith("probability_")]
    assert sum(chances) == pytest.approx(1, abs=1e-6)
    assert rows[0]["probability"] == max(chances)


def test_predict_reads_json_lines_and_answers_in_kind(bpnet, trained):
    row = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    done = bpnet("predict", trained, "-", stdin=json.dumps(row) + "\n")
    assert json.loads(done.out)["prediction"] == "setosa"


def test_predict_as_json_is_one_document(bpnet, trained):
    rows = bpnet("predict", trained, "-", "--json", stdin=ROWS).json()
    assert [row["prediction"] for row in rows] == ["setosa", "virginica"]
    assert bpnet("predict", trained, "-", "--json", stdin=ROWS.splitlines()[0]).json() == []


def test_predict_ignores_the_target_column_and_others(bpnet, trained):
    lines = ROWS.splitlines()
    more = "\n".join([f"id,{lines[0]},species", f"1,{lines[1]},?", f"2,{lines[2]},new"]) + "\n"
    assert bpnet("predict", trained, "-", stdin=more).out == (
        bpnet("predict", trained, "-", stdin=ROWS).out
    )


def test_predict_names_a_missing_column_and_a_bad_cell(bpnet, trained, tmp_path):
    done = bpnet("predict", trained, "-", stdin="sepal_length,sepal_width\n1,2\n", code=3)
    assert "petal_length" in done.err
    (tmp_path / "bad.csv").write_text(ROWS + "5.0,3.0,abc,0.1\n")
    done = bpnet("predict", trained, "bad.csv", "-o", "out.csv", code=3)
    assert done.err.startswith("bpnet: error: bad.csv:4: column 'petal_length': 'abc'")
    assert not (tmp_path / "out.csv").exists()
    assert not list(tmp_path.glob(".tmp*"))


def test_predict_works_from_the_model_file_alone(bpnet, trained, tmp_path):
    (tmp_path / "m.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    done = bpnet("predict", "m.safetensors", "-", stdin=ROWS)
    assert done.out == bpnet("predict", trained, "-", stdin=ROWS).out


def test_predict_reports_categories_that_training_never_saw(bpnet, config, tmp_path):
    rows = [f"{'red' if i % 3 else 'blue'},{i % 5},{i % 2}" for i in range(60)]
    (tmp_path / "d.csv").write_text("\n".join(["color,x,y", *rows]) + "\n")
    text = "data: {train: d.csv, target: y}\nmodel: {layers: [{type: dense, units: auto}]}\n"
    run = bpnet("train", config(text + "loss: cross_entropy\n"), "-q").lines[-1]
    done = bpnet("predict", run, "-", stdin="color,x\ngreen,1\nred,2\ngreen,3\n")
    assert len(done.lines) == 4
    assert "column 'color' has categories that training never saw: 'green' (2)" in done.err


def test_check_shows_config_data_layers_and_trains_nothing(bpnet, config, tmp_path):
    out = bpnet("check", config()).out
    assert "units: auto" in out
    assert "sepal_length" in out
    assert "67 parameters" in out
    assert out.endswith("the config is valid\n")
    assert not (tmp_path / "runs").exists()


def test_check_as_json_has_the_same(bpnet, config):
    summary = bpnet("check", config(), "--json").json()
    assert summary["parameters"] == 67
    assert [entry["layer"] for entry in summary["layers"]] == ["dense_1", "tanh_1", "dense_2"]
    assert summary["data"]["splits"] == {"train": 105, "val": 23, "test": 22}


@pytest.mark.parametrize("template", ["xor", "iris", "penguins", "concrete", "digits", "fashion"])
def test_every_template_is_a_valid_config(bpnet, tmp_path, template):
    assert bpnet("init", "--template", template).out == f"{template}.yaml\n"
    text = (tmp_path / f"{template}.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=bpnet.schema.json\n")
    assert json.loads((tmp_path / "bpnet.schema.json").read_text())["type"] == "object"
    bpnet("check", f"{template}.yaml", "-q")


def test_init_never_overwrites(bpnet, tmp_path):
    (tmp_path / "iris.yaml").write_text("mine")
    bpnet("init", "--template", "iris", code=5)
    assert (tmp_path / "iris.yaml").read_text() == "mine"


def test_init_names_the_templates_when_one_is_unknown(bpnet):
    assert "did you mean 'digits'?" in bpnet("init", "--template", "digit", code=2).err


@pytest.mark.parametrize(
    ("rows", "loss"),
    [
        ([f"{i},{i % 7},{'abc'[i % 3]}" for i in range(90)], "cross_entropy"),
        ([f"{i},{i % 7},{i * 0.37}" for i in range(90)], "mse"),
        ([f"{i},{i % 7},{'yes' if i > 40 else 'no'}" for i in range(90)], "binary_cross_entropy"),
    ],
)
def test_init_from_data_writes_a_config_that_trains(bpnet, tmp_path, rows, loss):
    (tmp_path / "d.csv").write_text("\n".join(["a,b,t", *rows]) + "\n")
    bpnet("init", "my.yaml", "--from", "d.csv", "--target", "t")
    assert f"loss: {loss}" in (tmp_path / "my.yaml").read_text()
    bpnet("train", "my.yaml", "training.epochs=2", "-q")


def test_env_tells_versions_and_threads(bpnet):
    facts = bpnet("env", "--json").json()
    assert facts["threads"] == 1
    assert set(facts["versions"]) == {"bpnet", "python", "numpy"}
    assert "numpy" in bpnet("env").out


def test_schema_is_a_json_schema(bpnet):
    schema = json.loads(bpnet("schema").out)
    assert "data" in schema["properties"]


@pytest.mark.parametrize("command", ["eval", "predict"])
def test_what_is_no_run_is_refused_with_5(bpnet, tmp_path, command):
    more = ["-"] if command == "predict" else []
    assert "no such" in bpnet(command, "runs/nothing", *more, code=5).err
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04rest")
    assert "a zip archive" in bpnet(command, "model.pt", *more, code=5).err
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04\x95")
    assert "a pickle" in bpnet(command, "x.pkl", *more, code=5).err


def test_help_imports_nothing_that_only_the_work_of_commands_needs(bpnet):
    import subprocess
    import sys

    heavy = {"numpy", "yaml", "safetensors", "rich", "bpnet.runs", "ctypes", "hashlib", "socket"}
    code = (
        "import sys; from bpnet.cli import run; run(['--help']); "
        f"print(sorted(set({sorted(heavy)}) & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "train" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["trian"], ["train"], ["train", "c.yaml", "--nope"], ["eval", "x", "--split"]]
)
def test_a_wrong_command_line_is_one_error_with_2(bpnet, arguments):
    done = bpnet(*arguments, code=2)
    assert done.err.startswith("bpnet: error: ")
    assert len(done.err.splitlines()) == 1


def test_predict_keeps_all_digits_of_numbers(bpnet, config, tmp_path):
    rows = [f"{i % 7},{1_700_000_000 + i % 7}" for i in range(80)]
    (tmp_path / "d.csv").write_text("\n".join(["x,t", *rows]) + "\n")
    text = "data: {train: d.csv, target: t}\nmodel: {layers: [{type: dense, units: auto}]}\n"
    run = bpnet("train", config(text + "loss: mse\ndtype: float64\n"), "-q").lines[-1]
    predicted = {float(line) for line in bpnet("predict", run, "d.csv").lines[1:]}
    assert len(predicted) == 7


def test_predict_writes_into_a_pipe_and_through_a_link_instead_of_replacing_them(
    bpnet, trained, tmp_path
):
    (tmp_path / "rows.csv").write_text(ROWS)
    expected = bpnet("predict", trained, "rows.csv").out
    assert bpnet("predict", trained, "rows.csv", "-o", "/dev/stdout").out == expected
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    bpnet("predict", trained, "rows.csv", "-o", "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == expected


def test_predict_refuses_to_replace_its_input_and_endings_that_it_can_not_write(
    bpnet, trained, tmp_path
):
    (tmp_path / "rows.csv").write_text(ROWS)
    assert (
        "is the input itself"
        in bpnet("predict", trained, "rows.csv", "-o", "./rows.csv", code=2).err
    )
    for name in ("o.csv.gz", "o.parquet"):
        bpnet("predict", trained, "rows.csv", "-o", name, code=2)
        assert not (tmp_path / name).exists()
    assert (tmp_path / "rows.csv").read_text() == ROWS


def test_an_npz_names_its_arrays_in_features_and_target(bpnet, config, tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    np.savez(tmp_path / "a.npz", inputs=x, labels=(x[:, 0] > 0).astype(int))
    text = "data: {train: a.npz, target: labels, features: [inputs]}\n"
    text += "model: {layers: [{type: dense, units: auto}]}\nloss: cross_entropy\n"
    summary = bpnet("check", config(text), "--json").json()
    assert summary["data"]["input"] == [3]


def test_flags_may_stand_before_the_command(bpnet):
    assert bpnet("--json", "env").json() == bpnet("env", "--json").json()


def test_without_arguments_there_is_help(bpnet):
    assert bpnet().out.startswith("Usage: bpnet")


def test_messages_that_can_not_be_written_do_not_harm_a_training(config, tmp_path):
    import subprocess
    import sys
    from pathlib import Path

    if not Path("/dev/full").is_char_device():
        pytest.skip("this machine has no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bpnet", "train", config()],
            cwd=tmp_path,
            stderr=full,
            capture_output=False,
            stdout=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == b"runs/c-001"


def test_a_result_that_can_not_be_written_is_refused_with_8(tmp_path):
    import subprocess
    import sys
    from pathlib import Path

    if not Path("/dev/full").is_char_device():
        pytest.skip("this machine has no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bpnet", "env"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
            check=False,
        )
    assert done.returncode == 8
    assert b"Traceback" not in done.stderr
