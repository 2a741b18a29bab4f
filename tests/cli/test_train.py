import json
import os
import signal
import subprocess
import sys
import time

import pytest

FILES = {
    ".lock",
    "manifest.sha256",
    "config.yaml",
    "config.resolved.yaml",
    "run.json",
    "metrics.jsonl",
    "metrics.csv",
    "events.jsonl",
    "gradients.jsonl",
    "log.txt",
    "checkpoints",
    "model.safetensors",
    "result.json",
}


def test_quiet_training_prints_the_run_directory_and_nothing_else(bpnet, config):
    done = bpnet("train", config(), "-q")
    assert done.out == "runs/c-001\n"
    assert done.err == ""


def test_the_run_directory_is_complete(trained):
    assert {path.name for path in trained.iterdir()} == FILES
    names = {path.name for path in (trained / "checkpoints").iterdir()}
    assert names == {"best.safetensors", "step-00000020.safetensors"}


def test_the_run_directory_is_the_last_line_after_the_result_table(bpnet, config):
    done = bpnet("train", config())
    assert done.lines[-1] == "runs/c-001"
    assert done.lines[0].split() == ["metric", "train", "val", "test"]
    assert done.lines[1].startswith("loss")


def test_elsewhere_than_on_a_terminal_each_epoch_is_one_plain_line(bpnet, config):
    lines = bpnet("train", config()).err.splitlines()
    epochs = [line for line in lines if line.startswith("epoch=")]
    assert len(epochs) == 5
    assert all("train/loss=" in line and "val/loss=" in line for line in epochs)
    assert "\x1b" not in "".join(lines)


def test_the_config_is_kept_byte_for_byte_and_resolved(bpnet, config, trained, tmp_path):
    assert (trained / "config.yaml").read_bytes() == (tmp_path / "c.yaml").read_bytes()
    again = bpnet("train", trained / "config.resolved.yaml", "-q").lines[-1]
    resolved = (trained / "config.resolved.yaml").read_text()
    assert (tmp_path / again / "config.resolved.yaml").read_text() == resolved


