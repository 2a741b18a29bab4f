from __future__ import annotations

import tracemalloc
from decimal import Decimal, localcontext

import numpy as np
import pytest

from bpnet.errors import OptionError
from bpnet.nn.losses import LOSSES, BinaryCrossEntropy, CrossEntropy, Huber, MeanSquaredError
from bpnet.nn.losses.base import CHUNK

K = 4
WEIGHTS = [0.5, 2.0, 0.0, 1.25]

# Every kind of loss with its options and the kinds of target that it takes.
CASES = [
    ("mse", {}, "numbers"),
    ("mae", {}, "numbers"),
    ("huber", {}, "numbers"),
    ("huber", {"delta": 0.25}, "numbers"),
    ("cross_entropy", {}, "labels"),
    ("cross_entropy", {}, "soft"),
    ("cross_entropy", {"label_smoothing": 0.2}, "labels"),
    ("cross_entropy", {"label_smoothing": 0.2}, "soft"),
    ("cross_entropy", {"class_weight": WEIGHTS}, "labels"),
    ("cross_entropy", {"class_weight": WEIGHTS}, "soft"),
    ("cross_entropy", {"class_weight": WEIGHTS, "label_smoothing": 0.2}, "labels"),
    ("cross_entropy", {"class_weight": WEIGHTS, "label_smoothing": 0.2}, "soft"),
    ("binary_cross_entropy", {}, "binary"),
    ("binary_cross_entropy", {}, "soft"),
    ("binary_cross_entropy", {"label_smoothing": 0.2}, "binary"),
    ("binary_cross_entropy", {"class_weight": 3.0}, "binary"),
    ("binary_cross_entropy", {"class_weight": [1.0, 2.0, 0.5, 3.0]}, "binary"),
    ("binary_cross_entropy", {"class_weight": 3.0, "label_smoothing": 0.1}, "soft"),
    ("binary_cross_entropy", {"class_weight": "balanced"}, "binary"),
]
every_case = pytest.mark.parametrize(
    "case", CASES, ids=lambda case: "-".join([case[0], *map(str, case[1]), case[2]])
)
with_and_without_weights = pytest.mark.parametrize("weighted", [False, True])
in_both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])

COUNTS = {"binary_cross_entropy": np.array([[30, 20, 10, 25], [10, 20, 30, 15]])}


def make(case, dtype="float64", outputs=K):
    name, options, _ = case
    loss = LOSSES[name](**options)
    loss.build(outputs, dtype=dtype, class_counts=COUNTS.get(name))
    return loss


