import numpy as np
import pytest

from bpnet.errors import RunError
from bpnet.runs import tensors

ARRAYS = {
    "dense_1.W": np.arange(6, dtype=np.float32).reshape(2, 3),
    "empty": np.ones((0, 3)),
    "scalar": np.array(3),
    "flags": np.array([True, False]),
}
FACTS = {"epoch": 3, "name": "é", "nested": {"list": [1, 2.5, None]}}


def small_file():
    return tensors.encode("model", ARRAYS, FACTS)


def test_arrays_and_facts_come_back_as_they_were():
    file = tensors.decode(small_file(), "x", "model")
    assert file.facts == FACTS
    assert file.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert file.arrays[name].dtype == array.dtype
        assert file.arrays[name].shape == array.shape
        np.testing.assert_array_equal(file.arrays[name], array)


def test_equal_content_gives_equal_bytes():
    assert small_file() == tensors.encode("model", dict(reversed(ARRAYS.items())), FACTS)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(12.0)[::2],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">f8"),
        np.array([2**63], np.uint64),
    ],
    ids=["transposed", "strided", "fortran", "big-endian", "uint64"],
)
def test_unusual_memory_layouts_are_written_by_value(array):
    back = tensors.decode(tensors.encode("model", {"a": array}, {}), "x", "model").arrays["a"]
    np.testing.assert_array_equal(back, array)


def test_every_flipped_bit_is_found():
    data = small_file()
    for bit in range(0, len(data) * 8, 7):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RunError):
            tensors.decode(bytes(damaged), "x", "model")


@pytest.mark.faults
def test_every_single_flipped_bit_is_found_exhaustively():
    data = small_file()
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RunError):
            tensors.decode(bytes(damaged), "x", "model")


def test_every_truncation_is_found():
    data = small_file()
    for length in range(len(data)):
        with pytest.raises(RunError):
            tensors.decode(data[:length], "x", "model")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x80\x04\x95junk", "a pickle"),
        (b"PK\x03\x04junkjunk", "a zip archive"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"", "damaged"),
        (b"\xff" * 64, "damaged"),
        ((10).to_bytes(8, "little") + b"[" * 10, "damaged"),
    ],
)
def test_a_foreign_file_is_refused_by_what_it_is(data, says):
    with pytest.raises(RunError, match=says):
        tensors.decode(data, "x", "model")


def test_a_safetensors_file_of_others_is_refused():
    save = pytest.importorskip("safetensors.numpy").save
    with pytest.raises(RunError, match="not made by bpnet"):
        tensors.decode(save({"a": np.ones(3)}), "x", "model")


def test_a_file_of_another_kind_is_refused():
    with pytest.raises(RunError, match="expected a checkpoint file, found a model file"):
        tensors.decode(small_file(), "x", "checkpoint")


def test_a_file_of_a_later_format_says_that_bpnet_is_too_old(monkeypatch):
    monkeypatch.setattr(tensors, "FORMAT", 2)
    data = small_file()
    monkeypatch.undo()
    with pytest.raises(RunError, match="newer bpnet"):
        tensors.decode(data, "x", "model")


def test_a_header_whose_length_looks_like_the_start_of_a_pickle_is_no_pickle(tmp_path):
    found = set()
    for length in range(1, 2000):
        data = tensors.encode("checkpoint", {}, {"text": "x" * length})
        found.add(data[:2])
        assert tensors.decode(data, "a", "checkpoint").facts == {"text": "x" * length}
    assert b"\x80\x04" in found
