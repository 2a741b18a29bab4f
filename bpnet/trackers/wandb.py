"""Weights & Biases, offline: a folder in the run directory that `wandb sync` uploads, if wanted.

bpnet itself never sends anything anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bpnet.config.schema import Config, plain_config
from bpnet.trackers.records import BINS
from bpnet.trackers.tensorboard import tensors
from bpnet.training.events import EpochEnd, Event
from bpnet.training.state import TrainingState

PROJECT = "bpnet"


class WandB:
    """Tells wandb, in its offline mode, of every epoch.

    Parameters
    ----------
    config, state, directory
        The training and its run directory.
    run_id
        The run's own; a training that goes on has the same.
    """

    def __init__(self, config: Config, state: TrainingState, directory: Path, run_id: str) -> None:
        os.environ["WANDB_ERROR_REPORTING"] = "false"  # read when it is imported
        import wandb

        self.state = state
        self.trouble = ""
        self._wandb = wandb
        self._wanted = config.logging.histograms
        self._run: Any = wandb.init(
            mode="offline",
            project=PROJECT,
            name=directory.resolve().name,
            id=run_id,
            resume="allow" if state.epoch else None,
            dir=str(directory),
            config=plain_config(config),
            settings=wandb.Settings(
                console="off",
                silent=True,
                save_code=False,
                disable_code=True,
                disable_git=True,
                x_disable_stats=True,
                x_disable_machine_info=True,
            ),
        )

    def hear(self, event: Event) -> None:
        if isinstance(event, EpochEnd) and not self.trouble:
            told: dict[str, Any] = {k: v for k, v in event.row.items() if k != "best"}
            self._try(lambda: self._run.log({**told, **self._histograms()}, step=event.epoch))

    def _histograms(self) -> dict[str, Any]:
        found = {}
        for name, array in tensors(self.state) if self._wanted else ():
            finite = array[np.isfinite(array)].astype(np.float64)
            if finite.size:
                made = np.histogram(finite, BINS)
                found[name] = self._wandb.Histogram(np_histogram=made)
        return found

    def conclude(self, metrics: dict[str, float], epoch: int) -> None:
        told = {f"model/{name}": value for name, value in metrics.items()}
        self._try(lambda: self._run.summary.update(told))

    def close(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            self._try(lambda: run.finish(quiet=True))

    def _try(self, tell: Callable[[], object]) -> None:
        """Tell wandb something; a training must not end because it fails."""
        try:
            tell()
        except Exception as error:
            self.trouble = self.trouble or f"wandb: {type(error).__name__}: {error}"
