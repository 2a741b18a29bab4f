"""Which input columns a trained network goes by.

Two answers to two questions. Permutation: how much worse do the answers get if a column is shuffled
among the rows, so that it says nothing any more? (Breiman, 2001; Fisher, Rudin & Dominici, 2019.)
Gradient: how much does the output move if a column moves a little? Both look at columns as they are
in the file: the inputs that one of categories became are shuffled, or counted, as one.
"""

from __future__ import annotations

from bpnet.insight.importance.columns import ColumnImportance, Importances, source_columns
from bpnet.insight.importance.shuffling import REPEATS, permutation
from bpnet.insight.importance.slopes import gradients

__all__ = [
    "REPEATS",
    "ColumnImportance",
    "Importances",
    "gradients",
    "permutation",
    "source_columns",
]
