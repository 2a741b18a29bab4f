"""Named arrays and a few facts in one safetensors file, with a checksum over all of it.

The format itself has none: a flipped bit in a weight would load silently. Here the metadata
hold a SHA-256 over every name, type, shape, byte and fact, and a file must be exactly, byte
for byte, what writing its content again gives.

The format is written and read here, in the order of its reference writer: what a file must be
does not hang on the version of a library, and what a hostile file claims is held against its
size before anything else happens. (The format: github.com/huggingface/safetensors.)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bpnet.errors import RunError
from bpnet.nn.arena import Array
from bpnet.runs import durable

FORMAT = 1
"""Version of the layout; a reader refuses a later one."""

MAX_HEADER = 100_000_000
"""Bytes of the largest header, as in the reference."""

_START = b'{"__metadata__":{"bpnet":"'
_GLANCE = 64
"""Bytes at the start of a file that tell whether it can be one of bpnet's."""

_FORMATS_OF_OTHERS = {
    b"PK\x03\x04": "a zip archive (a PyTorch, Keras or NPZ file?)",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUM": "a NumPy file",
}


@dataclass(frozen=True, slots=True)
class TensorFile:
    """What such a file holds.

    Attributes
    ----------
    kind
        ``model``, ``checkpoint`` or ``weights``.
    arrays
        The arrays by name.
    facts
        JSON values by name.
    """

    kind: str
    arrays: dict[str, Array]
    facts: dict[str, Any]


def encode(kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file of this kind: equal content gives equal bytes.

    Raises
    ------
    TypeError
        If an array holds numbers of a type that such a file has no name for.
    """
    return b"".join(_pieces(kind, arrays, facts))


def _pieces(
    kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]
) -> list[bytes | memoryview]:
    """Return the header and the arrays' own memory, which need not be copied to be written.

    Raises
    ------
    TypeError
        If an array holds numbers of a type that such a file has no name for.
    """
    plain = {
        name: np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        for name, array in arrays.items()
    }
    for name, array in plain.items():
        if array.dtype not in _ORDER:
            raise TypeError(f"{name} is of {array.dtype}, which can't be saved")
    label = {"kind": kind, "format": FORMAT, "facts": facts}
    label["sha256"] = _checksum(plain, label)
    # Falling types, which keep every array aligned, then rising names.
    order = sorted(plain, key=lambda name: (_ORDER.index(plain[name].dtype), name.encode()))
    header = _header(_json(label), {name: plain[name] for name in order})
    return [header, *(_raw(plain[name]) for name in order)]


def write(path: Path, kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Write such a file durably."""
    durable.write(path, *_pieces(kind, arrays, facts))


def read(path: Path, *kinds: str) -> TensorFile:
    """Read and verify a file of one of these kinds.

    Raises
    ------
    RunError
        If it is missing, damaged, of another format, or of another kind.
    RefusedError
        If the operating system refuses.
    """
    _glance(path)
    return decode(durable.read(path), str(path), *kinds)


def decode(data: bytes, source: str, *kinds: str) -> TensorFile:
    """Verify and parse the bytes of a file; `source` names it in errors.

    Raises
    ------
    RunError
        If they are damaged, of another format, or of another kind.
    """
    _check_start(data[:_GLANCE], len(data), source)
    try:
        length = int.from_bytes(data[:8], "little")
        table = json.loads(data[8 : 8 + length].decode())
        text = table.pop("__metadata__")["bpnet"]
        label = json.loads(text)
        version = label["format"]
        if type(version) is not int or not 1 <= version < 1000:
            raise ValueError("no version")
        if version > FORMAT:
            raise RunError(f"{source}: made by a newer bpnet (format {version}); update bpnet")
        arrays = _arrays(table, data, 8 + length)
        canonical = _header(_json(label), arrays) == data[: 8 + length]
        expected = label.pop("sha256")
        sound = canonical and expected == _checksum(arrays, label)
        kind, facts = label["kind"], label["facts"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{source}: damaged, or cut short, or not a file of bpnet") from error
    if not sound or not isinstance(facts, dict) or not _is_word(kind):
        raise RunError(f"{source}: damaged: the checksum does not match its content")
    if kind not in kinds:
        raise RunError(f"{source}: expected a {' or '.join(kinds)} file, found a {kind} file")
    return TensorFile(kind, arrays, facts)


def _glance(path: Path) -> None:
    """Refuse a foreign file by its first bytes, however large it is.

    What keeps it from being opened is told by whoever reads it as a whole.
    """
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                _check_start(os.read(descriptor, _GLANCE), status.st_size, str(path))
        finally:
            os.close(descriptor)


def _check_start(start: bytes, size: int, source: str) -> None:
    """Refuse a file that does not start as bpnet's do, or is smaller than it says."""
    # The length in front may look like the start of a pickle; the ninth byte is a brace.
    if start[8:9] != b"{":
        for magic, what in _FORMATS_OF_OTHERS.items():
            if start.startswith(magic):
                raise RunError(f"{source}: this is {what}, not a file of bpnet; nothing was loaded")
        raise RunError(f"{source}: damaged, or not a file of bpnet")
    length = int.from_bytes(start[:8], "little")
    if length > min(size - 8, MAX_HEADER):
        raise RunError(f"{source}: damaged, or cut short: its header is longer than the file")
    if not start.startswith(_START, 8):
        raise RunError(f"{source}: a safetensors file, but not made by bpnet")


_ORDER = tuple(map(np.dtype, ("<u8", "<i8", "<f8", "<f4", "<i4", "u1", "?")))
_NAMES = dict(zip(_ORDER, ("U64", "I64", "F64", "F32", "I32", "U8", "BOOL"), strict=True))
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}


def _header(label: str, arrays: Mapping[str, Array]) -> bytes:
    """Return everything in front of the arrays, which follow each other in this order."""
    table: dict[str, Any] = {"__metadata__": {"bpnet": label}}
    place = 0
    for name, array in arrays.items():
        end = place + array.nbytes
        shape = list(array.shape)
        table[name] = {"dtype": _NAMES[array.dtype], "shape": shape, "data_offsets": [place, end]}
        place = end
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _arrays(table: Mapping[str, Any], data: bytes, place: int) -> dict[str, Array]:
    """Return the arrays of a table, which start at `place`, one behind the other, to the end.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is no such table; then nothing larger than the data was allocated.
    """
    arrays, view = {}, memoryview(data)
    for name, entry in table.items():
        dtype, shape = _DTYPES[entry["dtype"]], _shape(entry["shape"])
        size = math.prod(shape) * dtype.itemsize
        if size > len(data) - place:
            raise ValueError("an array is larger than the file")
        # A copy, which is aligned, may be written to, and leaves the file's bytes to be freed.
        arrays[name] = np.frombuffer(bytearray(view[place : place + size]), dtype).reshape(shape)
        place += size
    if place != len(data):
        raise ValueError("there is something behind the arrays")
    return arrays


def _shape(sides: Sequence[object]) -> tuple[int, ...]:
    shape = tuple(side for side in sides if type(side) is int and side >= 0)
    if len(shape) != len(sides):
        raise ValueError("a side of an array is no number")
    return shape


def _raw(array: Array) -> memoryview | bytes:
    return array.data.cast("B") if array.size else b""


def _is_word(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[a-z_]{1,40}", value) is not None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _checksum(arrays: Mapping[str, Array], label: Mapping[str, Any]) -> str:
    """Hash every name, type, shape and byte of the arrays, and the label."""
    digest = hashlib.sha256(_json(label).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}:{array.dtype.str}:{array.shape}\0".encode())
        digest.update(_raw(array))
    return digest.hexdigest()
