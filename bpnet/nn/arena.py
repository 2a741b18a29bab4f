"""One flat vector for all parameters, one for their gradients, one for saved statistics.

Layers ask a :class:`Scope` for parameters while they are built; once all of them are known,
the :class:`Arena` allocates the three vectors and every parameter becomes a view into them.
So an optimizer is one update of a whole vector, a gradient norm is one dot product and a
checkpoint is a handful of arrays. (The idea: HIPS autograd's ``WeightsParser`` and climin's
``empty_with_views``.)

Parameters that decay (weights) come first, those that never do (biases, norms) after them, those
of frozen layers last: weight decay acts on the slice ``theta[:arena.decaying]``, an optimizer on
``theta[:arena.trained]``, and what is frozen has neither a gradient nor moments. Every view starts
on a 64-byte boundary; the few numbers between two views are padding, zero in all vectors for ever.
"""

from __future__ import annotations

import math
import os
import resource
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from bpnet.errors import OptionError
from bpnet.nn.vectors import ALIGNMENT, padded, views
from bpnet.streams import stream

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from bpnet.nn.initializers import Initializer

    Array = NDArray[Any]
else:  # importing numpy.typing takes longer than all of bpnet.nn
    Array = np.ndarray
Shape = tuple[int, ...]


def aligned(shape: Shape, dtype: DTypeLike) -> Array:
    """Allocate an uninitialized C-ordered array on a 64-byte boundary.

    NumPy's own allocations are 16-byte aligned, which costs vector instructions that
    cross cache lines.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


class Scratch:
    """The reusable buffers of one layer, by name.

    A buffer grows to the largest size that was asked for; a smaller request gets the front
    of it. So nothing is allocated in a training step, and a smaller last batch costs nothing.
    """

    __slots__ = ("_flat", "dtype")

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self._flat: dict[str, Array] = {}

    def __call__(self, name: str, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        """Return the buffer `name` with this shape; its content is undefined."""
        size = math.prod(shape)
        flat = self._flat.get(name)
        if flat is None or flat.size < size:
            flat = self._flat[name] = aligned((size,), dtype or self.dtype)
        return flat[:size].reshape(shape)

    @property
    def nbytes(self) -> int:
        """Bytes held by all buffers."""
        return self.bytes_of(None)

    def bytes_of(self, name: str | None) -> int:
        """Return the bytes held by one buffer, or by all."""
        named = self._flat.items()
        return sum(flat.nbytes for other, flat in named if name in (None, other))

    def poison(self) -> None:
        """Fill all buffers with NaN (integers: the largest value), to find stale reads."""
        for flat in self._flat.values():
            if flat.dtype.kind == "f":
                flat.fill(np.nan)
            elif flat.dtype.kind == "b":
                flat.fill(True)
            else:
                flat.fill(np.iinfo(flat.dtype).max)


@dataclass(eq=False, slots=True)
class Param:
    """One named tensor of an arena: trained (``decay`` says how), frozen, or only saved (state).

    ``value`` and ``grad`` are views that exist once the arena is allocated; a frozen tensor's
    ``grad`` has no elements, a state tensor has none.
    """

    name: str
    shape: Shape
    init: Initializer
    fans: tuple[int, int]
    gain: float
    decay: bool = False
    frozen: bool = False
    value: Array = field(init=False, repr=False)
    grad: Array = field(init=False, repr=False)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Plan:
    """What all scopes of one network share: defaults, and the tensors asked for so far.

    ``freezes`` says of a layer's dotted name whether that layer keeps its parameters.
    """

    dtype: np.dtype[Any]
    init: Initializer
    bias_init: Initializer
    output_size: int | None
    freezes: Callable[[str], bool] = lambda layer: False
    params: list[Param] = field(default_factory=list)
    states: list[Param] = field(default_factory=list)
    scratches: list[Scratch] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scope:
    """What one layer may ask for while it is built.

    Attributes
    ----------
    name
        Dotted name of the layer: ``dense_1``, ``residual_2.dense_1``.
    gain
        Recommended gain of weights here, given the activation that follows.
    frozen
        Whether this layer, or a block around it, keeps its parameters as they are.
    """

    plan: Plan
    name: str = ""
    gain: float = 1.0
    frozen: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of all floating-point arrays of the network."""
        return self.plan.dtype

    @property
    def output_size(self) -> int | None:
        """How many outputs the target needs; None if nobody said."""
        return self.plan.output_size

    def child(self, name: str, gain: float = 1.0) -> Scope:
        """Return the scope of a layer inside this one."""
        full = f"{self.name}.{name}" if self.name else name
        return replace(self, name=full, gain=gain, frozen=self.frozen or self.plan.freezes(full))

    def param(
        self,
        name: str,
        shape: Shape,
        init: Initializer | None = None,
        *,
        decay: bool,
        fans: tuple[int, int] | None = None,
    ) -> Param:
        """Ask for a tensor that is trained, unless this layer is frozen.

        Parameters
        ----------
        name
            Its name inside the layer: ``W``, ``b``, ``gamma``.
        shape
            Its shape.
        init
            How it starts; None takes the network's initializer for weights (``decay=True``)
            or for biases.
        decay
            Whether weight decay acts on it: weights yes, biases and norms never.
        fans
            Inputs and outputs of one unit, for the initializers that scale by them; from
            the shape (first dimension in, last out) if left out.

        Raises
        ------
        OptionError
            If the parameters so far can't fit into this machine's memory.
        """
        chosen = init or (self.plan.init if decay else self.plan.bias_init)
        fans = fans or (shape[0], shape[-1])
        param = Param(
            f"{self.name}.{name}",
            shape,
            chosen,
            fans,
            self.gain,
            decay=decay and not self.frozen,
            frozen=self.frozen,
        )
        self.plan.params.append(param)
        _refuse_too_large(self.plan.params, self.dtype)
        return param

    def state(self, name: str, shape: Shape, init: Initializer) -> Param:
        """Ask for a tensor that is saved but not trained (a running mean)."""
        param = Param(f"{self.name}.{name}", shape, init, (1, 1), 1.0)
        self.plan.states.append(param)
        return param

    def scratch(self) -> Scratch:
        """Return a set of reusable buffers for this layer."""
        scratch = Scratch(self.plan.dtype)
        self.plan.scratches.append(scratch)
        return scratch


