"""Loss and metrics of a whole split, from one pass over it, never averaged over batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bpnet.data.dataset import Dataset
from bpnet.data.target import Target
from bpnet.nn.arena import Array
from bpnet.nn.losses import Loss
from bpnet.nn.network import Network
from bpnet.training.metrics import Metric
from bpnet.training.replicas import Replicas


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a network is on a split.

    Attributes
    ----------
    scores
        ``loss`` and every metric by its name.
    truth, output
        Targets and outputs in the user's units: class codes and probabilities ``(N, K)``,
        or numbers ``(N, K)``.
    """

    scores: dict[str, float]
    truth: Array
    output: Array


def evaluate(
    network: Network,
    loss: Loss,
    dataset: Dataset,
    metrics: Sequence[Metric],
    target: Target,
    replicas: Replicas | None = None,
) -> Evaluation:
    """Run the network over a split and score it.

    Losses are of the scaled target, metrics of the target in its own units. The replicas of the
    network, if there are some, share the work.
    """
    with np.errstate(all="ignore"):  # the outputs of a diverging network overflow
        z = (replicas or network).predict(dataset.x)
        scores = {"loss": loss.forward(z, dataset.target, dataset.weight)}
        output = target.to_units(loss.predict(z))
        truth = dataset.truth if dataset.truth is not None else target.to_units(dataset.target)
        for metric in metrics:
            scores[metric.key] = metric.compute(truth, output, dataset.weight)
    return Evaluation(scores, truth, output)
