import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpnet.data.idx import label_names
from bpnet.data.sources import read_source
from bpnet.data.table import Table
from bpnet.errors import DataError

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx(array: np.ndarray, dtype: str = "u1") -> bytes:
    sides = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, CODES[dtype], array.ndim]) + sides + array.astype(dtype).tobytes()


IMAGES = np.arange(24).reshape(2, 3, 4)
LABELS = np.array([7, 3])


def fault(folder, images: bytes, labels: bytes | None = None, **options) -> str:
    (folder / "t-images.idx").write_bytes(images)
    if labels is not None:
        (folder / "t-labels.idx").write_bytes(labels)
    with pytest.raises(DataError) as caught:
        read_source("t-images.idx", folder, **options)
    return str(caught.value)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("compress", [False, True])
def test_images_come_with_one_channel_and_their_labels(tmp_path, dtype, compress):
    pack = gzip.compress if compress else bytes
    end = ".gz" if compress else ""
    (tmp_path / f"train-images-idx3-ubyte{end}").write_bytes(pack(idx(IMAGES, dtype)))
    (tmp_path / f"train-labels-idx1-ubyte{end}").write_bytes(pack(idx(LABELS)))
    tensor = read_source(f"train-images-idx3-ubyte{end}", tmp_path)
    assert tensor.x.shape == (2, 3, 4, 1)
    np.testing.assert_array_equal(tensor.x[..., 0], IMAGES)
    assert tensor.x.dtype == np.dtype(dtype).newbyteorder("=")
    assert tensor.columns["label"].values.tolist() == [7, 3]
    assert tensor.target_names == ("label",)
    assert len(tensor.files) == 2


def test_labels_take_the_name_of_the_target_and_may_be_categories(tmp_path):
    (tmp_path / "images.idx").write_bytes(idx(IMAGES))
    (tmp_path / "labels.idx").write_bytes(idx(LABELS))
    tensor = read_source("images.idx", tmp_path, target="kind", kinds={"kind": "category"})
    assert tensor.columns["kind"].texts() == ["7", "3"]


def test_four_dimensions_have_channels_and_two_are_a_table(tmp_path):
    (tmp_path / "labels.idx").write_bytes(idx(LABELS))
    (tmp_path / "images.idx").write_bytes(idx(IMAGES.reshape(2, 3, 2, 2)))
    assert read_source("images.idx", tmp_path).x.shape == (2, 3, 2, 2)
    (tmp_path / "images.idx").write_bytes(idx(IMAGES.reshape(2, 12)))
    table = read_source("images.idx", tmp_path)
    assert isinstance(table, Table)
    assert len(table.columns) == 13
    assert table.target_names == ("label",)


def test_labels_may_be_compressed_where_images_are_not_and_the_other_way_round(tmp_path):
    (tmp_path / "a-images.idx").write_bytes(idx(IMAGES))
    (tmp_path / "a-labels.idx.gz").write_bytes(gzip.compress(idx(LABELS), mtime=0))
    assert read_source("a-images.idx", tmp_path).columns["label"].values.tolist() == [7, 3]
    (tmp_path / "b-images.idx.gz").write_bytes(gzip.compress(idx(IMAGES), mtime=0))
    (tmp_path / "b-labels.idx").write_bytes(idx(LABELS))
    assert read_source("b-images.idx.gz", tmp_path).columns["label"].values.tolist() == [7, 3]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("t10k_images.idx", "t10k_labels.idx"),
        ("myImages.idx4", "myLabels.idx1"),
    ],
)
def test_labels_are_named_after_their_images(images, labels):
    assert label_names(images)[0] == labels


def test_images_without_labels_are_refused_unless_none_are_needed(tmp_path):
    message = fault(tmp_path, idx(IMAGES))
    assert message == (
        "t-images.idx: found no labels 't-labels.idx' beside them; give them: "
        "{images: t-images.idx, labels: PATH}"
    )
    tensor = read_source("t-images.idx", tmp_path, target_required=False)
    assert tensor.columns == {}
    (tmp_path / "pixels.idx").write_bytes(idx(IMAGES))
    with pytest.raises(DataError, match="found no labels; give them"):
        read_source("pixels.idx", tmp_path)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (b"", "ends within its IDX header; the file was cut short"),
        (b"\0\0\x08", "ends within its IDX header; the file was cut short"),
        (b"\0\0\x08\x03\0\0\0\x02\0", "ends within its IDX header; the file was cut short"),
        (b"\x89PNG1234", "expected an IDX file, which begins with two zeros and a type; found 0x8"),
        (b"\0\0\x07\x01\0\0\0\0", "expected an IDX file, which begins with two zeros and a type"),
        (b"\0\0\x08\0", "expected 1 to 4 dimensions, its header claims 0"),
        (b"\0\0\x08\xff" + bytes(1020), "expected 1 to 4 dimensions, its header claims 255"),
        (idx(IMAGES)[:-1], "its header promises 2 x 3 x 4, 24 bytes, but 23 follow"),
        (idx(IMAGES) + b"1", "its header promises 2 x 3 x 4, 24 bytes, but 25 follow"),
        (
            b"\0\0\x0e\x03" + b"\xff" * 12,
            "its header promises 4294967295 x 4294967295 x 4294967295, 63382529967139284308240157",
        ),
        (b"\0\0\x08\x03" + b"\x80\0\0\0" * 3 + b"1", "its header promises 2147483648 x 2147483648"),
        (b"\0\0\x08\x03\0\0\0\0" + b"\xff" * 8, "is empty (0 x 4294967295 x 4294967295); expected"),
        (idx(LABELS), "holds a single dimension, as labels do; name the images' file"),
        (gzip.compress(idx(IMAGES), mtime=0), "expected an IDX file, which begins with two zeros"),
        (idx(np.full((1, 2, 2), np.nan), ">f4"), "x[0, 0, 0] is nan; expected a finite number"),
    ],
)
def test_wrong_images_are_refused_before_anything_is_allocated(tmp_path, images, message):
    labels = idx(LABELS[:1]) if b"\x7f\xc0" in images else idx(LABELS)
    assert fault(tmp_path, images, labels).startswith(f"t-images.idx: {message}")


@pytest.mark.parametrize("size", [23, 25])
def test_compressed_images_of_another_size_are_refused(tmp_path, size):
    content = idx(IMAGES)[:-24] + bytes(size)
    (tmp_path / "images.idx.gz").write_bytes(gzip.compress(content, mtime=0))
    with pytest.raises(DataError, match="its header promises 2 x 3 x 4, 24 bytes, but 2"):
        read_source("images.idx.gz", tmp_path, target_required=False)


def test_other_labels_than_images_are_refused(tmp_path):
    assert fault(tmp_path, idx(IMAGES), idx(np.arange(3))) == (
        "t-images.idx: 2 images, but 3 labels in t-labels.idx"
    )
    assert fault(tmp_path, idx(IMAGES), idx(IMAGES)) == (
        "t-labels.idx: expected labels in one dimension, found 3"
    )


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_mutated_files_are_read_or_refused_and_nothing_else(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("idx")
    compress = data.draw(st.booleans())
    changed = bytearray(gzip.compress(idx(IMAGES), mtime=0) if compress else idx(IMAGES))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    name = "images.idx.gz" if compress else "images.idx"
    (folder / name).write_bytes(changed)
    try:
        found = read_source(name, folder, target_required=False)
    except DataError:
        return
    assert found.rows > 0
