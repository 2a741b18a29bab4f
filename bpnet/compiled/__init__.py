"""The same arithmetic in fewer passes: loops that numba compiles, for ``compute: numba``.

Where NumPy goes over an array once for each operation, a compiled loop goes over it once. The
classes here are the engine's own with some methods replaced; options, state and meaning are
theirs, and results are equal to rounding. What has no class here computes with NumPy.

Numba is imported when the first class is asked for.
"""

from __future__ import annotations

import copy
import importlib.util
from typing import TypeVar

from bpnet.errors import OptionError
from bpnet.nn.layers.base import Layer
from bpnet.nn.losses import Loss
from bpnet.optim.optimizers import Optimizer

_Part = TypeVar("_Part", Loss, Optimizer)


def require() -> None:
    """Make sure that numba is installed.

    Raises
    ------
    OptionError
        If it is not; it says what to install.
    """
    if importlib.util.find_spec("numba") is None:
        raise OptionError(
            "the package numba is not installed: pip install 'bpnet[numba]', or compute with numpy"
        )


def compiled_layer(layer: Layer) -> Layer:
    """Return an unbuilt layer with the same options, compiled where that is faster."""
    from bpnet.compiled.layers import COMPILED

    return layer.unbuilt(COMPILED)


def compiled_loss(loss: Loss) -> Loss:
    """Return a built loss that computes the same, compiled where that is faster."""
    from bpnet.compiled.losses import COMPILED

    return _turned(loss, COMPILED.get(type(loss)))


def compiled_optimizer(optimizer: Optimizer) -> Optimizer:
    """Return an unbound optimizer with the same options, compiled where that is faster."""
    from bpnet.compiled.optimizers import COMPILED

    return _turned(optimizer, COMPILED.get(type(optimizer)))


def _turned(part: _Part, kind: type[_Part] | None) -> _Part:
    """Return a part with all that it knows, as another kind."""
    if kind is None:
        return part
    other = copy.copy(part)
    other.__class__ = kind
    return other
