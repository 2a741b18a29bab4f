"""How the gradient vector gets filled: backpropagation first, other learning rules beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass
from bpnet.nn.losses import Loss
from bpnet.nn.network import Network


@dataclass(slots=True)
class Batch:
    """Rows to learn from: inputs, targets and, where given, a weight per row ``(N,)``."""

    x: Array
    target: Array
    weight: Array | None = None


class LearningRule(Protocol):
    """A way to fill `Arena.grad` from a batch."""

    def gradient(
        self, network: Network, loss: Loss, batch: Batch, step: Pass, total: float | None = None
    ) -> float:
        """Overwrite the network's gradient; return the loss of the batch.

        Parameters
        ----------
        total
            What the sum of the rows' weighted losses is divided by (see `Loss.forward`); the
            batch's own total weight if left out. Micro-batches of one accumulated step share
            the total of the whole step, so that their gradients simply add up.
        """
        ...


class Backpropagation:
    """The chain rule, layer by layer, from the loss back to the input (Rumelhart et al., 1986)."""

    def gradient(
        self, network: Network, loss: Loss, batch: Batch, step: Pass, total: float | None = None
    ) -> float:
        """Run forward, loss and backward; see `LearningRule.gradient`."""
        z = network.forward(batch.x, step)
        value = loss.forward(z, batch.target, batch.weight, total)
        network.backward(loss.backward())
        return value
