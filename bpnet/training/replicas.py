"""Several batches of a step gone through side by side, each by a thread with a network of its own.

The networks share their weights; what each has is its buffers and its gradient. Whichever thread
is done first, the gradients are added up in the order of their batches, so the sum is that of the
same batches one after the other, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bpnet.data.batches import Batches
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass
from bpnet.nn.losses import Loss
from bpnet.nn.network import EVALUATED, Network
from bpnet.optim.blocks import blocks
from bpnet.threads.team import Team

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState


SHARED_SUM = 1 << 20
"""Numbers to add from which it pays to share the addition of gradients; below, it takes less time
than waking a thread and waiting for it."""


@dataclass(frozen=True, slots=True)
class Replica:
    """What one thread needs to go through a batch."""

    network: Network
    loss: Loss
    batches: Batches


class Replicas:
    """The threads of a team with what each of them needs; the first has the training's own parts.

    Attributes
    ----------
    team
        The threads.
    """

    def __init__(self, state: TrainingState, team: Team) -> None:
        self.team = team
        self._rule = state.rule
        own = Replica(state.network, state.loss, state.batches)
        others = [
            Replica(state.network.replica(), state.loss.twin(), state.batches.twin())
            for _ in range(team.size - 1)
        ]
        self._each = [own, *others]
        self._values = [0.0] * team.size
        grad = state.network.arena.grad
        self._pieces = [
            [replica.network.arena.grad[piece] for replica in self._each]
            for piece in blocks(len(grad))
        ]

    def add_up(self, group: list[Array], passes: Sequence[Pass], total: float) -> float:
        """Fill the training's gradient with the sum of the batches'; return the sum of the losses.

        Parameters
        ----------
        group
            The rows of each batch, at least two.
        passes
            What travels with each.
        total
            What all their losses are divided by.
        """
        value, arena, size = 0.0, self._each[0].network.arena, self.team.size
        at_once = len(group) <= size
        for start in range(0, len(group), size):
            count = self._go_through(group[start : start + size], passes[start:], total)
            value = sum(self._values[:count], value)
            if at_once:
                self._add_to_first(count)
            else:
                for i, replica in enumerate(self._each[:count]):
                    arena.accumulate(replica.network.arena.grad, first=start + i == 0)
        if not at_once:
            arena.take_accumulated()
        return value

    def _go_through(self, group: list[Array], passes: Sequence[Pass], total: float) -> int:
        """Fill the gradients of as many batches as there are threads, at most; say how many."""

        def work(number: int) -> None:
            if number < len(group):
                mine = self._each[number]
                batch = mine.batches.gather(group[number])
                self._values[number] = self._rule.gradient(
                    mine.network, mine.loss, batch, passes[number], total
                )

        self.team.run(work)
        return len(group)

    def _add_to_first(self, count: int) -> None:
        """Add the gradients of the other threads' batches to the first."""

        def work(number: int) -> None:
            for first, *others in self._pieces[number :: self.team.size]:
                for other in others[: count - 1]:
                    np.add(first, other, first)

        if len(self._each[0].network.arena.grad) * (count - 1) < SHARED_SUM:
            for number in range(self.team.size):
                work(number)
        else:
            self.team.run(work)

    def predict(self, x: Array) -> Array:
        """Return the output for all rows, as `Network.predict` does, to the same bits."""
        network = self._each[0].network
        z = np.empty((len(x), *network.out_shape), network.arena.dtype)
        step = Pass(train=False)

        def work(number: int) -> None:
            mine = self._each[number].network
            for start in range(number * EVALUATED, len(x), self.team.size * EVALUATED):
                rows = slice(start, start + EVALUATED)
                z[rows] = mine.forward(x[rows], step)

        self.team.run(work)
        return z
