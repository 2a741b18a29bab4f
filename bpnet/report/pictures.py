"""Pictures from arrays: a small PNG writer, inputs that are images, and their tiles.

Legend: N rows, F inputs, H W C height, width and channels.
"""

from __future__ import annotations

import re
import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bpnet.nn.arena import Array

LARGEST = 64
"""Pixels of a tile's longer side; larger images are made smaller."""

_KINDS = {1: 0, 3: 2, 4: 6}
"""PNG's colour types by the number of channels."""


def png(pixels: Array) -> bytes:
    """Return a picture as a PNG file.

    Parameters
    ----------
    pixels
        uint8 ``(H, W, C)`` with C 1 (grey), 3 (red, green, blue) or 4 (and how opaque).
    """
    height, width, channels = pixels.shape
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # each starts with filter 0: none
    lines[:, 1:] = pixels.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, _KINDS[channels], 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def data_uri(pixels: Array) -> str:
    """Return a picture as an address that holds all of it."""
    return "data:image/png;base64," + b64encode(png(pixels)).decode()


@dataclass(frozen=True, slots=True)
class ImageShape:
    """Inputs that are images.

    Attributes
    ----------
    height, width, channels
        Their size.
    order
        Where each pixel is among the inputs of a row, row by row, ``(H * W * C,)``.
    """

    height: int
    width: int
    channels: int
    order: Array

    def images(self, x: Array) -> Array:
        """Return inputs ``(N, ...)`` as images, ``(N, H, W, C)``."""
        flat = x.reshape(len(x), -1)[:, self.order]
        return flat.reshape(len(x), self.height, self.width, self.channels)


def image_shape(shape: Sequence[int], names: Sequence[str] = ()) -> ImageShape | None:
    """Return what images the inputs are, or None.

    Parameters
    ----------
    shape
        Of one input: ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``; or ``(F,)`` with names.
    names
        The names of F inputs; those of pixels (``p00`` to ``p77``, ``pixel_3_4``, ``1x1``,
        ``pixel0`` to ``pixel783``) that fill a whole rectangle make an image.
    """
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3)):
        height, width, channels = (*shape, 1)[:3]
        if min(height, width) < 4:
            return None
        return ImageShape(height, width, channels, np.arange(height * width * channels))
    if len(shape) != 1 or len(names) != shape[0] or len(names) < 16:
        return None
    return _from_names(names)


_PLACE = re.compile(r"(?:[a-z]{1,8}_?)?(\d{1,3})[_x](\d{1,3})", re.IGNORECASE)
_DIGITS = re.compile(r"(?:p|px|pixel)_?(\d)(\d)", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:p|px|pixel)_?(\d{1,5})", re.IGNORECASE)


def _from_names(names: Sequence[str]) -> ImageShape | None:
    for pattern in (_PLACE, _DIGITS):
        found = [pattern.fullmatch(name.strip()) for name in names]
        places = [(int(m[1]), int(m[2])) for m in found if m is not None]
        if len(places) == len(names):
            shape = _filled(places)
            if shape is not None:
                return shape
    numbered = [_NUMBERED.fullmatch(name.strip()) for name in names]
    numbers = [int(m[1]) for m in numbered if m is not None]
    side = round(len(names) ** 0.5)
    if len(numbers) != len(names) or side * side != len(names):
        return None
    return _filled([divmod(n - min(numbers), side) for n in numbers])


def _filled(places: list[tuple[int, int]]) -> ImageShape | None:
    """Return the image that pixels at these places fill without a gap, if they do."""
    top, left = (min(place[axis] for place in places) for axis in (0, 1))
    height, width = (max(p[axis] for p in places) - (top, left)[axis] + 1 for axis in (0, 1))
    if height * width != len(places) or min(height, width) < 4 or len(set(places)) != len(places):
        return None
    order = np.empty(len(places), np.intp)
    for i, (row, column) in enumerate(places):
        order[(row - top) * width + column - left] = i
    return ImageShape(height, width, 1, order)


def as_bytes(images: Array, low: float, high: float) -> Array:
    """Return images as uint8, `low` black and `high` white; large ones smaller."""
    scaled = (images.astype(np.float64) - low) / (high - low or 1.0)
    return np.round(255 * smaller(np.clip(scaled, 0, 1))).astype(np.uint8)


def smaller(images: Array) -> Array:
    """Return images whose longer side is at most `LARGEST`: means of squares of pixels."""
    n, height, width, channels = images.shape
    by = -(-max(height, width) // LARGEST)
    if by == 1:
        return images
    height, width = max(1, height // by), max(1, width // by)
    cropped = images[:, : height * by, : width * by] if min(images.shape[1:3]) >= by else images
    if cropped.shape[1] != height * by or cropped.shape[2] != width * by:
        return cropped[:, ::by, ::by]
    squares = cropped.reshape(n, height, by, width, by, channels)
    means: Array = squares.mean(axis=(2, 4))
    return means


def signed(tiles: Array) -> Array:
    """Return numbers ``(N, H, W)`` as blue (above 0) and orange (below), RGBA.

    What is 0 can't be seen, so that the picture stands on any ground; each tile has its own scale.
    """
    largest = np.abs(tiles).reshape(len(tiles), -1).max(axis=1)[:, None, None]
    part = tiles / np.where(largest > 0, largest, 1)
    rgba = np.empty((*tiles.shape, 4), np.uint8)
    rgba[..., :3] = np.where((part > 0)[..., None], (35, 130, 210), (225, 95, 15))
    rgba[..., 3] = np.round(255 * np.abs(part))
    return rgba


def montage(tiles: Array, columns: int, gap: int = 1) -> Array:
    """Return tiles ``(N, H, W, C)`` side by side as one picture with gaps of 0."""
    n, height, width, channels = tiles.shape
    lines = -(-n // columns)
    shape = (lines * (height + gap) - gap, columns * (width + gap) - gap, channels)
    picture = np.zeros(shape, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = divmod(i, columns)
        top, left = y * (height + gap), x * (width + gap)
        picture[top : top + height, left : left + width] = tile
    return picture
