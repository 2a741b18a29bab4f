"""One flat vector for all parameters, one for their gradients, one for saved statistics.

Layers ask a :class:`Scope` for parameters while they are built; once all of them are known,
the :class:`Arena` allocates the three vectors and every parameter becomes a view into them.
So an optimizer is one update of a whole vector, a gradient norm is one dot product and a
checkpoint is a handful of arrays. (The idea: HIPS autograd's ``WeightsParser`` and climin's
``empty_with_views``.)

Parameters that decay (weights) come first, those that never do (biases, norms) after them:
weight decay acts on the slice ``theta[:arena.decaying]``. Every view starts on a 64-byte
boundary; the few numbers between two views are padding, zero in all vectors for ever.
"""

from __future__ import annotations

import math
import os
import resource
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from bpnet.errors import OptionError
from bpnet.streams import stream

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from bpnet.nn.initializers import Initializer

    Array = NDArray[Any]
else:  # importing numpy.typing takes longer than all of bpnet.nn
    Array = np.ndarray
Shape = tuple[int, ...]

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register."""


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
        return sum(flat.nbytes for flat in self._flat.values())

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
    """One named tensor of an arena: trained (``decay`` says how) or only saved (state).

    ``value`` and ``grad`` are views that exist once the arena is allocated; ``grad`` of a
    state tensor stays empty.
    """

    name: str
    shape: Shape
    init: Initializer
    fans: tuple[int, int]
    gain: float
    decay: bool = False
    value: Array = field(init=False, repr=False)
    grad: Array = field(init=False, repr=False)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Plan:
    """What all scopes of one network share: defaults, and the tensors asked for so far."""

    dtype: np.dtype[Any]
    init: Initializer
    bias_init: Initializer
    output_size: int | None
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
    """

    plan: Plan
    name: str = ""
    gain: float = 1.0

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
        return replace(self, name=f"{self.name}.{name}" if self.name else name, gain=gain)

    def param(
        self,
        name: str,
        shape: Shape,
        init: Initializer | None = None,
        *,
        decay: bool,
        fans: tuple[int, int] | None = None,
    ) -> Param:
        """Ask for a trained tensor.

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
        param = Param(f"{self.name}.{name}", shape, chosen, fans, self.gain, decay)
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
    theta, grad
        Parameters and their gradients, ``(P,)``, of the same layout.
    state
        Saved statistics, ``(S,)``.
    decaying
        ``theta[:decaying]`` decays (weights), the rest never does (biases, norms).
    params, states
        The views by name, in the order of the vectors.
    """

    def __init__(self, plan: Plan) -> None:
        ordered = [p for p in plan.params if p.decay] + [p for p in plan.params if not p.decay]
        self.dtype = plan.dtype
        self.params = _by_name(ordered)
        self.states = _by_name(plan.states)
        self.theta = _allocate(ordered, plan.dtype, "value")
        self.grad = _allocate(ordered, plan.dtype, "grad")
        self.state = _allocate(plan.states, plan.dtype, "value")
        self.decaying = sum(_padded(p.size, plan.dtype) for p in ordered if p.decay)
        self._scratches = plan.scratches
        self._accumulated: Array | None = None

    @property
    def size(self) -> int:
        """Number of trained parameters, without padding."""
        return sum(p.size for p in self.params.values())

    def layout(self) -> dict[str, list[int]]:
        """Return the name and shape of every parameter, in the order of `theta`."""
        return {param.name: list(param.shape) for param in self.params.values()}

    def initialize(self, seed: int) -> None:
        """Fill every tensor by its initializer, each from its own random stream.

        A stream depends on the seed and the tensor's name only, so adding a layer leaves
        the start of the others as it was; and float32 starts from the rounded float64 values.
        """
        for param in [*self.params.values(), *self.states.values()]:
            rng = stream(seed, "init", zlib.crc32(param.name.encode()))
            param.value[...] = param.init.draw(param.shape, param.fans, param.gain, rng)

    def accumulate(self, *, first: bool) -> None:
        """Add the gradient to the accumulated one; `first` starts it anew."""
        if self._accumulated is None:
            self._accumulated = aligned(self.grad.shape, self.dtype)
        if first:  # a copy, not a product with 0: NaN would stay
            np.copyto(self._accumulated, self.grad)
        else:
            np.add(self._accumulated, self.grad, self._accumulated)

    def take_accumulated(self) -> None:
        """Put the accumulated gradient where a single batch's would stand."""
        assert self._accumulated is not None
        np.copyto(self.grad, self._accumulated)

    @property
    def scratch_bytes(self) -> int:
        """Bytes held by the layers' buffers."""
        return sum(scratch.nbytes for scratch in self._scratches)

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
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    memory = memory if limit == resource.RLIM_INFINITY else min(memory, limit)
    if 5 * count * dtype.itemsize > memory:  # and gradients, two moments, the best so far
        last = params[-1]
        raise OptionError(
            f"with {last.name} ({' x '.join(map(str, last.shape))}) the network has {count:,} "
            f"parameters, and training them does not fit into {memory / 2**30:.0f} GiB of memory; "
            "make it smaller"
        )


def _padded(size: int, dtype: np.dtype[Any]) -> int:
    """Round a number of elements up to whole alignments."""
    step = ALIGNMENT // dtype.itemsize
    return -(-size // step) * step


def _by_name(params: Iterable[Param]) -> dict[str, Param]:
    named: dict[str, Param] = {}
    for param in params:
        if param.name in named:
            raise ValueError(f"two tensors are named {param.name!r}")
        named[param.name] = param
    return named


def _allocate(params: Iterable[Param], dtype: np.dtype[Any], attribute: str) -> Array:
    """Allocate one zeroed vector for `params` and hang a view of it on each."""
    params = list(params)
    flat = aligned((sum(_padded(p.size, dtype) for p in params),), dtype)
    flat.fill(0)
    start = 0
    for param in params:
        setattr(param, attribute, flat[start : start + param.size].reshape(param.shape))
        start += _padded(param.size, dtype)
    return flat
