from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from bpnet.errors import OptionError
from bpnet.nn.arena import Array
from bpnet.nn.initializers import INITIALIZERS
from bpnet.nn.layers import LAYERS
from bpnet.nn.network import Network

FANS = (400, 300)
RELU = math.sqrt(2)


def draw(name: str, shape: tuple[int, ...] = FANS, gain: float = RELU, **options: Any) -> Array:
    rng = np.random.default_rng(0)
    return INITIALIZERS[name](**options).draw(shape, (shape[0], shape[-1]), gain, rng)


# The standard deviation that each name stands for, and whether values have a bound.
SCALED = {
    "xavier": (RELU * math.sqrt(2 / 700), True),
    "xavier_uniform": (RELU * math.sqrt(2 / 700), True),
    "xavier_normal": (RELU * math.sqrt(2 / 700), False),
    "he": (RELU / math.sqrt(400), False),
    "he_uniform": (RELU / math.sqrt(400), True),
    "he_normal": (RELU / math.sqrt(400), False),
    "lecun": (1 / math.sqrt(400), False),
}


@pytest.mark.parametrize("name", SCALED)
def test_scaled_initializers_have_their_deviation(name: str) -> None:
    std, bounded = SCALED[name]
    values = draw(name)
    assert abs(values.mean()) < 0.01 * std
    assert values.std() == pytest.approx(std, rel=0.01)
    assert (np.abs(values).max() <= math.sqrt(3) * std) == bounded
    if bounded:
        assert np.abs(values).max() > 0.999 * math.sqrt(3) * std


@pytest.mark.parametrize("name", ["xavier", "he", "lecun"])
def test_the_distribution_changes_the_shape_but_not_the_deviation(name: str) -> None:
    uniform, normal = draw(name, distribution="uniform"), draw(name, distribution="normal")
    assert uniform.std() == pytest.approx(normal.std(), rel=0.01)
    assert np.abs(normal).max() > 2 * np.abs(uniform).max()


def test_the_long_names_are_the_short_ones_with_a_distribution() -> None:
    for scheme in ("xavier", "he"):
        for distribution in ("uniform", "normal"):
            long = draw(f"{scheme}_{distribution}")
            np.testing.assert_array_equal(long, draw(scheme, distribution=distribution))
            with pytest.raises(TypeError, match="distribution"):
                INITIALIZERS[f"{scheme}_{distribution}"](distribution="normal")


def test_a_given_gain_replaces_that_of_the_following_activation() -> None:
    for name in ("xavier", "he", "orthogonal"):
        np.testing.assert_allclose(draw(name, gain=5.0), 5 * draw(name, gain=1.0))
        given = INITIALIZERS[name](gain=3.0).draw(FANS, FANS, 7.0, np.random.default_rng(0))
        np.testing.assert_allclose(given, 3 * draw(name, gain=1.0))


def test_lecun_takes_no_gain() -> None:
    np.testing.assert_array_equal(draw("lecun", gain=5.0), draw("lecun", gain=1.0))


@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (6, 6), (3, 3, 2, 5), (7,), (1, 1)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape: tuple[int, ...]) -> None:
    values = draw("orthogonal", shape, gain=2.0)
    assert values.shape == shape
    matrix = values.reshape(-1, shape[-1]) / 2
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


def test_orthogonal_favours_no_sign() -> None:
    corners = [
        INITIALIZERS["orthogonal"]().draw((3, 3), (3, 3), 1.0, np.random.default_rng(seed))
        for seed in range(2000)
    ]
    # Without the fix of the signs, QR gives the first column's first entry one sign always.
    assert np.abs(np.mean(corners, axis=0)).max() < 4 / math.sqrt(3 * 2000)


def test_plain_initializers_draw_what_they_say() -> None:
    assert draw("normal", mean=3.0, std=0.5).mean() == pytest.approx(3, abs=0.01)
    assert draw("normal", mean=3.0, std=0.5).std() == pytest.approx(0.5, rel=0.01)
    uniform = draw("uniform", low=2.0, high=5.0)
    assert 2 <= uniform.min() < 2.01
    assert 4.99 < uniform.max() <= 5
    np.testing.assert_array_equal(draw("constant", value=7), np.full(FANS, 7.0))
    np.testing.assert_array_equal(draw("zeros"), np.zeros(FANS))


