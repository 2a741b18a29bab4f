"""Going on with runs, checking and reproducing them, as users do it."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from bpnet.runs import checkpoint, tensors

LONG = ("training.epochs=40", "checkpoint.pause=0s", "checkpoint.keep=3")


def metrics(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time_s"} for line in lines]


def contents(run):
    files = (path for path in run.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.read_bytes() for path in files}


def same(run, other):
    """Say whether two runs ended alike, to the byte."""
    assert metrics(run) == metrics(other)
    for name in ("model.safetensors", "checkpoints/best.safetensors"):
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
    ends = [checkpoint.read(checkpoint.newest(directory)) for directory in (run, other)]
    assert ends[0].arrays.keys() == ends[1].arrays.keys()
    for name, array in ends[0].arrays.items():
        assert array.tobytes() == ends[1].arrays[name].tobytes(), name


@pytest.fixture
def whole(bpnet, config, tmp_path):
    """Return a run that was never interrupted."""
    bpnet("train", config(), *LONG, "--run-dir", "whole", "-q")
    return tmp_path / "whole"


@pytest.fixture
def cut(whole, tmp_path):
    """Return the same run as a kill within epoch 21 would have left it."""
    run = tmp_path / "cut"
    shutil.copytree(whole, run)
    for name in ("result.json", "manifest.sha256", "model.safetensors"):
        (run / name).unlink()
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "status": "running", "end": None}))
    return run


def until(folder, config, run, epoch):
    """Start a training and return its process once it has told of an epoch."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bpnet", "train", config, *LONG, "--run-dir", run],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # ignored under nohup
    )
    for line in process.stderr:
        if line.startswith(f"epoch={epoch} "):
            break
    return process


@pytest.fixture
def killed(config, tmp_path, whole):
    """Return the directory of a training that was killed after its epoch 15."""
    process = until(tmp_path, config(), "killed", epoch=15)
    process.kill()
    process.wait()
    process.stderr.close()
    return tmp_path / "killed"


def test_a_killed_training_goes_on_to_the_same_bytes(bpnet, whole, killed):
    assert json.loads((killed / "run.json").read_text())["status"] == "running"
    bpnet("verify", "killed")
    (killed / ".tmp-model.safetensors-1234").write_text("half")
    done = bpnet("train", "--resume", "killed")
    assert done.lines[-1] == "killed"
    assert "from step" in done.err
    same(killed, whole)
    assert not list(killed.rglob(".tmp-*"))
    bpnet("verify", "killed", "-q")
    assert bpnet("reproduce", "killed").lines[-1].startswith("the same to the byte")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
        (signal.SIGXCPU, 152),
    ],
)
def test_a_signal_saves_and_the_rest_is_as_if_nothing_had_happened(
    bpnet, config, whole, tmp_path, number, code
):
    process = until(tmp_path, config(), "cut", epoch=7)
    process.send_signal(number)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() in (code, 0)  # it may have come to its end before
    if process.returncode:
        assert "bpnet train --resume cut" in rest
        assert json.loads((tmp_path / "cut/run.json").read_text())["status"] == "interrupted"
    bpnet("train", "--resume", "cut", "-q")
    same(tmp_path / "cut", whole)


def test_a_finished_run_stays_as_it_is_to_the_byte(bpnet, whole):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    times = {path: path.stat().st_mtime_ns for path in before}
    done = bpnet("train", "--resume", "whole")
    assert "finished already (all 40 epochs are done), so nothing was done" in done.err
    assert done.out == "whole\n"
    assert bpnet("train", "--resume", "whole", "--json").json()["status"] == "done"
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before
    assert {path: path.stat().st_mtime_ns for path in before} == times


def test_more_epochs_extend_a_finished_run_as_if_they_had_been_asked_for_at_once(
    bpnet, config, whole, tmp_path
):
    longer = ("training.epochs=55", "checkpoint.pause=0s", "checkpoint.keep=3")
    bpnet("train", config(), *longer, "--run-dir", "longer", "-q")
    done = bpnet("train", "--resume", "whole", "training.epochs=55")
    assert "changed from here on: training.epochs: 40 -> 55" in done.err
    same(whole, tmp_path / "longer")
    assert "epochs: 55" in (whole / "config.resolved.yaml").read_text()
    bpnet("verify", "whole", "-q")
    bpnet("reproduce", "whole", "-q")


