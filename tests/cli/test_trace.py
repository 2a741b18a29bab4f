"""`bpnet trace` as users run it."""

import json
import sys
from dataclasses import dataclass

import pexpect
import pytest

from bpnet.cli import run


@dataclass
class Done:
    out: str
    err: str

    @property
    def lines(self):
        return self.out.splitlines()

    def json(self):
        return json.loads(self.out)


@pytest.fixture
def inside(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command line in this process, in `tmp_path`."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        capsys.readouterr()
        ended = run([str(argument) for argument in arguments])
        done = Done(*capsys.readouterr())
        assert ended == code, f"exit {ended}\n{done.out}\n{done.err}"
        return done

    return call


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
    assert "there already, and no HTML page" in done.err
    assert (tmp_path / name).read_text() == XOR
    assert "no folder" in inside("trace", name, "--html", "no/where.html", code=2).err
    assert "is a folder" in inside("trace", name, "--html", ".", code=2).err


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
