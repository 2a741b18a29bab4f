"""How many threads compute, and whose: decided before NumPy is imported, never after."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bpnet import team

if TYPE_CHECKING:
    from bpnet.config.document import Document

ENOUGH = 1 << 23
"""Multiplications in the largest matrix product of a step from which threads pay.

Below it a step takes hardly more time than waking threads.
"""

TOGETHER = ("batch_norm",)
"""Layers through which the rows of a batch depend on each other, so that threads can't share it."""


def choose(document: Document | None = None, *, like: Mapping[str, Any] | None = None) -> None:
    """Set the threads that a config asks for; ``auto``: one, or all cores for wide networks.

    What the user has set in the environment wins over ``auto``. Without a config there is
    nothing large to compute, so one thread. With the facts of a run (`like`), ``auto`` is what it
    was there, as the last bit of a sum depends on it. Several threads are a team's (`bpnet.team`)
    where the layers allow it, else those of the library for matrix products.
    """
    if "numpy" in sys.modules:
        return
    asked = None if document is None else document.peek("threads", default="auto")
    before = None if like is None else like.get("threads")
    if document is not None:
        as_team = not _is_together(document)
    else:
        as_team = like is not None and like.get("team", 1) != 1
    if isinstance(asked, int) and not isinstance(asked, bool) and asked > 0:
        team.use(asked, as_team=as_team)
    elif any(os.environ.get(name) for name in team.VARIABLES):
        return
    elif isinstance(before, int) and 0 < before <= _cores():
        team.use(before, as_team=as_team)
    else:
        wide = document is not None and _largest_product(document) >= ENOUGH
        team.use(_cores() if wide else 1, as_team=as_team)


def _is_together(document: Document) -> bool:
    """Say whether a layer's name, anywhere in the model, is one of `TOGETHER`."""
    return any(name in TOGETHER for name in _texts(document.peek("model", "layers", default=[])))


def _texts(value: Any) -> Iterator[str]:
    """Yield every text below a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


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