def test_changes_that_matter_are_refused_with_their_place(bpnet, whole, cut):
    done = bpnet("train", "--resume", "cut", "model.layers.0.units=9", "seed=3", code=2)
    assert "model.layers.0.units=9: error: model.layers[0].units" in done.err
    assert "model.layers[0].units: 8 -> 9" in done.err
    assert "seed: 0 -> 3" in done.err
    assert "--init-from cut" in done.err
    done = bpnet("train", "--resume", "cut", "training.epochs=3", code=2)
    assert "the run has completed 40 epochs already" in done.err
    assert not (cut / "result.json").exists()


def test_a_changed_learning_rate_is_kept_in_the_history_and_reproduced(bpnet, cut):
    for path in checkpoint.all_of(cut)[:2]:
        path.unlink()
    done = bpnet("train", "--resume", "cut", "optimizer.learning_rate=0.001")
    assert "changed from here on: optimizer.learning_rate: 0.02 -> 0.001" in done.err
    (entry,) = json.loads((cut / "run.json").read_text())["resumed"]
    assert entry["changes"] == [["optimizer.learning_rate", 0.02, 0.001]]
    assert entry["epoch"] == 38
    assert metrics(cut)[-1]["lr"] == 0.001
    assert "bpnet: error" not in bpnet("reproduce", "cut").err


def test_a_config_given_beside_is_compared(bpnet, config, cut):
    text = (cut / "config.yaml").read_text()
    config(text.replace("units: 8", "units: 5"), "other.yaml")
    done = bpnet("train", "other.yaml", *LONG, "--resume", "cut", code=2)
    assert "other.yaml:6:28: error: model.layers[0].units" in done.err
    config(text, "same.yaml")
    bpnet("train", "same.yaml", *LONG, "--resume", "cut", "-q")


def test_a_damaged_newest_checkpoint_falls_back_and_says_what_is_lost(bpnet, whole, cut):
    newest = checkpoint.newest(cut)
    data = bytearray(newest.read_bytes())
    data[-100] ^= 1
    newest.write_bytes(data)
    strict = bpnet("train", "--resume", "cut", "--strict", code=5)
    assert "damaged" in strict.err
    assert newest.exists()
    done = bpnet("train", "--resume", "cut")
    assert f"{newest.name}: damaged" in done.err
    assert "4 steps (1 epochs) are lost and trained again, from step 156 on" in done.err
    same(cut, whole)
    assert newest.with_name(newest.name + ".damaged").read_bytes() == data


def test_with_every_checkpoint_damaged_nothing_is_changed(bpnet, cut):
    for path in checkpoint.all_of(cut):
        path.write_bytes(path.read_bytes()[:-1])
    before = contents(cut)
    done = bpnet("train", "--resume", "cut", code=5)
    assert all(path.name in done.err for path in checkpoint.all_of(cut))
    assert contents(cut) == before


def test_a_checkpoint_of_another_run_is_not_used(bpnet, config, whole, cut, tmp_path):
    bpnet("train", config(), *LONG, "--run-dir", "other", "seed=1", "-q")
    foreign = checkpoint.newest(tmp_path / "other")
    shutil.copy(foreign, cut / "checkpoints" / "step-00000999.safetensors")
    done = bpnet("train", "--resume", "cut")
    assert "step-00000999.safetensors: a checkpoint of another run; the one before" in done.err
    same(cut, whole)


def test_without_a_checkpoint_the_training_starts_anew_and_says_so(bpnet, whole, cut):
    for path in checkpoint.all_of(cut):
        path.unlink()
    done = bpnet("train", "--resume", "cut")
    assert "no checkpoint yet, so the training starts from the beginning" in done.err
    same(cut, whole)


def test_metrics_that_were_damaged_are_said_and_the_training_goes_on(bpnet, cut):
    path = cut / "metrics.jsonl"
    path.write_text(path.read_text().replace('"epoch": 3,', '"epoch": 4,'))
    assert "metrics.jsonl: not what it was" in bpnet("train", "--resume", "cut").err
    assert "metrics.jsonl: from epoch 3 on" in bpnet("reproduce", "cut", code=6).out


