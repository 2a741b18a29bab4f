"""How a tensor starts.

Legend: fan_in and fan_out are the inputs and outputs of one unit; `gain` allows for the
activation that follows (see `Layer.gain`), so that the signal keeps its variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol

import numpy as np

from bpnet.errors import OptionError
from bpnet.nn.arena import Array, Shape
from bpnet.options import Choice, NonNegative, Positive

Gain = Annotated[
    Literal["auto"] | Positive, "factor on the scale; auto: what suits the following activation"
]

Distribution = Annotated[
    Literal["uniform", "normal"], "shape of the distribution; its variance stays the same"
]


class Initializer(Protocol):
    """A rule that draws the first values of a tensor."""

    def draw(
        self, shape: Shape, fans: tuple[int, int], gain: float, rng: np.random.Generator
    ) -> Array:
        """Return float64 values of this shape.

        Parameters
        ----------
        shape
            Shape of the tensor.
        fans
            Inputs and outputs of one unit.
        gain
            What the following activation recommends; an explicit gain overrides it.
        rng
            The tensor's own random stream.
        """
        ...


@dataclass
class Scaled:
    """Zero mean and variance gain² / fan: the signal keeps its size from layer to layer."""

    distribution: Distribution
    gain: Gain = "auto"

    def fan(self, fan_in: int, fan_out: int) -> float:
        """Return what the variance is divided by."""
        raise NotImplementedError

    def draw(
        self, shape: Shape, fans: tuple[int, int], gain: float, rng: np.random.Generator
    ) -> Array:
        std = (gain if self.gain == "auto" else self.gain) / math.sqrt(self.fan(*fans))
        if self.distribution == "normal":
            return rng.normal(0.0, std, shape)
        bound = math.sqrt(3.0) * std
        return rng.uniform(-bound, bound, shape)


@dataclass
class Xavier(Scaled):
    """Variance 2 gain² / (fan_in + fan_out): activations and gradients keep their size.

    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010), equation 16.
    """

    distribution: Distribution = "uniform"

    def fan(self, fan_in: int, fan_out: int) -> float:
        return (fan_in + fan_out) / 2


@dataclass
class XavierUniform(Xavier):
    """Xavier's scale, drawn evenly from ± gain √(6 / (fan_in + fan_out))."""

    distribution: Literal["uniform"] = field(default="uniform", init=False)


@dataclass
class XavierNormal(Xavier):
    """Xavier's scale, drawn from a normal distribution."""

    distribution: Literal["normal"] = field(default="normal", init=False)


@dataclass
class He(Scaled):
    """Variance gain² / fan_in: activations keep their size, also behind a relu (gain √2).

    He et al., "Delving deep into rectifiers" (2015), equation 10, arXiv:1502.01852.
    """

    distribution: Distribution = "normal"

    def fan(self, fan_in: int, fan_out: int) -> float:
        return fan_in


@dataclass
class HeUniform(He):
    """He's scale, drawn evenly from ± gain √(3 / fan_in)."""

    distribution: Literal["uniform"] = field(default="uniform", init=False)


@dataclass
class HeNormal(He):
    """He's scale, drawn from a normal distribution."""

    distribution: Literal["normal"] = field(default="normal", init=False)


@dataclass
class LeCun(He):
    """Variance 1 / fan_in, whatever follows.

    LeCun et al., "Efficient BackProp" (1998), section 4.6.
    """

    gain: float = field(default=1.0, init=False)


@dataclass
class Orthogonal:
    """Orthonormal columns (or rows, if there are fewer), times the gain.

    All dimensions but the last are taken as one. Saxe et al., "Exact solutions to the
    nonlinear dynamics of learning in deep linear neural networks" (2014), arXiv:1312.6120.
    """

    gain: Gain = "auto"

    def draw(
        self, shape: Shape, fans: tuple[int, int], gain: float, rng: np.random.Generator
    ) -> Array:
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        # QR leaves the signs open; with R's diagonal positive, Q is uniform (Mezzadri, 2007).
        q *= np.copysign(1.0, np.diagonal(r))
        q *= gain if self.gain == "auto" else self.gain
        return (q if rows >= columns else q.T).reshape(shape)


@dataclass
class Normal:
    """Draws from a normal distribution, whatever the tensor's shape."""

    mean: Annotated[float, "its centre"] = 0.0
    std: Annotated[NonNegative, "its standard deviation"] = 0.05

    def draw(
        self, shape: Shape, fans: tuple[int, int], gain: float, rng: np.random.Generator
    ) -> Array:
        return rng.normal(self.mean, self.std, shape)


@dataclass
class Uniform:
    """Draws evenly between two bounds, whatever the tensor's shape."""

    low: Annotated[float, "lower bound"] = -0.05
    high: Annotated[float, "upper bound"] = 0.05

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise OptionError(f"low ({self.low:g}) lies above high ({self.high:g})", "low")

    def draw(
        self, shape: Shape, fans: tuple[int, int], gain: float, rng: np.random.Generator
    ) -> Array:
        return rng.uniform(self.low, self.high, shape)


@dataclass
class Constant:
    """The same number everywhere."""

    value: Annotated[float, "the number"]

    def draw(
        self, shape: Shape, fans: tuple[int, int], gain: float, rng: np.random.Generator
    ) -> Array:
        return np.full(shape, float(self.value))


@dataclass
class Zeros:
    """0 everywhere: for biases; weights of zeros would all learn the same."""

    def draw(
        self, shape: Shape, fans: tuple[int, int], gain: float, rng: np.random.Generator
    ) -> Array:
        return np.zeros(shape)


InitializerOption = Annotated[Initializer, Choice("initializer")]
"""A field that holds an initializer: ``he`` or ``{type: normal, std: 0.01}`` in YAML."""

INITIALIZERS: dict[str, type[Initializer]] = {
    "xavier": Xavier,
    "xavier_uniform": XavierUniform,
    "xavier_normal": XavierNormal,
    "he": He,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun": LeCun,
    "orthogonal": Orthogonal,
    "normal": Normal,
    "uniform": Uniform,
    "constant": Constant,
    "zeros": Zeros,
}
"""All initializers by the name they have in YAML."""
