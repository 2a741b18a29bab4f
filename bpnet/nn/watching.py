"""Looking on while a network computes: methods of its objects are shadowed for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

_Tensor = TypeVar("_Tensor")


@contextlib.contextmanager
def shadowed(thing: Any, **methods: Callable[..., Any]) -> Iterator[None]:
    """Let an object have other methods for a while.

    What stands in front of its class's methods already, as someone else looks on too, is there
    again afterwards.

    Parameters
    ----------
    thing
        A layer, a loss, an optimizer, ...
    methods
        What is called instead, by the name of the method.
    """
    own = vars(thing)
    before = {name: own[name] for name in methods if name in own}
    own.update(methods)
    try:
        yield
    finally:
        for name in methods:
            del own[name]
        own.update(before)


def tensors_of(layer: str, tensors: Mapping[str, _Tensor]) -> dict[str, _Tensor]:
    """Return a layer's own tensors by their short names.

    Parameters
    ----------
    layer
        Its dotted name: ``residual_1.dense_1``.
    tensors
        By full name: ``residual_1.dense_1.W``.
    """
    parts = ((full.rpartition("."), tensor) for full, tensor in tensors.items())
    return {short: tensor for (owner, _, short), tensor in parts if owner == layer}
