"""Mistakes planted into the backward pass of every layer and loss: the gradient check finds all.

Each one is a plausible slip: a sign, a transpose, a term that was left out. `FAULTS` and
`LOSS_FAULTS` must have all three kinds for every entry of the tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from bpnet.nn.arena import Array
from bpnet.nn.gradcheck import EVERYTHING, INPUT, GradientError, Surface, check_gradients
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.losses import LOSSES, Loss
from bpnet.nn.network import Network
from bpnet.optim.regularization import Regularization

KINDS = {"sign", "transpose", "missing term"}

ROWS = WIDTH = 6
"""Square, so that a transpose fits and is not found by its shape alone."""


@dataclass
class Seen:
    """What a layer was given and returned in its last forward pass."""

    x: Array = field(default_factory=lambda: np.empty(0))
    y: Array = field(default_factory=lambda: np.empty(0))


Wrong = Callable[[Layer, Seen, Array, Array], Array]
"""From the layer, what it has seen, dy and the right dx to a wrong dx; may spoil gradients too."""


def plant(layer: Layer, wrong: Wrong) -> None:
    """Make the backward pass of a layer wrong."""
    seen = Seen()
    forward, backward = layer.forward, layer.backward

    def watching(x: Array, step: Pass) -> Array:
        seen.x = x.copy()
        y = forward(x, step)
        seen.y = y.copy()
        return y

    def mistaken(dy: Array, *, need_dx: bool = True) -> Array | None:
        dx = backward(dy, need_dx=True)
        assert dx is not None
        return wrong(layer, seen, dy, dx.copy()) if need_dx else None

    layer.forward = watching  # type: ignore[method-assign]
    layer.backward = mistaken  # type: ignore[method-assign]


def negative(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return -dx


def transposed(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return np.ascontiguousarray(dx.reshape(ROWS, WIDTH).T).reshape(dx.shape)


def passed_on(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return dy.reshape(dx.shape).copy()


def without_last_column(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    dx.reshape(ROWS, WIDTH)[:, -1] = 0
    return dx


def param(name: str, change: Callable[[Array], Array]) -> Wrong:
    """Spoil the gradient of one parameter."""

    def wrong(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
        grad = getattr(layer, name).grad
        grad[...] = change(grad.copy())
        return dx

    return wrong


def dense_untransposed(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return dy @ layer.W.value  # type: ignore[attr-defined, no-any-return]


def dense_without_last_row(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    layer.W.grad[...] = seen.x[:-1].T @ dy[:-1]  # type: ignore[attr-defined]
    return dx


def dense_without_last_unit(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return dy[:, :-1] @ layer.W.value[:, :-1].T  # type: ignore[attr-defined, no-any-return]


def slope(change: Callable[[Layer, Array, Array], Array]) -> Wrong:
    """Use a wrong slope: from the layer, x and y."""
    return lambda layer, seen, dy, dx: change(layer, seen.x, seen.y) * dy


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax_without_sum(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return seen.y * dy


def dropout_unscaled(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return dy * (layer.factor > 0)  # type: ignore[attr-defined, no-any-return]


def dropout_unmasked(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return dy / (1 - layer.rate)  # type: ignore[attr-defined, no-any-return]


def norm(axis: int, *, centre: bool = True, scale: bool = True, gamma: bool = True) -> Wrong:
    """Leave a term out of the backward pass of a normalization over this axis."""

    def wrong(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
        mean = seen.x.mean(axis, keepdims=True)
        deviation = np.sqrt(seen.x.var(axis, keepdims=True) + layer.epsilon)  # type: ignore[attr-defined]
        normal = (seen.x - mean) / deviation
        g = dy * layer.gamma.value if gamma else dy  # type: ignore[attr-defined]
        moved = g.copy()
        if centre:
            moved -= g.mean(axis, keepdims=True)
        if scale:
            moved -= normal * (g * normal).mean(axis, keepdims=True)
        return np.asarray(moved / deviation)

    return wrong


def gamma_without_normal(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    layer.gamma.grad[...] = dy.sum(0)  # type: ignore[attr-defined]
    return dx


def residual_without_skip(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return dx - dy


def residual_without_branch(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return dy.copy()


def residual_minus_skip(layer: Layer, seen: Seen, dy: Array, dx: Array) -> Array:
    return dx - 2 * dy


@dataclass(frozen=True)
class Fault:
    """A mistake in one layer, and the tensors whose gradients it spoils."""

    kind: str
    text: str
    wrong: Wrong
    spoils: frozenset[str]
    options: dict[str, object] = field(default_factory=dict)


BELOW = frozenset({INPUT, "dense_1.W", "dense_1.b"})


def fault(kind: str, text: str, wrong: Wrong, *spoils: str, **options: object) -> Fault:
    return Fault(kind, text, wrong, frozenset(spoils) or BELOW, options)


def of_a_curve(missing: tuple[str, Wrong], **options: object) -> list[Fault]:
    return [
        fault("sign", "dx", negative, **options),
        fault("transpose", "dx", transposed, **options),
        fault("missing term", *missing, **options),
    ]


def of_a_norm(axis: int) -> list[Fault]:
    # Over the batch, the mean takes any bias below away: its gradient is 0, right or wrong.
    below = (INPUT, "dense_1.W")
    return [
        fault("sign", "dx", negative, *below),
        fault("sign", "dgamma", param("gamma", np.negative), "tested.gamma"),
        fault("sign", "dbeta", param("beta", np.negative), "tested.beta"),
        fault("transpose", "dx", transposed, *below),
        fault("missing term", "mean of dy", norm(axis, centre=False), *below),
        fault("missing term", "mean of dy x̂", norm(axis, scale=False), *below),
        fault("missing term", "gamma", norm(axis, gamma=False), *below),
        fault("missing term", "x̂ in dgamma", gamma_without_normal, "tested.gamma"),
        fault("missing term", "dbeta of a column", param("beta", _without_last), "tested.beta"),
    ]


def _without_last(grad: Array) -> Array:
    grad[-1] = 0
    return grad


FAULTS: dict[str, list[Fault]] = {
    "dense": [
        fault("sign", "dx", negative, units=WIDTH),
        fault("sign", "dW", param("W", np.negative), "tested.W", units=WIDTH),
        fault("sign", "db", param("b", np.negative), "tested.b", units=WIDTH),
        fault("transpose", "W in dx", dense_untransposed, units=WIDTH),
        fault("transpose", "dW", param("W", np.transpose), "tested.W", units=WIDTH),
        fault("missing term", "a row in dW", dense_without_last_row, "tested.W", units=WIDTH),
        fault("missing term", "a unit in dx", dense_without_last_unit, units=WIDTH),
        fault("missing term", "db of a unit", param("b", _without_last), "tested.b", units=WIDTH),
    ],
    "relu": of_a_curve(("where x > 0", passed_on)),
    "leaky_relu": of_a_curve(
        ("slope below 0", slope(lambda layer, x, y: (x > 0) * 1.0)), slope=0.2
    ),
    "elu": of_a_curve(
        ("alpha", slope(lambda layer, x, y: np.where(x > 0, 1, np.exp(np.minimum(x, 0))))),
        alpha=1.6,
    ),
    "gelu": of_a_curve(("x φ(x)", slope(lambda layer, x, y: layer.cdf))),  # type: ignore[attr-defined]
    "swish": of_a_curve(("beta y (1 - s)", slope(lambda layer, x, y: layer.s)), beta=1.7),  # type: ignore[attr-defined]
    "sigmoid": of_a_curve(("1 - y", slope(lambda layer, x, y: y))),
    "tanh": of_a_curve(("the square", slope(lambda layer, x, y: 1 - y))),
    "softplus": of_a_curve(("beta", slope(lambda layer, x, y: logistic(x))), beta=3.0),
    "softmax": of_a_curve(("sum of y dy", softmax_without_sum)),
    "identity": of_a_curve(("a column", without_last_column)),
    "dropout": [
        *of_a_curve(("1 / (1 - rate)", dropout_unscaled), rate=0.3),
        fault("missing term", "the mask", dropout_unmasked, rate=0.3),
    ],
    "batch_norm": of_a_norm(0),
    "layer_norm": of_a_norm(1),
    "flatten": of_a_curve(("a column", without_last_column)),
    "reshape": of_a_curve(("a column", without_last_column), shape=[2, 3]),
    "residual": [
        fault("sign", "dx", negative),
        fault("sign", "the skip", residual_minus_skip),
        fault("transpose", "dx", transposed),
        fault("missing term", "the skip", residual_without_skip),
        fault("missing term", "the branch", residual_without_branch),
    ],
}


def made(name: str, options: dict[str, object]) -> Layer:
    if name == "residual":
        inner = [LAYERS["dense"](units=WIDTH), LAYERS["tanh"]()]
        return LAYERS[name](name="tested", layers=inner)
    return LAYERS[name](name="tested", **options)


def network_with(layer: Layer) -> Network:
    """Put a layer between two dense ones, away from plain starting values."""
    layers = [LAYERS["dense"](units=WIDTH), layer, LAYERS["flatten"](), LAYERS["dense"](units=3)]
    network = Network(layers, (4,), dtype="float64", seed=5)
    rng = np.random.default_rng(6)
    for each in network.arena.params.values():
        each.value[...] += 0.4 * rng.standard_normal(each.shape)
    return network


def inputs() -> tuple[Array, Array]:
    rng = np.random.default_rng(7)
    return rng.standard_normal((ROWS, 4)), rng.integers(3, size=ROWS)


def loss_of(network: Network) -> Loss:
    loss = LOSSES["cross_entropy"]()
    loss.build(3, dtype="float64")
    return loss


def check(network: Network) -> dict[str, GradientError]:
    x, target = inputs()
    errors = check_gradients(network, x, loss=loss_of(network), target=target)
    return {error.name: error for error in errors}


def gradients(network: Network) -> dict[str, Array]:
    x, target = inputs()
    surface = Surface(
        network, x, loss=loss_of(network), target=target, noise=np.random.default_rng(8)
    )
    surface.differentiate()
    surface.restore()
    return surface.gradient


CASES = [(name, each) for name, faults in FAULTS.items() for each in faults]


def label(value: object) -> str:
    return f"{value.kind}: {value.text}" if isinstance(value, Fault) else str(value)


def test_every_layer_and_loss_has_all_kinds_of_faults() -> None:
    assert FAULTS.keys() == LAYERS.keys()
    assert LOSS_FAULTS.keys() == LOSSES.keys()
    for faults in FAULTS.values():
        assert {each.kind for each in faults} == KINDS
    for loss_faults in LOSS_FAULTS.values():
        assert {each.kind for each in loss_faults} == KINDS


@pytest.mark.parametrize(("name", "each"), CASES, ids=label)
def test_a_fault_in_a_layer_is_found_where_it_is(name: str, each: Fault) -> None:
    healthy = network_with(made(name, each.options))
    assert all(error.passed for error in check(healthy).values())

    faulty = network_with(made(name, each.options))
    plant(faulty.layers[1], each.wrong)
    right, wrong = gradients(healthy), gradients(faulty)
    for tensor in each.spoils:  # it is really planted
        difference = np.abs(right[tensor] - wrong[tensor]).max()
        assert difference > 1e-3 * np.abs(right[tensor]).max()
    untouched = right.keys() - {
        tensor for tensor in right if not np.array_equal(right[tensor], wrong[tensor])
    }

    found = check(faulty)
    assert not found[EVERYTHING].passed
    for tensor in each.spoils:
        assert not found[tensor].passed
        assert found[tensor].error > 1e-4
    for tensor in untouched:
        assert found[tensor].passed


@pytest.mark.parametrize(("name", "each"), CASES, ids=label)
def test_single_numbers_alone_find_it_too(name: str, each: Fault) -> None:
    faulty = network_with(made(name, each.options))
    plant(faulty.layers[1], each.wrong)
    x, target = inputs()
    errors = check_gradients(
        faulty, x, loss=loss_of(faulty), target=target, directions=1, entries=1000
    )
    found = {error.name: error for error in errors}
    for tensor in each.spoils:
        worst = found[tensor].worst
        assert found[tensor].single > 1e-4
        assert worst is not None
        assert abs(worst.computed - worst.estimated) > 1e-6


@dataclass(frozen=True)
class LossFault:
    """A mistake in the gradient of a loss: from the loss, z, the target and the right dz."""

    kind: str
    text: str
    wrong: Callable[[Loss, Array, Array, Array], Array]
    options: dict[str, object] = field(default_factory=dict)


def probabilities(loss: Loss, z: Array, target: Array, dz: Array) -> Array:
    return loss.predict(z) / len(z)


def of_a_loss(*missing: LossFault, **options: object) -> list[LossFault]:
    return [
        LossFault("sign", "dz", lambda loss, z, target, dz: -dz, options),
        LossFault("transpose", "dz", lambda loss, z, target, dz: dz.T.copy(), options),
        LossFault("missing term", "the mean", lambda loss, z, target, dz: dz * len(z), options),
        *missing,
    ]


LOSS_FAULTS: dict[str, list[LossFault]] = {
    "mse": of_a_loss(LossFault("missing term", "2", lambda loss, z, target, dz: dz / 2)),
    "mae": of_a_loss(
        LossFault("missing term", "the sign", lambda loss, z, target, dz: np.abs(dz)),
    ),
    "huber": of_a_loss(
        LossFault("missing term", "delta", lambda loss, z, target, dz: (z - target) / z.size),
    ),
    "cross_entropy": of_a_loss(
        LossFault("missing term", "q", probabilities),
        LossFault(
            "missing term",
            "class weights",
            lambda loss, z, target, dz: (loss.predict(z) - np.eye(z.shape[1])[target]) / len(z),
            {"class_weight": [1.0, 0.2, 3.0, 0.7, 1.0, 2.0]},
        ),
        LossFault(
            "missing term",
            "smoothing",
            lambda loss, z, target, dz: (loss.predict(z) - np.eye(z.shape[1])[target]) / len(z),
            {"label_smoothing": 0.1},
        ),
    ),
    "binary_cross_entropy": of_a_loss(
        LossFault("missing term", "t", lambda loss, z, target, dz: loss.predict(z) / z.size),
        LossFault(
            "missing term",
            "class weight",
            lambda loss, z, target, dz: (loss.predict(z) - target) / z.size,
            {"class_weight": 3.0},
        ),
    ),
}


def regression(name: str, options: dict[str, object]) -> tuple[Network, Loss, Array, Array]:
    loss = LOSSES[name](**options)
    loss.build(WIDTH, dtype="float64", class_names=tuple("abcdef"))
    layers = [LAYERS["dense"](units=5), LAYERS["tanh"](), LAYERS["dense"](units=WIDTH)]
    rng = np.random.default_rng(9)
    target = {
        "class": rng.integers(WIDTH, size=ROWS),
        "binary": rng.integers(2, size=(ROWS, WIDTH)).astype(float),
        "number": 2 * rng.standard_normal((ROWS, WIDTH)),
    }[loss.target]
    network = Network(layers, (4,), dtype="float64", seed=10)
    return network, loss, rng.standard_normal((ROWS, 4)), target


@pytest.mark.parametrize(
    ("name", "each"),
    [(name, each) for name, faults in LOSS_FAULTS.items() for each in faults],
    ids=lambda v: f"{v.kind}: {v.text}" if isinstance(v, LossFault) else v,
)
def test_a_fault_in_a_loss_is_found(name: str, each: LossFault) -> None:
    network, loss, x, target = regression(name, each.options)
    assert all(e.passed for e in check_gradients(network, x, loss=loss, target=target))

    forward, backward = loss.forward, loss.backward
    given: list[Array] = []
    changed: list[bool] = []

    def watching(z: Array, *rest: Array) -> float:
        given[:] = [z.copy()]
        return forward(z, *rest)  # type: ignore[arg-type]

    def mistaken() -> Array:
        right = backward().copy()
        wrong = np.asarray(each.wrong(loss, given[0], target, right))
        changed.append(bool(np.abs(wrong - right).max() > 1e-3 * np.abs(right).max()))
        return wrong

    loss.forward = watching  # type: ignore[method-assign, assignment]
    loss.backward = mistaken  # type: ignore[method-assign]
    errors = check_gradients(network, x, loss=loss, target=target)
    assert changed == [True]
    assert {e.name for e in errors if not e.passed} >= {EVERYTHING, "dense_2.W", "dense_1.W"}


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("nothing", lambda w: 0 * w),
        ("the sign of l2", lambda w: 0.02 * np.sign(w) - 0.3 * w),
        ("no l1", lambda w: 0.3 * w),
        ("no l2", lambda w: 0.02 * np.sign(w)),
        ("2 l2 w", lambda w: 0.02 * np.sign(w) + 0.6 * w),
    ],
)
def test_a_fault_in_the_penalties_is_found(text: str, added: Callable[[Array], Array]) -> None:
    network, loss, x, target = regression("mse", {})
    penalty = Regularization(l1=0.02, l2=0.3)
    right = check_gradients(network, x, loss=loss, target=target, penalty=penalty)
    assert all(error.passed for error in right)

    class Wrong(Regularization):
        def add_gradient(self, arena):  # type: ignore[no-untyped-def]
            weights = slice(0, arena.decaying)
            arena.grad[weights] += added(arena.theta[weights])

    wrong = Wrong(l1=0.02, l2=0.3)
    errors = check_gradients(network, x, loss=loss, target=target, penalty=wrong)
    assert {e.name for e in errors if not e.passed} == {EVERYTHING, "dense_1.W", "dense_2.W"}
