"""Pictures from arrays, and inputs that are images."""

import struct
import zlib

import numpy as np
import pytest

from bpnet.report.pictures import as_bytes, data_uri, image_shape, montage, png, signed, smaller


def decoded(data):
    """Read a PNG by its specification; only filter 0 is known here."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (check,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert check == zlib.crc32(name + body)
        chunks[name] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {0: 1, 2: 3, 6: 4}[kind]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, channels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_holds_the_pixels(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    np.testing.assert_array_equal(decoded(png(pixels)), pixels)
    assert data_uri(pixels).startswith("data:image/png;base64,iVBOR")


def named(template, height, width):
    return [template.format(r=r, c=c, n=r * width + c) for r in range(height) for c in range(width)]


@pytest.mark.parametrize(
    ("names", "size"),
    [
        (named("p{r}{c}", 8, 8), (8, 8)),
        (named("pixel_{r}_{c}", 5, 20), (5, 20)),
        (named("{r}x{c}", 28, 28), (28, 28)),
        (named("pixel{n}", 28, 28), (28, 28)),
    ],
)
def test_columns_that_are_named_as_pixels_are_images(names, size):
    mixed = np.random.default_rng(0).permutation(len(names))
    for order in (np.arange(len(names)), mixed):
        found = image_shape((len(names),), [names[i] for i in order])
        assert (found.height, found.width, found.channels) == (*size, 1)
        values = np.arange(len(names))[order][None].astype(float)
        np.testing.assert_array_equal(found.images(values)[0].ravel(), np.arange(len(names)))


@pytest.mark.parametrize(
    "names",
    [
        [f"x{i}" for i in range(16)],  # sixteen columns, but nobody says pixels
        [*named("p{r}{c}", 8, 8)[:-1], "p99"],  # a hole
        named("pixel_{r}_{c}", 3, 20),  # too flat to be an image
        named("pixel{n}", 5, 7),  # not a square
        [*named("pixel{n}", 4, 4)[:-1], "price"],
        ["p00"] * 16,
        [],
    ],
)
def test_other_columns_are_none(names):
    assert image_shape((len(names),), names) is None


@pytest.mark.parametrize(
    ("shape", "is_image"),
    [((28, 28), True), ((28, 28, 1), True), ((9, 9, 3), True), ((9, 9, 2), False), ((3, 9), False)],
)
def test_arrays_with_height_and_width_are_images(shape, is_image):
    assert (image_shape(shape) is not None) == is_image


def test_large_images_are_made_smaller_by_means_of_squares():
    image = np.zeros((1, 130, 100, 1))
    image[0, :3, :3] = 9
    small = smaller(image)
    assert small.shape == (1, 43, 33, 1)
    assert small[0, 0, 0, 0] == 9
    assert small.sum() == 9
    assert smaller(np.zeros((2, 64, 64, 3))).shape == (2, 64, 64, 3)
    assert max(smaller(np.zeros((1, 500, 3, 1))).shape[1:3]) <= 64


def test_darkest_is_black_and_brightest_white():
    image = np.array([[[[2.0], [4.0]], [[3.0], [9.0]]]])
    np.testing.assert_array_equal(as_bytes(image, 2, 4).ravel(), [0, 255, 128, 255])
    assert not as_bytes(np.full((1, 2, 2, 1), 5.0), 5, 5).any()  # constant: no division by 0


def test_weights_are_blue_above_0_orange_below_and_cannot_be_seen_at_0():
    rgba = signed(np.array([[[0.0, 2.0], [-1.0, 0.5]], [[0.0, 0.0], [0.0, 0.0]]]))
    assert rgba[0, 0, 0, 3] == 0
    assert rgba[0, 0, 1, 3] == 255
    assert rgba[0, 1, 0, 3] == 128
    assert rgba[0, 0, 1, 2] > rgba[0, 0, 1, 0]  # more blue than red
    assert rgba[0, 1, 0, 2] < rgba[0, 1, 0, 0]
    assert not rgba[1, ..., 3].any()


def test_tiles_stand_side_by_side():
    tiles = np.arange(1, 4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    picture = montage(tiles, 2)[..., 0]
    np.testing.assert_array_equal(
        picture, [[1, 1, 0, 2, 2], [1, 1, 0, 2, 2], [0] * 5, [3, 3, 0, 0, 0], [3, 3, 0, 0, 0]]
    )
