"""Every metric against scikit-learn, to 1e-12, with and without weights."""

import warnings

import numpy as np
import pytest

from bpnet.training.metrics import build_metrics
from bpnet.training.metrics.classes import F1, Precision, Recall, TopK
from bpnet.training.metrics.probabilities import RocAuc
from bpnet.training.metrics.reports import confusion_matrix

sk = pytest.importorskip("sklearn.metrics")

SEEDS = range(6)
PRF = [
    (Precision, sk.precision_score),
    (Recall, sk.recall_score),
    (F1, sk.f1_score),
]


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def case(kind, seed, outputs, n=120):
    """Targets and outputs; odd seeds round them, so that there are ties; and weights."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, outputs))
    if kind == "class":
        target, output = rng.integers(0, outputs, n), softmax(z)
        if seed % 2:  # in steps of 1/16, which sum to 1 exactly
            output = rng.multinomial(16, output) / 16
    elif kind == "binary":
        target, output = (rng.random((n, outputs)) < 0.4).astype(float), 1 / (1 + np.exp(-z))
        output = output.round(1) if seed % 2 else output
    else:
        target, output = rng.normal(5, 3, (n, outputs)), z
    return target, output, (rng.random(n) if seed % 3 else None)


def same(metric, kind, target, output, weight, expected):
    (built,) = build_metrics([metric], kind, output.shape[1])
    ours = built.compute(target, output, weight)
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("outputs", [2, 3, 7])
def test_class_decisions(seed, outputs):
    y, p, w = case("class", seed, outputs)
    said = p.argmax(1)
    same("accuracy", "class", y, p, w, sk.accuracy_score(y, said, sample_weight=w))
    for metric, reference in PRF:
        for average in ("macro", "micro", "weighted"):
            expected = reference(y, said, average=average, sample_weight=w, zero_division=0)
            same(metric(average), "class", y, p, w, expected)
    assert np.allclose(
        confusion_matrix("class", y, p, w), sk.confusion_matrix(y, said, sample_weight=w)
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_class_decisions_where_some_classes_are_absent(seed):
    y, p, w = case("class", seed, 7, n=8)
    y = y % 3 + 2
    w = None if w is None else w * (np.arange(8) > 2)
    said = p.argmax(1)
    for metric, reference in PRF:
        for average in ("macro", "micro", "weighted"):
            expected = reference(y, said, average=average, sample_weight=w, zero_division=0)
            same(metric(average), "class", y, p, w, expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [1, 2, 4])
def test_top_k_with_ties(seed, k):
    y, p, w = case("class", seed, 5)
    expected = sk.top_k_accuracy_score(y, p, k=k, sample_weight=w, labels=range(5))
    same(TopK(k), "class", y, p, w, expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("outputs", [3, 5])
def test_class_probabilities(seed, outputs):
    y, p, w = case("class", seed, outputs)
    labels = np.arange(outputs)
    same("log_loss", "class", y, p, w, sk.log_loss(y, p, sample_weight=w, labels=labels))
    same("brier", "class", y, p, w, sk.brier_score_loss(y, p, sample_weight=w, labels=labels))
    for average in ("macro", "weighted", "micro"):
        expected = sk.roc_auc_score(y, p, average=average, sample_weight=w, multi_class="ovr")
        same(RocAuc(average), "class", y, p, w, expected)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_auc_of_an_absent_class(average):
    y, p, w = case("class", 4, 4)
    y[y == 3] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sk.roc_auc_score(
            y, p, average=average, sample_weight=w, multi_class="ovr", labels=range(4)
        )
    same(RocAuc(average), "class", y, p, w, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_classes(seed):
    y, p, w = case("class", seed, 2)
    same("brier", "class", y, p, w, sk.brier_score_loss(y, p[:, 1], sample_weight=w))
    same("log_loss", "class", y, p, w, sk.log_loss(y, p, sample_weight=w))
    same("roc_auc", "class", y, p, w, sk.roc_auc_score(y, p[:, 1], sample_weight=w))


@pytest.mark.parametrize("seed", SEEDS)
def test_yes_or_no(seed):
    y, p, w = case("binary", seed, 1)
    flat, said = y[:, 0], p[:, 0] > 0.5
    same("accuracy", "binary", y, p, w, sk.accuracy_score(flat, said, sample_weight=w))
    same("roc_auc", "binary", y, p, w, sk.roc_auc_score(flat, p[:, 0], sample_weight=w))
    same("log_loss", "binary", y, p, w, sk.log_loss(flat, p[:, 0], sample_weight=w))
    same("brier", "binary", y, p, w, sk.brier_score_loss(flat, p[:, 0], sample_weight=w))
    for metric, reference in PRF:
        same(metric(), "binary", y, p, w, reference(flat, said, sample_weight=w, zero_division=0))
        for average in ("macro", "micro", "weighted"):
            expected = reference(flat, said, average=average, sample_weight=w, zero_division=0)
            same(metric(average), "binary", y, p, w, expected)


@pytest.mark.parametrize(("truth", "said"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_yes_or_no_where_all_rows_are_alike(truth, said):
    y, p = np.full((4, 1), float(truth)), np.full((4, 1), 0.1 + 0.8 * said)
    for metric, reference in PRF:
        expected = reference(y[:, 0], p[:, 0] > 0.5, zero_division=0)
        same(metric(), "binary", y, p, None, expected)
        expected = reference(y[:, 0], p[:, 0] > 0.5, average="macro", zero_division=0)
        same(metric("macro"), "binary", y, p, None, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_several_labels(seed):
    y, p, w = case("binary", seed, 4)
    y[:, 2] = 0 if seed == 5 else y[:, 2]
    said = p > 0.5
    same("accuracy", "binary", y, p, w, sk.accuracy_score(y, said, sample_weight=w))
    for metric, reference in PRF:
        for average in ("macro", "micro", "weighted"):
            expected = reference(y, said, average=average, sample_weight=w, zero_division=0)
            same(metric(average), "binary", y, p, w, expected)
    if y.any(0).all():
        for average in ("macro", "micro", "weighted"):
            expected = sk.roc_auc_score(y, p, average=average, sample_weight=w)
            same(RocAuc(average), "binary", y, p, w, expected)
    each = [
        sk.log_loss(a, b, sample_weight=w, labels=[0, 1]) for a, b in zip(y.T, p.T, strict=True)
    ]
    same("log_loss", "binary", y, p, w, np.mean(each))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers(seed, outputs):
    y, p, w = case("number", seed, outputs)
    same("rmse", "number", y, p, w, sk.root_mean_squared_error(y, p, sample_weight=w))
    same("mae", "number", y, p, w, sk.mean_absolute_error(y, p, sample_weight=w))
    same("r2", "number", y, p, w, sk.r2_score(y, p, sample_weight=w))
    same("mape", "number", y, p, w, sk.mean_absolute_percentage_error(y, p, sample_weight=w))


def test_numbers_far_from_zero():
    y, p, w = case("number", 1, 2)
    y, p = y + 1e6, p + 1e6
    same("r2", "number", y, p, w, sk.r2_score(y, p, sample_weight=w))


def test_percentage_of_a_target_of_0():
    y, p = np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]])
    same("mape", "number", y, p, None, sk.mean_absolute_percentage_error(y, p))
