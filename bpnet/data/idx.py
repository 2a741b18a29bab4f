"""Reading IDX files, the format of MNIST: images in one file, their labels in another.

A file is a magic number (two zeros, the element type, the number of dimensions), each dimension as
a big-endian 32-bit integer, then the elements (LeCun, Cortes and Burges: The MNIST database).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from bpnet.data.arrays import array_columns, check_finite
from bpnet.data.files import BLOCK, Opener, reading
from bpnet.data.gunzip import decompressed
from bpnet.data.table import Fingerprint, Kind, Stream, Table, Tensor
from bpnet.errors import DataError
from bpnet.nn.arena import Array

MAX_DIMENSIONS = 4
LABEL = "label"
"""The target's name where the config gives none: the files name nothing."""

_DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(
    images: Opener, labels: Opener | None, kinds: Mapping[str, Kind], target: str = LABEL
) -> Table | Tensor:
    """Read images and their labels.

    Parameters
    ----------
    images
        The inputs: of two dimensions they become a table with columns x0, x1, ..., of three
        images with one channel, of four ``(N, H, W, C)``.
    labels
        The labels, one dimension; None if there are none.
    kinds
        The kinds of columns that are not to stay numbers.
    target
        What the labels are called.

    Raises
    ------
    DataError
        If a file is damaged, or images and labels are not equally many.
    """
    x, fingerprint = _read(images)
    if x.ndim == 1:
        raise DataError(
            "holds a single dimension, as labels do; name the images' file", images.name
        )
    files = [fingerprint]
    columns = {}
    if labels is not None:
        y, fingerprint = _read(labels)
        files.append(fingerprint)
        if y.ndim != 1:
            raise DataError(f"expected labels in one dimension, found {y.ndim}", labels.name)
        if len(y) != len(x):
            raise DataError(f"{len(x)} images, but {len(y)} labels in {labels.name}", images.name)
        columns = array_columns(y, target, labels.name, kinds)
    names = tuple(columns)
    if x.ndim == 2:
        inputs = array_columns(x, "x", images.name, kinds, numbered=True)
        return Table(
            inputs | columns,
            len(x),
            images.name,
            first_line=None,
            target_names=names,
            files=tuple(files),
        )
    check_finite(x, "x", images.name, missing_allowed=False)
    x = x[..., np.newaxis] if x.ndim == 3 else x
    return Tensor(x, columns, images.name, names, tuple(files))


def label_names(name: str) -> list[str]:
    """Return what the labels' file may be called, from the name of the images' file.

    ``train-images-idx3-ubyte.gz`` belongs with ``train-labels-idx1-ubyte.gz``, or the same
    without ``.gz``.
    """
    start, word, end = name.rpartition("images")
    if not word:
        start, word, end = name.rpartition("Images")
    if not word:
        return []
    other = "labels" if word == "images" else "Labels"
    found = start + other + re.sub(r"idx\d", "idx1", end)
    plain = found.removesuffix(".gz")
    return [found, plain if found != plain else f"{found}.gz"]


def _read(opener: Opener) -> tuple[Array, Fingerprint]:
    with reading(opener) as file:
        stream = decompressed(file)
        dtype, shape = _header(stream, file.name)
        size = math.prod(shape) * dtype.itemsize
        if stream is file and file.size - file.count != size:
            raise _wrong_size(shape, size, file.size - file.count, file.name)
        data = bytearray()
        # One byte more than is promised, to see whether the end is there. What is allocated
        # follows what was read, never what the header claims.
        while block := stream.read(min(BLOCK, size - len(data) + 1)):
            data += block
            if len(data) > size:
                raise _wrong_size(shape, size, f"{size + 1} or more", file.name)
        if len(data) < size:
            raise _wrong_size(shape, size, len(data), file.name)
        fingerprint = file.fingerprint()
    if not size:
        raise DataError(f"is empty ({_sides(shape)}); expected images or labels", file.name)
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False), fingerprint


def _header(stream: Stream, source: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = _exactly(stream, 4, source)
    dtype = _DTYPES.get(magic[2])
    if magic[:2] != b"\0\0" or dtype is None:
        raise DataError(
            f"expected an IDX file, which begins with two zeros and a type; found 0x{magic.hex()}",
            source,
        )
    if not 1 <= magic[3] <= MAX_DIMENSIONS:
        raise DataError(
            f"expected 1 to {MAX_DIMENSIONS} dimensions, its header claims {magic[3]}", source
        )
    sides = np.frombuffer(_exactly(stream, 4 * magic[3], source), ">u4")
    return np.dtype(dtype), tuple(sides.tolist())


def _exactly(stream: Stream, size: int, source: str) -> bytes:
    data = b""
    while len(data) < size and (block := stream.read(size - len(data))):
        data += block
    if len(data) < size:
        raise DataError("ends within its IDX header; the file was cut short", source)
    return data


def _wrong_size(shape: tuple[int, ...], size: int, found: int | str, source: str) -> DataError:
    return DataError(
        f"its header promises {_sides(shape)}, {size} bytes, but {found} follow; the file was cut "
        "short or is damaged",
        source,
    )


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
