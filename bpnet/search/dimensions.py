"""The parameters of a search, and what each may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bpnet.config.nodes import Plain
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
        return sum(size_of(option.children) for option in self.domain.options)


def size_of(dimensions: tuple[Dimension, ...]) -> float:
    """Return how many combinations of some parameters there are."""
    return math.prod(dimension.size for dimension in dimensions)
