"""How much memory a training needs, told before it starts."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bpnet.data.dataset import Dataset
from bpnet.nn.arena import Scratch
from bpnet.nn.layers.base import Layer
from bpnet.nn.network import EVALUATED, Network
from bpnet.training.state import TrainingState

PACKED = 4 << 20
"""Bytes into which one thread of OpenBLAS copies parts of wide matrices, about."""

COMPILED = 60 << 20
"""Bytes that numba takes for the loops of a training, about, once it has them on the disk."""


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


def foresee(
    state: TrainingState, datasets: Mapping[str, Dataset], *, compiled: bool = False
) -> Memory:
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
    compiled
        Whether numba will load compiled loops.
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
    if now is None:
        return Memory(present + int(coming), None)
    process = max(now + int(coming) + (COMPILED if compiled else 0), _peak())
    return Memory(present + int(coming), process)


def _buffers(network: Network) -> tuple[float, float]:
    """Return the bytes of the layers' buffers for one row: of a forward pass, and of a backward."""
    arena, rows = network.arena, 64
    for _, layer, _ in network.walk():
        layer.prepare(rows)
    back = arena.scratch_bytes("dx")
    trained = [name for name, param in arena.params.items() if not param.frozen]
    # What is never written to takes no memory, although it is there.
    idle = sum(_back_through(layer) for layer in _lowest(network.layers, "", trained))
    return (arena.scratch_bytes() - back) / rows, (back - idle) / rows


def _lowest(layers: Sequence[Layer], prefix: str, trained: Sequence[str]) -> Iterator[Layer]:
    """Yield the layers through which no gradient goes on: there is nothing to train below them."""
    for layer in layers:
        name = f"{prefix}{layer.name}."
        yield layer
        for inner in layer.chains():
            yield from _lowest(inner.layers, name, trained)
        if any(each.startswith(name) for each in trained):
            return


def _back_through(layer: Layer) -> int:
    """Return the bytes of the buffer in which a layer keeps dL/dx, if it has one."""
    scratch: Scratch | None = getattr(layer, "scratch", None)
    return 0 if scratch is None else scratch.bytes_of("dx")


def _scoring(state: TrainingState) -> float:
    """Return the bytes that scoring a part of the data takes for one row."""
    loss, rows = state.loss.twin(), 64
    loss.prepare(rows)
    outputs = state.target.outputs
    # Half of the loss's buffers are for the way back. To them come the network's output and what
    # it means.
    return loss.scratch.nbytes / rows / 2 + 2 * outputs * state.network.arena.dtype.itemsize


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
