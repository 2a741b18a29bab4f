"""Where the numbers of the activations come from that are functions of each number alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bpnet.insight.trace.arithmetic import Derivation, arg, num, place, times
from bpnet.insight.trace.steps import Steps


@dataclass(frozen=True)
class Slope:
    """The slope of a function at one place: in letters with ``{i}`` for the index, in numbers."""

    letters: str
    numbers: str
    value: float
    remark: str = ""


@dataclass(frozen=True)
class Curve:
    """A function of one number.

    Attributes
    ----------
    formula
        With ``{x}`` where the number stands.
    numbers
        The same with the number put in, from the layer and x.
    slope
        Its slope, from the layer, x and y.
    """

    formula: str
    numbers: Callable[[Any, float], str]
    slope: Callable[[Any, float, float], Slope]


class CurveSteps(Steps):
    """Of a layer that is a function of each number alone."""

    curve: Curve

    def output(self, n: int, j: int) -> Derivation:
        x, y = float(self.x[n, j]), float(self.y[n, j])
        letters = self.curve.formula.format(x=f"x{place(j)}")
        return Derivation(f"y{place(j)}", letters, self.curve.numbers(self.layer, x), y)

    def input(self, n: int, i: int) -> Derivation:
        x, y, dy = float(self.x[n, i]), float(self.y[n, i]), float(self.dy[n, i])
        slope = self.curve.slope(self.layer, x, y)
        return Derivation(
            f"dx{place(i)}",
            f"{slope.letters.format(i=place(i))} dy{place(i)}",
            f"{slope.numbers} · {arg(dy)}",
            slope.value * dy,
            slope.remark,
        )


def curve_steps(curve: Curve) -> type[Steps]:
    """Return the steps of layers with this curve."""
    return type("CurveSteps", (CurveSteps,), {"curve": curve})


def _sides(low: Callable[[Any], float]) -> Callable[[Any, float, float], Slope]:
    """Return the slope of two lines that meet at 0: 1 above, `low` below."""

    def slope(layer: Any, x: float, y: float) -> Slope:
        value = 1.0 if x > 0 else low(layer)
        remark = f"the slope is {num(value)}, as x = {num(x)} is {'' if x > 0 else 'not '}above 0"
        return Slope("slope", num(value), value, remark)

    return slope


def _elu(layer: Any, x: float, y: float) -> Slope:
    if x > 0:
        return Slope("slope", "1", 1.0, f"the slope is 1, as x = {num(x)} is above 0")
    value = layer.alpha * math.exp(x)
    return Slope("alpha exp(x{i})", f"{num(layer.alpha)} · exp({num(x)})", value)


def _normal(layer: Any, x: float) -> tuple[float, float]:
    """Return the Φ of a gelu and its slope; both as the layer's approximation has them."""
    if layer.approximate == "none":
        density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return math.erfc(-x / math.sqrt(2)) / 2, density
    root = math.sqrt(2 / math.pi)
    inner = math.tanh(root * (x + 0.044715 * x**3))
    return (1 + inner) / 2, (1 - inner * inner) * root * (1 + 3 * 0.044715 * x * x) / 2


def _gelu(layer: Any, x: float, y: float) -> Slope:
    below, density = _normal(layer, x)
    numbers = f"({num(below)} + {times(x, density)})"
    remark = f"Φ(x) = {num(below)}, φ(x) = {num(density)}"
    return Slope("(Φ(x{i}) + x{i} φ(x{i}))", numbers, below + x * density, remark)


def _logistic(x: float) -> float:
    return (1 + math.tanh(x / 2)) / 2


def _swish(layer: Any, x: float, y: float) -> Slope:
    s = _logistic(layer.beta * x)
    numbers = f"({num(s)} + {times(layer.beta, y)} · (1 - {num(s)}))"
    value = s + layer.beta * y * (1 - s)
    return Slope("(s + beta y{i} (1 - s))", numbers, value, f"s = {num(s)}")


def _softplus(layer: Any, x: float, y: float) -> Slope:
    numbers = f"1 / (1 + exp(-{times(layer.beta, x)}))"
    return Slope("1 / (1 + exp(-beta x{i})) ·", numbers, _logistic(layer.beta * x))


CURVES: dict[str, Curve] = {
    "relu": Curve("max({x}, 0)", lambda layer, x: f"max({num(x)}, 0)", _sides(lambda layer: 0.0)),
    "leaky_relu": Curve(
        "{x} where it is above 0, else slope {x}",
        lambda layer, x: num(x) if x > 0 else times(layer.slope, x),
        _sides(lambda layer: float(layer.slope)),
    ),
    "elu": Curve(
        "{x} where it is above 0, else alpha (exp({x}) - 1)",
        lambda layer, x: num(x) if x > 0 else f"{num(layer.alpha)} · (exp({num(x)}) - 1)",
        _elu,
    ),
    "gelu": Curve("{x} Φ({x})", lambda layer, x: times(x, _normal(layer, x)[0]), _gelu),
    "swish": Curve(
        "{x} / (1 + exp(-beta {x}))",
        lambda layer, x: f"{num(x)} / (1 + exp(-{times(layer.beta, x)}))",
        _swish,
    ),
    "sigmoid": Curve(
        "1 / (1 + exp(-{x}))",
        lambda layer, x: f"1 / (1 + exp(-{arg(x)}))",
        lambda layer, x, y: Slope("y{i} (1 - y{i})", f"{num(y)} · (1 - {num(y)})", y * (1 - y)),
    ),
    "tanh": Curve(
        "tanh({x})",
        lambda layer, x: f"tanh({num(x)})",
        lambda layer, x, y: Slope("(1 - y{i}²)", f"(1 - {arg(y)}²)", 1 - y * y),
    ),
    "softplus": Curve(
        "log(1 + exp(beta {x})) / beta",
        lambda layer, x: f"log(1 + exp({times(layer.beta, x)})) / {num(layer.beta)}",
        _softplus,
    ),
    "identity": Curve("{x}", lambda layer, x: num(x), lambda layer, x, y: Slope("1 ·", "1", 1.0)),
}
