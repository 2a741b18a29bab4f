"""Reading the NPY format: a header is parsed by a closed grammar before it is believed.

The header is written as a Python dictionary, but no parser of Python reads it: what it may hold is
little enough for one pattern, which knows nothing else. Objects, structures, dates and complex
numbers are refused by name. `numpy.load` is not used: it allocates what a header claims, and
damaged files make it raise ten kinds of exceptions. (The format: NumPy Enhancement Proposal 1.)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpnet.data.lines import quoted
from bpnet.data.table import Stream
from bpnet.errors import DataError
from bpnet.nn.arena import Array

MAX_HEADER = 1 << 16
MAX_DIMENSIONS = 32

_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|[US][1-9]\d{0,6})")
_ENTRY = r"""
    ['"]descr['"] \s*:\s* ['"](?P<descr>[^'"\\\s]{0,50})['"]
  | ['"]fortran_order['"] \s*:\s* (?P<fortran>True|False)
  | ['"]shape['"] \s*:\s* \(\s* (?P<shape>(?:\d{1,99}L?\s*,\s*)+ (?:\d{1,99}L?\s*)? | ) \)
"""  # (NumPy for Python 2 wrote 3L.)
_HEADER = re.compile(
    rf"\{{\s* (?:(?:{_ENTRY}) \s*(?:,\s*|(?=\}}))){{3}} \}}\s*", re.VERBOSE | re.ASCII
)
_STRUCTURE = re.compile(r"""\{\s*['"]descr['"]\s*:\s*[\[(]""", re.ASCII)
_REFUSED = {
    "O": "Python objects, which are code as much as data; convert it to numbers or texts",
    "V": "structures; save each field as an array of its own",
    "c": "complex numbers; save their real and imaginary parts",
    "M": "dates; save them as numbers",
    "m": "time spans; save them as numbers",
    "f": "numbers of more than 64 bits; save them as float64",
}


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What a header says: the elements' type, their order, the shape, and where they begin."""

    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Bytes of the array itself."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(stream: Stream, source: str) -> NpyHeader:
    """Read and check the header of an array.

    Raises
    ------
    DataError
        If it isn't one, or describes anything but an array of numbers or texts.
    """
    start = stream.read(8)
    if start[:6] != b"\x93NUMPY":
        raise DataError("expected an array as NumPy saves it, found something else", source)
    version = f"{start[6]}.{start[7]}" if len(start) == 8 else "none"
    if version not in ("1.0", "2.0", "3.0"):
        raise DataError(f"expected the NPY format 1.0, 2.0 or 3.0, found {version}", source)
    width = 2 if version == "1.0" else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > MAX_HEADER:
        raise DataError(f"its header claims {length} bytes, above {MAX_HEADER}", source)
    data = stream.read(length)
    text = data.decode("utf-8" if version == "3.0" else "latin-1", "replace")
    if _STRUCTURE.match(text):
        raise DataError(f"the array holds {_REFUSED['V']}", source)
    header = _HEADER.fullmatch(text) if len(data) == length else None
    if header is None or None in header.groups():
        raise DataError("its NPY header is damaged; save the array again", source)
    shape = tuple(int(side) for side in re.findall(r"\d+", header["shape"]))
    dtype = _dtype(header["descr"], source)
    if len(shape) > MAX_DIMENSIONS:
        raise DataError(
            f"the array has {len(shape)} dimensions, above {MAX_DIMENSIONS}; reshape it", source
        )
    if 0 in shape:
        sides = " x ".join(map(str, shape))
        raise DataError(f"the array is empty ({sides}); expected rows with values", source)
    return NpyHeader(dtype, header["fortran"] == "True", shape, 8 + width + length)


def _dtype(descr: str, source: str) -> np.dtype[Any]:
    match = _DTYPE.fullmatch(descr)
    if match is None:
        letter = descr.lstrip("<>|=")[:1]
        what = _REFUSED.get(letter, f"elements of the unknown type {quoted(descr)}")
        raise DataError(f"the array holds {what}", source)
    return np.dtype(match[0])


def wrong_size(header: NpyHeader, found: int, source: str) -> DataError:
    """Return the error for an array whose bytes aren't as many as its header promises."""
    sides = " x ".join(map(str, header.shape)) or "one value"
    return DataError(
        f"its header promises {sides} of {header.dtype.name}, {header.size} bytes, but {found} "
        "follow; the file was cut short or is damaged",
        source,
    )


def array_from(data: bytearray, header: NpyHeader) -> Array:
    """Return the array that these bytes hold, in the machine's byte order."""
    array = np.frombuffer(data, header.dtype).reshape(
        header.shape, order="F" if header.fortran else "C"
    )
    return array.astype(header.dtype.newbyteorder("="), copy=False)