class Arena:
    """All tensors of a network as three flat vectors, with named views.

    Attributes
    ----------
    theta
        All parameters, ``(P,)``.
    grad
        Their gradients as far as they are trained, ``(trained,)``, laid out as in theta.
    state
        Saved statistics, ``(S,)``.
    decaying
        ``theta[:decaying]`` decays (weights), the rest never does (biases, norms).
    trained
        ``theta[:trained]`` is trained, the rest is frozen.
    params, states
        The views by name, in the order of the vectors.

    Parameters
    ----------
    plan
        The tensors.
    weights
        The arena of the same tensors whose `theta` this one shares; None for a `theta` of its own.
    """

    def __init__(self, plan: Plan, weights: Arena | None = None) -> None:
        ordered = sorted(plan.params, key=lambda p: (p.frozen, not p.decay))
        trained = [p for p in ordered if not p.frozen]
        self.dtype = plan.dtype
        shared = None if weights is None else weights.theta
        self.theta: Array = _allocate(ordered, plan.dtype, "value", shared)
        self.grad = _allocate(trained, plan.dtype, "grad")
        self.state = _allocate(plan.states, plan.dtype, "value")
        for param in ordered[len(trained) :]:
            param.grad = self.grad[:0]
        self.params = {param.name: param for param in ordered}
        self.states = {param.name: param for param in plan.states}
        self.decaying = sum(padded(p.size, plan.dtype) for p in ordered if p.decay)
        self.trained = len(self.grad)
        self._scratches = plan.scratches
        self._accumulated: Array | None = None

    @property
    def size(self) -> int:
        """Number of parameters, without padding."""
        return sum(p.size for p in self.params.values())

    @property
    def trained_size(self) -> int:
        """Number of parameters that aren't frozen, without padding."""
        return sum(p.size for p in self.params.values() if not p.frozen)

    def layout(self) -> dict[str, list[list[Any]]]:
        """Return name and shape of every tensor, in the order of `theta` and of `state`.

        Lists, as the order must survive a file of JSON with sorted keys; see `views`.
        """
        return {
            "theta": [[param.name, list(param.shape)] for param in self.params.values()],
            "state": [[param.name, list(param.shape)] for param in self.states.values()],
        }

    def initialize(self, seed: int) -> None:
        """Fill every tensor by its initializer, each from its own random stream.

        A stream depends on the seed and the tensor's name only, so adding a layer leaves
        the start of the others as it was; and float32 starts from the rounded float64 values.
        """
        for param in [*self.params.values(), *self.states.values()]:
            rng = stream(seed, "init", zlib.crc32(param.name.encode()))
            param.value[...] = param.init.draw(param.shape, param.fans, param.gain, rng)

    def accumulate(self, gradient: Array | None = None, *, first: bool) -> None:
        """Add a gradient, by default this arena's, to the sum; `first` starts it anew."""
        gradient = self.grad if gradient is None else gradient
        if self._accumulated is None:
            self._accumulated = aligned(self.grad.shape, self.dtype)
        if first:  # a copy, not a product with 0: NaN would stay
            np.copyto(self._accumulated, gradient)
        else:
            np.add(self._accumulated, gradient, self._accumulated)

    def take_accumulated(self) -> None:
        """Put the accumulated gradient where a single batch's would stand."""
        assert self._accumulated is not None
        np.copyto(self.grad, self._accumulated)

    def scratch_bytes(self, name: str | None = None) -> int:
        """Return the bytes of the layers' buffers, or only of those of one name."""
        return sum(scratch.bytes_of(name) for scratch in self._scratches)

    def poison(self) -> None:
        """Fill every gradient and every buffer with NaN: a right layer doesn't notice."""
        for param in self.params.values():
            param.grad.fill(np.nan)
        for scratch in self._scratches:
            scratch.poison()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an arena can't be copied or pickled, as its views would come apart; "
            "build the network again and copy the numbers: other.theta[:] = arena.theta"
        )

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__reduce__()


def _refuse_too_large(params: Sequence[Param], dtype: np.dtype[Any]) -> None:
    """Refuse parameters that, with gradients and moments, can't fit into this machine's memory."""
    count = sum(param.size for param in params)
    vectors = sum(param.size * (2 if param.frozen else 5) for param in params)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    memory = memory if limit == resource.RLIM_INFINITY else min(memory, limit)
    # Values and the best so far; and, where they are trained, gradients and two moments.
    if vectors * dtype.itemsize > memory:
        last = params[-1]
        raise OptionError(
            f"with {last.name} ({' x '.join(map(str, last.shape))}) the network has {count:,} "
            f"parameters, and training them does not fit into {memory / 2**30:.3g} GiB of memory; "
            "make it smaller"
        )


def _allocate(
    params: Sequence[Param], dtype: np.dtype[Any], attribute: str, flat: Array | None = None
) -> Array:
    """Hang a view of one vector on each of `params`; without `flat` it is a new one of zeros."""
    if flat is None:
        flat = aligned((sum(padded(p.size, dtype) for p in params),), dtype)
        flat.fill(0)
    named = views(flat, [(param.name, param.shape) for param in params])
    for param in params:
        setattr(param, attribute, named[param.name])
    return flat
