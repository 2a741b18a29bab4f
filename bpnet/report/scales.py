"""Axes: where a number lies on them, and which round numbers are written beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bpnet.report.wording import MINUS, power


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis.

    Attributes
    ----------
    low, high
        The numbers at its ends; `low` is the smaller.
    log
        Whether equal distances are equal ratios; both ends are above 0 then.
    whole
        Whether only whole numbers are written.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def part(self, value: float) -> float:
        """Return how far along the axis a number lies: 0 at its start, 1 at its end."""
        if self.log:
            span = math.log(self.high) - math.log(self.low)
            return (math.log(max(value, 1e-300)) - math.log(self.low)) / span
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Return the numbers that are written, at most about `most`, with their texts."""
        return self._powers(most) if self.log else self._steps(most)

    def _steps(self, most: int) -> list[tuple[float, str]]:
        span = (self.high - self.low) / most
        size = 10.0 ** math.floor(math.log10(span)) if span > 0 else 1.0
        at = next(i for i, f in enumerate(_STEPS) if size * f >= span * 0.999)
        while True:
            step = max(1.0, size * _STEPS[at]) if self.whole else size * _STEPS[at]
            first = math.ceil(self.low / step - 1e-9)
            last = math.floor(self.high / step + 1e-9)
            if last > first or at == 0 or (self.whole and step == 1.0):
                break
            at -= 1  # so short that hardly one of these lies on it
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        largest = max(abs(self.low), abs(self.high))
        values = [i * step for i in range(first, last + 1)]
        if largest >= 1e6 or (0 < largest < 1e-3) or digits > 6:
            exact = min(12, max(2, math.ceil(math.log10(largest / step)) + 1))
            return [(v, power(f"{v:.{exact}g}")) for v in values]
        texts = ((v, f"{v:,.{digits}f}".replace("-", MINUS)) for v in values)
        return [(v, text if abs(v) > step / 2 else "0") for v, text in texts]

    def _powers(self, most: int) -> list[tuple[float, str]]:
        first, last = math.log10(self.low), math.log10(self.high)
        powers = range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)
        if len(powers) > 3:
            every = -(-len(powers) // most)
            return [(10.0**p, _tenth(p)) for p in powers if p % every == 0]
        found: list[float] = []
        for factors in _FACTORS:
            found = [
                f * 10.0**p
                for p in range(math.floor(first), math.floor(last) + 1)
                for f in factors
                if self.low <= f * 10.0**p * (1 + 1e-9) and f * 10.0**p <= self.high * (1 + 1e-9)
            ]
            if len(found) <= most + 2:
                break
        return [(v, _plain(v)) for v in found]


@dataclass(frozen=True, slots=True)
class Names(Scale):
    """An axis of names, at 0, 1, 2 and so on."""

    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """Return an axis for these names, with half a step of room at its ends."""
        kept = tuple(names)
        return cls(-0.5, max(len(kept), 1) - 0.5, names=kept)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Return the places of the names, all of them."""
        return [(float(i), name) for i, name in enumerate(self.names)]


_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Distances of the numbers on an axis, in powers of ten."""

_FACTORS = (
    tuple(1 + i / 10 for i in range(90)),
    tuple(1 + i / 2 for i in range(18)),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1, 3),
    (1,),
)
"""Where numbers are written between two powers of ten, the closest first."""


def _plain(value: float) -> str:
    return (
        power(f"{value:.3g}") if 1e-3 <= value < 1e5 else power(f"{value:.2e}".replace(".00e", "e"))
    )


def _tenth(exponent: int) -> str:
    """Return a power of ten as people write it."""
    value = 10.0**exponent
    return f"{value:,.{max(0, -exponent)}f}" if -3 <= exponent <= 4 else power(f"1e{exponent}")


_LEAST, _MOST = 1e-300, 1e300
"""The least and the largest number that an axis ends at; what lies beyond is drawn at its end."""


def fitting(
    values: Iterable[float],
    *,
    log: bool = False,
    zero: bool = False,
    bounds: tuple[float, float] | None = None,
) -> Scale:
    """Return an axis on which all finite numbers have a place, with a little room around them.

    Parameters
    ----------
    values
        The numbers.
    log
        Whether the axis is logarithmic; numbers up to 0 have no place then.
    zero
        Whether it starts at 0.
    bounds
        Ends that the room around the numbers does not pass, as 0 and 1 of a share.
    """
    finite = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    finite = [max(_LEAST, min(v, _MOST)) if log else max(-_MOST, min(v, _MOST)) for v in finite]
    low, high = (min(finite), max(finite)) if finite else (1.0, 10.0) if log else (0.0, 1.0)
    if log:
        if high < low * 1.5:
            low, high = max(low / 1.5, _LEAST), min(high * 1.5, _MOST)
        room = math.exp(0.04 * (math.log(high) - math.log(low)))
        return Scale(max(low / room, _LEAST), min(high * room, _MOST), log=True)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if not high - low > max(_LEAST, 1e-9 * max(abs(low), abs(high))):
        room = abs(high) if abs(high) > _LEAST else 1.0  # a constant is seen above 0, in the middle
        low, high = low - room, high + room
    room = 0.04 * (high - low)
    if not (zero and low == 0):
        low -= room
    if not (zero and high == 0):
        high += room
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Scale(max(low, -_MOST), min(high, _MOST))


def epochs(numbers: Sequence[float]) -> Scale:
    """Return the axis of the epochs."""
    low, high = (min(numbers), max(numbers)) if numbers else (1, 1)
    return Scale(low, max(high, low + 1), whole=True)


def suits_log(values: Iterable[float]) -> bool:
    """Say whether numbers are read better on a logarithmic axis.

    So it is where a tenth of them lies fifty times below the largest, and none below 0; a few may
    be 0, as a loss that is less than a float32 holds, and lie at the foot of the axis then.
    """
    finite = sorted(v for v in values if math.isfinite(v))
    if len(finite) < 3 or finite[0] < 0 or finite[len(finite) // 10] == 0:
        return False
    return finite[len(finite) // 10] < finite[-1] / 50
