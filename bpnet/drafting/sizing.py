"""How large a network, for how many rows, and how it is trained.

The figures are those that did well on eight small public data sets, measured with several seeds;
they grow with the rows, as more of them carry more detail.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """A network and its training.

    Attributes
    ----------
    units
        Of the hidden layers.
    dropout
        After each of them; 0 for none.
    batch_size, epochs, patience
        Rows a step; passes over the data at most, and without an improvement.
    learning_rate, weight_decay
        Of adamw.
    validation, test
        Parts of the rows; 0 for none.
    """

    units: tuple[int, ...]
    dropout: float
    batch_size: int
    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float
    validation: float
    test: float


def size_for(rows: int) -> Size:
    """Return what suits a table of so many rows."""
    if rows < 30:  # too few to set some aside
        return Size((16,), 0.0, 8, 300, 0, 5e-3, 0.01, 0.0, 0.0)
    if rows < 300:
        return Size((32,), 0.1, 16, 200, 40, 1e-2, 0.05, 0.2, 0.2)
    if rows < 1000:
        return Size((32, 32), 0.1, 16, 200, 30, 3e-3, 0.02, 0.15, 0.15)
    if rows < 10_000:
        return Size((128, 64), 0.1, 32, 300, 30, 3e-3, 0.02, 0.15, 0.15)
    if rows < 100_000:
        return Size((128, 128), 0.1, 128, 100, 12, 3e-3, 0.01, 0.15, 0.15)
    if rows < 1_000_000:
        return Size((256, 128), 0.0, 512, 50, 6, 2e-3, 0.01, 0.1, 0.1)
    return Size((256, 128), 0.0, 1024, 20, 4, 2e-3, 0.01, 0.05, 0.05)


def size_for_images(examples: int) -> Size:
    """Return what suits so many images, or other arrays, in dense layers."""
    if examples < 30:
        return Size((32,), 0.0, 8, 100, 0, 2e-3, 0.05, 0.0, 0.0)
    if examples < 10_000:
        return Size((128, 128), 0.3, 32, 60, 12, 2e-3, 0.05, 0.15, 0.15)
    return Size((256, 128), 0.2, 128, 40, 6, 2e-3, 0.02, 0.1, 0.1)
