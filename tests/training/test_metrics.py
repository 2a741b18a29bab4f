import math
from dataclasses import fields
from typing import get_type_hints

import numpy as np
import pytest

from bpnet.errors import OptionError
from bpnet.training.metrics import DEFAULTS, METRICS, build_metrics, default_metrics
from bpnet.training.metrics.classes import F1, TopK
from bpnet.training.metrics.probabilities import RocAuc
from bpnet.training.metrics.reports import class_scores, confusion_matrix, residuals


def compute(metric, kind, target, output, weight=None):
    target, output = np.asarray(target), np.asarray(output, float)
    (built,) = build_metrics([metric], kind, output.shape[1])
    return built.compute(target, output, weight)


def column(*values):
    return np.array(values, float)[:, None]


# What each metric says of a small case that can be checked by eye.
BY_HAND = {
    "accuracy": ("class", [0, 1, 1, 0], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]], 3 / 4),
    "top_k": (
        "class",
        [0, 0, 3],
        [[0.1, 0.2, 0.3, 0.4], [0.2, 0.1, 0.3, 0.4], [0.2, 0.3, 0.4, 0.1]],
        1 / 3,
    ),
    "precision": ("binary", column(1, 0, 1, 1), column(0.9, 0.8, 0.2, 0.7), 2 / 3),
    "recall": ("binary", column(1, 0, 1, 1), column(0.9, 0.1, 0.2, 0.3), 1 / 3),
    "f1": ("binary", column(1, 0, 1, 1), column(0.9, 0.1, 0.2, 0.3), 1 / 2),
    "roc_auc": ("binary", column(0, 0, 1, 1), column(0.1, 0.4, 0.35, 0.8), 3 / 4),
    "log_loss": ("binary", column(1, 0), column(0.5, 0.75), 1.5 * math.log(2)),
    "brier": ("binary", column(1, 0), column(0.5, 0.5), 1 / 4),
    "rmse": ("number", column(1, 2), column(4, 6), math.sqrt(12.5)),
    "mae": ("number", column(1, 2), column(4, 6), 3.5),
    "r2": ("number", column(1, 2, 3), column(1, 2, 4), 1 / 2),
    "mape": ("number", column(1, 2), column(2, 1), 3 / 4),
}


def test_every_metric_has_its_row():
    assert set(BY_HAND) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_metric_gives_the_figure_worked_by_hand(name):
    kind, target, output, expected = BY_HAND[name]
    assert compute(name, kind, target, output) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", METRICS)
def test_metric_of_a_weighted_row_is_that_of_the_row_repeated(name):
    kind, target, output, _ = BY_HAND[name]
    target, output = np.asarray(target), np.asarray(output)
    times = np.arange(1, len(target) + 1)
    repeated = compute(name, kind, target.repeat(times, 0), output.repeat(times, 0))
    weighted = compute(name, kind, target, output, times.astype(np.float32))
    assert weighted == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_metric_leaves_its_arguments_as_they_are(name):
    kind, target, output, _ = BY_HAND[name]
    target, output = np.array(target), np.array(output, float)
    before = target.copy(), output.copy()
    compute(name, kind, target, output, np.ones(len(target)))
    assert np.array_equal(before[0], target)
    assert np.array_equal(before[1], output)


@pytest.mark.parametrize("name", METRICS)
def test_metric_is_nan_without_rows_without_weight_and_with_a_nan_output(name):
    kind, target, output, _ = BY_HAND[name]
    target, output = np.asarray(target), np.array(output, float)
    assert math.isnan(compute(name, kind, target[:0], output[:0]))
    assert math.isnan(compute(name, kind, target, output, np.zeros(len(target))))
    output[0, 0] = np.nan
    assert math.isnan(compute(name, kind, target, output))


@pytest.mark.parametrize("name", [n for n in METRICS if METRICS[n].kinds == ("number",)])
def test_numbers_out_of_bounds_give_no_warning(name):
    for huge in (1e200, np.inf):
        value = compute(name, "number", column(1, 2, 3), column(1, huge, 3))
        assert not math.isfinite(value) or abs(value) > 1e100


@pytest.mark.parametrize("name", METRICS)
def test_every_option_of_a_metric_is_documented(name):
    assert METRICS[name].__doc__
    hints = get_type_hints(METRICS[name], include_extras=True)
    for option in fields(METRICS[name]):
        if option.init:
            assert any(isinstance(mark, str) for mark in hints[option.name].__metadata__)


