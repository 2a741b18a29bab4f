"""What an optimizer is, and the block-wise step that all of them share.

Legend for all optimizers: theta parameters, g gradient, t scratch, all blocks of one length;
n the step, from 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np

from bpnet.errors import DivergedError, RunError
from bpnet.nn.arena import Arena, Array, aligned
from bpnet.optim.blocks import blocks, constant
from bpnet.options import NonNegative, Range
from bpnet.threads.team import Team

LearningRate = Annotated[
    float, Range(gt=0, le=1e6), "step size, which the schedule scales over time"
]
WeightDecay = Annotated[NonNegative, "pull of weights towards 0; never of biases and norms"]
Buffers = tuple[Array, ...]
Block = tuple[Array, Array, Buffers, Buffers]
"""Theta and gradient, the buffers of `update`; and decaying weights, their gradient, scratch."""


@dataclass
class Optimizer:
    """A rule that moves `theta` against `grad`; its fields are its YAML options.

    The protocol: `bind` once, then `step` after each gradient. A subclass names the vectors
    that it keeps, computes the numbers of a step in `prepare`, and moves one block in `update`.
    Where g is 0 from the start theta stays as it is, so the arena's padding stays 0.
    """

    learning_rate: LearningRate
    weight_decay: WeightDecay = 0
    decoupled_weight_decay: Annotated[
        bool, "apply weight_decay to the weights directly, not through the gradient"
    ] = False

    type: ClassVar[str]
    """The name in `OPTIMIZERS`, which sets it."""

    temporaries: ClassVar[int] = 1
    """How many scratch blocks `update` gets."""

    arena: Arena = field(init=False, repr=False, compare=False)
    count: int = field(default=0, init=False, repr=False, compare=False)
    """Steps taken."""
    vectors: dict[str, Array] = field(init=False, repr=False, compare=False)

    def kept(self) -> tuple[str, ...]:
        """Return the names of the vectors like the gradient that live from step to step."""
        return ()

    def bind(self, arena: Arena) -> None:
        """Allocate the moments for this arena.

        Raises
        ------
        OptionError
            If an option vanishes in the arena's precision.
        """
        self.arena = arena
        self.count = 0
        theta, dtype = arena.theta[: arena.trained], arena.dtype
        self.vectors = {name: aligned(theta.shape, dtype) for name in self.kept()}
        for vector in self.vectors.values():
            vector.fill(0)
        self._shared: tuple[int, list[list[Block]]] = (1, [self._bind_blocks(0, 1)])
        self.rate = constant(0, dtype)
        self.decay = constant(0, dtype)

    def _bind_blocks(self, first: int, stride: int) -> list[Block]:
        """Return every `stride`-th block from the `first`, with scratch of their own."""
        arena = self.arena
        theta = arena.theta[: arena.trained]
        pieces = list(blocks(len(theta)))[first::stride]
        longest = max((piece.stop - piece.start for piece in pieces), default=0)
        scratch = [aligned((longest,), arena.dtype) for _ in range(self.temporaries)]
        bound: list[Block] = []
        for piece in pieces:
            length = piece.stop - piece.start
            buffers = (
                *(vector[piece] for vector in self.vectors.values()),
                *(buffer[:length] for buffer in scratch),
            )
            weights = theta[piece][: max(0, arena.decaying - piece.start)]
            pull = arena.grad[piece][: len(weights)]
            shrink = (weights, pull, scratch[0][: len(weights)])
            bound.append((theta[piece], arena.grad[piece], buffers, shrink))
        return bound

    def _shares(self, size: int) -> list[list[Block]]:
        """Return the blocks of each of `size` threads."""
        if self._shared[0] != size:
            self._shared = (size, [self._bind_blocks(i, size) for i in range(size)])
        return self._shared[1]

    def prepare(self, lr: float) -> None:
        """Compute the numbers of step `count`, from 1."""
        self.rate.fill(lr)

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        """Move one block; `buffers` are the blocks of the kept vectors, then scratch."""
        raise NotImplementedError

    def descend(self, theta: Array, direction: Array, t: Array) -> None:
        """Move theta by -rate * direction; `t` may be `direction`."""
        np.multiply(direction, self.rate, t)
        np.subtract(theta, t, theta)

    def step(self, lr: float, team: Team | None = None) -> None:
        """Update `arena.theta` in place from `arena.grad` (which may be overwritten).

        Parameters
        ----------
        lr
            The learning rate.
        team
            Threads that share the work; every number comes out the same without them.

        Raises
        ------
        DivergedError
            If finite gradients are so large that the update overflows.
        """
        self.count += 1
        try:
            with np.errstate(over="raise", divide="raise", invalid="raise"):
                self.prepare(lr)
                self._prepare_decay(lr)
                if team is None:
                    self._move(self._shares(1)[0])
                else:
                    shares = self._shares(team.size)
                    team.run(lambda number: self._move(shares[number]))
        except FloatingPointError as error:
            raise DivergedError(
                f"the update of step {self.count} overflows {self.arena.dtype} ({error} in "
                f"{self.type}); lower optimizer.learning_rate or set training.clip_norm"
            ) from None

    def _prepare_decay(self, lr: float) -> None:
        if self.weight_decay:
            decoupled = self.decoupled_weight_decay
            self.decay.fill(1 - lr * self.weight_decay if decoupled else self.weight_decay)

    def _move(self, share: list[Block]) -> None:
        """Move some blocks, after their weights have decayed: directly, or through the gradient."""
        if self.weight_decay:
            for _, _, _, (weights, pull, t) in share:
                if self.decoupled_weight_decay:
                    np.multiply(weights, self.decay, weights)
                else:
                    np.multiply(weights, self.decay, t)
                    np.add(pull, t, pull)
        for theta, g, buffers, _ in share:
            self.update(theta, g, buffers)

    def state(self) -> dict[str, Array]:
        """Return everything that changes from step to step; the arrays are not copied."""
        return {**self.vectors, "count": np.array([self.count])}

    def restore(self, state: dict[str, Array]) -> None:
        """Take over a state that :meth:`state` returned, after `bind`.

        Raises
        ------
        RunError
            If it is the state of another optimizer or network.
        """
        mine = self.state()
        if state.keys() != mine.keys():
            raise RunError(
                f"this is not the state of {self.type}: expected {', '.join(sorted(mine))}, "
                f"received {', '.join(sorted(state)) or 'nothing'}"
            )
        for name, array in mine.items():
            given = state[name]
            if given.shape != array.shape or given.dtype != array.dtype:
                raise RunError(
                    f"the optimizer's '{name}' should be {array.dtype} of shape {array.shape}, "
                    f"not {given.dtype} of shape {given.shape}"
                )
        if state["count"][0] < 0:
            raise RunError(f"the optimizer can't have taken {state['count'][0]} steps")
        self.count = int(state["count"][0])
        for name, vector in self.vectors.items():
            vector[...] = state[name]
