"""Frozen layers: nothing of them changes, and everything else is as if they were not."""

from __future__ import annotations

import runpy
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpnet.errors import OptionError
from bpnet.nn import arena as arenas
from bpnet.nn.arena import Array
from bpnet.nn.gradcheck import check_gradients
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.losses import LOSSES
from bpnet.nn.network import Network
from bpnet.nn.rules import Backpropagation, Batch
from bpnet.optim.clipping import clip_norm
from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.optim.regularization import Regularization

LAWS = runpy.run_path(str(Path(__file__).with_name("test_layer_laws.py")))
WITH_TENSORS = [
    pytest.param(case, id=f"{name}-{i}")
    for name, cases in LAWS["ROWS"].items()
    for i, case in enumerate(cases)
    if Network([case.make()], case.shape).weights()
]


def dense(units: int, **options: Any) -> Layer:
    return LAYERS["dense"](units=units, **options)


def block(*layers: Layer, **options: Any) -> Layer:
    return LAYERS["residual"](layers=list(layers), **options)


def deep(**options: Any) -> Network:
    """Build a network with a block and a norm; ``freeze`` is its most interesting option."""
    layers = [
        dense(6),
        LAYERS["batch_norm"](),
        LAYERS["tanh"](),
        block(dense(6), LAYERS["relu"](), dense(4), projection=dense(4)),
        LAYERS["layer_norm"](),
        dense(3),
    ]
    return Network(layers, (5,), **{"dtype": "float64", "seed": 4, **options})


def copies(network: Network) -> dict[str, Array]:
    return {name: value.copy() for name, value in network.weights().items()}


def gradients(network: Network) -> dict[str, Array]:
    return {p.name: p.grad.copy() for p in network.arena.params.values() if not p.frozen}


def frozen(network: Network) -> set[str]:
    return {name for name, param in network.arena.params.items() if param.frozen}


