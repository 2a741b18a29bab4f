"""Tables and tensors from NPY and NPZ files, without trusting a byte of them.

What a header claims is held against the file's size before anything is allocated. A matrix of
inputs becomes columns x0, x1, ..., which are views of one float64 matrix.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np

from bpnet.data.cells import number_columns
from bpnet.data.files import Opener, reading
from bpnet.data.levels import MISSING
from bpnet.data.lines import quoted
from bpnet.data.npy import array_from, read_header, wrong_size
from bpnet.data.npz import members_of, open_archive, unpack
from bpnet.data.powers import EXACT
from bpnet.data.table import Column, Fingerprint, Kind, Table, Tensor, check_width
from bpnet.errors import DataError
from bpnet.nn.arena import Array

_ORDER = "le" if sys.byteorder == "little" else "be"


def read_npy(opener: Opener, kinds: Mapping[str, Kind]) -> Table | Tensor:
    """Read an NPY file: of two dimensions a table with columns x0, x1, ..., of more a tensor.

    Raises
    ------
    DataError
        If the file is damaged, or its array holds anything but numbers or texts.
    """
    with reading(opener) as file:
        header = read_header(file, file.name)
        if header.offset + header.size != file.size:
            raise wrong_size(header, file.size - header.offset, file.name)
        array = array_from(file.read_all(header.size), header)
        fingerprint = file.fingerprint()
    return _source({"x": array}, "x", [], file.name, fingerprint, kinds)


def read_npz(
    opener: Opener,
    kinds: Mapping[str, Kind],
    *,
    features: str | None = None,
    target: Sequence[str] | None = None,
    target_required: bool = True,
) -> Table | Tensor:
    """Read the inputs and the target of an NPZ file.

    Parameters
    ----------
    opener
        The file.
    kinds
        The kinds of columns that are not to stay what they are.
    features
        The array with the inputs, by default ``x``.
    target
        The arrays with the target, by default ``y`` if there is one.
    target_required
        Whether a named target must be there.

    Raises
    ------
    DataError
        If the file is damaged, an array is missing, or two have different lengths.
    """
    with reading(opener) as file:
        source = file.name
        with open_archive(file) as archive:
            members = members_of(archive, source)
            inputs = features or "x"
            named = target if target is not None else [n for n in ("y",) if n in members]
            if not target_required:
                named = [name for name in named if name in members]
            arrays = {
                name: unpack(archive, members, name, file.size, source)
                for name in dict.fromkeys([inputs, *named])
            }
        fingerprint = file.read_again()
    return _source(arrays, inputs, named, source, fingerprint, kinds)


def array_names(opener: Opener) -> list[str]:
    """Return the names of the arrays in an NPZ file.

    Raises
    ------
    DataError
        If the file is no archive of arrays.
    """
    with reading(opener) as file, open_archive(file) as archive:
        return list(members_of(archive, file.name))


def _source(
    arrays: Mapping[str, Array],
    inputs: str,
    targets: Sequence[str],
    source: str,
    fingerprint: Fingerprint,
    kinds: Mapping[str, Kind],
) -> Table | Tensor:
    for name, array in arrays.items():
        if array.ndim == 0:
            raise DataError(f"{quoted(name)} is a single value; expected rows", source)
    x = arrays[inputs]
    columns: dict[str, Column] = {}
    for name in targets:
        if len(arrays[name]) != len(x):
            raise DataError(
                f"{quoted(inputs)} has {len(x)} rows, but {quoted(name)} has {len(arrays[name])}",
                source,
            )
        columns.update(array_columns(arrays[name], name, source, kinds))
    notes = [note for name, array in arrays.items() for note in _rounding(name, array)]
    if x.ndim > 2:
        if x.dtype.kind in "US":
            raise DataError(f"{quoted(inputs)} holds texts in {x.ndim} dimensions", source)
        check_finite(x, inputs, source, missing_allowed=False)
        return Tensor(x, columns, source, tuple(columns), (fingerprint,), tuple(notes))
    inner = array_columns(x.reshape(len(x), -1), "x", source, kinds, numbered=True)
    if both := inner.keys() & columns.keys():
        raise DataError(
            f"the target {quoted(min(both))} has the name of an input column; rename the array",
            source,
        )
    return Table(
        inner | columns,
        len(x),
        source,
        first_line=None,
        target_names=tuple(columns),
        files=(fingerprint,),
        notes=tuple(notes),
    )


def array_columns(
    array: Array,
    name: str,
    source: str,
    kinds: Mapping[str, Kind],
    *,
    numbered: bool = False,
) -> dict[str, Column]:
    """Return an array of one or two dimensions as columns.

    Parameters
    ----------
    array
        Numbers or texts, ``(N,)`` or ``(N, K)``.
    name
        The column's name; of several, the first is called ``NAME0``.
    source
        What errors call the file.
    kinds
        Columns of numbers that are to become categories.
    numbered
        Whether a single column is called ``NAME0`` too.

    Raises
    ------
    DataError
        If it holds infinite numbers, or texts that are no UTF-8.
    """
    if array.ndim > 2:
        raise DataError(f"{quoted(name)} has {array.ndim} dimensions; expected one or two", source)
    matrix = array.reshape(len(array), -1)
    count = matrix.shape[1]
    check_width(count, source)
    names = [f"{name}{i}" for i in range(count)] if numbered or count > 1 else [name]
    if array.dtype.kind in "US":
        columns = {n: _texts(matrix[:, i], n, source) for i, n in enumerate(names)}
    else:
        check_finite(array, name, source)
        with np.errstate(invalid="ignore"):  # a NaN of the kind that signals becomes a quiet one
            columns = number_columns(matrix.astype(np.float64, copy=False), names)
    for n in names:
        if kinds.get(n) == "category":
            columns[n] = columns[n].as_category()
        elif kinds.get(n) == "number" and columns[n].kind == "category":
            raise DataError(f"column {quoted(n)}: expected numbers, found texts", source)
    return columns


def check_finite(array: Array, name: str, source: str, *, missing_allowed: bool = True) -> None:
    """Refuse infinite numbers, and NaN where no missing value is allowed.

    Raises
    ------
    DataError
        With the index of the first one.
    """
    if array.dtype.kind != "f":
        return
    for start in range(0, len(array), 4096):
        block = array[start : start + 4096]
        wrong = np.isinf(block) if missing_allowed else ~np.isfinite(block)
        if wrong.any():
            index = np.argwhere(wrong)[0]
            value = block[tuple(index)]
            index[0] += start
            place = ", ".join(map(str, index))
            raise DataError(f"{name}[{place}] is {value}; expected a finite number", source)


def _texts(values: Array, name: str, source: str) -> Column:
    try:
        if values.dtype.kind == "U":
            # NumPy keeps any 32 bits as a character; a codec tells which are one.
            np.ascontiguousarray(values).tobytes().decode(f"utf-32-{_ORDER}")
        texts, codes = np.unique(values, return_inverse=True)
        found = [t.decode() if isinstance(t, bytes) else str(t) for t in texts.tolist()]
    except UnicodeDecodeError as error:
        raise DataError(f"column {quoted(name)}: a text is no Unicode", source) from error
    found = [text.strip() for text in found]
    levels = tuple(sorted({text for text in found if text not in MISSING}))
    place = {text: code for code, text in enumerate(levels)}
    recode = np.array([place.get(text, -1) for text in found], np.int32)
    return Column(name, "category", recode[codes], levels)


def _rounding(name: str, array: Array) -> list[str]:
    """Say whether float64 rounds an integer of the array."""
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8:
        return []
    if max(int(array.max()), -int(array.min())) <= EXACT:
        return []
    return [f"{quoted(name)} holds integers above 2**53, which are rounded"]
