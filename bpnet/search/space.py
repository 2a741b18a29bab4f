"""The space of a search: the points that its parameters span, and what tells them apart."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bpnet.config.nodes import Plain
from bpnet.config.write import inline
from bpnet.errors import Path
from bpnet.search.dimensions import Choices, Dimension, Interval, size_of


@dataclass(frozen=True)
class Point:
    """One combination of values.

    Attributes
    ----------
    values
        By key what is put into the config, blocks before what is set in them.
    labels
        The same for people.
    hash
        What tells it from others: a digest of all that its training depends on.
    """

    values: Mapping[str, Plain] = field(hash=False)
    labels: Mapping[str, str] = field(hash=False, compare=False)
    hash: str

    @property
    def assignments(self) -> list[str]:
        """The point as overrides: ``optimizer.learning_rate=0.01``."""
        return [f"{key}={inline(value)}" for key, value in self.values.items()]


Choose = Callable[[Dimension], Any]
"""Returns the index of an option, or a number of the range, for a parameter."""


class Space:
    """All parameters of a search.

    Attributes
    ----------
    dimensions
        Those that every point has, blocks before what is set in them.
    base
        What every training depends on: the config with every default, and what its data is.
    """

    def __init__(self, dimensions: tuple[Dimension, ...], base: Mapping[str, Plain]) -> None:
        self.dimensions = dimensions
        self.base = base

    def __iter__(self) -> Iterator[Dimension]:
        """Yield every parameter, those of options behind the one whose options they are."""
        return _walk(self.dimensions)

    @property
    def size(self) -> float:
        """How many points a grid has."""
        return size_of(self.dimensions)

    @property
    def keys(self) -> list[str]:
        """All keys, in order, each once."""
        return list(dict.fromkeys(dimension.key for dimension in self))

    def point(self, choose: Choose) -> Point:
        """Return the point that `choose` picks, parameter by parameter."""
        values: dict[str, Plain] = {}
        labels: dict[str, str] = {}
        resolved = [(d, *_pick(d, choose, values, labels)) for d in self.dimensions]
        identity: Plain = self.base
        for dimension, value, below in resolved:
            identity = put(identity, dimension.path, value)
            for child, inner in below:
                identity = put(identity, child.path, inner)
        return Point(values, labels, digest(identity))

    def grid(self) -> Iterator[Point]:
        """Yield every combination; the last parameter changes fastest."""
        for chosen in _combinations(self.dimensions):
            yield self.point(chosen.__getitem__)


def _walk(dimensions: tuple[Dimension, ...]) -> Iterator[Dimension]:
    for dimension in dimensions:
        yield dimension
        if isinstance(dimension.domain, Choices):
            for option in dimension.domain.options:
                yield from _walk(option.children)


def _pick(
    dimension: Dimension, choose: Choose, values: dict[str, Plain], labels: dict[str, str]
) -> tuple[Plain, list[tuple[Dimension, Plain]]]:
    """Note what is chosen for a parameter; return it resolved, and what is chosen below it."""
    chosen = choose(dimension)
    if isinstance(dimension.domain, Interval):
        values[dimension.key] = chosen
        labels[dimension.key] = inline(chosen)
        return chosen, []
    option = dimension.domain.options[chosen]
    values[dimension.key] = option.value
    labels[dimension.key] = option.label
    below = []
    for child in option.children:
        value, further = _pick(child, choose, values, labels)
        below += [(child, value), *further]
    return option.resolved, below


def _combinations(dimensions: tuple[Dimension, ...]) -> Iterator[dict[Dimension, Any]]:
    if not dimensions:
        yield {}
        return
    first, rest = dimensions[0], dimensions[1:]
    for own in _settings(first):
        for others in _combinations(rest):
            yield own | others


def _settings(dimension: Dimension) -> Iterator[dict[Dimension, Any]]:
    if isinstance(dimension.domain, Interval):
        yield from ({dimension: value} for value in dimension.domain.values())
        return
    for i, option in enumerate(dimension.domain.options):
        for below in _combinations(option.children):
            yield {dimension: i} | below


def put(tree: Plain, path: Path, value: Plain) -> Plain:
    """Return a plain value with another one at a path in it; the given one stays."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(tree, list):
        index = int(step)
        return [put(item, rest, value) if i == index else item for i, item in enumerate(tree)]
    inner = tree.get(str(step)) if isinstance(tree, Mapping) else None
    return {**(tree if isinstance(tree, Mapping) else {}), str(step): put(inner, rest, value)}


def digest(value: Plain) -> str:
    """Return the SHA-256 of what a value means: 0.1 is 1e-1, 1 is 1.0 and 0 is -0.0."""
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Plain) -> Plain:
    if isinstance(value, Mapping):
        return {str(key): _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return repr(value)
        return int(value) if value == int(value) and abs(value) < 1 << 53 else value
    return value