def test_uniform_refuses_bounds_in_the_wrong_order() -> None:
    with pytest.raises(OptionError, match=r"low: low \(2\) lies above high \(1\)"):
        INITIALIZERS["uniform"](low=2.0, high=1.0)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_every_initializer_gives_float64_of_its_shape_and_repeats_itself(name: str) -> None:
    options = {"value": 0.5} if name == "constant" else {}
    for shape in ((4, 3), (5,), (2, 3, 4)):
        values = draw(name, shape, **options)
        assert values.dtype == np.float64
        assert values.shape == shape
        np.testing.assert_array_equal(values, draw(name, shape, **options))


def test_the_gains_are_those_of_pytorch() -> None:
    init = pytest.importorskip("torch").nn.init
    for name in ("relu", "tanh", "sigmoid"):
        assert LAYERS[name]().gain() == pytest.approx(init.calculate_gain(name), rel=1e-12)
    for slope in (0.01, 0.3):
        theirs = init.calculate_gain("leaky_relu", slope)
        assert LAYERS["leaky_relu"](slope=slope).gain() == pytest.approx(theirs, rel=1e-12)
    assert LAYERS["dense"](units=1).gain() == init.calculate_gain("linear")


def test_the_scales_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    init, weight = torch.nn.init, torch.empty(FANS[::-1], dtype=torch.float64)  # (out, in)
    torch.manual_seed(0)
    for name, fill in {
        "he_normal": lambda: init.kaiming_normal_(weight, nonlinearity="relu"),
        "he_uniform": lambda: init.kaiming_uniform_(weight, nonlinearity="relu"),
        "xavier_normal": lambda: init.xavier_normal_(weight, gain=RELU),
        "xavier_uniform": lambda: init.xavier_uniform_(weight, gain=RELU),
        "orthogonal": lambda: init.orthogonal_(weight, gain=RELU),
    }.items():
        fill()
        ours = draw(name)
        assert ours.std() == pytest.approx(weight.numpy().std(), rel=0.01), name
        if name.endswith("uniform"):
            assert np.abs(ours).max() == pytest.approx(weight.abs().max().item(), rel=1e-3), name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("relu", {}),
        ("leaky_relu", {"slope": 0.3}),
        ("elu", {}),
        ("elu", {"alpha": 1.7}),
        ("gelu", {}),
        ("gelu", {"approximate": "tanh"}),
        ("swish", {}),
        ("swish", {"beta": 2.0}),
        ("softplus", {}),
        ("softplus", {"beta": 3.0}),
    ],
)
def test_the_gain_keeps_the_second_moment(name: str, options: dict[str, Any]) -> None:
    network = Network([LAYERS[name](**options)], (1,), dtype="float64")
    z = np.random.default_rng(0).standard_normal((400_000, 1))
    gain = network.layers[0].gain()
    assert gain is not None
    assert gain**2 * np.mean(network.predict(z) ** 2) == pytest.approx(1, rel=0.01)


def test_extreme_options_leave_the_gains_finite() -> None:
    for name, option in (("elu", "alpha"), ("swish", "beta"), ("softplus", "beta")):
        for value in (1e-6, 1e6):
            gain = LAYERS[name](**{option: value}).gain()
            assert gain is not None
            assert math.isfinite(gain)


def signal_behind_four_layers(name: str, **options: Any) -> float:
    kinds = ["dense", name] * 4
    layers = [LAYERS[kind]() if kind == name else LAYERS[kind](200) for kind in kinds]
    init = INITIALIZERS["he"](**options)
    network = Network(layers, (200,), dtype="float64", seed=3, init=init)
    z = network.predict(np.random.default_rng(0).standard_normal((500, 200)))
    return float(np.sqrt(np.mean(z**2)))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "gelu", "swish", "tanh"])
def test_with_its_gain_a_deep_network_keeps_its_signal(name: str) -> None:
    assert 0.5 < signal_behind_four_layers(name) < 2
    assert signal_behind_four_layers(name, gain=1.0) < 0.5
