"""The space of a search: its parameters, what each may be, and the points they span."""

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

DIGITS = 6
"""Significant digits of a number drawn from a range."""


@dataclass(frozen=True, eq=False)
class Option:
    """One of the values of a parameter.

    Attributes
    ----------
    label
        Its name for people, unlike those of the other options.
    value
        What is put into the config, as YAML holds it.
    resolved
        What the config makes of it, every default filled in.
    children
        Parameters that exist only where this option is chosen.
    """

    label: str
    value: Plain
    resolved: Plain
    children: tuple[Dimension, ...] = ()


@dataclass(frozen=True, eq=False)
class Choices:
    """A parameter that takes one of some options."""

    options: tuple[Option, ...]

    @property
    def numeric(self) -> bool:
        """Whether the options are numbers, which have an order."""
        return all(
            isinstance(option.value, int | float) and not isinstance(option.value, bool)
            for option in self.options
        )


@dataclass(frozen=True)
class Interval:
    """A parameter that takes any number of a range, both ends included.

    Attributes
    ----------
    low, high
        The ends.
    log
        Whether its logarithm is spread evenly.
    whole
        Whether it is a whole number.
    count
        How many values a grid takes of it; None: all whole numbers, or none was given.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    count: int | None = None

    def at(self, part: float) -> float:
        """Return the number at a part (0 to 1) of the range."""
        if self.whole:
            return self._whole_at(part)
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            value = math.exp(low + part * (high - low))
        else:
            value = self.low + part * (self.high - self.low)
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def _whole_at(self, part: float) -> int:
        """Return the whole number at a part, each with its share of the range."""
        low, high = self.low, self.high + 1
        if self.log:
            value = math.exp(math.log(low) + part * (math.log(high) - math.log(low)))
        else:
            value = low + part * (high - low)
        return int(min(max(math.floor(value), self.low), self.high))

    def part_of(self, value: float) -> float:
        """Return where in the range a number lies, from 0 to 1."""
        if self.log:
            low, high, value = math.log(self.low), math.log(self.high), math.log(value)
        else:
            low, high = self.low, self.high
        return (value - low) / (high - low)

    def values(self) -> list[float]:
        """Return the numbers that a grid takes, in ascending order."""
        if self.count is None:
            return [int(self.low) + i for i in range(self.size)]
        ends = self.low, self.high
        found: list[float] = []
        for i in range(self.count):
            part = i / (self.count - 1)
            if self.log:
                logs = [math.log(end) for end in ends]
                value = math.exp(logs[0] + part * (logs[1] - logs[0]))
            else:
                value = ends[0] + part * (ends[1] - ends[0])
            value = round(value) if self.whole else float(f"{value:.{DIGITS}g}")
            found.append(min(max(value, self.low), self.high))
        return list(dict.fromkeys(found))

    @property
    def size(self) -> int:
        """How many values a grid takes."""
        if self.count is not None:
            return len(self.values()) if self.count <= 1 << 20 else self.count
        return int(self.high) - int(self.low) + 1


Domain = Choices | Interval


@dataclass(frozen=True, eq=False)
class Dimension:
    """One parameter.

    Attributes
    ----------
    name
        Its name, unlike all others: the key, and the option that it belongs to, if any.
    key, path
        Where it is put, as an override names it, and step by step.
    domain
        What it may be.
    """

    name: str
    key: str
    path: Path
    domain: Domain

    @property
    def size(self) -> float:
        """How many combinations of itself and its children there are."""
        if isinstance(self.domain, Interval):
            return self.domain.size
        return sum(_size(option.children) for option in self.domain.options)


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
        return _size(self.dimensions)

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


def _size(dimensions: tuple[Dimension, ...]) -> float:
    return math.prod(dimension.size for dimension in dimensions)


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