def draw(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(
    ("freeze", "expected"),
    [
        (["dense_1"], {"dense_1.W", "dense_1.b"}),
        (["dense_*"], {"dense_1.W", "dense_1.b", "dense_2.W", "dense_2.b"}),
        (["residual_1.dense_2"], {"residual_1.dense_2.W", "residual_1.dense_2.b"}),
        (["residual_1.projection"], {"residual_1.projection.W", "residual_1.projection.b"}),
        (
            ["residual_1"],
            {f"residual_1.{n}.{t}" for n in ("dense_1", "dense_2", "projection") for t in "Wb"},
        ),
        (["*.dense_1"], {"residual_1.dense_1.W", "residual_1.dense_1.b"}),
        (["*_norm_?"], {f"{n}_norm_1.{t}" for n in ("batch", "layer") for t in ("gamma", "beta")}),
        (["dense_2", "dense_2", "dense_[2]"], {"dense_2.W", "dense_2.b"}),
        (["[d", "dense_1"], None),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_layers_are_named_as_in_reports_and_a_block_stands_for_all_in_it(
    freeze: list[str], expected: set[str] | None
) -> None:
    if expected is None:
        with pytest.raises(OptionError, match=r"no layer is named '\[d'"):
            deep(freeze=freeze)
        return
    network = deep(freeze=freeze)
    assert frozen(network) == expected
    assert network.arena.size - network.arena.trained_size == sum(
        network.weights()[name].size for name in expected
    )


@pytest.mark.parametrize(
    ("freeze", "path", "message"),
    [
        (
            ["dense_1", "dens_2"],
            ("freeze", 1),
            "no layer is named 'dens_2'; did you mean 'dense_2'",
        ),
        (["dense_1.W"], ("freeze", 0), "did you mean 'dense_1'"),
        (["zzz"], ("freeze", 0), r"named 'zzz' \(layers with parameters: dense_1, batch_norm_1, r"),
        (["DENSE_1"], ("freeze", 0), "did you mean 'dense_1'"),
        ([""], ("freeze", 0), "no layer is named ''"),
        (["tanh_1"], ("freeze", 0), "tanh_1 has no parameters that could be frozen"),
        (["residual_1.relu_1"], ("freeze", 0), r"residual_1\.relu_1 has no parameters"),
        (["*"], ("freeze",), "nothing is left to train"),
    ],
    ids=str,
)
def test_a_choice_that_can_not_be_meant_is_refused_at_its_place(
    freeze: list[str], path: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(OptionError, match=message) as caught:
        deep(freeze=freeze)
    assert caught.value.path == path


def test_a_wildcard_full_of_stars_takes_no_time() -> None:
    with pytest.raises(OptionError, match="no layer is named"):
        deep(freeze=["*".join("dense_1_" * 200)])


def test_a_network_without_parameters_needs_no_choice() -> None:
    assert not Network([LAYERS["relu"]()], (2,)).arena.params
    with pytest.raises(OptionError, match=r"no layer is named 'a' \(layers with parameters: none"):
        Network([LAYERS["relu"]()], (2,), freeze=["a"])


def test_the_start_is_the_same_whatever_is_frozen() -> None:
    plain, other = deep(), deep(freeze=["dense_1", "residual_1.dense_2"])
    for name, value in plain.weights().items():
        np.testing.assert_array_equal(other.weights()[name], value)


def test_nothing_is_kept_for_what_is_frozen_and_it_comes_last() -> None:
    arena = deep(freeze=["dense_1", "residual_1"]).arena
    names = list(arena.params)
    assert [arena.params[name].frozen for name in names] == sorted(
        arena.params[name].frozen for name in names
    )
    assert len(arena.grad) == arena.trained < len(arena.theta)
    for param in arena.params.values():
        assert param.grad.shape == ((0,) if param.frozen else param.shape)
        if not param.frozen:
            assert (param.value.ctypes.data - arena.theta.ctypes.data) == (
                param.grad.ctypes.data - arena.grad.ctypes.data
            )
    optimizer = OPTIMIZERS["amsgrad"]()
    optimizer.bind(arena)
    assert all(len(vector) == arena.trained for vector in optimizer.vectors.values())


def test_without_a_choice_everything_lies_where_it_lay() -> None:
    arena = deep().arena
    decaying = [name for name in arena.params if name.endswith(".W")]
    assert list(arena.params)[: len(decaying)] == decaying
    assert arena.trained == len(arena.theta) == len(arena.grad)
    assert arena.trained_size == arena.size


@pytest.mark.parametrize("case", WITH_TENSORS)
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_a_frozen_layer_passes_on_what_it_would_and_nothing_of_it_changes(
    case: Any, train: bool
) -> None:
    def build(freeze: list[str]) -> Network:
        layers = [LAYERS["layer_norm"](), case.make(), LAYERS["layer_norm"](over="all")]
        layers[1].name = "middle"
        network = Network(layers, case.shape, dtype="float64", seed=1, freeze=freeze)
        LAWS["stirred"](network)
        for param in sorted(network.arena.params.values(), key=lambda p: p.name):
            param.value[...] = draw(*param.shape, seed=len(param.name))
        return network

    plain, other = build([]), build(["middle"])
    by_batch = case.mixes_rows and train  # frozen, batch norm does as in evaluation
    x, dy = draw(5, *case.shape), draw(5, *plain.out_shape, seed=1)
    before = copies(other)
    outcomes = []
    for network, mode in ((plain, train and not by_batch), (other, train)):
        network.forward(x, Pass(mode, np.random.default_rng(3)))  # warm
        network.arena.poison()
        y = network.forward(x, Pass(mode, np.random.default_rng(3))).copy()
        dx = network.backward(dy, need_dx=True)
        assert dx is not None
        outcomes.append({"y": y, "dx": dx.copy(), **gradients(network)})
    assert outcomes[1].keys() == {
        name for name in outcomes[0] if name in ("y", "dx") or not name.startswith("middle.")
    }
    for name, value in outcomes[1].items():
        np.testing.assert_array_equal(value, outcomes[0][name], err_msg=name)
    for name, value in other.weights().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


@pytest.mark.parametrize(
    "freeze",
    [
        ["dense_1"],
        ["dense_1", "batch_norm_1"],
        ["dense_1", "batch_norm_1", "residual_1"],
        ["residual_1.dense_1", "dense_1"],
        ["residual_1.dense_*", "dense_1", "batch_norm_1"],
        ["residual_1.projection", "dense_1", "batch_norm_1"],
        ["layer_norm_1"],
        ["dense_2"],
    ],
    ids=str,
)
def test_the_gradients_of_the_rest_are_the_same_and_agree_with_differences(
    freeze: list[str],
) -> None:
    plain, other = deep(), deep(freeze=freeze)
    x, dy = draw(9, 5), draw(9, 3, seed=1)
    train = "batch_norm_1" not in freeze
    for network in (plain, other):
        network.forward(x, Pass(train))
        network.arena.grad.fill(np.nan)
        network.backward(dy)
    for name, value in gradients(other).items():
        assert np.isfinite(value).all(), name
        np.testing.assert_array_equal(value, gradients(plain)[name], err_msg=name)
    before = copies(other)
    errors = check_gradients(other, x)
    assert all(error.passed for error in errors), errors
    assert {e.name for e in errors} == {"everything", "input", *gradients(other)}
    for name, value in copies(other).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_layers_below_the_lowest_trained_one_are_not_run_backward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = deep(freeze=["dense_1", "batch_norm_1", "residual_1.dense_1"])

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("run backward for nothing")

    layers = {name: layer for name, layer, _ in network.walk()}
    for name in ("dense_1", "batch_norm_1", "tanh_1"):
        monkeypatch.setattr(layers[name], "backward", never)
    below = {name: layers[f"residual_1.{name}"] for name in ("dense_1", "relu_1")}
    for layer in below.values():
        monkeypatch.setattr(layer, "backward", never)
    network.forward(draw(4, 5), Pass(train=True))
    network.backward(draw(4, 3))
    with pytest.raises(AssertionError, match="for nothing"):
        network.backward(draw(4, 3), need_dx=True)


def test_frozen_batch_norm_normalizes_by_its_averages_and_leaves_them_as_they_are() -> None:
    def build(**options: Any) -> Network:
        layers = [LAYERS["batch_norm"](), dense(2)]
        network = Network(layers, (4,), dtype="float64", seed=1, **options)
        network.weights()["batch_norm_1.running_mean"][:] = [1, 2, 3, 4]
        network.weights()["batch_norm_1.running_variance"][:] = [4, 3, 2, 1]
        return network

    x = draw(8, 4)
    moving, still = build(), build(freeze=["batch_norm_1"])
    state = still.arena.state.copy()
    expected = moving.forward(x, Pass(train=False)).copy()
    np.testing.assert_array_equal(still.forward(x, Pass(train=True)), expected)
    np.testing.assert_array_equal(still.arena.state, state)
    moving.forward(x, Pass(train=True))
    assert not np.array_equal(moving.arena.state, state)


def test_batch_norm_without_parameters_can_be_frozen_too() -> None:
    layers = [LAYERS["batch_norm"](affine=False), dense(2)]
    network = Network(layers, (4,), freeze=["batch_norm_1"])
    state = network.arena.state.copy()
    network.forward(draw(8, 4).astype("f4"), Pass(train=True))
    np.testing.assert_array_equal(network.arena.state, state)
    with pytest.raises(OptionError, match="nothing is left to train"):
        Network([LAYERS["batch_norm"](affine=False)], (4,), freeze=["batch_norm_1"])


def test_dropout_in_a_frozen_block_still_drops() -> None:
    layers = [block(dense(50), LAYERS["dropout"](), name="body"), dense(2)]
    network = Network(layers, (50,), freeze=["body"])
    x = np.ones((3, 50), "f4")
    trained = network.forward(x, Pass(True, np.random.default_rng(0))).copy()
    assert not np.array_equal(trained, network.forward(x, Pass(train=False)))


DECAYS = [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True}]
VARIANTS = [
    *[(name, decay) for name in OPTIMIZERS for decay in DECAYS],
    ("momentum", {"dampening": 0.5}),
    ("rmsprop", {"momentum": 0.9, "centered": True}),
]


def train(
    network: Network,
    x: Array,
    optimizer: Any,
    regularization: Regularization,
    *,
    steps: int = 12,
    accumulate: int = 1,
) -> list[float]:
    """Train as the loop does, with clipping, and return the gradient norms."""
    loss = LOSSES["cross_entropy"]()
    loss.build(3, dtype=network.arena.dtype)
    optimizer.bind(network.arena)
    rule, arena = Backpropagation(), network.arena
    target = np.arange(len(x)) % 3
    norms = []
    for n in range(steps):
        for part in range(accumulate):
            rows = slice(part * len(x) // accumulate, (part + 1) * len(x) // accumulate)
            batch = Batch(x[rows], target[rows])
            step = Pass(True, np.random.default_rng(n))
            rule.gradient(network, loss, batch, step, float(len(x)))
            if accumulate > 1:
                arena.accumulate(first=part == 0)
        if accumulate > 1:
            arena.take_accumulated()
        regularization.add_gradient(arena)
        norms.append(clip_norm(arena, 0.5))
        optimizer.step(0.05)
        regularization.constrain(arena)
    return norms


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_training_above_frozen_layers_equals_training_alone_on_their_outputs(
    variant: tuple[str, dict[str, Any]], dtype: str, accumulate: int
) -> None:
    name, options = variant
    if name == "adamw":
        options = {"weight_decay": 0.1}

    def body() -> list[Layer]:
        return [dense(7), LAYERS["batch_norm"](), LAYERS["tanh"]()]

    def head() -> list[Layer]:
        return [dense(6, name="a"), LAYERS["relu"](name="b"), dense(3, name="c")]

    freeze = ["dense_1", "batch_norm_1"]
    whole = Network([*body(), *head()], (5,), dtype=dtype, seed=1, freeze=freeze)
    alone = Network(head(), (7,), dtype=dtype, seed=1)
    for layer in ("dense_1", "batch_norm_1"):  # as if they came from another training
        for tensor, value in whole.weights().items():
            if tensor.startswith(layer):
                value[...] = np.abs(draw(*value.shape, seed=len(tensor))) + 0.5
    x = draw(24, 5, seed=8).astype(dtype)
    below = Network(body(), (5,), dtype=dtype)
    for tensor, value in below.weights().items():
        value[...] = whole.weights()[tensor]
    features = below.predict(x)
    start, before = whole.arena.theta.tobytes(), copies(whole)
    rules = {"l1": 1e-3, "l2": 1e-2, "max_norm": 1.5}
    norms = [
        train(network, inputs, OPTIMIZERS[name](**options), Regularization(**rules), **how)
        for network, inputs in ((whole, x), (alone, features))
        for how in [{"accumulate": accumulate}]
    ]
    assert norms[0] == norms[1]
    assert whole.arena.theta.tobytes() != start
    for tensor, value in whole.weights().items():
        expected = before[tensor] if tensor not in alone.weights() else alone.weights()[tensor]
        assert value.tobytes() == expected.tobytes(), tensor


def test_penalties_count_only_what_is_trained() -> None:
    network = deep(freeze=["dense_1", "residual_1"])
    weights = [p.value for p in network.arena.params.values() if p.name == "dense_2.W"]
    assert Regularization(l2=2.0).penalty(network.arena) == pytest.approx(
        float(np.sum(np.square(weights)))
    )


def test_a_warm_step_with_frozen_layers_allocates_nothing() -> None:
    network = deep(freeze=["dense_1", "residual_1.dense_2", "batch_norm_1"], dtype="float32")
    optimizer = OPTIMIZERS["adam"]()
    optimizer.bind(network.arena)
    x, dy = draw(8192, 5).astype("f4"), draw(8192, 3).astype("f4")
    step = Pass(train=True)

    def once() -> None:
        network.forward(x, step)
        network.backward(dy)
        optimizer.step(1e-3)

    for _ in range(2):
        once()
    tracemalloc.start()
    try:
        once()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * 8192 * 4  # NumPy's own buffer for shapes that broadcast


def test_layers_may_be_built_again_with_another_choice() -> None:
    parts = [dense(3), LAYERS["batch_norm"](), dense(2)]
    first = Network(parts, (4,), freeze=["dense_1", "batch_norm_1"])
    again = Network(parts, (4,), freeze=["dense_2"])
    assert frozen(first) == {f"{n}" for n in first.weights() if n[:7] != "dense_2"} - {
        "batch_norm_1.running_mean",
        "batch_norm_1.running_variance",
    }
    assert frozen(again) == {"dense_2.W", "dense_2.b"}
    assert [layer.frozen for layer in parts] == [False, False, True]
    again.forward(np.ones((3, 4), "f4"), Pass(train=True))
    again.backward(np.ones((3, 2), "f4"))
    assert np.isfinite(again.arena.grad).all()


def test_what_is_frozen_needs_less_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(freeze: list[str]) -> Network:
        return Network([dense(1000), dense(2)], (1000,), freeze=freeze)

    real = arenas.os.sysconf
    pages = {"SC_PHYS_PAGES": 3 * 4 * 1_001_000, "SC_PAGE_SIZE": 1}
    monkeypatch.setattr(arenas.os, "sysconf", lambda name: pages.get(name) or real(name))
    with pytest.raises(OptionError, match="does not fit into"):
        build([])
    assert build(["dense_1"]).arena.trained_size == 2002


TORCH = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9, "weight_decay": 0.1}),
    "adam": ("Adam", {"weight_decay": 0.1}),
    "adamw": ("AdamW", {"weight_decay": 0.1}),
    "rmsprop": ("RMSprop", {"momentum": 0.9}),
}


@pytest.mark.parametrize("name", TORCH)
def test_it_equals_pytorch_without_requires_grad(name: str) -> None:
    torch = pytest.importorskip("torch")
    cls, options = TORCH[name]
    layers = [
        *(dense(7), LAYERS["batch_norm"](), LAYERS["tanh"]()),
        *(dense(6), LAYERS["relu"](), dense(5), LAYERS["relu"](), dense(3)),
    ]
    freeze = ["dense_1", "batch_norm_1", "dense_3"]
    ours = Network(layers, (5,), dtype="float64", seed=2, freeze=freeze)
    theirs = torch.nn.Sequential(
        *(torch.nn.Linear(5, 7), torch.nn.BatchNorm1d(7), torch.nn.Tanh()),
        *(torch.nn.Linear(7, 6), torch.nn.ReLU(), torch.nn.Linear(6, 5), torch.nn.ReLU()),
        torch.nn.Linear(5, 3),
    ).double()
    weights = ours.weights()
    weights["batch_norm_1.running_mean"][:] = draw(7)
    weights["batch_norm_1.running_variance"][:] = np.abs(draw(7)) + 0.5
    names = {0: "dense_1", 1: "batch_norm_1", 3: "dense_2", 5: "dense_3", 7: "dense_4"}
    pairs: dict[str, Callable[[], Array]] = {}
    with torch.no_grad():
        for i, layer in names.items():
            module = theirs[i]
            if layer.startswith("dense"):
                module.weight.copy_(torch.tensor(weights[f"{layer}.W"].T.copy()))
                module.bias.copy_(torch.tensor(weights[f"{layer}.b"]))
                pairs[f"{layer}.W"] = lambda module=module: module.weight.detach().numpy().T
                pairs[f"{layer}.b"] = lambda module=module: module.bias.detach().numpy()
            else:
                module.running_mean.copy_(torch.tensor(weights[f"{layer}.running_mean"]))
                module.running_var.copy_(torch.tensor(weights[f"{layer}.running_variance"]))
            if layer in freeze:
                module.requires_grad_(False)
    theirs.train()
    theirs[1].eval()
    x, target = draw(16, 5, seed=5), np.arange(16) % 3
    before = copies(ours)
    optimizer = OPTIMIZERS[name](**{"learning_rate": 0.05, **options})
    norms = []
    trained = [p for p in theirs.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1]},
        {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0},
    ]
    descent = getattr(torch.optim, cls)(groups, lr=0.05, **options)
    for _ in range(12):
        descent.zero_grad()
        value = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(target))
        value.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)))
        descent.step()
    np.testing.assert_allclose(
        train(ours, x, optimizer, Regularization()), norms, rtol=1e-9, atol=1e-12
    )
    for tensor, value in pairs.items():
        np.testing.assert_allclose(weights[tensor], value(), rtol=0, atol=1e-9, err_msg=tensor)
    for tensor, value in before.items():
        if tensor.partition(".")[0] in freeze:
            assert weights[tensor].tobytes() == value.tobytes(), tensor
