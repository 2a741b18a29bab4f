"""What a layer is. A new one is one dataclass in one file and one line in `LAYERS`.

Legend for all layers: N batch, T time, F features in, U units out, C channels, H W height
and width. Shapes that `build` passes on leave the batch out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from bpnet.errors import OptionError
from bpnet.nn.arena import Array, Scope, Shape
from bpnet.options import Choice

if TYPE_CHECKING:
    from bpnet.nn.layers.chain import Chain


@dataclass(slots=True)
class Pass:
    """What travels with a batch through the layers.

    Attributes
    ----------
    train
        True while training: dropout drops, batch norm uses the batch's statistics.
    rng
        The random stream of dropout; None where nothing may be random.
    mask
        True where a position of a sequence is real, False where it is padding, ``(N, T)``.
    """

    train: bool = False
    rng: np.random.Generator | None = None
    mask: Array | None = None


Kinds = Mapping["type[Layer]", "type[Layer]"]
"""The kind of layer that takes another's place."""


@dataclass
class Layer:
    """A function with its derivative; its fields (those with ``init``) are its YAML options.

    The protocol: `build` once, then `forward` and `backward` in turn. What they return belongs
    to the layer and stays valid until its next call of the same name; `x` and `dy` are left as
    they are (but see `inplace`). `backward` OVERWRITES the gradients of the parameters; a frozen
    layer has none to fill.

    All buffers come from `Scope.scratch`, bound to the batch size by `prepare`, so that a step
    allocates nothing. Shapes are fixed by `build` except for the batch (and time).
    """

    name: Annotated[
        str, "name of the layer in reports and files; by default its type and a count"
    ] = field(default="", kw_only=True)

    rows: int = field(default=-1, init=False, repr=False, compare=False)
    """The batch size that the buffers are bound to."""

    inplace: bool = field(default=False, init=False, repr=False, compare=False)
    """Set by the chain: `forward` may write its output over `x`. See `can_overwrite`."""

    frozen: bool = field(default=False, init=False, repr=False, compare=False)
    """Set by the chain: parameters (whose `grad` has no elements) and state stay as they are."""

    type: ClassVar[str]
    """The name in `LAYERS`, which sets it."""

    random: ClassVar[bool] = False
    """Whether a training pass draws from `Pass.rng`."""

    reads_output: ClassVar[bool] = True
    """Whether `backward` reads the output that `forward` returned; where it doesn't, say False,
    and the next layer may write over that output."""

    fresh_output: ClassVar[bool] = True
    """Whether `forward` returns a buffer of its own; False for its input or a view of it."""

    can_overwrite: ClassVar[bool] = False
    """Whether the layer honours `inplace`: then its `backward` must do without `x`."""

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        """Ask the scope for parameters; return the shape of one output (batch left out).

        Raises
        ------
        OptionError
            If the input's shape does not suit, with the name of the option concerned, if any.
        """
        raise NotImplementedError

    def prepare(self, n: int) -> None:
        """Bind the buffers for batches of `n` rows."""

    def forward(self, x: Array, step: Pass) -> Array:
        """Return the output for the batch `x`, ``(N, *in_shape)``."""
        raise NotImplementedError

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Fill the parameters' gradients from `dy` = dL/dy; return dL/dx if it is needed."""
        raise NotImplementedError

    def unbuilt(self, other: Kinds = MappingProxyType({})) -> Layer:
        """Return a layer with the same options that belongs to no network yet.

        Parameters
        ----------
        other
            The kind that takes a kind's place, here and in all layers within.
        """
        options = {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        kind = other.get(type(self), type(self))
        return kind(**{name: _unbuilt(option, other) for name, option in options.items()})

    def take_names(self, other: Layer) -> None:
        """Take over the names that a layer with the same options, and those in it, have got."""
        self.name = other.name
        for each in fields(self):
            if each.init:
                mine, theirs = (_layers_in(getattr(layer, each.name)) for layer in (self, other))
                for layer, named in zip(mine, theirs, strict=True):
                    layer.take_names(named)

    def chains(self) -> Sequence[Chain]:
        """Return the chains of layers inside this one; a block that nests layers has some."""
        return ()

    def gain(self) -> float | None:
        """Recommend a gain for the weights that feed this layer.

        1 for a linear layer (the default), more for activations that shrink the signal; None
        passes the question on to the next layer (dropout, norms, reshaping).
        """
        return 1.0


def _layers_in(option: Any) -> list[Layer]:
    """Return the layers that an option of a layer holds."""
    held = option if isinstance(option, list) else [option]
    return [each for each in held if isinstance(each, Layer)]


def _unbuilt(option: Any, other: Kinds) -> Any:
    """Return an option of a layer; the layers in it, if there are any, unbuilt."""
    if isinstance(option, Layer):
        return option.unbuilt(other)
    return [_unbuilt(item, other) for item in option] if isinstance(option, list) else option


def number(value: float, scope: Scope, option: str = "") -> Array:
    """Return a constant as a 0-d array, which NumPy needn't convert at every call.

    Raises
    ------
    OptionError
        If the value of `option` overflows, or vanishes, in the network's precision.
    """
    limits = np.finfo(scope.dtype)
    lowest, highest = float(limits.tiny), float(limits.max)
    if abs(value) > highest or 0 < abs(value) < lowest:
        raise OptionError(
            f"expected a number that {scope.dtype} can hold, {lowest:.2g} to {highest:.2g}, "
            f"received {abs(value):g}",
            option,
        )
    return np.array(value, scope.dtype)


def sides(shape: Shape) -> str:
    """Write a shape as people do: ``28x28x3``."""
    return "x".join(map(str, shape))


LayerOption = Annotated[Layer, Choice("layer")]
"""A field that holds a layer: ``{type: dense, units: 64}`` in YAML."""
