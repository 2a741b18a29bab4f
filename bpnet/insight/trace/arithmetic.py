"""Derivations: a formula, the same with its numbers put in, and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 4
"""Terms of a sum that are written out; the others are added up to one number."""


@dataclass(frozen=True)
class Derivation:
    """Where one number comes from.

    Attributes
    ----------
    symbol
        What it is: ``dW[0, 1]``.
    formula
        How it is computed: ``x[0] dy[1]``.
    numbers
        The same with the numbers of this step.
    value
        The result.
    remark
        What else is to be said of it.
    """

    symbol: str
    formula: str
    numbers: str
    value: float
    remark: str = ""


def num(value: float) -> str:
    """Write a number with five significant digits."""
    return f"{value + 0.0:.5g}"


def arg(value: float) -> str:
    """Write a number as part of an expression: a negative one in parentheses."""
    text = num(value)
    return f"({text})" if text.startswith("-") else text


def times(*factors: float) -> str:
    """Write a product."""
    return " · ".join(map(arg, factors))


def place(*index: int) -> str:
    """Write an index, counted from 0."""
    return f"[{', '.join(map(str, index))}]"


@dataclass(frozen=True)
class Term:
    """A part of a sum: in letters, in numbers, and what it amounts to."""

    letters: str
    numbers: str
    value: float


def add_up(symbol: str, terms: Sequence[Term], last: Term | None = None) -> Derivation:
    """Derive a sum of many terms and perhaps one last term of another kind."""
    shown = list(terms) if len(terms) <= SHOWN + 1 else list(terms[:SHOWN])
    rest = sum(term.value for term in terms[len(shown) :])
    letters = [term.letters for term in shown]
    numbers = [term.numbers for term in shown]
    if len(terms) > len(shown):
        letters.append(f"({len(terms) - len(shown)} more terms)")
        numbers.append(arg(rest))
    if last is not None:
        letters.append(last.letters)
        numbers.append(last.numbers)
    value = sum(term.value for term in terms) + (last.value if last is not None else 0.0)
    return Derivation(symbol, " + ".join(letters) or "0", " + ".join(numbers) or "0", value)
