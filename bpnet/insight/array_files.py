"""Arrays as files that other programs read: NPY, NPZ and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bpnet.errors import UsageError
from bpnet.nn.arena import Array
from bpnet.runs import durable

ENDINGS = (".npy", ".npz", ".csv")


def check_name(path: Path) -> None:
    """Refuse a name whose ending says no format.

    Raises
    ------
    UsageError
        If it is none of `ENDINGS`.
    """
    if str(path) != "-" and path.suffix not in ENDINGS:
        raise UsageError(f"-o {path}: expected a name that ends in .npy, .npz or .csv, or -")


def write_arrays(path: Path, arrays: Mapping[str, Array], csv_text: str | None) -> None:
    """Write arrays to a file, all of it or nothing.

    Parameters
    ----------
    path
        Its ending says the format. NPZ holds all arrays by their names, NPY one.
    arrays
        What to write.
    csv_text
        The one array as CSV; None if it is none that CSV can hold.

    Raises
    ------
    UsageError
        If there are several arrays for a file that holds one, or a device or pipe stands there.
    RefusedError
        If the operating system refuses.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"-o {path}: no regular file; name another one, or -")
    buffer = io.BytesIO()
    if path.suffix == ".npz":
        np.savez(buffer, allow_pickle=False, **{name: np.asarray(a) for name, a in arrays.items()})
    elif len(arrays) != 1:
        named = ", ".join(list(arrays)[:8]) + (", ..." if len(arrays) > 8 else "")
        raise UsageError(
            f"-o {path}: holds one array, but there are {len(arrays)} ({named}); name one, or "
            "write an .npz"
        )
    elif path.suffix == ".npy":
        np.save(buffer, next(iter(arrays.values())), allow_pickle=False)
    else:
        assert csv_text is not None
        buffer.write(csv_text.encode())
    durable.write(path, buffer.getvalue())


def as_csv(
    array: Array, labels: Sequence[str] | None, header: Sequence[str] | None, corner: str
) -> str:
    """Return an array as CSV: a line for each entry of its first axis, the others side by side.

    Parameters
    ----------
    array
        Numbers.
    labels
        What the lines are called; by default they are counted from 0.
    header
        What the columns are called; by default their indices, ``2.0`` for two axes.
    corner
        The name of the column with the labels.
    """
    matrix = array.reshape(len(array), -1)
    names = list(header) if header is not None else indices(array.shape[1:])
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([corner, *names])
    lines = labels if labels is not None else [str(i) for i in range(len(matrix))]
    for label, row in zip(lines, matrix, strict=True):
        writer.writerow([label, *map(str, row)])
    return sink.getvalue()


def indices(shape: Sequence[int]) -> list[str]:
    """Return the index of each number of an array, as columns are named: ``3``, ``3.0.1``."""
    if not shape:
        return ["value"]
    return [".".join(map(str, index)) for index in np.ndindex(*shape)]
