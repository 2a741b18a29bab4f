"""What keeps the weights small: penalties in the gradient, and a cap on their norms.

All of it acts on weights only (``theta[:arena.decaying]``), never on biases and norms, nor on
what is frozen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from bpnet.errors import DivergedError
from bpnet.nn.arena import Arena, Array, aligned
from bpnet.optim.blocks import blocks, constant
from bpnet.options import NonNegative


@dataclass
class Regularization:
    """Add l1 sum |w| + l2/2 sum w^2 to the loss, and cap the norm of each unit's weights.

    In a step: `add_gradient` once the gradient is complete (before clipping), `constrain` after
    the optimizer. A `weight_decay` of the optimizer that isn't decoupled is the same as l2,
    but acts after clipping.
    """

    l1: Annotated[NonNegative, "pull of weights towards 0, equally strong for all (lasso)"] = 0
    l2: Annotated[NonNegative, "pull of weights towards 0, in proportion to each (ridge)"] = 0
    max_norm: Annotated[
        NonNegative, "largest norm of the weights that feed one unit; 0: no limit"
    ] = 0

    arena: Arena | None = field(default=None, init=False, repr=False, compare=False)

    def bind(self, arena: Arena) -> None:
        """Allocate the buffers for this arena; the other methods do it when they first meet it."""
        self.arena = arena
        dtype, weights = arena.dtype, slice(0, arena.decaying)
        theta, grad = arena.theta[weights], arena.grad[weights]
        pieces = list(blocks(len(theta)))
        longest = max((piece.stop - piece.start for piece in pieces), default=0)
        scratch = aligned((longest,), dtype)
        self._blocks = [
            (theta[piece], grad[piece], scratch[: piece.stop - piece.start]) for piece in pieces
        ]
        self._l1, self._l2 = constant(self.l1, dtype), constant(self.l2, dtype)
        self._limit = constant(self.max_norm, dtype)
        # A unit's incoming weights are a column of W (F, U), also of a kernel (..., C, U).
        tensors = [p.value for p in arena.params.values() if p.decay and len(p.shape) > 1]
        self._columns: list[tuple[Array, Array, Array]] = []
        if self.max_norm and tensors:
            squares = aligned((max(w.size for w in tensors),), dtype)
            for w in tensors:
                matrix = w.reshape(-1, w.shape[-1])
                norms = aligned((matrix.shape[1],), dtype)
                self._columns.append((matrix, squares[: w.size].reshape(matrix.shape), norms))

    def add_gradient(self, arena: Arena) -> None:
        """Add l1 sign(w) + l2 w to the gradient of the weights."""
        if not (self.l1 or self.l2):
            return
        if self.arena is not arena:
            self.bind(arena)
        for w, grad, t in self._blocks:
            if self.l2:
                np.multiply(w, self._l2, t)
                np.add(grad, t, grad)
            if self.l1:
                np.sign(w, t)
                np.multiply(t, self._l1, t)
                np.add(grad, t, grad)

    def penalty(self, arena: Arena) -> float:
        """Return l1 sum |w| + l2/2 sum w^2: what the gradient of `add_gradient` belongs to."""
        if not (self.l1 or self.l2):
            return 0.0
        if self.arena is not arena:
            self.bind(arena)
        absolute = square = 0.0
        for w, _, t in self._blocks:
            absolute += float(np.add.reduce(np.abs(w, t)))
            square += float(np.dot(w, w))
        return self.l1 * absolute + self.l2 / 2 * square

    def constrain(self, arena: Arena) -> None:
        """Shrink the weights that feed a unit to a norm of `max_norm` where it is larger.

        Weights of fewer than two dimensions feed no unit and stay as they are.

        Raises
        ------
        DivergedError
            If the weights are so large that their squares overflow.
        """
        if not self.max_norm:
            return
        if self.arena is not arena:
            self.bind(arena)
        for w, squares, norms in self._columns:
            try:
                with np.errstate(over="raise"):
                    np.multiply(w, w, squares)
                    np.add.reduce(squares, 0, out=norms)
            except FloatingPointError:
                raise DivergedError(
                    f"the weights grew beyond {math.sqrt(float(np.finfo(w.dtype).max)):.0e}; "
                    "lower optimizer.learning_rate"
                ) from None
            np.sqrt(norms, norms)
            np.maximum(norms, self._limit, out=norms)
            np.divide(self._limit, norms, norms)  # exactly 1 up to the limit
            np.multiply(w, norms, w)
