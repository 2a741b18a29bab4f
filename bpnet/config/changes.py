"""Two configs side by side: what differs, and whether a training can go on with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from bpnet.config.nodes import Plain
from bpnet.config.write import inline
from bpnet.errors import Path, dotted

Weight = Literal["free", "adjustable", "fixed"]

_FREE: tuple[Path, ...] = (
    ("name",),
    ("threads",),
    ("compute",),
    ("checkpoint",),
    ("logging",),
    ("report",),
    ("search",),
)
"""No number of a training depends on these, but for rounding."""

_SOURCES: tuple[Path, ...] = (("data", "train"), ("data", "validation"), ("data", "test"))
"""Where data lies is free; that it is the same data is checked by its content."""

_WHOLE: tuple[Path, ...] = (("search",),)
"""Blocks whose keys are places themselves, so that no place can be named within them."""

_ADJUSTABLE: tuple[Path, ...] = (
    ("training", "epochs"),
    ("training", "max_time"),
    ("training", "clip_norm"),
    ("training", "clip_value"),
    ("early_stopping",),
    ("regularization",),
    ("optimizer",),
    ("schedule",),
)
"""These hold from the step on at which the training goes on."""

_FIXED: tuple[Path, ...] = (("early_stopping", "monitor"), ("early_stopping", "mode"))


@dataclass(frozen=True, slots=True)
class Change:
    """One option that differs.

    Attributes
    ----------
    path
        Its place.
    before, after
        Its plain values.
    """

    path: Path
    before: Plain
    after: Plain

    @classmethod
    def named(cls, key: str, before: Plain, after: Plain) -> Change:
        """Return the change whose `key` this is."""
        path = (int(step) if step.isdigit() else step for step in key.split("."))
        return cls(tuple(path), before, after)

    @property
    def key(self) -> str:
        """The place as an override names it: ``model.layers.0.units``."""
        return ".".join(map(str, self.path))

    @property
    def weight(self) -> Weight:
        """Whether a training can go on with it: always, from now on, or never."""
        if _below(self.path, _FREE) or (_below(self.path, _SOURCES) and self._moves()):
            return "free"
        if self.path == ("optimizer",) or _below(self.path, _FIXED):
            return "fixed"  # another type of optimizer has other moments
        return "adjustable" if _below(self.path, _ADJUSTABLE) else "fixed"

    def _moves(self) -> bool:
        return not any(isinstance(part, int | float) for part in (self.before, self.after))

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {inline(self.before)} -> {inline(self.after)}"


def differences(
    before: Mapping[str, Plain], after: Mapping[str, Plain], path: Path = ()
) -> Iterator[Change]:
    """Yield what differs between two resolved configs, in their order.

    A block of another type differs as a whole.
    """
    for key in [*before, *(key for key in after if key not in before)]:
        yield from _compare(before.get(key), after.get(key), (*path, key))


def _compare(before: Plain, after: Plain, path: Path) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        if before.get("type") == after.get("type") and path not in _WHOLE:
            yield from differences(before, after, path)
            return
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _compare(old, new, (*path, i))
        return
    if before != after:
        yield Change(path, before, after)


def _below(path: Path, places: tuple[Path, ...]) -> bool:
    return any(path[: len(place)] == place for place in places)
