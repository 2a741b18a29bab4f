"""How many threads compute, and whose: decided before NumPy is imported, if it can be."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from bpnet.threads import blas, inputs, team

if TYPE_CHECKING:
    from bpnet.config.document import Document

TOGETHER = ("batch_norm",)
"""Layers through which the rows of a batch depend on each other, so that threads can't share it."""


def choose(document: Document | None = None, *, like: Mapping[str, Any] | None = None) -> None:
    """Set the threads that a config asks for, in a process that has not imported NumPy yet.

    In one that has, somebody else has decided. See `chosen` for the rules; without a config there
    is nothing large to compute, so one thread.
    """
    found = None if "numpy" in sys.modules else _choice(document, like)
    if found is not None:
        team.use(found.threads, as_team=found.as_team)


def chosen(
    document: Document, *, like: Mapping[str, Any] | None = None
) -> AbstractContextManager[None]:
    """Compute with the threads that a config asks for; ``auto``: one, or all cores where it pays.

    With the facts of a run (`like`), ``auto`` is what it was there, as the last bit of a sum
    depends on it, and on whose they were. Else what the user has set in the environment wins over
    ``auto``. Several threads are a team's (`bpnet.threads.team`) where layers and batches allow it,
    else those of the library for matrix products. Afterwards the threads are those of before.
    """
    found = _choice(document, like)
    return nullcontext() if found is None else team.using(found.threads, as_team=found.as_team)


class _Choice(NamedTuple):
    threads: int
    as_team: bool


def _choice(document: Document | None, like: Mapping[str, Any] | None) -> _Choice | None:
    """Return what is chosen; None if all stays as it is."""
    asked = None if document is None else document.peek("threads", default="auto")
    if not isinstance(asked, int) or isinstance(asked, bool) or asked < 1:
        asked = None
    facts = like or {}
    before = facts.get("threads")
    if isinstance(before, int) and 0 < before <= _cores() and asked in (None, before):
        return _Choice(before, as_team=facts.get("team", 1) != 1)
    if asked is None:
        if any(os.environ.get(name) for name in blas.VARIABLES):
            return None
        wide = document is not None and _multiplications(document) >= team.ENOUGH
        asked = _cores() if wide else 1
    if document is not None and not _is_together(document):
        most = _batch(document) // team.LEAST
        if most > 1:
            return _Choice(min(asked, most), as_team=True)
    return _Choice(min(asked, _cores()), as_team=False)


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


def _batch(document: Document) -> int:
    """Return the rows of a batch; the config is not checked yet, and its data not read."""
    batch = document.peek("training", "batch_size", default=32)
    return 1024 if isinstance(batch, bool) or not isinstance(batch, int) else batch


def _multiplications(document: Document) -> int:
    """Estimate those of a forward pass."""
    units = list(_units(document.peek("model", "layers", default=[])))
    between = sum(a * b for a, b in pairwise([inputs.estimate(document), *units]))
    return _batch(document) * max(between, max(units, default=0) ** 2)


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