def test_keys_tell_options_apart():
    metrics = [F1(), F1("micro"), F1("weighted"), TopK(5), RocAuc(), RocAuc("weighted")]
    keys = [m.key for m in build_metrics(metrics, "class", 10)]
    assert keys == ["f1", "f1_micro", "f1_weighted", "top_5", "roc_auc", "roc_auc_weighted"]


@pytest.mark.parametrize(("kind", "outputs"), [("class", 3), ("binary", 1), ("number", 2)])
def test_defaults_suit_their_target(kind, outputs):
    assert [m.key for m in default_metrics(kind, outputs)] == list(DEFAULTS[kind])


@pytest.mark.parametrize(
    ("metrics", "kind", "path", "words"),
    [
        (["acuracy"], "class", (0,), "did you mean 'accuracy'?"),
        (["qqq"], "class", (0,), "known: accuracy, top_k"),
        (["accuracy", "rmse"], "class", (1,), "expected one of accuracy, top_k"),
        (["f1"], "number", (0,), "expected one of rmse, mae, r2, mape"),
        (["top_k"], "binary", (0,), "does not suit a target that is yes or no"),
        (["f1", "f1"], "class", (1,), "f1 is there twice"),
        ([TopK(3)], "class", (0, "k"), "expected less than the 3 classes"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_by_its_place(metrics, kind, path, words):
    with pytest.raises(OptionError) as caught:
        build_metrics(metrics, kind, 3)
    assert caught.value.path == path
    assert words in caught.value.message


def test_binary_f1_is_of_the_positive_class_unless_an_average_is_named():
    target, output = column(1, 1, 1, 0), column(0.9, 0.8, 0.1, 0.2)
    assert compute("f1", "binary", target, output) == pytest.approx(0.8)
    assert compute(F1("macro"), "binary", target, output) == pytest.approx((0.8 + 2 / 3) / 2)


def test_r2_of_a_constant_target_is_0_unless_the_output_is_exact():
    constant = np.full((7, 1), 0.1)
    assert compute("r2", "number", constant, constant) == 1
    assert compute("r2", "number", constant, constant + 0.01) == 0


def test_auc_of_one_class_only_is_nan():
    assert math.isnan(compute("roc_auc", "binary", column(1, 1), column(0.2, 0.3)))
    assert math.isnan(compute("roc_auc", "class", [0, 0, 1], np.eye(3)))


def test_metrics_of_certain_and_wrong_probabilities_are_finite():
    output = np.array([[1.0, 0.0], [1.0, 0.0]])
    value = compute("log_loss", "class", [1, 0], output)
    assert value == pytest.approx(-math.log(np.finfo(float).eps) / 2)


def test_soft_labels_are_scored_against_the_most_probable_class():
    soft = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
    output = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]])
    assert compute("accuracy", "class", soft, output) == 0.5
    assert compute("log_loss", "class", soft, output) == pytest.approx(
        -(soft * np.log(output)).sum(1).mean()
    )
    assert compute("brier", "class", soft, output) == pytest.approx(
        ((soft - output) ** 2).sum(1).mean()
    )


def test_confusion_matrix_counts_rows_or_weights():
    target, output = np.array([0, 0, 1, 2]), np.eye(3)[[0, 1, 1, 1]]
    assert confusion_matrix("class", target, output).tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    weighted = confusion_matrix("class", target, output, np.array([0.5, 1, 1, 2]))
    assert weighted.tolist() == [[0.5, 1, 0], [0, 1, 0], [0, 2, 0]]
    yes_or_no = confusion_matrix("binary", column(1, 0, 0), column(0.9, 0.6, 0.5))
    assert yes_or_no.tolist() == [[1, 1], [0, 1]]


def test_class_scores_name_every_class():
    target, output = np.array([0, 0, 1]), np.eye(3)[[0, 1, 1]]
    scores = class_scores("class", ("a", "b", "c"), target, output)
    assert [s.name for s in scores] == ["a", "b", "c"]
    assert (scores[0].precision, scores[0].recall, scores[0].rows) == (1, 0.5, 2)
    assert (scores[2].precision, scores[2].recall, scores[2].f1, scores[2].rows) == (0, 0, 0, 0)


def test_residuals_summarize_each_column():
    target = np.zeros((5, 2), np.float32)
    output = np.array([[-2.0, 1], [-1, 1], [0, 1], [1, 1], [2, 1]], np.float32)
    first, second = residuals(("a", "b"), target, output)
    assert (first.mean, first.median, first.low, first.high) == (0, 0, -2, 2)
    assert first.std == pytest.approx(math.sqrt(2))
    assert (second.name, second.mean, second.std, second.q95) == ("b", 1, 0, 1)
