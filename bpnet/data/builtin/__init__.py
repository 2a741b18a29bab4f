"""Data sets that ship with bpnet: ``builtin:NAME``. Origins and licences are in SOURCES.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np

from bpnet.data.cells import number_columns
from bpnet.data.files import BytesOpener
from bpnet.data.idx import read_idx
from bpnet.data.table import Kind, Table, Tensor
from bpnet.data.text_table import read_text_table
from bpnet.errors import DataError, did_you_mean
from bpnet.nn.arena import Array

PREFIX = "builtin:"


@dataclass(frozen=True, slots=True)
class Builtin:
    """A data set that ships with bpnet.

    Attributes
    ----------
    about
        What it is, in a line.
    target
        The column that is usually predicted.
    rows
        How many rows it has.
    files
        Its files in this folder, the first with the inputs; none if a formula makes it.
    test_part
        The data set that holds its own published test part, if there is one.
    make
        The formula, as rows of inputs ``x1, x2`` and the target ``y``.
    """

    about: str
    target: str
    rows: int
    files: tuple[str, ...] = ()
    test_part: str | None = None
    make: Callable[[], Array] | None = None


def xor() -> Array:
    """Return the four rows of exclusive or: x1, x2 and y = x1 xor x2."""
    return np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], np.float64)


def spirals(per_class: int = 200, turns: float = 1.5, noise: float = 0.04) -> Array:
    """Return two interleaved spirals: rows of x1, x2 and y, 0 or 1, the classes in turn.

    Point k of K of a class lies at radius r = ((k + 1) / K)^(1/2) and angle 2 pi `turns` r, half a
    turn further in class 1; the square root puts more points on the outer, longer parts. Each
    coordinate is moved by `noise` times the sum of two uniform numbers from -1/2 to 1/2, taken from
    the raw bits of PCG64 with seed 0, which are the same in every version of NumPy, and rounded
    to 6 places.

    (After the two-spirals problem of Lang and Witbrock, 1988.)
    """
    n = 2 * per_class
    y = np.arange(n) % 2
    radius = np.sqrt((np.arange(n) // 2 + 1) / per_class)
    angle = 2 * np.pi * turns * radius + np.pi * y
    bits = np.random.PCG64(0).random_raw(4 * n).reshape(2, 2, n)
    moved = ((bits >> np.uint64(11)) * 2.0**-53 - 0.5).sum(axis=0) * noise
    x = radius * np.stack([np.cos(angle), np.sin(angle)]) + moved
    return np.stack([*x.round(6), y], axis=1)


BUILTINS: Mapping[str, Builtin] = {
    "concrete": Builtin(
        "strength of concrete in MPa from its mixture and age",
        "compressive_strength",
        1030,
        ("concrete.csv",),
    ),
    "digits": Builtin("handwritten digits in 8 x 8 pixels", "digit", 1797, ("digits.csv.gz",)),
    "fashion": Builtin(
        "clothing in 28 x 28 grey pixels",
        "label",
        2000,
        ("fashion_train_images.idx.gz", "fashion_train_labels.idx.gz"),
        test_part="fashion_test",
    ),
    "fashion_test": Builtin(
        "the test part of fashion",
        "label",
        500,
        ("fashion_test_images.idx.gz", "fashion_test_labels.idx.gz"),
    ),
    "iris": Builtin("species of iris from 4 lengths in cm", "species", 150, ("iris.csv",)),
    "penguins": Builtin(
        "species of penguin from mixed columns with missing cells",
        "species",
        344,
        ("penguins.csv",),
    ),
    "spirals": Builtin("two interleaved spirals", "y", 400, make=spirals),
    "xor": Builtin("exclusive or, all four rows", "y", 4, make=xor),
}
"""The data sets by name."""


def find_builtin(source: str) -> Builtin:
    """Return the data set of ``builtin:NAME``.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    name = source.removeprefix(PREFIX)
    if name not in BUILTINS:
        there = ", ".join(BUILTINS)
        raise DataError(
            f"no such data set{did_you_mean(name, BUILTINS)} (there are {there})", source
        )
    return BUILTINS[name]


def read_builtin(
    source: str, kinds: Mapping[str, Kind], target: str | None = None
) -> Table | Tensor:
    """Read ``builtin:NAME``.

    Parameters
    ----------
    source
        ``builtin:NAME``.
    kinds
        The kinds of columns that are not to be inferred.
    target
        What labels without a name of their own are called, by default ``label``.

    Returns
    -------
    Table or Tensor
        Its `target_names` name what is usually predicted.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    found = find_builtin(source)
    if found.make is not None:
        rows = found.make()
        names = ["x1", "x2", "y"]
        columns = number_columns(rows, names)
        for name in names:
            if kinds.get(name) == "category":
                columns[name] = columns[name].as_category()
        return Table(columns, len(rows), source, first_line=None, target_names=(found.target,))
    openers = builtin_files(source)
    if len(openers) == 2:
        return read_idx(openers[0], openers[1], kinds, target or found.target)
    table = read_text_table(openers[0], "csv", kinds)
    return replace(table, target_names=(found.target,))


def builtin_files(source: str) -> list[BytesOpener]:
    """Return the files of ``builtin:NAME``, ready to be opened; none if a formula makes it."""
    folder = resources.files(__name__)
    return [
        BytesOpener(source, (folder / name).read_bytes(), compressed=name.endswith(".gz"))
        for name in find_builtin(source).files
    ]
