from dataclasses import replace

import numpy as np
import pytest

from bpnet.data.memory import from_columns
from bpnet.data.table import Table


def make_table(**columns) -> Table:
    """Make the table of a file ``t.csv``: of numbers, or of texts; None is a missing cell."""
    kinds = {
        name: "category" if any(isinstance(cell, str) for cell in cells) else "number"
        for name, cells in columns.items()
    }
    return replace(from_columns(columns, kinds), source="t.csv", first_line=2)


@pytest.fixture
def table():
    return make_table


@pytest.fixture
def every_row():
    return lambda source: np.arange(source.rows)
