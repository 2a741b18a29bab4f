"""The ways to choose points, one file each.

A method is a generator: it yields rounds of points, and is sent what became of each round. It is
a function of the config alone, so that a search that was cut off goes on by asking again: what
is known already is answered from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from bpnet.search.methods import draws, grid, halving, sobol, tpe
from bpnet.search.methods.base import Request, Result, Setting

Proposer = Callable[[Any, Setting], Generator[list[Request], list[Result], None]]
"""Proposes rounds of points, by the options of its method."""

PROPOSERS: dict[str, Proposer] = {
    "grid": grid.propose,
    "random": draws.propose,
    "sobol": sobol.propose,
    "tpe": tpe.propose,
    "halving": halving.propose,
    "hyperband": halving.propose_brackets,
}

CHECKS: dict[str, Callable[[Any, Setting], None]] = {
    "grid": grid.check,
    "sobol": sobol.check,
    "tpe": tpe.check,
    "halving": halving.check,
    "hyperband": halving.check,
}
"""What refuses, with an `OptionError`, a space that a method can't search."""

__all__ = ["CHECKS", "PROPOSERS", "Proposer", "Request", "Result", "Setting"]
