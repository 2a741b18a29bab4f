"""Working with a training and then leaving it as it was, to the last bit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState


@contextlib.contextmanager
def untouched(state: TrainingState) -> Iterator[None]:
    """Let a training be used inside, and put everything that changes with time back at the end.

    Weights, running statistics, the optimizer's vectors, the random stream of dropout, the place
    in the epoch, the best so far; and the parts that may be replaced meanwhile: schedule, batches,
    monitor, validation part and regularization.
    """
    parts = {name: getattr(state, name) for name in _REPLACED}
    arrays = {name: array.copy() for name, array in state.arrays().items()}
    facts = state.facts()
    divergence, request = state.divergence, state.stop_request
    try:
        yield
    finally:
        for name, part in parts.items():
            setattr(state, name, part)
        state.restore(arrays, facts)
        state.divergence, state.stop_request = divergence, request


_REPLACED = ("schedule", "batches", "monitor", "validation", "regularization")
