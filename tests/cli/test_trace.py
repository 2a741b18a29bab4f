"""`bpnet trace` as users run it."""

import os
import sys
import threading

import pexpect
import pytest

XOR = """\
data: {train: builtin:xor, target: y, validation: 0, test: 0, numeric: {scale: none}}
model:
  layers: [{type: dense, units: 2}, {type: sigmoid}, {type: dense, units: 1}]
loss: binary_cross_entropy
optimizer: {type: sgd, learning_rate: 0.5}
"""


def test_the_step_is_shown_in_four_phases(bpnet, config):
    done = bpnet("trace", config(XOR), "--row", "2")
    assert done.err == ""
    assert "\x1b" not in done.out
    assert len(done.lines) <= 38
    assert done.lines[0] == "c: training step 1 on row 2 of builtin:xor (target 1), in float64"
    heads = [line[:6] for line in done.lines if line[:2] in ("1 ", "2 ", "3 ", "4 ")]
    assert heads == ["1 FORW", "2 LOSS", "3 BACK", "4 UPDA"]


def test_as_json_all_numbers_are_there(inside, config):
    found = inside("trace", config(XOR), "--row", "1,2", "--json").json()
    assert found["rows"] == [1, 2]
    assert found["inputs"] == ["x1", "x2"]
    assert found["answers"] == ["1", "1"]
    assert [step["layer"] for step in found["forward"]] == ["dense_1", "sigmoid_1", "dense_2"]
    assert found["forward"][0]["x"] == [[0, 1], [1, 0]]
    tensors = {tensor["tensor"]: tensor for tensor in found["update"]["tensors"]}
    weights = tensors["dense_2.W"]
    for (before,), (gradient,), (after,) in zip(
        weights["before"], weights["gradient"], weights["after"], strict=True
    ):
        assert after == pytest.approx(before - 0.5 * gradient)


def test_nothing_is_saved_and_the_same_comes_out_again(inside, config, tmp_path):
    name = config(XOR)
    first = inside("trace", name, "--row", "0-3")
    assert inside("trace", name, "--row", "0", "--row", "1-3").out == first.out
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_page_is_written_and_its_name_printed(inside, config, tmp_path):
    done = inside("trace", config(XOR), "--row", "1", "--html", "step.html")
    assert done.out == "step.html\n"
    page = (tmp_path / "step.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    again = inside("trace", config(XOR), "--row", "2", "--html", "step.html", "--json")
    assert again.json()["html"] == "step.html"
    assert (tmp_path / "step.html").read_text() != page


def test_a_page_is_written_over_no_other_file(inside, config, tmp_path):
    name = config(XOR)
    done = inside("trace", name, "--html", name, code=5)
    assert "there already, and no page of bpnet trace" in done.err
    assert (tmp_path / name).read_text() == XOR
    assert "no folder" in inside("trace", name, "--html", "no/where.html", code=2).err
    assert "is a folder" in inside("trace", name, "--html", ".", code=2).err
    (tmp_path / "mine.html").write_text("<!doctype html>\n<html lang='en'>my own page")
    inside("trace", name, "--html", "mine.html", code=5)


def test_a_page_goes_to_standard_output_or_into_a_pipe_which_stays_one(inside, config, tmp_path):
    name = config(XOR)
    page = inside("trace", name, "--html", "step.html") and (tmp_path / "step.html").read_text()
    assert inside("trace", name, "--html", "-").out == page
    os.mkfifo(tmp_path / "pipe")
    received = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_text()))
    reader.start()
    inside("trace", name, "--html", "pipe")
    reader.join(timeout=60)
    assert received == [page]
    assert (tmp_path / "pipe").is_fifo()
    assert "both want standard output" in inside("trace", name, "--html", "-", "--json", code=2).err


def test_a_trained_network_is_said_to_have_a_new_optimizer(inside, trained):
    assert "optimizer and schedule start anew" in inside("trace", trained).out


def test_the_data_of_a_run_that_has_moved_is_given_from_where_one_is(inside, config, tmp_path):
    rows = "".join(f"{i % 7},{i % 3},{'pq'[i % 2]}\n" for i in range(40))
    (tmp_path / "d.csv").write_text(f"a,b,y\n{rows}")
    name = config(XOR.replace("builtin:xor", "d.csv"))
    inside("train", name, "--run-dir", "run", "-q")
    (tmp_path / "away").mkdir()
    (tmp_path / "d.csv").rename(tmp_path / "away" / "d.csv")
    inside("trace", "run", code=3)
    assert "away/d.csv" in inside("trace", "run", "data.train=away/d.csv").lines[0]
    assert "data.train=PATH" in inside("doctor", "run").out
    found = inside("doctor", "run", "data.train=away/d.csv").out
    assert "layers, start -> end" in found
    assert "looked at as it is" in inside("doctor", "run", "seed=3", code=2).err


def test_a_run_is_traced_with_its_trained_weights(inside, trained, config):
    found = inside("trace", trained, "--json")
    untrained = inside("trace", config(), "--json").json()
    assert found.json()["loss"]["value"] < untrained["loss"]["value"]
    assert inside("trace", config(), "--weights", trained, "--json").out == found.out
    said = inside("trace", trained)
    assert "initialized 4 of 4 tensors" in said.err


def test_later_steps_have_moments(inside, config):
    later = inside("trace", config(), "--after", "7", "--json").json()
    assert later["step"] == 8
    tensor = later["update"]["tensors"][0]
    assert tensor["moments"].keys() == {"m", "v"}


def test_wrong_rows_and_steps_are_refused(inside, config):
    name = config(XOR)
    assert "the rows go from 0 to 3" in inside("trace", name, "--row", "4", code=2).err
    assert "expected numbers of rows" in inside("trace", name, "--row", "first", code=2).err
    done = inside("trace", name, "training.epochs=2", "--after", "3", code=2)
    assert "the training ends after 2 steps" in done.err


def test_a_step_that_diverges_exits_with_4(inside, config):
    name = config(XOR.replace("binary_cross_entropy", "mse"))
    done = inside("trace", name, "optimizer.learning_rate=1e6", "--after", "400", code=4)
    assert "diverged" in done.err


def test_names_from_data_can_not_control_the_terminal(inside, config, tmp_path):
    rows = "".join(f"{i % 3},{i % 5},{'a' if i % 2 else 'b'}\x1b[31m\n" for i in range(40))
    (tmp_path / "d.csv").write_text("x,y,t\n" + rows)
    name = config(
        "data: {train: d.csv, target: t}\nmodel: {layers: [{type: dense, units: auto}]}\n"
        "loss: cross_entropy\n"
    )
    done = inside("trace", name)
    assert "\x1b" not in done.out + done.err
    assert "[31m" in done.out


def test_xor_fits_on_a_real_screen(config, tmp_path):
    name = config(XOR)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "bpnet", "trace", name, "--row", "2"],
        cwd=str(tmp_path),
        dimensions=(40, 120),
        encoding="utf-8",
        timeout=60,
    )
    child.expect(pexpect.EOF)
    lines = child.before.rstrip("\r\n").split("\r\n")
    assert len(lines) <= 39
    assert max(map(len, lines)) <= 120
