"""What a page says in words follows from the numbers."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from bpnet.report import ending, verdict
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
            ending.why_stopped(record(rows, result, directory=tmp_path / "r", **options))
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


def test_a_loss_that_rises_with_that_of_the_training_rows_is_called_too_large_steps(said):
    rising = [*[1 / i for i in range(1, 8)], *[0.15 + 0.02 * i for i in range(13)]]
    training = [*[1 / i for i in range(1, 8)], *[0.2] * 13]
    result = {"model_epoch": 7, "monitor": "val/loss"}
    text = said(curve(*rising, train=training, best=7), result)
    assert "train/loss did not fall either (from 0.1429 to 0.2)" in text
    assert "lower learning rate" in text
    assert "by heart" not in text


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
        (90, 1.0, 89 / 90, False),  # one row
        (30, 0.5, 1.0, False),
    ],
)
def test_a_gap_to_the_training_rows_counts_beyond_chance_and_trifles(
    iris, rows, learned, here, apart
):
    found = read_record(iris)
    found.result["metrics"]["train/accuracy"] = learned

    class Judged:
        part, scores, trained_on = "test", {"accuracy": here}, 4 * rows

        def __len__(self):
            return rows

    (text,) = verdict._gap(found, Judged(), learned=True)
    assert ("by heart" in text) == apart
    assert ("hardly apart" in text) == (not apart)


def answers(true, said, names=("no", "yes")):
    """Return an outcome of a target of yes and no with these answers."""
    return SimpleNamespace(
        part="test",
        target=SimpleNamespace(
            kind="binary",
            class_names=names,
            columns=("y",),
            outputs=1,
            probabilities=lambda p: np.hstack([1 - p, p]),
        ),
        truth=np.array(true, float)[:, None],
        output=np.array(said, float)[:, None],
        base=np.array([np.mean(true)]),
        dataset=SimpleNamespace(weight=None),
    )


def test_less_than_always_the_same_is_nothing_learned_unless_the_rare_class_is_found():
    (_, better), learned = verdict._classes(answers([0] * 60 + [1] * 40, [0.1] * 60 + [0.9] * 40))
    assert learned
    assert better.endswith("would get 60\u00a0%.")
    (_, worse), learned = verdict._classes(answers([0] * 6 + [1] * 4, [0.9] * 6 + [0.1] * 4))
    assert not learned
    assert "which is more: it has learned nothing that helps on these rows" in worse
    # The rare class is found, at the price of a few others.
    (_, rare), learned = verdict._classes(
        answers([0] * 96 + [1] * 4, [0.9] * 10 + [0.1] * 86 + [0.9] * 4)
    )
    assert learned
    assert "which is more; but of each class it finds 94.8\u00a0% on average" in rare
    assert "would find 50\u00a0%" in rare


def test_hardly_more_than_always_the_same_may_be_chance():
    said = [0.1] * 7 + [0.9] * 2 + [0.1]
    (_, text), learned = verdict._classes(answers([0] * 7 + [1] * 3, said))
    assert learned  # of so few rows 9 of 10 might be chance, but both classes are found
    assert "; of each class it finds 83.3\u00a0% on average" in text
    true = [0] * 50 + [1] * 50
    (_, text), learned = verdict._classes(
        answers(true, [0.1] * 49 + [0.9] + [0.1] * 48 + [0.9] * 2)
    )
    assert not learned
    assert text.endswith("would get 50\u00a0%, so this may be chance.")


def test_numbers_no_better_than_their_mean_say_so():
    outcome = SimpleNamespace(
        part="test",
        target=SimpleNamespace(columns=("y",)),
        truth=np.arange(10.0)[:, None],
        output=np.arange(10.0)[::-1, None],
        base=np.array([4.5]),
        dataset=SimpleNamespace(weight=None),
    )
    (text,), learned = verdict._numbers(outcome)
    assert not learned
    assert text.endswith("no worse: nothing that helps has been learned of it.")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([0.2, 0.2, 0.8], "The wrong answer was not given with more than 90"),
        ([0.05, 0.2, 0.8], "The wrong answer was given with more than 90"),
        ([0.2, 0.8, 0.8], "None of the 2 wrong answers were given with"),
        ([0.2, 0.95, 0.8], "One of the 2 wrong answers was given with"),
        ([0.05, 0.95, 0.8], "2 of the 2 wrong answers were given with"),
    ],
)
def test_how_sure_the_wrong_answers_were_is_said_in_good_english(said, expected):
    (text,) = verdict._too_sure(answers([1, 0, 1], said), None)
    assert text.startswith(expected)


def test_labels_of_which_none_is_wrong_are_not_passed_over():
    right = SimpleNamespace(labels=True, scores=[])
    outcome = SimpleNamespace(output=np.ones(1))
    assert verdict.where_it_fails(outcome, right) == ["No label is wrong."]


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


def test_gradients_by_layer_are_read_up_to_the_last_epoch(iris):
    found = read_record(iris).gradients
    assert list(found) == ["dense_1", "dense_2"]
    assert [x for x, _ in found["dense_1"]] == list(range(1, 13))
    # A killed training may have written more than its metrics; and a file may hold anything.
    rows = (iris / "metrics.jsonl").read_text().splitlines()
    (iris / "metrics.jsonl").write_text("\n".join(rows[:5]) + "\n")
    with (iris / "gradients.jsonl").open("a") as file:
        file.write('[]\n{\n{"epoch": "x"}\n{"epoch": 3, "layers": 7}\n')
    assert [x for x, _ in read_record(iris).gradients["dense_1"]] == [1, 2, 3, 4, 5]
    (iris / "gradients.jsonl").unlink()
    assert read_record(iris).gradients == {}
