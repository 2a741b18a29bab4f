"""Every layer in terms of ONNX's operators: `TRANSLATIONS` has a row for each of `LAYERS`.

A translation is what the layer does outside training. In float64 some layers are written out in
simpler operators: the options of ONNX's own have float32 only, and onnxruntime has no Erf.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bpnet.exporting.graph import Graph
from bpnet.nn import normal_curve
from bpnet.nn.arena import Array
from bpnet.nn.layers.chain import Chain

Translation = Callable[[Graph, Any, str, str], str]
"""Adds a layer to a graph: the graph, the layer, its input and its dotted name; the output."""


def translate(graph: Graph, chain: Chain, x: str, prefix: str = "") -> str:
    """Add a chain of layers to a graph and return the name of its output.

    Parameters
    ----------
    graph
        Where the nodes go.
    chain
        The layers, built.
    x
        The name of the input.
    prefix
        What stands before the layers' names: ``residual_1.``.
    """
    for layer in chain.layers:
        x = TRANSLATIONS[layer.type](graph, layer, x, f"{prefix}{layer.name}")
    return x


def _operator(op: str) -> Translation:
    """Return the translation into one operator without options."""

    def add(graph: Graph, layer: Any, x: str, name: str) -> str:
        return graph.node(op, x, name=name)

    return add


def _nothing(graph: Graph, layer: Any, x: str, name: str) -> str:
    return x


def _dense(graph: Graph, layer: Any, x: str, name: str) -> str:
    weights = graph.constant(f"{name}.W", layer.W.value)
    bias = () if layer.b is None else (graph.constant(f"{name}.b", layer.b.value),)
    return graph.node("Gemm", x, weights, *bias, name=name)


def _leaky_relu(graph: Graph, layer: Any, x: str, name: str) -> str:
    if graph.dtype == np.float32:
        return graph.node("LeakyRelu", x, name=name, alpha=layer.slope)
    above, below = _sides(graph, x, name)
    low = graph.node("Mul", below, graph.number(f"{name}.slope", layer.slope), name=f"{name}.low")
    return graph.node("Add", above, low, name=name)


def _elu(graph: Graph, layer: Any, x: str, name: str) -> str:
    if graph.dtype == np.float32:
        return graph.node("Elu", x, name=name, alpha=layer.alpha)
    above, below = _sides(graph, x, name)
    low = graph.node("Exp", below, name=f"{name}.exp")
    low = graph.node("Sub", low, graph.number(f"{name}.one", 1), name=f"{name}.low")
    low = graph.node("Mul", low, graph.number(f"{name}.alpha", layer.alpha), name=f"{name}.low")
    return graph.node("Add", above, low, name=name)


def _sides(graph: Graph, x: str, name: str) -> tuple[str, str]:
    """Add max(x, 0) and min(x, 0)."""
    zero = graph.number(f"{name}.zero", 0)
    above = graph.node("Max", x, zero, name=f"{name}.above")
    return above, graph.node("Min", x, zero, name=f"{name}.below")


def _gelu(graph: Graph, layer: Any, x: str, name: str) -> str:
    if layer.approximate == "tanh":
        curve = _tanh_curve(graph, x, name)
    elif graph.dtype == np.float32:
        curve = _error_function(graph, x, name)
    else:
        curve = _normal_curve(graph, x, name)
    return graph.node("Mul", x, curve, name=name)


def _tanh_curve(graph: Graph, x: str, name: str) -> str:
    """Add (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2."""
    node, number = graph.node, graph.number
    cubic = number(f"{name}.cubic", 0.044715)
    square = node("Mul", x, x, name=f"{name}.square")
    inner = node("Mul", square, cubic, name=f"{name}.inner")
    inner = node("Add", inner, number(f"{name}.one", 1), name=f"{name}.inner")
    inner = node("Mul", inner, x, name=f"{name}.inner")
    slope = number(f"{name}.slope", math.sqrt(2 / math.pi))
    inner = node("Mul", inner, slope, name=f"{name}.inner")
    return _half_of_one_and(graph, node("Tanh", inner, name=f"{name}.tanh"), name)


def _error_function(graph: Graph, x: str, name: str) -> str:
    """Add (1 + erf(x / √2)) / 2."""
    scaled = graph.node(
        "Mul", x, graph.number(f"{name}.slope", math.sqrt(0.5)), name=f"{name}.scaled"
    )
    return _half_of_one_and(graph, graph.node("Erf", scaled, name=f"{name}.erf"), name)


def _half_of_one_and(graph: Graph, value: str, name: str) -> str:
    more = graph.node("Add", value, graph.number(f"{name}.one", 1), name=f"{name}.more")
    return graph.node("Mul", more, graph.number(f"{name}.half", 0.5), name=f"{name}.cdf")


def _normal_curve(graph: Graph, x: str, name: str) -> str:
    """Add what `NormalCurve` computes in float64, for which onnxruntime has no Erf."""
    node, number = graph.node, graph.number
    k = number(f"{name}.k", normal_curve.K)
    t = node("Add", node("Abs", x, name=f"{name}.size"), k, name=f"{name}.t")
    t = node("Div", k, t, name=f"{name}.t")
    terms = [number(f"{name}.term", term) for term in normal_curve.FLOAT64_TERMS]
    tail = node("Mul", t, terms[-1], name=f"{name}.tail")
    for term in terms[-2:0:-1]:
        tail = node("Mul", node("Add", tail, term, name=f"{name}.tail"), t, name=f"{name}.tail")
    tail = node("Mul", node("Add", tail, terms[0], name=f"{name}.tail"), t, name=f"{name}.tail")
    square = node("Mul", node("Mul", x, x, name=f"{name}.square"), number(f"{name}.minus", -0.5),
                  name=f"{name}.square")  # fmt: skip
    tail = node("Mul", tail, node("Exp", square, name=f"{name}.exp"), name=f"{name}.tail")
    above = node("Sub", number(f"{name}.one", 1), tail, name=f"{name}.above")
    positive = node("Greater", x, number(f"{name}.zero", 0), name=f"{name}.positive")
    return node("Where", positive, above, tail, name=f"{name}.cdf")


def _swish(graph: Graph, layer: Any, x: str, name: str) -> str:
    steep = _scaled(graph, x, layer.beta, name)
    return graph.node("Mul", x, graph.node("Sigmoid", steep, name=f"{name}.sigmoid"), name=name)


def _softplus(graph: Graph, layer: Any, x: str, name: str) -> str:
    """Add max(x, 0) + log(1 + exp(-beta |x|)) / beta: onnxruntime's own overflows in float64."""
    above = graph.node("Relu", x, name=f"{name}.above")
    size = graph.node("Abs", x, name=f"{name}.size")
    tail = graph.node("Exp", _scaled(graph, size, -layer.beta, name), name=f"{name}.exp")
    tail = graph.node("Add", tail, graph.number(f"{name}.one", 1), name=f"{name}.sum")
    tail = graph.node("Log", tail, name=f"{name}.log")
    return graph.node("Add", above, _scaled(graph, tail, 1 / layer.beta, name), name=name)


def _scaled(graph: Graph, x: str, factor: float, name: str) -> str:
    if factor == 1:
        return x
    return graph.node("Mul", x, graph.number(f"{name}.factor", factor), name=f"{name}.scaled")


def _softmax(graph: Graph, layer: Any, x: str, name: str) -> str:
    return graph.node("Softmax", x, name=name, axis=-1)


def _batch_norm(graph: Graph, layer: Any, x: str, name: str) -> str:
    mean, variance = layer.running_mean.value, layer.running_variance.value
    slope = 1 / np.sqrt(variance + layer.eps)
    if layer.affine:
        slope = slope * layer.gamma.value
    y = graph.node("Sub", x, graph.constant(f"{name}.running_mean", mean), name=f"{name}.centred")
    y = graph.node("Mul", y, graph.constant(f"{name}.slope", slope), name=f"{name}.normal")
    if layer.affine:
        y = graph.node("Add", y, graph.constant(f"{name}.beta", layer.beta.value), name=name)
    return y


def _layer_norm(graph: Graph, layer: Any, x: str, name: str) -> str:
    # As in bpnet one of the numbers is subtracted first, which keeps digits that ONNX's own
    # operator, LayerNormalization, may lose.
    first, start = x, graph.constant(f"{name}.start", np.array([0]))
    columns = layer.columns(layer.shape)
    for axis in range(-len(columns), 0):
        first = graph.node("Gather", first, start, name=f"{name}.first", axis=axis)
    y = graph.node("Sub", x, first, name=f"{name}.shifted")
    axes = graph.constant(f"{name}.axes", np.arange(-len(columns), 0))
    mean = graph.node("ReduceMean", y, axes, name=f"{name}.mean")
    y = graph.node("Sub", y, mean, name=f"{name}.centred")
    square = graph.node("Mul", y, y, name=f"{name}.square")
    variance = graph.node("ReduceMean", square, axes, name=f"{name}.variance")
    epsilon = graph.number(f"{name}.epsilon", layer.epsilon)
    sum_ = graph.node("Add", variance, epsilon, name=f"{name}.sum")
    y = graph.node("Div", y, graph.node("Sqrt", sum_, name=f"{name}.deviation"), name=name)
    if layer.affine:
        y = graph.node("Mul", y, graph.constant(f"{name}.gamma", layer.gamma.value), name=name)
        y = graph.node("Add", y, graph.constant(f"{name}.beta", layer.beta.value), name=name)
    return y


def _reshape(graph: Graph, layer: Any, x: str, name: str) -> str:
    shape: Array = np.array([0, *layer.out_shape], np.int64)  # 0: as many rows as there are
    return graph.node("Reshape", x, graph.constant(f"{name}.shape", shape), name=name)


def _residual(graph: Graph, layer: Any, x: str, name: str) -> str:
    branch = translate(graph, layer.branch, x, f"{name}.")
    skip = translate(graph, layer.skip, x, f"{name}.")
    return graph.node("Add", branch, skip, name=name)


TRANSLATIONS: dict[str, Translation] = {
    "dense": _dense,
    "relu": _operator("Relu"),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "gelu": _gelu,
    "swish": _swish,
    "sigmoid": _operator("Sigmoid"),
    "tanh": _operator("Tanh"),
    "softplus": _softplus,
    "softmax": _softmax,
    "identity": _nothing,
    "dropout": _nothing,  # it drops only while training
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "flatten": _reshape,
    "reshape": _reshape,
    "residual": _residual,
}
"""How each layer becomes nodes, by the name that it has in YAML."""
