"""Named arrays and a few facts in one safetensors file, with a checksum over all of it.

The format itself has none: a flipped bit in a weight would load silently. Here the metadata
hold a SHA-256 over every name, type, shape, byte and fact, and a file must be exactly, byte
for byte, what writing its content again gives.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bpnet.errors import RunError
from bpnet.nn.arena import Array
from bpnet.runs import durable

FORMAT = 1
"""Version of the layout; a reader refuses a later one."""

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
    """Return the bytes of a file of this kind: equal content gives equal bytes."""
    from safetensors.numpy import save

    plain = {
        name: np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        for name, array in arrays.items()
    }
    label = {"kind": kind, "format": FORMAT, "facts": facts}
    label["sha256"] = _checksum(plain, label)
    # One key only: the order of several is random in safetensors.
    return bytes(save(plain, {"bpnet": _json(label)}))


def write(path: Path, kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Write such a file durably."""
    durable.write(path, encode(kind, arrays, facts))


def read(path: Path, *kinds: str) -> TensorFile:
    """Read and verify a file of one of these kinds.

    Raises
    ------
    RunError
        If it is missing, damaged, of another format, or of another kind.
    """
    return decode(durable.read(path), str(path), *kinds)


def decode(data: bytes, source: str, *kinds: str) -> TensorFile:
    """Verify and parse the bytes of a file; `source` names it in errors."""
    from safetensors import SafetensorError

    for magic, what in _FORMATS_OF_OTHERS.items():
        if data.startswith(magic):
            raise RunError(f"{source}: this is {what}, not a file of bpnet; nothing was loaded")
    try:
        label = _label(data, source)
        arrays = {
            name: np.frombuffer(tensor["data"], _dtype(tensor)).reshape(tensor["shape"])
            for name, tensor in _tensors(data)
        }
        expected = label.pop("sha256")
        kind, facts = label["kind"], label["facts"]
        sound = expected == _checksum(arrays, label) and encode(kind, arrays, facts) == data
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as e:
        raise RunError(f"{source}: damaged or not a file of bpnet ({type(e).__name__})") from e
    if not sound or not isinstance(facts, dict):
        raise RunError(f"{source}: damaged: the checksum does not match its content")
    if kind not in kinds:
        raise RunError(f"{source}: expected a {' or '.join(kinds)} file, found a {kind} file")
    return TensorFile(kind, arrays, facts)


_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U64": np.dtype("<u8"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def _dtype(tensor: dict[str, Any]) -> np.dtype[Any]:
    return _DTYPES[tensor["dtype"]]


def _tensors(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    from safetensors import deserialize

    found: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
    return found


def _label(data: bytes, source: str) -> dict[str, Any]:
    """Return what bpnet wrote into the metadata, read within the bounds of the file."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise ValueError("truncated")
    header = json.loads(data[8 : 8 + length])
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    if not isinstance(metadata, dict) or "bpnet" not in metadata:
        raise RunError(f"{source}: a safetensors file, but not made by bpnet")
    label = json.loads(metadata["bpnet"])
    if not isinstance(label, dict):
        raise ValueError("no label")
    if int(label["format"]) > FORMAT:
        raise RunError(f"{source}: made by a newer bpnet (format {label['format']}); update bpnet")
    return label


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _checksum(arrays: Mapping[str, Array], label: Mapping[str, Any]) -> str:
    """Hash every name, type, shape and byte of the arrays, and the label."""
    digest = hashlib.sha256(_json(label).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}:{array.dtype.str}:{array.shape}\0".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()
