import csv
import math

import pytest


def test_it_shows_a_curve_and_ends_with_an_override_to_paste(bpnet, config, tmp_path):
    result = bpnet("lrfind", config(), "--csv", "curve.csv", "--svg", "curve.svg")
    override = result.lines[-1]
    assert override.startswith("optimizer.learning_rate=")
    assert math.isfinite(float(override.partition("=")[2]))
    assert result.out.isascii()
    assert any("*" in line for line in result.lines)
    assert "1e-3" in result.out
    rows = list(csv.DictReader((tmp_path / "curve.csv").read_text().splitlines()))
    assert list(rows[0]) == ["step", "learning_rate", "loss", "smoothed"]
    assert [int(row["step"]) for row in rows] == list(range(1, len(rows) + 1))
    assert (tmp_path / "curve.svg").read_text().startswith("<svg ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.yaml", "curve.csv", "curve.svg"]
    quiet = bpnet("lrfind", config(), "-q")
    assert quiet.lines == [override]
    assert quiet.err == ""


def test_json_has_the_whole_curve(bpnet, config):
    result = bpnet("lrfind", config(), "--json", "--steps", "50", "--to", "0.01").json()
    assert len(result["curve"]) == 50
    assert result["curve"][0] == result["curve"][0] | {"step": 1, "learning_rate": 1e-6}
    assert result["stopped"] == "end"
    assert result["override"] == f"optimizer.learning_rate={result['suggestion']:g}"


def test_the_curve_can_go_to_a_pipe(bpnet, config):
    result = bpnet("lrfind", config(), "-q", "--csv", "/dev/stdout")
    assert result.lines[0] == "step,learning_rate,loss,smoothed"


def test_no_suggestion_comes_with_its_reason_and_ends_well(bpnet, config):
    flat = bpnet("lrfind", config(), "model.init=zeros", "model.layers.0.bias=false",
                 "model.layers.2.bias=false")  # fmt: skip
    assert "no suggestion: the loss does not fall" in flat.err
    assert "learning_rate=" not in flat.out


def test_a_peak_of_the_schedule_is_what_is_suggested(bpnet, config):
    result = bpnet("lrfind", config(), "schedule={type: one_cycle, max_learning_rate: 1}", "-q")
    assert result.lines[0].startswith("schedule.max_learning_rate=")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--from", "1", "--to", "0.1"], 2, "--from and --to: expected two rates above 0"),
        (["--steps", "3"], 2, "--steps: expected 20 or more"),
        (["--csv", "missing/x.csv"], 2, "--csv: there is no folder missing"),
        (["--csv", "c.yaml"], 5, "there already, and no curve of bpnet lrfind"),
        (["--svg", "c.yaml"], 5, "there already, and no SVG picture"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(bpnet, config, arguments, code, said):
    result = bpnet("lrfind", config(), *arguments, code=code)
    assert said in result.err
    assert result.out == ""


def test_its_own_files_are_written_anew(bpnet, config, tmp_path):
    for _ in range(2):
        bpnet("lrfind", config(), "-q", "--csv", "x.csv", "--svg", "x.svg")
    assert (tmp_path / "x.csv").read_text().startswith("step,learning_rate,loss,smoothed\n1,")
    assert (tmp_path / "x.svg").read_text().startswith("<svg")
