"""What a page says in words follows from the numbers."""

import json
import math

import pytest

from bpnet.report import verdict
from bpnet.report.record import Record, read_record


def record(rows, result=None, status="done", directory=None, **plain):
    facts = {"status": status, "stop_reason": "all 20 epochs are done", "resumed": []}
    return Record(directory, facts, rows, result=result or {}, plain=plain)


def curve(*values, train=None, best=None):
    rows = []
    for i, value in enumerate(values, 1):
        row = {"epoch": i, "val/loss": value, "train/loss": train[i - 1] if train else value}
        rows.append({**row, "best": i == best})
    return rows


@pytest.fixture
def said(tmp_path):
    def why(rows, result=None, **options):
        return " ".join(
            verdict.why_stopped(record(rows, result, directory=tmp_path / "r", **options))
        )

    return why


def test_a_loss_that_rises_again_is_called_learning_by_heart(said):
    falling = [1 / i for i in range(1, 21)]
    rising = [*[1 / i for i in range(1, 8)], *[0.15 + 0.02 * i for i in range(13)]]
    result = {"model_epoch": 7, "monitor": "val/loss"}
    text = said(curve(*rising, train=falling, best=7), result)
    assert "epoch 7 of 20 (val/loss 0.1429)" in text
    assert "val/loss rose to 0.39 while train/loss fell from 0.1429 to 0.05" in text
    assert "by heart" in text


def test_a_loss_that_still_falls_asks_for_more(said):
    falling = [1 / i for i in range(1, 21)]
    text = said(curve(*falling, best=20), {"model_epoch": 20, "monitor": "val/loss"})
    assert "val/loss was still falling, by 10\u00a0% over the last tenth" in text
    assert "by heart" not in text


def test_a_loss_that_stands_still_asks_for_nothing(said):
    flat = [max(0.1, 1 / i) for i in range(1, 21)]
    text = said(curve(*flat, best=10), {"model_epoch": 10, "monitor": "val/loss"})
    assert (
        text
        == "All 20 epochs are done. The model has the weights of epoch 10 of 20 (val/loss 0.1)."
    )


def test_short_and_strange_curves_say_nothing_of_their_shape(said):
    assert said([]) == "All 20 epochs are done."
    assert said(curve(1.0, 0.5, best=2)) == "All 20 epochs are done."
    assert said(curve(1.0, 0.5, 0.2, best=9), {"model_epoch": 9}) == "All 20 epochs are done."
    assert "epoch 3" in said(curve(math.nan, 1.0, 0.9, 0.95, best=3))


@pytest.mark.parametrize(
    ("status", "begins"),
    [
        ("diverged", "It diverged after 3 of 20 epochs"),
        ("interrupted", "It was interrupted after 3 of 20 epochs"),
        ("failed", "It failed after 3 of 20 epochs"),
        ("running", "It was cut off without a word, after 3 of 20 epochs"),
    ],
)
def test_every_end_has_its_sentence(said, status, begins):
    text = said(curve(3.0, 2.0, 1.0, best=3), status=status, training={"epochs": 20})
    assert text.startswith(begins)


@pytest.mark.parametrize(
    ("rows", "learned", "here", "apart"),
    [
        (30, 1.0, 0.5, True),
        (30, 1.0, 1.0, False),
        (30, 0.9, 0.85, False),  # of so few rows that is chance
        (3000, 0.9, 0.85, True),
        (10**6, 0.22, 0.21, False),  # no chance, but next to nothing
        (30, 0.5, 1.0, False),
    ],
)
def test_a_gap_to_the_training_rows_counts_beyond_chance_and_trifles(
    iris, rows, learned, here, apart
):
    found = read_record(iris)
    found.result["metrics"]["train/accuracy"] = learned

    class Judged:
        part, scores = "test", {"accuracy": here}

        def __len__(self):
            return rows

    (text,) = verdict._gap(found, Judged())
    assert ("by heart" in text) == apart
    assert ("hardly apart" in text) == (not apart)


def test_the_monitored_metric_is_the_results_else_the_configs_else_a_loss(iris):
    found = read_record(iris)
    assert found.monitor == "val/loss"
    found.result = {}
    found.plain["early_stopping"] = {"monitor": "val/accuracy"}
    assert found.monitor == "val/accuracy"
    found.plain["early_stopping"] = {"monitor": "test/nothing"}
    assert found.monitor == "val/loss"
    found.rows = [{"epoch": 1, "train/loss": 1.0}]
    assert found.monitor == "train/loss"


def test_lowered_learning_rates_are_read_from_the_events(iris):
    (iris / "events.jsonl").write_text(
        json.dumps({"event": "learning_rate", "epoch": 4, "before": 0.1, "after": 0.05})
        + '\n{"event": "learning_rate"\n'
        + json.dumps({"event": "improved", "epoch": 5})
        + "\n"
    )
    assert read_record(iris).drops == [(4, 0.1, 0.05)]
