"""How much memory a training needs, told before it starts."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bpnet.data.dataset import Dataset
from bpnet.nn.network import EVALUATED, Network
from bpnet.training.state import TrainingState

PACKED = 4 << 20
"""Bytes into which one thread of OpenBLAS copies parts of wide matrices, about."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes.

    Attributes
    ----------
    arrays
        What the training keeps in arrays: data, parameters, gradients, moments, best, buffers.
    process
        The largest that the whole process becomes, Python and its libraries included; None where
        the system doesn't say how large it is now.
    """

    arrays: int
    process: int | None


def foresee(state: TrainingState, datasets: Mapping[str, Dataset]) -> Memory:
    """Tell the memory of a training that is built but has taken no step.

    Data, parameters, gradients and moments are there already. To come are the layers' buffers,
    which a network of the same layers is asked for, the gradients of the threads that share the
    work, and the best weights.

    Parameters
    ----------
    state
        The training.
    datasets
        Its data, by part.
    """
    arena, batches = state.network.arena, state.batches
    arrays = [arena.theta, arena.grad, arena.state, *state.optimizer.state().values()]
    for dataset in datasets.values():
        arrays += [dataset.x, dataset.target]
    present = sum(array.nbytes for array in arrays)
    best = arena.theta.nbytes + arena.state.nbytes if state.control.keep_best else 0
    shards = batches.shards
    rows = -(-batches.batch_size // shards)
    scored = max(map(len, datasets.values()))
    there, back = _buffers(state.network)
    buffers = shards * rows * (there + back)
    # Only a step goes back, but a part is scored with more rows at a time. What is freed for that
    # stays with the process.
    scored_by = [min(EVALUATED, scored - number * EVALUATED) for number in range(shards)]
    buffers += there * sum(each for each in scored_by if each > rows)
    if batches.shuffle:
        buffers += shards * rows * batches.data.x[:1].nbytes
    buffers += scored * _scoring(state)
    coming = buffers + best + (shards - 1) * arena.grad.nbytes
    if batches.accumulate > 1:
        coming += arena.grad.nbytes
    coming += shards * min(PACKED, arena.theta.nbytes // 4)
    now = _resident()
    process = None if now is None else max(now + int(coming), _peak())
    return Memory(present + int(coming), process)


def _buffers(network: Network) -> tuple[float, float]:
    """Return the bytes of the layers' buffers for one row: of a forward pass, and of a backward."""
    arena, rows = network.arena, 64
    for _, layer, _ in network.walk():
        layer.prepare(rows)
    back = arena.scratch_bytes("dx")
    return (arena.scratch_bytes() - back) / rows, back / rows


def _scoring(state: TrainingState) -> float:
    """Return the bytes that scoring a part of the data takes for one row."""
    loss, rows = state.loss.twin(), 64
    loss.prepare(rows)
    outputs = state.target.outputs
    # The network's output, what it means, and that in the target's own units in float64.
    return loss.scratch.nbytes / rows + outputs * (2 * state.network.arena.dtype.itemsize + 8)


def _resident() -> int | None:
    """Return how many bytes of this process are in memory now; None if the system doesn't say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * resource.getpagesize()


def _peak() -> int:
    """Return how many bytes of this process were in memory at most, as Linux counts them."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
