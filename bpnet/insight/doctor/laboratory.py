"""Where changes to a config are tried, in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bpnet.config.document import Document
from bpnet.errors import BpnetError
from bpnet.experiment import build
from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.probe import Limits, observe
from bpnet.runs import checkpoint

LONGEST = 40_000
"""Optimizer steps of a trial, at most."""

KEPT = 1 << 26
"""Bytes of a training below which its trial is remembered; larger ones are made again."""

TRIALS = 8
"""Trials that the time should do for."""

FEWEST = 200
"""Steps of a trial, at least, unless the training has fewer."""


class Laboratory:
    """Trains a config with changes, from the same start and for the same number of steps.

    Parameters
    ----------
    document
        The config.
    seconds
        How long all trials may take together; 0 for none.
    most
        Optimizer steps of a trial, at most.
    weights
        A file of weights that the training starts from, if it does.
    """

    def __init__(
        self,
        document: Document,
        seconds: float,
        *,
        most: int = LONGEST,
        weights: Path | None = None,
    ) -> None:
        self.document = document
        self.most = most
        self.weights = weights
        self.seconds = seconds
        self._until = time.monotonic() + seconds if seconds > 0 else 0.0
        self._known: dict[tuple[tuple[str, ...], int], Evidence | None] = {}
        self.trials = 0

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._until - time.monotonic())

    def affords(self, seen: Evidence) -> int:
        """Return how many steps a trial may have, going by how long the training took."""
        if not (seen.seconds > 0 and seen.steps):
            return self.most
        steps = self.seconds / TRIALS * seen.steps / seen.seconds
        return int(min(self.most, max(FEWEST, steps)))

    def try_out(self, overrides: Sequence[str], steps: int) -> Evidence | None:
        """Train with some changes; None if the config refuses them, or time is up before the end.

        Parameters
        ----------
        overrides
            ``KEY=VALUE`` each.
        steps
            How many steps at most.
        """
        key = (tuple(overrides), steps)
        if key in self._known:
            return self._known[key]
        if not self.left:
            return None
        seen = self._train(overrides, steps)
        if seen is None or seen.experiment is None or seen.experiment.memory().arrays < KEPT:
            self._known[key] = seen
        return seen

    def _train(self, overrides: Sequence[str], steps: int) -> Evidence | None:
        try:
            experiment = build(self.document.override(overrides))
            if self.weights is not None:
                checkpoint.load_weights(experiment.state.network, self.weights)
        except BpnetError:
            return None
        self.trials += 1
        seen = observe(experiment, Limits(steps, self.left))
        whole = seen.complete or seen.diverged or seen.steps >= steps
        return seen if whole else None