def data(kind, n=12, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    z = (3 * rng.standard_normal((n, K))).astype(dtype)
    target = {
        "numbers": rng.standard_normal((n, K)).astype(dtype),
        "labels": rng.integers(0, K, n),
        "soft": rng.dirichlet(np.ones(K), n).astype(dtype),
        "binary": rng.integers(0, 2, (n, K)).astype(dtype),
    }[kind]
    return z, target, rng.uniform(0.1, 2, n).astype(dtype)


def run(loss, z, target, weight=None, total=None):
    return loss.forward(z, target, weight, total), loss.backward().copy()


def test_every_loss_has_a_case_here():
    assert {case[0] for case in CASES} == LOSSES.keys()
    assert all(cls.type == name for name, cls in LOSSES.items())


@with_and_without_weights
@every_case
def test_the_gradient_is_the_slope_of_the_value(case, weighted):
    loss = make(case)
    z, target, weight = data(case[2])
    if not weighted:
        weight = None
    _, gradient = run(loss, z, target, weight)
    rng = np.random.default_rng(1)
    for _ in range(5):
        step = 1e-6 * rng.standard_normal(z.shape)
        rise = loss.forward(z + step, target, weight) - loss.forward(z - step, target, weight)
        assert rise / 2 == pytest.approx(float(np.sum(gradient * step)), rel=1e-6, abs=1e-15)


@with_and_without_weights
@every_case
def test_micro_batches_that_share_a_total_add_up_to_the_batch(case, weighted):
    loss = make(case)
    z, target, weight = data(case[2], n=11)
    weight = weight if weighted else None

    def part(array, rows):
        return None if array is None else array[rows]

    whole, gradient = run(loss, z, target, weight)
    parts = [slice(0, 4), slice(4, 8), slice(8, 11)]
    total = sum(loss.total(target[rows], part(weight, rows)) for rows in parts)
    assert total == pytest.approx(loss.total(target, weight), rel=1e-14)
    values, gradients = zip(
        *[run(loss, z[r], target[r], part(weight, r), total) for r in parts], strict=True
    )
    assert sum(values) == pytest.approx(whole, rel=1e-14)
    np.testing.assert_allclose(np.concatenate(gradients), gradient, rtol=1e-13, atol=1e-17)


@every_case
def test_weighing_a_row_twice_is_having_it_twice(case):
    z, target, _ = data(case[2], n=6)
    counts = np.array([1, 2, 0, 1, 3, 1])
    weighed, _ = run(make(case), z, target, counts.astype(float))
    repeated, _ = run(make(case), z.repeat(counts, axis=0), target.repeat(counts, axis=0))
    assert weighed == pytest.approx(repeated, rel=1e-13)


@with_and_without_weights
@every_case
def test_stale_buffers_change_nothing(case, weighted):
    loss = make(case)
    z, target, weight = data(case[2])
    weight = weight if weighted else None
    value, gradient = run(loss, z, target, weight)
    loss.scratch.poison()
    again, gradient_again = run(loss, z, target, weight)
    assert again == value
    assert gradient_again.tobytes() == gradient.tobytes()


@every_case
def test_a_smaller_or_larger_batch_in_between_changes_nothing(case):
    loss = make(case)
    z, target, weight = data(case[2])
    first = run(loss, z, target, weight)
    for n in (1, 40, 5):
        other = data(case[2], n=n)
        value, gradient = run(loss, *other)
        value_fresh, gradient_fresh = run(make(case), *other)
        assert value == value_fresh
        assert gradient.tobytes() == gradient_fresh.tobytes()
    again = run(loss, z, target, weight)
    assert again[0] == first[0]
    assert again[1].tobytes() == first[1].tobytes()


@with_and_without_weights
@every_case
def test_asking_for_a_total_or_the_gradient_again_changes_nothing(case, weighted):
    loss = make(case)
    z, target, weight = data(case[2])
    weight = weight if weighted else None
    loss.forward(z, target, weight)
    first = loss.backward().copy()
    _, other, other_weight = data(case[2], n=50, seed=3)
    loss.total(other, other_weight)
    assert loss.backward().tobytes() == first.tobytes()


@in_both_types
@every_case
def test_inputs_are_left_as_they_are(case, dtype):
    inputs = data(case[2], dtype=dtype)
    copies = [array.copy() for array in inputs]
    for array in inputs:
        array.setflags(write=False)
    loss = make(case, dtype)
    run(loss, *inputs)
    loss.predict(inputs[0])
    for array, copy in zip(inputs, copies, strict=True):
        assert array.tobytes() == copy.tobytes()


@with_and_without_weights
@in_both_types
@every_case
def test_a_step_allocates_nothing(case, dtype, weighted):
    loss = make(case, dtype)
    z, target, weight = data(case[2], n=60_000, dtype=dtype)
    weight = weight if weighted else None

    def step():
        total = loss.total(target, weight)
        loss.forward(z, target, weight, total)
        loss.forward(z, target, weight)
        loss.backward()

    step()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        step()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    # NumPy itself borrows a buffer of 8,192 numbers where it broadcasts; a column has 60,000.
    assert peak < 150_000


@in_both_types
@every_case
def test_the_gradient_has_the_networks_type(case, dtype):
    loss = make(case, dtype)
    value, gradient = run(loss, *data(case[2], dtype=dtype))
    assert type(value) is float
    assert gradient.dtype == dtype
    assert loss.predict(data(case[2], dtype=dtype)[0]).dtype == dtype


@every_case
def test_targets_and_weights_of_other_types_are_converted(case):
    z, target, weight = data(case[2], dtype="float32")
    value, gradient = run(make(case, "float32"), z, target, weight)
    if case[2] != "labels":
        target = target.astype("float64")
    wide, gradient_wide = run(make(case, "float32"), z, target, weight.astype("float64"))
    assert wide == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(gradient_wide, gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", ["int8", "uint8", "bool"])
def test_binary_targets_may_be_integers_or_truth_values(kind):
    z, target, weight = data("binary")
    loss = make(("binary_cross_entropy", {}, "binary"))
    assert run(loss, z, target.astype(kind), weight)[0] == run(loss, z, target, weight)[0]


@with_and_without_weights
@every_case
def test_rows_without_any_weight_give_zero_and_not_nan(case, weighted):
    loss = make(case)
    n = 5 if weighted else 0
    z, target, weight = data(case[2], n=n)
    value, gradient = run(loss, z, target, 0 * weight if weighted else None)
    assert value == 0
    assert gradient.shape == (n, K)
    assert not gradient.any()


def test_rows_of_classes_that_weigh_nothing_give_zero():
    loss = CrossEntropy(class_weight=[1.0, 0.0])
    loss.build(2, dtype="float64")
    value, gradient = run(loss, np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([1, 1]))
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "binary_cross_entropy"])
def test_a_target_that_would_be_broadcast_is_refused(name):
    loss = make((name, {}, ""))
    with pytest.raises(ValueError, match=r"expected a target of shape \(3, 4\)"):
        loss.forward(np.zeros((3, K)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"expected a target of shape \(3, 4\)"):
        make(("cross_entropy", {}, "")).forward(np.zeros((3, K)), np.zeros((3, 1)))


# Numbers that float32 holds exactly, and what they give, by 50-digit arithmetic.
EXTREMES = [-1e4, -700.0, -104.0, -88.5, -20.0, -1e-3, 0.0, 1e-30, 0.5, 17.0, 89.0, 750.0, 1e4]


def exactly(value):
    return Decimal(float(value))


def decimal_softmax(row):
    """Return log p and p of a row of logits."""
    peak = max(map(exactly, row))
    shifted = [exactly(v) - peak for v in row]
    log_sum = sum((v.exp() for v in shifted), Decimal(0)).ln()
    logs = [v - log_sum for v in shifted]
    return logs, [v.exp() for v in logs]


def close(got, want, dtype):
    """Compare to the type's precision; what is below it in a probability counts as 0."""
    tolerance = {"float32": 3e-6, "float64": 3e-15}[dtype]
    return abs(exactly(got) - want) <= exactly(tolerance) * max(1, abs(want))


@in_both_types
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_cross_entropy_is_right_at_extreme_logits(smoothing, dtype):
    values = np.array(EXTREMES, dtype)
    loss = CrossEntropy(label_smoothing=smoothing)
    loss.build(3, dtype=dtype)
    with localcontext() as context, np.errstate(over="raise", invalid="raise", divide="raise"):
        context.prec = 50
        for a in values:
            for b in values:
                row = np.array([[a, b, -a]], dtype)
                logs, p = decimal_softmax(row[0])
                spread = exactly(smoothing) / 3
                for label in range(3):
                    q = [spread + (k == label) * (1 - exactly(smoothing)) for k in range(3)]
                    want = -sum((x * log for x, log in zip(q, logs, strict=True)), Decimal(0))
                    value, gradient = run(loss, row, np.array([label]))
                    assert close(value, want, dtype)
                    for k in range(3):
                        assert close(gradient[0, k], p[k] - q[k], dtype)
                one_hot = np.eye(3, dtype=dtype)[[label]]
                assert run(loss, row, one_hot)[0] == pytest.approx(value, rel=1e-6)


@in_both_types
def test_binary_cross_entropy_is_right_at_extreme_logits(dtype):
    loss = BinaryCrossEntropy()
    loss.build(1, dtype=dtype)
    with localcontext() as context, np.errstate(over="raise", invalid="raise", divide="raise"):
        context.prec = 400  # 1 + e^-750 is not 1
        for z in np.array(EXTREMES, dtype):
            tail = (-abs(exactly(z))).exp()
            small = tail / (1 + tail)  # the sigmoid of -|z|
            for t in (0, 1):
                wrong = (z > 0) != (t == 1)
                want = (1 + tail).ln() + (abs(exactly(z)) if wrong else 0)
                value, gradient = run(loss, np.array([[z]], dtype), np.array([[t]], dtype))
                # Here even the smallest values are right to the last digits, not only near 0.
                epsilon = exactly({"float32": 1e-6, "float64": 1e-15}[dtype])
                floor = exactly(np.finfo(dtype).tiny)
                assert abs(exactly(value) - want) <= epsilon * want + floor
                size = 1 - small if wrong and z != 0 else small
                assert abs(abs(exactly(gradient[0, 0])) - size) <= 100 * epsilon * size + floor
                assert gradient[0, 0] * (1 if t == 0 else -1) >= 0


@in_both_types
@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_losses_of_numbers_are_right_at_extreme_outputs(name, dtype):
    loss = LOSSES[name]()
    loss.build(1, dtype=dtype)
    with np.errstate(all="raise", under="ignore"):
        for z in np.array(EXTREMES, dtype):
            d = float(z)
            want, slope = {
                "mse": (d * d, 2 * d),
                "mae": (abs(d), float(np.sign(d))),
                "huber": (d * d / 2, d) if abs(d) <= 1 else (abs(d) - 0.5, float(np.sign(d))),
            }[name]
            value, gradient = run(loss, np.array([[z]], dtype), np.zeros((1, 1), dtype))
            assert value == pytest.approx(want, rel=1e-6)
            assert gradient[0, 0] == pytest.approx(slope, rel=1e-6)


@in_both_types
def test_probabilities_are_right_at_extreme_logits(dtype):
    values = np.array(EXTREMES, dtype)
    with localcontext() as context, np.errstate(over="raise", invalid="raise", divide="raise"):
        context.prec = 50
        yes = BinaryCrossEntropy().predict(values[:, None])[:, 0]
        for z, p in zip(values, yes, strict=True):
            tail = (-abs(exactly(z))).exp()
            assert close(p, (1 if z >= 0 else tail) / (1 + tail), dtype)
        p = CrossEntropy().predict(values[None, :])
        np.testing.assert_allclose(p.sum(), 1, rtol=1e-6)
        for got, want in zip(p[0], decimal_softmax(values)[1], strict=True):
            assert close(got, want, dtype)


def test_predictions_need_no_build_and_are_new_arrays():
    z = np.array([[0.5, -1.0]])
    for cls in (CrossEntropy, BinaryCrossEntropy):
        first = cls().predict(z)
        second = cls().predict(z)
        assert not np.shares_memory(first, second)
        assert not np.shares_memory(first, z)
    assert MeanSquaredError().predict(z) is z


@pytest.mark.parametrize("name", LOSSES)
def test_the_value_over_many_rows_is_as_exact_as_float32_allows(name):
    kind = next(case[2] for case in CASES if case[0] == name)
    z, target, weight = data(kind, n=20 * CHUNK // K + 7, dtype="float32")
    for rows in (None, weight):
        narrow = make((name, {}, kind), "float32").forward(z, target, rows)
        wide_target = target if kind == "labels" else target.astype("float64")
        wide_rows = None if rows is None else rows.astype("float64")
        wide = make((name, {}, kind)).forward(z.astype("float64"), wide_target, wide_rows)
        assert narrow == pytest.approx(wide, rel=5e-7)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("class_weight", [None, WEIGHTS])
def test_one_hot_rows_give_what_their_labels_give(class_weight, smoothing):
    z, labels, weight = data("labels")
    loss = CrossEntropy(label_smoothing=smoothing, class_weight=class_weight)
    loss.build(K, dtype="float64")
    value, gradient = run(loss, z, labels, weight)
    soft, gradient_soft = run(loss, z, np.eye(K)[labels], weight)
    assert soft == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(gradient_soft, gradient, rtol=1e-12, atol=1e-16)


def test_two_classes_are_a_binary_question():
    rng = np.random.default_rng(0)
    z, t = rng.standard_normal((9, 1)), rng.integers(0, 2, (9, 1))
    two = CrossEntropy()
    two.build(2, dtype="float64")
    one = BinaryCrossEntropy()
    one.build(1, dtype="float64")
    both = np.concatenate([np.zeros_like(z), z], axis=1)
    value, gradient = run(two, both, t[:, 0])
    value_one, gradient_one = run(one, z, t)
    assert value == pytest.approx(value_one, rel=1e-14)
    np.testing.assert_allclose(gradient[:, 1:], gradient_one, atol=1e-16)


def test_huber_joins_the_squared_and_the_absolute_error():
    z, target, _ = data("numbers")
    loss = Huber(delta=1e30)
    loss.build(K, dtype="float64")
    squared = make(("mse", {}, ""))
    assert loss.forward(z, target) == pytest.approx(squared.forward(z, target) / 2, rel=1e-14)
    loss = Huber(delta=1e-9)
    loss.build(K, dtype="float64")
    absolute = make(("mae", {}, ""))
    assert loss.forward(z, target) / 1e-9 == pytest.approx(absolute.forward(z, target), rel=1e-8)
    Huber(delta=1e300).build(1, dtype="float32")  # beyond float32, where nothing may warn


def test_balanced_classes_weigh_as_in_scikit_learn():
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    labels = np.repeat([0, 1, 2], [5, 1, 14])
    loss = CrossEntropy(class_weight="balanced")
    loss.build(3, dtype="float64", class_counts=np.bincount(labels))
    want = sklearn.compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(loss.weights, want, rtol=1e-15)
    assert loss.total(labels) == pytest.approx(20)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_balanced_question_weighs_yes_and_no_alike(shape):
    t = np.repeat([0.0, 1.0], [9, 3])[:, None]
    loss = BinaryCrossEntropy(class_weight="balanced")
    loss.build(1, dtype="float64", class_counts=np.array([9, 3]).reshape(shape))
    _, gradient = run(loss, np.zeros((12, 1)), t)
    assert gradient[t == 1].sum() == pytest.approx(-gradient[t == 0].sum())
    _, plain = run(make(("binary_cross_entropy", {}, ""), outputs=1), np.zeros((12, 1)), t)
    np.testing.assert_allclose(gradient[t == 1], plain[t == 1] * 12 / (2 * 3))


def test_classes_can_be_weighed_by_name():
    loss = CrossEntropy(class_weight={"rose": 3.0, "7": 0.5})
    loss.build(3, dtype="float64", class_names=("iris", "rose", "7"))
    np.testing.assert_array_equal(loss.weights, [1, 3, 0.5])
    loss = BinaryCrossEntropy(class_weight={"no": 2.0})
    loss.build(1, dtype="float64", class_names=("no", "yes"))
    np.testing.assert_array_equal(loss.no_weight, [2])
    loss = BinaryCrossEntropy(class_weight={"b": 2.0})
    loss.build(2, dtype="float64", class_names=("a", "b"))
    np.testing.assert_array_equal(loss.yes_weight, [1, 2])


NAMES = ("setosa", "versicolor", "virginica")


@pytest.mark.parametrize(
    ("cls", "class_weight", "outputs", "given", "path", "message"),
    [
        (CrossEntropy, [1.0, 2.0], 3, {}, (), "expected 3 weights (setosa, versicolor, virginica)"),
        (CrossEntropy, {"setos": 1.0}, 3, {}, ("setos",), "did you mean 'setosa'?"),
        (CrossEntropy, {"zzz": 1.0}, 3, {}, ("zzz",), "the classes are setosa, versicolor"),
        (CrossEntropy, {"a": 1.0}, 3, {"class_names": ()}, (), "give their weights as a list"),
        (CrossEntropy, [0.0, 0.0, 0.0], 3, {}, (), "at least one class"),
        (CrossEntropy, "balanced", 3, {}, (), "needs the training rows"),
        (
            CrossEntropy,
            "balanced",
            3,
            {"class_counts": np.array([4, 0, 2])},
            (),
            "class 'versicolor' has no training rows",
        ),
        (BinaryCrossEntropy, [1.0], 3, {}, (), "expected 3 weights"),
        (BinaryCrossEntropy, "balanced", 3, {}, (), "needs the training rows"),
        (
            BinaryCrossEntropy,
            "balanced",
            3,
            {"class_counts": np.array([[4, 1, 6], [2, 5, 0]])},
            (),
            "output 'virginica' has only one class",
        ),
        (
            BinaryCrossEntropy,
            "balanced",
            1,
            {"class_counts": np.array([4, 0]), "class_names": ("no", "yes")},
            (),
            "class 'yes' has no training rows",
        ),
        (BinaryCrossEntropy, {"setosa": 1.0, "x": 2.0}, 3, {}, ("x",), "no class is named 'x'"),
    ],
)
def test_class_weights_that_do_not_fit_are_named(cls, class_weight, outputs, given, path, message):
    with pytest.raises(OptionError) as error:
        cls(class_weight=class_weight).build(outputs, **{"class_names": NAMES} | given)
    assert error.value.path == ("class_weight", *path)
    assert message in error.value.message
