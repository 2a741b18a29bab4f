"""TensorBoard's files: records with checksums, each a small protocol buffer.

A record is its length (8 bytes, little-endian), a checksum of these 8 bytes, the data, a checksum
of the data. The checksum is CRC-32C, turned and shifted so that checksums of data which holds
checksums stay good ones (TFRecord). The messages are ``Event``, ``Summary`` and
``HistogramProto`` of TensorFlow, of which only the fields that are set here are written.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import numpy as np

from bpnet.nn.arena import Array

BINS = 30
"""Of a histogram, as many as TensorBoard shows."""


def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        found.append(byte)
    return tuple(found)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes."""
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    turned = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (turned + 0xA282EAD8) & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    """Return the record that holds some data."""
    length = struct.pack("<Q", len(data))
    return b"".join([length, _masked(length), data, _masked(data)])


def records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the end and the data of each whole, sound record; a torn one ends them."""
    place = 0
    while place + 12 <= len(data):
        length = data[place : place + 8]
        end = place + 16 + int.from_bytes(length, "little")
        if end > len(data) or data[place + 8 : place + 12] != _masked(length):
            return
        content = data[place + 12 : end - 4]
        if data[end - 4 : end] != _masked(content):
            return
        yield end, content
        place = end


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _whole(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _inner(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def event(time: float, step: int, values: Iterable[bytes]) -> bytes:
    """Return an event: at this time (seconds since 1970) and step, these values."""
    summary = b"".join(_inner(1, value) for value in values)
    return _double(1, time) + _whole(2, step) + _inner(5, summary)


def version_event(time: float) -> bytes:
    """Return the event that each file starts with."""
    return _double(1, time) + _inner(3, b"brain.Event:2")


def step_of(data: bytes) -> int:
    """Return the step of an event made by `event`; 0 of one without."""
    if data[9:10] != b"\x10":  # field 2, behind the time
        return 0
    step = 0
    for i, byte in enumerate(data[10:20]):
        step |= (byte & 127) << (7 * i)
        if byte < 128:
            break
    return step


def scalar(tag: str, value: float) -> bytes:
    """Return a number of this name."""
    with np.errstate(over="ignore"):  # to infinity, as a float32 has it
        number = struct.pack("<f", np.float32(value))
    return _inner(1, tag.encode()) + _varint(2 << 3 | 5) + number


def text(tag: str, content: str) -> bytes:
    """Return a text (Markdown) of this name."""
    tensor = _whole(1, 7) + _inner(2, b"") + _inner(8, content.encode())  # one string
    metadata = _inner(1, _inner(1, b"text")) + _whole(4, 2)  # a tensor for the plugin "text"
    return _inner(1, tag.encode()) + _inner(8, tensor) + _inner(9, metadata)


def histogram(tag: str, values: Array) -> bytes:
    """Return the histogram of some numbers; those that aren't finite are left out."""
    flat = values.reshape(-1).astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        flat = np.zeros(1)
    low, high = float(flat.min()), float(flat.max())
    counts, edges = np.histogram(flat, BINS, (low, high))
    with np.errstate(over="ignore"):
        sums = float(flat.sum()), float(np.dot(flat, flat))
    told = b"".join(
        _double(field, value)
        for field, value in enumerate((low, high, float(flat.size), *sums), start=1)
    )
    packed = edges[1:].astype("<f8").tobytes(), counts.astype("<f8").tobytes()
    made = told + _inner(6, packed[0]) + _inner(7, packed[1])
    return _inner(1, tag.encode()) + _inner(5, made)
