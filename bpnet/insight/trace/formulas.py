"""What every layer and every loss computes, forwards and backwards, and why, in words.

Everywhere dx, dy, dz, dW, ... stand for the derivatives of the loss L by x, y, z, W, ...: how much
L grows when that number grows a little, per unit. W' is W with rows and columns exchanged.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field

from bpnet.nn.layers.base import Layer
from bpnet.nn.losses import Loss


@dataclass(frozen=True)
class Formula:
    """What one layer or loss computes.

    Attributes
    ----------
    forward, backward
        The output from the input, and the derivative by the input from that by the output.
    why
        Where the backward formula comes from.
    gradients
        The derivatives by the parameters, by their short names.
    """

    forward: str
    backward: str
    why: str
    gradients: Mapping[str, str] = field(default_factory=dict)


_SLOPE = (
    "Each number goes its own way, so the chain rule has one factor: the slope of the function at "
    "the very point where the forward pass was."
)

_NORM_GRADIENTS = {"gamma": "dgamma = sum of dy x̂", "beta": "dbeta = sum of dy"}

LAYER_FORMULAS: dict[str, Formula] = {
    "dense": Formula(
        "y = x W + b",
        "dx = dy W'",
        "An input reaches the loss through every unit it feeds, so its derivative is the sum over "
        "these units of dy times the weight on that way. A weight multiplies one input on the way "
        "to one unit, so its gradient is that input times that unit's dy: a weight whose input was "
        "0 had no part in the output and stays as it is. A bias is a weight with the input 1.",
        {"W": "dW = x' dy", "b": "db = sum of dy over the rows"},
    ),
    "relu": Formula(
        "y = max(x, 0)",
        "dx = dy where x > 0, else 0",
        "Where x was above 0 the function is a line of slope 1 and lets dy through; elsewhere it "
        "is flat, and nothing that happens below can change the loss: these units do not learn "
        "from this row. At 0 itself there is a kink; any slope from 0 to 1 would do, 0 is taken.",
    ),
    "leaky_relu": Formula(
        "y = x where x > 0, else slope x",
        "dx = dy where x > 0, else slope dy",
        "A line of slope 1 above 0 and of a small slope below, so that even a unit that is "
        "switched off still learns a little.",
    ),
    "elu": Formula(
        "y = x where x > 0, else alpha (exp(x) - 1)",
        "dx = dy where x > 0, else alpha exp(x) dy",
        f"{_SLOPE} Below 0 the slope of alpha (exp(x) - 1) is alpha exp(x).",
    ),
    "gelu": Formula(
        "y = x Φ(x)",
        "dx = (Φ(x) + x φ(x)) dy",
        "The product rule: x has the slope 1 and Φ, the distribution function of the normal "
        "distribution, has its density φ as its slope.",
    ),
    "swish": Formula(
        "y = x s, s = 1 / (1 + exp(-beta x))",
        "dx = (s + beta y (1 - s)) dy",
        "The product rule: x has the slope 1, and s has the slope beta s (1 - s).",
    ),
    "sigmoid": Formula(
        "y = 1 / (1 + exp(-x))",
        "dx = y (1 - y) dy",
        f"{_SLOPE} For the sigmoid that slope can be written with its output alone: y (1 - y). It "
        "is 1/4 at most, and nearly 0 where y is close to 0 or 1: a saturated unit passes almost "
        "nothing down, which is how gradients vanish.",
    ),
    "tanh": Formula(
        "y = tanh(x)",
        "dx = (1 - y²) dy",
        f"{_SLOPE} For tanh it can be written with its output alone: 1 - y². It is 1 at 0 and "
        "nearly 0 where y is close to -1 or 1.",
    ),
    "softplus": Formula(
        "y = log(1 + exp(beta x)) / beta",
        "dx = dy / (1 + exp(-beta x))",
        f"{_SLOPE} The slope of this smooth relu is the sigmoid of beta x.",
    ),
    "softmax": Formula(
        "y = exp(x) / sum of exp(x)",
        "dx = y (dy - sum of y dy)",
        "The outputs share a sum of 1: when one x grows, its own y grows and all others shrink. "
        "So what counts is how far dy is above its mean over the row, weighted with y.",
    ),
    "identity": Formula("y = x", "dx = dy", "It does nothing, so its slope is 1."),
    "dropout": Formula(
        "y = f x, f = 0 with probability rate, else 1 / (1 - rate)",
        "dx = f dy",
        "The factors f are drawn anew for every step, but within a step forward and backward "
        "use the same ones: what was dropped had no part in the loss and gets no derivative.",
    ),
    "batch_norm": Formula(
        "y = gamma x̂ + beta, x̂ = (x - mean) / √(variance + epsilon), over the batch",
        "dx = gamma / √(variance + epsilon) (dy - mean of dy - x̂ mean of dy x̂)",
        "One x also moves the mean and the variance of its column, and through them all rows; the "
        "two subtracted means are these two detours. Where running averages take the place of "
        "the batch's own (a single row, a frozen layer) they are constants and the detours fall "
        "away.",
        _NORM_GRADIENTS,
    ),
    "layer_norm": Formula(
        "y = gamma x̂ + beta, x̂ = (x - mean) / √(variance + epsilon), over each row",
        "dx = (g - mean of g - x̂ mean of g x̂) / √(variance + epsilon), g = gamma dy",
        "One x also moves the mean and the variance of its row, and through them the other "
        "numbers of the row; the two subtracted means are these two detours.",
        _NORM_GRADIENTS,
    ),
    "flatten": Formula(
        "y = the numbers of x in one row",
        "dx = the numbers of dy in the shape of x",
        "The numbers only change places, and their derivatives change back.",
    ),
    "reshape": Formula(
        "y = the numbers of x in another shape",
        "dx = the numbers of dy in the shape of x",
        "The numbers only change places, and their derivatives change back.",
    ),
    "residual": Formula(
        "y = branch(x) + skip(x)",
        "dx = what comes back through the branch + what comes back through the skip",
        "A sum hands its dy to both of its parts as it is. Without a projection the skip path is "
        "x itself: dy comes down undiminished however deep the network is, which is the point of "
        "residual blocks.",
    ),
}
"""Of every layer, by its name in `LAYERS`."""

LOSS_FORMULAS: dict[str, Formula] = {
    "cross_entropy": Formula(
        "L = mean of -log p of the right class, p = softmax(z)",
        "dz = (p - q) / N, q = 1 for the right class, else 0",
        "By the chain rule dz[k] = dL/dp · dp/dz[k] with p the probability of the right class. "
        "dL/dp = -1/p, and softmax has dp/dz = p (1 - p) for the right class itself, "
        "-p p[k] for another class k. In the product p cancels: p - 1 for the right class, p[k] "
        "for the others, together p - q. So the derivative is simply how wrong the probabilities "
        "are, and it does not vanish however wrong they are: that is why softmax belongs to this "
        "loss.",
    ),
    "binary_cross_entropy": Formula(
        "L = mean of -t log p - (1 - t) log(1 - p), p = sigmoid(z)",
        "dz = (p - t) / (N K)",
        "By the chain rule dz = dL/dp · dp/dz. dL/dp = (1 - t)/(1 - p) - t/p = "
        "(p - t)/(p (1 - p)), and the sigmoid has dp/dz = p (1 - p). In the product p (1 - p) "
        "cancels and p - t is left: how wrong the probability is. A squared error behind a "
        "sigmoid would keep the factor p (1 - p), which is nearly 0 just where the network is "
        "surely wrong.",
    ),
    "mse": Formula(
        "L = mean of (z - t)²",
        "dz = 2 (z - t) / (N K)",
        "The slope of d² is 2 d: a residual pulls in proportion to its size, so outliers pull "
        "hardest.",
    ),
    "mae": Formula(
        "L = mean of |z - t|",
        "dz = sign(z - t) / (N K)",
        "The slope of |d| is its sign: every residual pulls equally hard, whatever its size. At 0 "
        "there is a kink, and 0 is taken.",
    ),
    "huber": Formula(
        "L = mean of d²/2 where |d| <= delta, else delta (|d| - delta/2), d = z - t",
        "dz = d clipped to -delta ... delta / (N K)",
        "Near 0 it is a parabola of slope d, farther out a line of slope delta: an outlier pulls "
        "no harder than delta.",
    ),
}
"""Of every loss, by its name in `LOSSES`."""


def of_layer(layer: Layer) -> Formula:
    """Return what a layer computes; of one that the table does not know, its own description."""
    known = LAYER_FORMULAS.get(layer.type)
    return known or Formula(_described(layer), "see the backward pass of this layer", "")


def of_loss(loss: Loss) -> Formula:
    """Return what a loss computes; of one that the table does not know, its own description."""
    known = LOSS_FORMULAS.get(loss.type)
    return known or Formula(_described(loss), "see the backward pass of this loss", "")


def _described(thing: object) -> str:
    """Return the first paragraph of a class's description."""
    text = inspect.getdoc(type(thing)) or type(thing).__name__
    return " ".join(text.split("\n\n")[0].split())
