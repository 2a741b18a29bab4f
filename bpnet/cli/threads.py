"""How many threads matrix products get: decided before NumPy is imported, never after."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpnet.config.document import Document

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

ENOUGH = 1 << 23
"""Multiplications in the largest matrix product of a step from which threads pay.

Below it a product takes less time than waking threads, and threads that wait for work in a loop
slow down whatever else runs on the machine, many times over.
"""


def choose(document: Document | None = None, *, like: Mapping[str, Any] | None = None) -> None:
    """Set the threads that a config asks for; ``auto``: one, or all cores for wide networks.

    What the user has set in the environment wins over ``auto``. Without a config there is
    nothing large to compute, so one thread. With the facts of a run (`like`), ``auto`` is what it
    was there, as the last bit of a sum depends on it.
    """
    if "numpy" in sys.modules:
        return
    asked = None if document is None else document.peek("threads", default="auto")
    before = None if like is None else like.get("threads")
    if isinstance(asked, int) and not isinstance(asked, bool) and asked > 0:
        _set(asked)
    elif any(os.environ.get(name) for name in VARIABLES):
        return
    elif isinstance(before, int) and 0 < before <= _cores():
        _set(before)
    else:
        _set(_cores() if document is not None and _largest_product(document) >= ENOUGH else 1)


def _set(count: int) -> None:
    for name in VARIABLES:
        os.environ[name] = str(count)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _largest_product(document: Document) -> int:
    """Estimate rows x inputs x outputs of the widest layer; the config is not checked yet."""
    batch = document.peek("training", "batch_size", default=32)
    if isinstance(batch, bool) or not isinstance(batch, int):
        batch = 1024
    widest = max(_units(document.peek("model", "layers", default=[])), default=0)
    return batch * widest * widest


def _units(value: Any) -> Iterator[int]:
    """Yield every number of units below a value."""
    if isinstance(value, list):
        for item in value:
            yield from _units(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "units" and isinstance(item, int) and not isinstance(item, bool):
                yield item
            else:
                yield from _units(item)
