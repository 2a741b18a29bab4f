"""Random streams by name, so that no part of a training disturbs the numbers of another."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, name: str, *index: int) -> np.random.Generator:
    """Return the random stream `name` of a training, started afresh.

    It depends on the seed, the name and the indices alone: what epoch 7 draws is the same
    whether the training came here from the start or was resumed in epoch 7.

    Parameters
    ----------
    seed
        The training's seed, 0 or more.
    name
        What draws from it: ``split``, ``shuffle``, ``dropout``, ...
    index
        Which of the streams of that name, each 0 or more: an epoch, an epoch and a step.
    """
    key = (zlib.crc32(name.encode()), *index)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
