"""`bpnet init --from`: a config for one's own data, which trains as it is."""

import numpy as np
import pytest

from bpnet import train
from bpnet.drafting import draft_config


@pytest.mark.parametrize(
    ("name", "target", "metric", "limit"),
    [
        # The share of the most frequent class; of concrete, the standard deviation.
        ("iris", "species", "accuracy", 1 / 3),
        ("penguins", "species", "accuracy", 152 / 344),
        ("digits", "digit", "accuracy", 183 / 1797),
        ("concrete", "compressive_strength", "rmse", 16.7),
    ],
)
def test_a_draft_trained_as_it_is_beats_the_baseline(tmp_path, name, target, metric, limit):
    path = tmp_path / "c.yaml"
    path.write_text(draft_config(f"builtin:{name}", [target], tmp_path))
    run = train(path, run_dir=tmp_path / "run", **{"training.epochs": 20})
    score = run.metrics[f"test/{metric}"]
    assert score < limit / 1.5 if metric == "rmse" else score > limit + 0.3


def test_a_draft_goes_to_stdout_or_to_a_file_of_any_name(bpnet, tmp_path):
    arguments = ("--from", "builtin:iris", "--target", "species")
    text = bpnet("init", *arguments, "-o", "-").out
    assert text.startswith("# 150 rows of 5 columns:\n")
    assert bpnet("init", "-", *arguments).out == text
    assert bpnet("init", *arguments, "-o", "sub/a.yaml").out == "sub/a.yaml\n"
    assert text in (tmp_path / "sub" / "a.yaml").read_text()
    assert bpnet("init", "b.yaml", *arguments, "--json").json()["config"] == "b.yaml"
    assert bpnet("init", "-", *arguments, "--json").json()["config"] == text
    assert "not both" in bpnet("init", "c.yaml", *arguments, "-o", "d.yaml", code=2).err


def test_paths_lead_from_the_config_to_the_data(bpnet, tmp_path):
    rows = "\n".join(f"{i % 7},{'ab'[i % 2]}" for i in range(60))
    (tmp_path / "my data.csv").write_text(f"x,y\n{rows}\n")
    bpnet("init", "--from", "my data.csv", "--target", "y", "-o", "configs/a.yaml")
    assert "../my data.csv" in (tmp_path / "configs" / "a.yaml").read_text()
    bpnet("check", "configs/a.yaml", "-q")


def test_a_file_that_is_there_is_replaced_only_by_force(bpnet, tmp_path):
    (tmp_path / "iris.yaml").write_text("mine")
    done = bpnet("init", "--from", "builtin:iris", "--target", "species", code=5)
    assert "there already; name another OUTPUT, or --force replaces it" in done.err
    assert (tmp_path / "iris.yaml").read_text() == "mine"
    bpnet("init", "--from", "builtin:iris", "--target", "species", "--force")
    assert "target: species" in (tmp_path / "iris.yaml").read_text()


def test_a_missing_or_wrong_target_is_answered_with_the_columns(bpnet):
    done = bpnet("init", "--from", "builtin:penguins", "--target", "specis", code=2)
    assert "did you mean 'species'?" in done.err
    assert "template has its own" in bpnet(
        "init", "--template", "iris", "--target", "y", code=2
    ).err  # fmt: skip


def test_a_table_without_a_named_target_lists_what_each_column_holds(bpnet, tmp_path):
    (tmp_path / "d.csv").write_text("size,kind\n1.5,a\n2,b\n3,a\n")
    done = bpnet("init", "--from", "d.csv", code=2)
    assert done.err.endswith(
        "--target COLUMN, one of:\n  size: numbers 1.5 to 3\n  kind: a 2, b 1\n"
    )


def test_images_and_arrays_name_their_target_themselves(bpnet, tmp_path):
    x = np.random.default_rng(0).random((60, 5, 5, 1))
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(60) % 2)
    bpnet("init", "--from", "d.npz", "-q")
    bpnet("train", "d.yaml", "training.epochs=1", "-q")


@pytest.mark.parametrize("source", ["nowhere.csv", "d.parquet", "builtin:nothing"])
def test_data_that_is_not_there_is_an_error_of_the_data(bpnet, source):
    bpnet("init", "--from", source, "--target", "y", code=3)
