"""Configs and runs in float64, where differences of the loss tell whether gradients are right."""

from __future__ import annotations

from pathlib import Path

from bpnet.config.document import Document
from bpnet.experiment import Experiment, build
from bpnet.fine_tuning import Transfer, initialize_from


def build_exact(
    document: Document, weights: Path | None = None
) -> tuple[Experiment, Transfer | None]:
    """Make the training that a config describes, in float64 whatever its `dtype`.

    Parameters
    ----------
    document
        The config.
    weights
        A run directory, model or checkpoint whose weights are put in; by default those that the
        training would start from.

    Returns
    -------
    Experiment, Transfer or None
        The second says what was taken from `weights`.

    Raises
    ------
    ConfigError, DataError
        As `experiment.build`.
    RunError
        If there are no weights, or none that fit.
    """
    if document.peek("dtype", default="float32") in ("float32", "float64"):
        document = document.override(["dtype=float64"])
    experiment = build(document)
    if weights is None:
        return experiment, None
    state, data = experiment.state, experiment.data
    transfer = initialize_from(state.network, weights, features=data.features, target=data.target)
    return experiment, transfer