def test_equal_trainings_leave_equal_bytes(bpnet, config, tmp_path):
    first, second = (tmp_path / bpnet("train", config(), "-q").lines[-1] for _ in range(2))
    for name in ("model.safetensors", "checkpoints/best.safetensors", "config.resolved.yaml"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    rows = [
        [json.loads(line) | {"time_s": 0} for line in text.splitlines()]
        for text in ((run / "metrics.jsonl").read_text() for run in (first, second))
    ]
    assert rows[0] == rows[1]


def test_metrics_are_one_row_per_epoch_in_both_files(trained):
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    table = (trained / "metrics.csv").read_text().splitlines()
    assert table[0].split(",") == list(rows[0])
    assert len(table) == 6


def test_run_json_tells_where_the_run_comes_from(trained):
    facts = json.loads((trained / "run.json").read_text())
    assert facts["status"] == "done"
    assert facts["seed"] == 0
    assert facts["threads"] == 1
    assert facts["parameters"] == 4 * 8 + 8 + 8 * 3 + 3
    assert facts["versions"].keys() == {"bpnet", "python", "numpy"}
    (source,) = facts["data"]
    assert source["path"] == "builtin:iris"
    assert source["rows"] == 150
    assert len(source["sha256"]) == 64


def test_json_is_one_document_with_the_result(bpnet, config, tmp_path):
    result = bpnet("train", config(), "--json").json()
    on_disk = json.loads((tmp_path / result.pop("run") / "result.json").read_text())
    assert result == on_disk
    assert result["stop_reason"] == "finished"
    assert set(result["metrics"]) >= {"train/loss", "val/accuracy", "test/accuracy"}


def test_overrides_win_over_the_file_and_options_stand_before_or_after(bpnet, config):
    name = config()
    for arguments in (
        ["train", name, "training.epochs=2", "--seed", "3", "--name", "x", "--json"],
        ["train", "--json", "--name", "x", "--seed", "3", name, "training.epochs=2"],
    ):
        result = bpnet(*arguments).json()
        assert result["epochs"] == 2
        assert result["run"].startswith("runs/x-")


def test_the_config_can_come_through_a_pipe(bpnet, config, tmp_path):
    config()
    text = (tmp_path / "c.yaml").read_text()
    run = bpnet("train", "-", "-q", stdin=text).lines[-1]
    assert run == "runs/stdin-001"


def test_an_exact_run_directory_is_made_and_never_overwritten(bpnet, config, tmp_path):
    assert bpnet("train", config(), "-q", "--run-dir", "here/it is").out == "here/it is\n"
    before = (tmp_path / "here/it is/result.json").read_bytes()
    done = bpnet("train", config(), "-q", "--run-dir", "here/it is", code=5)
    assert done.err.startswith("bpnet: error: here/it is: there already")
    assert (tmp_path / "here/it is/result.json").read_bytes() == before


def test_a_dry_run_tries_everything_and_keeps_nothing(bpnet, config, tmp_path):
    done = bpnet("train", config(), "--dry-run")
    assert "one batch went through everything" in done.out
    assert not (tmp_path / "runs").exists()


def test_a_time_limit_ends_the_training_with_success(bpnet, config):
    result = bpnet(
        "train", config(), "training.epochs=10000000", "--max-time", "0.2s", "--json"
    ).json()
    assert result["stop_reason"] == "time_limit"
    assert result["epochs"] >= 1


def test_early_stopping_is_a_success_with_its_reason(bpnet, config):
    result = bpnet(
        "train", config(), "training.epochs=500", "early_stopping.patience=3", "--json"
    ).json()
    assert result["status"] == "stopped"
    assert result["stop_reason"] == "early_stopping"
    assert result["model_epoch"] == result["best_epoch"] == result["epochs"] - 3


def test_a_diverging_training_ends_with_4_and_says_where(bpnet, config, tmp_path):
    done = bpnet(
        "train",
        config(),
        "data.target=sepal_length",
        "loss=mse",
        "model.layers.1=relu",
        "optimizer={type: sgd, learning_rate: 1e3}",
        code=4,
    )
    assert "bpnet: error: training diverged at step" in done.err
    (run,) = (tmp_path / "runs").iterdir()
    assert json.loads((run / "run.json").read_text())["status"] == "diverged"
    assert not (run / "result.json").exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_training_after_a_checkpoint(config, tmp_path, number, code):
    command = [sys.executable, "-m", "bpnet", "train", config(), "training.epochs=10000000"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # ignored under nohup
    )
    for line in process.stderr:
        if line.startswith("epoch=3 "):
            break
    process.send_signal(number)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == code
    assert "the state is saved; go on with: bpnet train --resume runs/c-001" in rest
    (run,) = (tmp_path / "runs").iterdir()
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert list((run / "checkpoints").glob("step-*.safetensors"))


def test_a_reader_that_goes_away_does_not_harm_the_training(config, tmp_path):
    command = [sys.executable, "-m", "bpnet", "train", config(), "training.epochs=400"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stderr.readline()
    process.stderr.close()
    process.stdout.close()
    assert process.wait(60) == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert json.loads((run / "result.json").read_text())["epochs"] == 400


def test_a_read_only_place_is_refused_before_any_training(bpnet, config, tmp_path):
    (tmp_path / "file").write_text("")
    began = time.monotonic()
    done = bpnet("train", config(), "--runs-root", "file/runs", code=8)
    assert done.err.splitlines()[-1].startswith("bpnet: error: can't make a run directory in")
    assert time.monotonic() - began < 60


def test_on_a_terminal_there_is_one_live_line(config, tmp_path):
    pexpect = pytest.importorskip("pexpect")
    try:
        descriptors = os.openpty()
    except OSError:
        pytest.skip("this machine gives out no pseudo-terminals")
    for descriptor in descriptors:
        os.close(descriptor)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "bpnet", "train", config(), "training.epochs=3000"],
        cwd=str(tmp_path),
        encoding="utf-8",
        dimensions=(24, 100),
    )
    child.expect(r"epoch \d+/3000  loss [\d.e-]+ .*lr 0.02  [\d,]+ rows/s  .* left", timeout=30)
    child.expect("all 3000 epochs are done", timeout=60)
    child.expect("accuracy")
    child.expect("runs/c-001")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_what_takes_long_to_import_and_is_not_needed_is_not_imported(config, tmp_path):
    code = "import sys, bpnet.cli; bpnet.cli.run(sys.argv[1:]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "train", config(), "-q"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"numpy.ma", "scipy", "matplotlib", "pandas", "rich.markdown", "bpnet.report.drawing"}
    assert not heavy & set(done.stdout.split())