TABLE = "x,y\n" + "".join(f"{i % 13},{'ab'[i % 13 > 6]}\n" for i in range(80))
ON_TABLE = """\
data: {train: t.csv, target: y}
model: {layers: [{type: dense, units: auto}]}
loss: cross_entropy
training: {epochs: 5}
"""


def test_changed_data_is_refused_unless_that_is_allowed(bpnet, config, tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    bpnet("train", config(ON_TABLE), "--run-dir", "r", "-q")
    (tmp_path / "t.csv").write_text(TABLE + "3,a\n")
    done = bpnet("train", "--resume", "r", "training.epochs=8", code=3)
    assert "t.csv: changed since the run began (rows then and now: 80 and 81)" in done.err
    assert (tmp_path / "r/result.json").exists()
    done = bpnet("train", "--resume", "r", "training.epochs=8", "--allow-changed-data")
    assert "preprocessing and split are worked out anew" in done.err
    assert "the data changed during the run" in bpnet("reproduce", "r", code=6).err
    (tmp_path / "t.csv").rename(tmp_path / "elsewhere.csv")
    bpnet("train", "--resume", "r", "training.epochs=9", "-q", code=3)
    moved = bpnet("train", "--resume", "r", "training.epochs=9", "-q", code=3)
    assert "if the file has moved, say where it is: data.train=PATH" in moved.err
    bpnet("train", "--resume", "r", "training.epochs=9", "data.train=elsewhere.csv", "-q")
    bpnet("train", "--resume", "r", "training.epochs=10", "-q")
    with (tmp_path / "elsewhere.csv").open("a") as file:
        file.write("3,c\n" * 9)
    words = ("--resume", "r", "training.epochs=11", "--allow-changed-data")
    assert "do not fit the network any more" in bpnet("train", *words, code=3).err


def test_another_number_of_threads_is_said_to_end_exactness(bpnet, cut):
    done = bpnet("train", "--resume", "cut", "threads=2")
    assert "not bit-exact from here on: threads 1 -> 2" in done.err


def test_verify_names_what_is_changed_missing_or_added(bpnet, whole):
    assert "0 wrong" in bpnet("verify", "whole").out
    subprocess.run(["sha256sum", "-c", "--quiet", "manifest.sha256"], cwd=whole, check=True)
    (whole / "notes.txt").write_text("mine")
    bpnet("verify", "whole", "-q")
    (whole / "metrics.csv").write_text("")
    (whole / "log.txt").unlink()
    model = whole / "model.safetensors"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    done = bpnet("verify", "whole", "--json", code=6)
    states = {file["path"]: file["state"] for file in done.json()["files"]}
    assert states.pop("metrics.csv") == "changed"
    assert states.pop("log.txt") == "missing"
    assert states.pop("model.safetensors") == "damaged"
    assert states.pop("notes.txt") == "unlisted"
    assert set(states.values()) == {"ok"}
    assert "log.txt is missing" in done.err


@pytest.mark.parametrize("line", ["x", f"{'0' * 64}  ../../secret", f"{'0' * 64}  /etc/passwd"])
def test_a_manifest_that_leads_outside_is_refused(bpnet, whole, line):
    (whole / "manifest.sha256").write_text(line + "\n")
    assert "manifest.sha256:1: damaged" in bpnet("verify", "whole", code=5).err


def test_reproduce_names_what_differs_and_what_has_changed(bpnet, whole):
    newest = checkpoint.newest(whole)
    file = tensors.read(newest, "checkpoint")
    arrays = {name: array.copy() for name, array in file.arrays.items()}
    arrays["theta"][0] += 1
    newest.write_bytes(tensors.encode(file.kind, arrays, file.facts))
    facts = json.loads((whole / "run.json").read_text())
    facts["versions"]["numpy"] = "1.0"
    (whole / "run.json").write_text(json.dumps(facts))
    done = bpnet("reproduce", "whole", code=6)
    assert "theta: 1 of" in done.out
    assert "numpy 1.0 ->" in done.err
    assert bpnet("reproduce", "whole", "--json", code=6).json()["same"] is False


def test_options_of_resume_and_of_new_runs_do_not_mix(bpnet, config, whole):
    for words in (
        ("--resume", "whole", "--run-dir", "x"),
        ("--resume", "whole", "--name", "x"),
        ("--resume", "whole", "--init-from", "x"),
        ("--resume", "whole", "--dry-run"),
        (config(), "--strict"),
        (config(), "--wait"),
        (),
    ):
        assert "bpnet: error:" in bpnet("train", *words, code=2).err
    bpnet("train", "--resume", "nowhere", code=5)


def test_a_start_that_was_cut_off_is_completed(bpnet, config, whole, tmp_path):
    run = tmp_path / "started"
    (run / "checkpoints").mkdir(parents=True)
    for name in (".lock", "config.yaml", ".tmp-run.json-12345678"):
        (run / name).write_text("x")
    assert "run.json is missing" in bpnet("train", "--resume", "started", code=5).err
    bpnet("train", config(), *LONG, "--run-dir", "started", "-q")
    same(run, whole)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.yaml").write_text("precious")
    assert "there already" in bpnet("train", config(), "--run-dir", "mine", code=5).err
    assert (tmp_path / "mine/config.yaml").read_text() == "precious"


def test_fine_tuning_starts_from_the_weights_and_the_run_says_so_by_itself(
    bpnet, config, whole, tmp_path
):
    done = bpnet("train", config(), "--init-from", "whole", "model.freeze=[dense_1]", "--name", "b")
    assert "initialized 4 of 4 tensors from whole/model.safetensors" in done.err
    run = tmp_path / done.lines[-1]
    assert json.loads((run / "run.json").read_text())["parent"] == "whole"
    shutil.rmtree(whole)
    bpnet("reproduce", run, "-q")
    (run / "initial.safetensors").unlink()
    bpnet("reproduce", run, "-q", code=6)


def test_a_time_limit_that_has_passed_is_refused_and_a_longer_one_goes_on(bpnet, config, tmp_path):
    words = ("train", config(), "training.epochs=1000000", "--run-dir", "r", "-q")
    bpnet(*words, "--max-time", "0.5s")
    done = bpnet("train", "--resume", "r", "--max-time", "0.3s", code=2)
    assert "the run has trained for 0.5" in done.err
    assert "a longer training.max_time goes on" in bpnet("train", "--resume", "r").err
    bpnet("train", "--resume", "r", "--max-time", "0.7s", "-q")
    bpnet("reproduce", "r", "-q")


def test_what_an_editor_leaves_in_the_directory_does_not_harm_the_end(bpnet, config, cut):
    (cut / ".#config.yaml").symlink_to("user@host.1234")
    os.mkfifo(cut / "pipe")
    (cut / os.fsdecode(b"\xff.txt")).write_text("")
    bpnet("train", "--resume", "cut", "-q")
    assert (cut / "result.json").exists()
    bpnet("verify", "cut", "-q")


def test_without_restore_best_the_last_weights_are_the_model(bpnet, cut):
    words = "early_stopping={monitor: val/loss, patience: 90, restore_best: false}"
    bpnet("train", "--resume", "cut", words, "training.epochs=60", "-q")
    result = json.loads((cut / "result.json").read_text())
    assert result["model_epoch"] == 60
    assert result["metrics"]["val/loss"] == metrics(cut)[-1]["val/loss"]
    bpnet("reproduce", "cut", "-q")


def test_exchanged_parts_are_other_data(bpnet, config, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(TABLE if name == "a" else TABLE + "3,a\n")
    text = ON_TABLE.replace("t.csv", "a.csv, validation: b.csv, test: 0")
    bpnet("train", config(text), "--run-dir", "r", "-q")
    swapped = ("data.train=b.csv", "data.validation=a.csv", "training.epochs=8")
    assert "changed since" in bpnet("train", "--resume", "r", *swapped, code=3).err


def test_a_line_of_metrics_that_is_no_object_is_said(bpnet, cut):
    path = cut / "metrics.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "[1]", *lines[2:]]) + "\n")
    assert "metrics.jsonl: not what it was" in bpnet("train", "--resume", "cut").err


@pytest.mark.parametrize(
    "damage",
    [{"data": [{}]}, {"data": None}, {"versions": [1]}, {"resumed": {}}, {"resumed": [{}]}],
    ids=str,
)
def test_a_history_with_wrong_types_is_refused(bpnet, trained, damage):
    facts = json.loads((trained / "run.json").read_text())
    (trained / "run.json").write_text(json.dumps(facts | damage))
    for command in (("train", "training.epochs=9", "--resume"), ("reproduce",)):
        assert "run.json: damaged" in bpnet(*command, trained, code=5).err
