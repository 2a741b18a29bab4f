"""Who follows a training: the log of its gradients, and other programs, if they are wanted.

They hear of the same events as the run's own files, after these have been written. What they are
told never comes back to the training: it is the same with them and without.
"""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path
from typing import Protocol

from bpnet.config.schema import Config
from bpnet.errors import UsageError
from bpnet.trackers.gradients import GradientLog
from bpnet.training.events import Event
from bpnet.training.state import TrainingState


class Tracker(Protocol):
    """Somebody who is told of a training.

    Attributes
    ----------
    trouble
        Why it hears no more, if another program failed; empty while all is well.
    """

    trouble: str

    def hear(self, event: Event) -> None:
        """Take notice of an event; of each but the end of a single step."""
        ...

    def conclude(self, metrics: dict[str, float], epoch: int) -> None:
        """Take notice of what the finished model scores on every part of the data."""
        ...

    def close(self) -> None:
        """Finish whatever is open; closing twice is fine."""
        ...


def require(config: Config) -> None:
    """Make sure that what the trackers of a config need is installed.

    Raises
    ------
    UsageError
        If it is not; it names what to install.
    """
    if config.logging.wandb is not None and importlib.util.find_spec("wandb") is None:
        raise UsageError(
            "logging.wandb needs the package wandb: pip install 'bpnet[wandb]', or leave it out"
        )


def trackers(config: Config, state: TrainingState, directory: Path, run_id: str) -> list[Tracker]:
    """Open the log of the gradients and the trackers that a config asks for, where it stands.

    Raises
    ------
    UsageError
        If something that is needed is not installed.
    RefusedError
        If the operating system refuses.
    """
    require(config)
    logging, found = config.logging, list[Tracker]()
    with contextlib.ExitStack() as opened:  # of which none stays open if a later one can't be

        def add(tracker: Tracker) -> None:
            opened.callback(tracker.close)
            found.append(tracker)

        add(GradientLog(state, directory))
        if logging.tensorboard:
            from bpnet.trackers.tensorboard import TensorBoard

            add(TensorBoard(config, state, directory))
        if logging.wandb is not None:
            from bpnet.trackers.wandb import WandB

            add(WandB(config, state, directory, run_id))
        opened.pop_all()
    return found
