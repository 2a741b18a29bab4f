"""How a dataclass says which values its fields take in YAML.

A layer, loss, optimizer or settings block is a plain dataclass, and its fields are its
YAML options. `typing.Annotated` carries what the type alone can't say: a range, a table
of names, and (a plain string) the documentation::

    rate: Annotated[float, Range(ge=0, lt=1), "fraction of the inputs that are set to 0"] = 0.5

`bpnet.config` reads these marks to check a config, to write its JSON Schema and to write
the reference; nothing else needs them, and this module imports nothing heavy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number; None leaves a side open. `gt` and `lt` exclude the bound."""

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None

    def allows(self, value: float) -> bool:
        """Say whether `value` lies within the bounds."""
        return (
            (self.gt is None or value > self.gt)
            and (self.ge is None or value >= self.ge)
            and (self.lt is None or value < self.lt)
            and (self.le is None or value <= self.le)
        )

    def describe(self, noun: str) -> str:
        """Return the bounds in words: ``a positive integer``, ``a number from 0 to below 1``."""
        an = "an" if noun[0] in "aeiou" else "a"
        low = self.gt if self.gt is not None else self.ge
        high = self.lt if self.lt is not None else self.le
        if high is None:
            if self.gt == 0 or (noun == "integer" and self.ge == 1):
                return f"a positive {noun}"
            if low is None:
                return f"{an} {noun}"
            if self.gt is not None:
                return f"{an} {noun} above {_written(low)}"
            return f"{an} {noun} of {_written(low)} or more"
        upper = f"below {_written(high)}" if self.lt is not None else _written(high)
        if low is None:
            return f"{an} {noun} {upper if self.lt is not None else f'of {upper} or less'}"
        if self.gt is not None:
            upper = upper if self.lt is not None else f"at most {upper}"
            return f"{an} {noun} above {_written(low)} and {upper}"
        return f"{an} {noun} from {_written(low)} to {upper}"


def _written(number: float) -> str:
    """Return a number with all its digits: ``0.1``, ``5``, ``1000000``; large ones as ``1e+30``."""
    from decimal import Decimal

    if abs(number) > 1 << 64:
        return f"{number:g}"
    return f"{Decimal(repr(number)):f}".removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Choice:
    """The value is an entry of a closed table of dataclasses, chosen by its ``type`` key.

    `table` names the table (``layer``, ``loss``, ``optimizer``, ...); `bpnet.config`
    knows the tables themselves. In YAML an entry is ``{type: NAME, ...options}`` or,
    where all options may keep their defaults, just ``NAME``.
    """

    table: str


PositiveInt = Annotated[int, Range(gt=0)]
NonNegative = Annotated[float, Range(ge=0)]
Positive = Annotated[float, Range(gt=0)]
Fraction = Annotated[float, Range(ge=0, lt=1)]


@dataclass(frozen=True, slots=True)
class Span:
    """A length of training: ``100`` or ``100 steps``, ``5 epochs``, ``10 min``, ``1.5 h``.

    Attributes
    ----------
    count
        How many; whole for steps and epochs, seconds for a time.
    unit
        ``steps``, ``epochs`` or ``seconds``.
    """

    count: float
    unit: str

    expected: ClassVar[str] = "a length such as 500, '500 steps', '5 epochs' or '10 min'"
    pattern: ClassVar[str] = (
        r"^\s*(\d+(?:\.\d+)?)\s*"
        r"(steps?|epochs?|s|sec|seconds?|m|min|minutes?|h|hours?)?\s*$"
    )

    @classmethod
    def from_yaml(cls, value: object) -> Self:
        """Read a number of steps or a text with its unit.

        Raises
        ------
        ValueError
            If the text is no such length, or a number of steps or epochs isn't whole.
        """
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(cls.expected)
        match = re.match(cls.pattern, str(value))
        if match is None:
            raise ValueError(cls.expected)
        count, unit = float(match[1]), match[2] or "steps"
        if unit.startswith(("step", "epoch")):
            if count != int(count):
                raise ValueError(f"a whole number of {unit}")
            return cls(int(count), "steps" if unit.startswith("step") else "epochs")
        seconds = {"s": 1, "m": 60, "h": 3600}[unit[0]]
        return cls(count * seconds, "seconds")

    def to_yaml(self) -> str | int:
        """Return the value that :meth:`from_yaml` reads back."""
        if self.unit == "steps":
            return int(self.count)
        if self.unit == "epochs":
            return f"{int(self.count)} epoch{'' if self.count == 1 else 's'}"
        return f"{_written(self.count)} s"

    def steps(self, steps_per_epoch: int) -> int:
        """Return the length in steps.

        Raises
        ------
        ValueError
            If it is a time, which has no fixed number of steps.
        """
        if self.unit == "seconds":
            raise ValueError("a time can't be counted in steps; give steps or epochs")
        return int(self.count * (steps_per_epoch if self.unit == "epochs" else 1))
