import shlex

import pytest

ILL = ["optimizer={type: sgd, learning_rate: 20}", "training.epochs=10"]


def test_a_healthy_config_has_no_findings_and_leaves_nothing(bpnet, config, tmp_path):
    result = bpnet("doctor", config(), "training.epochs=30", "--strict")
    assert "no findings (18 rules)" in result.out
    assert "layers, start -> end" in result.out
    assert "\x1b" not in result.out
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_a_finding_has_number_threshold_and_a_change_to_paste(bpnet, config):
    result = bpnet("doctor", config(), *ILL, "--strict", code=6)
    (first,) = [line for line in result.lines if line.startswith("1. ")]
    assert first == "1. learning_rate_too_high: a learning rate of 20 is too high"
    after = result.lines[result.lines.index(first) + 1 :]
    assert after[0].startswith("   share of the loss that the change leaves: ")
    assert after[0].endswith("(threshold 0.7)")
    override = shlex.split(after[1])[0]
    assert override.startswith("optimizer.learning_rate=")
    assert "tried, and it is gone" in after[1]
    assert "c.yaml:" in result.err
    assert "learning_rate_too_high" in result.err
    mended = bpnet("doctor", config(), *ILL, override, "--strict", "-q")
    assert mended.out == ""


def test_json_is_one_document_with_everything(bpnet, config):
    result = bpnet("doctor", config(), *ILL, "--json").json()
    finding = result["findings"][0]
    assert finding["rule"] == "learning_rate_too_high"
    assert finding["number"] < finding["threshold"] == 0.7
    assert finding["tried"] is True
    assert finding["change"][0].startswith("optimizer.learning_rate=")
    assert {"measure", "source", "effect", "follows", "where", "text"} <= finding.keys()
    assert [layer["name"] for layer in result["start"]["layers"]] == [
        *("dense_1", "tanh_1", "dense_2")
    ]
    assert result["training"]["complete"] is True


def test_json_has_null_for_what_is_no_number(bpnet, config):
    ill = bpnet("doctor", config(), "optimizer={type: sgd, learning_rate: 1e5}", "loss=mse",
                "data.target=sepal_length", "--json", "--max-time", "0").json()  # fmt: skip
    exploded = next(f for f in ill["findings"] if f["rule"] == "loss_explodes")
    assert exploded["number"] is None
    assert "diverged" in exploded["text"]
    assert exploded["tried"] is None


def test_a_run_is_looked_at_and_stays_as_it_is(bpnet, trained):
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in trained.rglob("*") if p.is_file()}
    result = bpnet("doctor", trained)
    assert "update/weight" in result.out
    after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in trained.rglob("*") if p.is_file()}
    assert after == before
    assert "as it is" in bpnet("doctor", trained, "training.epochs=2", code=2).err


def test_a_run_says_what_it_could_not_look_at(bpnet, config, tmp_path):
    rows = [f"{i % 7},{i % 3},{'ab'[i % 2]}" for i in range(60)]
    (tmp_path / "d.csv").write_text("\n".join(["p,q,y", *rows]) + "\n")
    run = bpnet("train", config(), "data={train: d.csv, target: y}", "-q").lines[-1]
    (tmp_path / "d.csv").unlink()
    result = bpnet("doctor", run, "--json").json()
    assert "only the metrics could be judged" in result["not_looked_at"][0]
    assert result["start"] is None


def test_a_config_from_stdin(bpnet, config, tmp_path):
    text = (tmp_path / config()).read_text()
    assert "no findings" in bpnet("doctor", "-", "training.epochs=30", stdin=text).out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["missing.yaml"], 2, "no such file"),
        (["."], 5, "run.json is missing"),
        (["c.yaml", "optimizer.learning_rat=1"], 2, "did you mean 'learning_rate'"),
        (["c.yaml", "--steps", "0"], 2, "--steps"),
    ],
)
def test_what_can_not_be_looked_at_is_refused_in_a_line(bpnet, config, arguments, code, said):
    config()
    result = bpnet("doctor", *arguments, code=code)
    assert said in result.err
    assert result.out == ""


def test_steps_bound_the_training_in_memory(bpnet, config):
    result = bpnet("doctor", config(), "training.epochs=100000", "--steps", "200", "--json")
    training = result.json()["training"]
    assert training["steps"] == 200
    assert not training["complete"]
