"""Values of a space that stand for several: ranges, and blocks with some inside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bpnet.config.kinds import Anything, Fixed, Kind, ListOf
from bpnet.config.nodes import Mapping, Node, Scalar, Sequence, plain
from bpnet.config.phrases import options as alternatives
from bpnet.config.places import Place, shown
from bpnet.config.write import inline
from bpnet.errors import Path, nearest
from bpnet.search.kinds import inner

RANGES = ("uniform", "log_uniform", "integers", "log_integers", "steps")


CHOICE = "choice"


COUNT = "count"


@dataclass
class Hole:
    """A place in a block that takes several values itself."""

    path: Path
    node: Node
    kind: Kind | None


def as_written(node: Node, whole: bool) -> Node:
    """Return the end of a range as a value: a range of numbers holds numbers, not integers."""
    assert isinstance(node, Scalar)
    return node if whole else Scalar(node.place, inline(float(node.value)))


def template_of(node: Node, kind: Kind | None, path: Path) -> tuple[Node, list[Hole]]:
    """Return a block with one value wherever it takes several, and where it does."""
    if isinstance(node, Scalar):
        return node, []
    holes: list[Hole] = []
    if isinstance(node, Sequence):
        copy = node.copy()
        for i, item in enumerate(node.items):
            copy.items[i] = _filled(item, inner(kind, str(i), plain(node)), (*path, str(i)), holes)
        return copy, holes
    mapping = node.copy()
    for name, (key, value) in node.entries.items():
        kind_below = inner(kind, name, plain(node))
        mapping.entries[name] = (key, _filled(value, kind_below, (*path, name), holes))
    return mapping, holes


def _filled(node: Node, kind: Kind | None, path: Path, holes: list[Hole]) -> Node:
    """Return a value inside a block; if it stands for several, the first, and note the hole."""
    takes = alternatives(kind) if kind is not None else ()
    is_list = isinstance(node, Sequence) and kind is not None
    listed = is_list and not any(isinstance(option, _LISTS) for option in takes)
    if listed or (isinstance(node, Mapping) and is_range(node)):
        holes.append(Hole(path, node, kind))
        return _example(node)
    template, below = template_of(node, kind, path)
    holes += below
    return template


_LISTS = (ListOf, Fixed, Anything)


def _example(node: Node) -> Node:
    """Return the first value of a list or range."""
    if isinstance(node, Mapping):
        name = next(iter(node.entries))
        below = node.entries[name][1]
        whole = name.endswith("integers") or name in ("steps", CHOICE)
        if isinstance(below, Sequence) and below.items:
            first = below.items[0]
            if number_of(first) is not None:
                return as_written(first, whole)
            return first
        return below
    assert isinstance(node, Sequence)
    if not node.items:
        return node
    first = node.items[0]
    return _example(first) if isinstance(first, Mapping) and is_range(first) else first


def is_range(node: Mapping) -> bool:
    """Say whether a mapping is a range, and not a block."""
    return bool(node.entries) and any(name in node.entries for name in (*RANGES, CHOICE))


def misspelled_range(node: Mapping) -> tuple[Place, str] | None:
    """Return what is wrong with a mapping that is a range with a wrong name."""
    for name, (key, value) in node.entries.items():
        bounds = isinstance(value, Sequence) and 2 <= len(value.items) <= 3
        word = name.lower().replace("-", "_").replace("uniform_log", "log_uniform")
        found = _SYNONYMS.get(word) or nearest(word, RANGES)
        if bounds and found and len(node.entries) <= 2:
            return key.place, f"search.space: unknown range {shown(name)}; did you mean '{found}'?"
    return None


_SYNONYMS = {
    "loguniform": "log_uniform",
    "log": "log_uniform",
    "range": "uniform",
    "float": "uniform",
    "real": "uniform",
    "int": "integers",
    "ints": "integers",
    "randint": "integers",
    "quniform": "steps",
    "linspace": "steps",
    "values": CHOICE,
    "choices": CHOICE,
    "categorical": CHOICE,
}


def number_of(node: Node) -> float | None:
    """Return the finite number that a node holds; None if it holds something else."""
    value: Any = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
