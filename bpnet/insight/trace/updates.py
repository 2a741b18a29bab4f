"""What every optimizer does with a gradient: the formula, and the same with its numbers put in.

`UPDATES` has an entry for every optimizer. Averages are written as in the textbooks; what the
optimizers keep are multiples of them (see `optim.optimizers.adaptive`).

Legend: w the weight, g its gradient after penalties and clipping, n the step, from 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bpnet.insight.trace.arithmetic import Derivation, arg, num, times
from bpnet.insight.trace.record import Rule


@dataclass(frozen=True)
class Situation:
    """What an optimizer finds of one weight.

    Attributes
    ----------
    rule
        The step's optimizer and learning rate.
    w, g
        The weight and its gradient.
    kept
        What the optimizer kept of it, by name.
    """

    rule: Rule
    w: float
    g: float
    kept: Mapping[str, float]

    @property
    def optimizer(self) -> Any:
        """The optimizer; its options depend on its type."""
        return self.rule.optimizer

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.rule.lr

    @property
    def n(self) -> int:
        """The number of the step for the optimizer, from 1."""
        return int(self.rule.constants["count"]) + 1

    def moved(self, letters: str, numbers: str, step: float) -> Derivation:
        """Derive the new weight from how far it goes down."""
        return Derivation("new w", f"w - {letters}", f"{num(self.w)} - {numbers}", self.w - step)


@dataclass(frozen=True)
class Update:
    """What one optimizer does.

    Attributes
    ----------
    formula
        Its lines.
    why
        What they are for.
    derive
        The same lines with the numbers of one weight; the last one is the new weight.
    """

    formula: tuple[str, ...]
    why: str
    derive: Callable[[Situation], list[Derivation]]


def _sgd(at: Situation) -> list[Derivation]:
    return [at.moved("lr g", times(at.lr, at.g), at.lr * at.g)]


def _velocity(at: Situation, old: float, part: float) -> Derivation:
    keep = float(at.optimizer.momentum)
    letters = "momentum v + g" if part == 1 else "momentum v + (1 - dampening) g"
    numbers = f"{times(keep, old)} + {arg(at.g) if part == 1 else times(part, at.g)}"
    return Derivation("v", letters, numbers, keep * old + part * at.g)


def _momentum(at: Situation) -> list[Derivation]:
    part = 1 - float(at.optimizer.dampening)
    old = at.kept["velocity"] * part
    v = _velocity(at, old, part)
    if at.n == 1:
        v = Derivation("v", "g (the first step)", num(at.g), at.g)
    return [v, at.moved("lr v", times(at.lr, v.value), at.lr * v.value)]


def _nesterov(at: Situation) -> list[Derivation]:
    v = _velocity(at, at.kept["velocity"], 1.0)
    keep = float(at.optimizer.momentum)
    ahead = at.g + keep * v.value
    numbers = f"{num(at.lr)} · ({num(at.g)} + {times(keep, v.value)})"
    return [v, at.moved("lr (g + momentum v)", numbers, at.lr * ahead)]


def _average(symbol: str, name: str, keep: float, old: float, new: float, of: str) -> Derivation:
    square = "g²" if of == "g²" else "g"
    return Derivation(
        symbol,
        f"{name} {symbol} + (1 - {name}) {square}",
        f"{times(keep, old)} + {times(1 - keep, new)}",
        keep * old + (1 - keep) * new,
    )


def _moments(at: Situation) -> tuple[Derivation, Derivation]:
    beta1, beta2 = float(at.optimizer.beta1), float(at.optimizer.beta2)
    m = _average("m", "beta1", beta1, at.kept["m"] * (1 - beta1), at.g, "g")
    v = _average("v", "beta2", beta2, at.kept["v"] * (1 - beta2), at.g * at.g, "g²")
    return m, v


def _corrected(at: Situation, symbol: str, name: str, value: float) -> Derivation:
    keep = float(getattr(at.optimizer, name))
    return Derivation(
        f"{symbol}̂",
        f"{symbol} / (1 - {name}^n)",
        f"{num(value)} / (1 - {num(keep)}^{at.n})",
        value / (1 - keep**at.n),
        "the average started at 0; this takes that start out again" if symbol == "m" else "",
    )


def _adam_step(at: Situation, top: Derivation, below: Derivation) -> Derivation:
    epsilon = float(at.optimizer.epsilon)
    numbers = f"{times(at.lr, top.value)} / (√{num(below.value)} + {num(epsilon)})"
    step = at.lr * top.value / (math.sqrt(below.value) + epsilon)
    return at.moved(f"lr {top.symbol} / (√{below.symbol} + epsilon)", numbers, step)


def _adam(at: Situation) -> list[Derivation]:
    m, v = _moments(at)
    top = _corrected(at, "m", "beta1", m.value)
    below = _corrected(at, "v", "beta2", v.value)
    return [m, v, top, below, _adam_step(at, top, below)]


def _amsgrad(at: Situation) -> list[Derivation]:
    m, v = _moments(at)
    old = at.kept["largest_v"] * (1 - float(at.optimizer.beta2))
    largest = Derivation("u", "max(u, v)", f"max({num(old)}, {num(v.value)})", max(old, v.value))
    top = _corrected(at, "m", "beta1", m.value)
    below = _corrected(at, "u", "beta2", largest.value)
    return [m, v, largest, top, below, _adam_step(at, top, below)]


def _nadam(at: Situation) -> list[Derivation]:
    m, v = _moments(at)
    beta1, decay = float(at.optimizer.beta1), float(at.optimizer.momentum_decay)
    now, following = (beta1 * (1 - 0.5 * 0.96 ** (n * decay)) for n in (at.n, at.n + 1))
    product = float(at.rule.constants["momentum_product"]) * now
    of_m = following / (1 - product * following)
    of_g = (1 - now) / (1 - product)
    top = Derivation(
        "a",
        "mu' / (1 - c mu') m + (1 - mu) / (1 - c) g",
        f"{times(of_m, m.value)} + {times(of_g, at.g)}",
        of_m * m.value + of_g * at.g,
        f"mu = {num(now)} is the momentum of this step, mu' = {num(following)} that of the next, "
        f"c = {num(product)} the product of all so far",
    )
    below = _corrected(at, "v", "beta2", v.value)
    return [m, v, top, below, _adam_step(at, top, below)]


def _adagrad(at: Situation) -> list[Derivation]:
    old, epsilon = at.kept["sum_of_squares"], float(at.optimizer.epsilon)
    s = Derivation("s", "s + g²", f"{num(old)} + {arg(at.g)}²", old + at.g * at.g)
    shrink = 1 + (at.n - 1) * float(at.optimizer.learning_rate_decay)
    front, numbers = "lr", num(at.lr)
    if shrink != 1:
        front = "lr / (1 + (n - 1) learning_rate_decay)"
        numbers = f"{num(at.lr)} / {num(shrink)}"
    step = at.lr / shrink * at.g / (math.sqrt(s.value) + epsilon)
    text = f"{numbers} · {arg(at.g)} / (√{num(s.value)} + {num(epsilon)})"
    return [s, at.moved(f"{front} g / (√s + epsilon)", text, step)]


def _rmsprop(at: Situation) -> list[Derivation]:
    options = at.optimizer
    alpha, epsilon = float(options.alpha), float(options.epsilon)
    s = _average("s", "alpha", alpha, at.kept["square_average"] * (1 - alpha), at.g * at.g, "g²")
    lines, below, letters = [s], s.value, "√s"
    numbers = f"√{num(s.value)}"
    if options.centered:
        old = at.kept["gradient_average"] * (1 - alpha)
        m = _average("m", "alpha", alpha, old, at.g, "g")
        lines.append(m)
        below, letters = max(s.value - m.value**2, 0.0), "√(s - m²)"
        numbers = f"√({num(s.value)} - {arg(m.value)}²)"
    quotient = at.g / (math.sqrt(below) + epsilon)
    divided = f"{arg(at.g)} / ({numbers} + {num(epsilon)})"
    if not options.momentum:
        move = at.moved(f"lr g / ({letters} + epsilon)", f"{num(at.lr)} · {divided}", 0.0)
        return [*lines, _with_value(move, at.w - at.lr * quotient)]
    keep = float(options.momentum)
    old = at.kept["velocity"] / math.sqrt(1 - alpha)
    v = Derivation(
        "v",
        f"momentum v + g / ({letters} + epsilon)",
        f"{times(keep, old)} + {divided}",
        keep * old + quotient,
    )
    return [*lines, v, at.moved("lr v", times(at.lr, v.value), at.lr * v.value)]


def _with_value(derivation: Derivation, value: float) -> Derivation:
    return Derivation(derivation.symbol, derivation.formula, derivation.numbers, value)


_ADAM = (
    "m = beta1 m + (1 - beta1) g",
    "v = beta2 v + (1 - beta2) g²",
    "m̂ = m / (1 - beta1^n), v̂ = v / (1 - beta2^n)",
    "w = w - lr m̂ / (√v̂ + epsilon)",
)

_ADAM_WHY = (
    "m is a running average of the gradient and smooths the noise of the batches; v is one of its "
    "square. Their quotient is about +1 or -1 where the gradient keeps its sign, and small where "
    "it keeps changing: so each weight moves by about lr a step at most, however large or small "
    "its gradients are. Both averages start at 0, so the first of them are too small, by the "
    "factor 1 - beta^n; m̂ and v̂ undo that. In step 1 they are g and g², and every weight moves by "
    "almost exactly lr against the sign of its gradient."
)

UPDATES: dict[str, Update] = {
    "sgd": Update(
        ("w = w - lr g",),
        "The gradient says where the loss grows; the weight goes the other way, in proportion.",
        _sgd,
    ),
    "momentum": Update(
        ("v = momentum v + (1 - dampening) g", "w = w - lr v"),
        "v remembers the gradients of the steps before, each weighed less by the factor momentum "
        "per step. Along a valley they add up, to 1 / (1 - momentum) times one of them; across it "
        "they cancel.",
        _momentum,
    ),
    "nesterov": Update(
        ("v = momentum v + g", "w = w - lr (g + momentum v)"),
        "As momentum, but it takes the gradient into account as if it stood where the velocity "
        "leads next: it brakes earlier.",
        _nesterov,
    ),
    "adagrad": Update(
        ("s = s + g²", "w = w - lr g / (√s + epsilon)"),
        "Each weight has a rate of its own, which shrinks with the squares of its gradients so "
        "far: weights that rarely get one keep a large rate.",
        _adagrad,
    ),
    "rmsprop": Update(
        ("s = alpha s + (1 - alpha) g²", "w = w - lr g / (√s + epsilon)"),
        "s is a running average of the squared gradient, so g / √s is about the sign of g: weights "
        "with small gradients move as far as those with large ones. The average starts at 0, so "
        "the first steps are longer, by up to 1 / √(1 - alpha). Centered, m² is taken off s; with "
        "momentum, the quotient feeds a velocity.",
        _rmsprop,
    ),
    "adam": Update(_ADAM, _ADAM_WHY, _adam),
    "amsgrad": Update(
        (*_ADAM[:2], "u = max(u, v)", *(line.replace("v̂", "û") for line in _ADAM[2:])),
        f"{_ADAM_WHY} Here the largest v so far takes v's place, so that rates never grow again.",
        _amsgrad,
    ),
    "nadam": Update(
        (
            *_ADAM[:2],
            "a = mu' / (1 - c mu') m + (1 - mu) / (1 - c) g",
            "w = w - lr a / (√v̂ + epsilon)",
        ),
        f"{_ADAM_WHY} Here a looks one step ahead, like Nesterov's momentum: it mixes the average "
        "with the newest gradient.",
        _nadam,
    ),
    "adamw": Update(
        ("w = w (1 - lr weight_decay), for weights", *_ADAM),
        f"{_ADAM_WHY} Weight decay is apart from all that: it shrinks the weights directly, so "
        "that it isn't divided by √v̂ like a gradient.",
        _adam,
    ),
}
"""Of every optimizer, by its name in `OPTIMIZERS`."""
