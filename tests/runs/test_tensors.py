import json

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


def test_a_file_is_what_the_reference_writes_byte_for_byte():
    numpy = pytest.importorskip("safetensors.numpy")
    arrays = {
        f"{name}{i}": np.ones(shape, dtype)
        for name in ("b", "a", "é", "\U0001f600", 'q"\\\n')
        for i, shape in enumerate([(), (3,), (0, 2), (2, 3)])
        for dtype in [("u8", "f4", "?", "i8")[i]]
    }
    arrays |= {"f8": np.ones(5), "i4": np.ones(1, "i4"), "u1": np.ones(3, "u1")}
    data = tensors.encode("model", arrays, {"text": 'é"\\/\x7f\u2028\n', "number": 1e-05})
    label = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert data == numpy.save(arrays, label)
    assert tensors.decode(data, "x", "model").arrays.keys() == numpy.load(data).keys()


def test_what_can_not_be_read_back_is_not_written():
    with pytest.raises(TypeError, match="a is of int16, which can't be saved"):
        tensors.encode("model", {"a": np.ones(3, np.int16)}, {})


def test_arrays_that_were_read_are_free_to_be_changed():
    array = tensors.decode(small_file(), "x", "model").arrays["dense_1.W"]
    array[...] = 0
    assert array.flags.aligned


def forged(change, **more):
    """Return a file with a sound checksum, whose table or label `change` has changed since."""
    data = tensors.encode("model", ARRAYS, FACTS | more)
    length = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + length])
    label = json.loads(table["__metadata__"]["bpnet"])
    change(table, label)
    table["__metadata__"]["bpnet"] = json.dumps(label, sort_keys=True, separators=(",", ":"))
    header = json.dumps(table, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


@pytest.mark.parametrize(
    "change",
    [
        lambda table, label: table["dense_1.W"].update(dtype="BF16"),
        lambda table, label: table["dense_1.W"].update(dtype="F8_E5M2"),
        lambda table, label: table["dense_1.W"].update(shape=[3, 2]),
        lambda table, label: table["dense_1.W"].update(shape=[6]),
        lambda table, label: table["dense_1.W"].update(shape=[2, 3] + [1] * 100),
        lambda table, label: table["dense_1.W"].update(shape=[2**62, 2**62]),
        lambda table, label: table["dense_1.W"].update(shape=[-2, -3]),
        lambda table, label: table["dense_1.W"].update(shape=[2.0, 3]),
        lambda table, label: table["dense_1.W"].update(shape="23"),
        lambda table, label: table["dense_1.W"].update(shape=None),
        lambda table, label: table["dense_1.W"].update(data_offsets=[0, 2**62]),
        lambda table, label: table["dense_1.W"].update(more=1),
        lambda table, label: table["empty"].update(shape=[0, 2**62]),
        lambda table, label: table["empty"].update(shape=[0] * 100),
        lambda table, label: table.update({"../x": table.pop("dense_1.W")}),
        lambda table, label: table.update({"empty": []}),
        lambda table, label: table.update({f"e{i}": table["empty"] for i in range(1000)}),
        lambda table, label: table.pop("empty"),
        lambda table, label: table["__metadata__"].update(more="x"),
        lambda table, label: label.update(facts=[]),
        lambda table, label: label.update(kind=["model"]),
        lambda table, label: label.update(kind="model\n\x1b[31m"),
        lambda table, label: label.update(format="1"),
        lambda table, label: label.update(format=None),
        lambda table, label: label.update(format=0),
        lambda table, label: label.update(sha256=None),
        lambda table, label: label.pop("sha256"),
        lambda table, label: label.update(more=1),
        lambda table, label: label.clear(),
    ],
)
def test_a_table_that_lies_is_refused_whatever_the_checksum_says(change):
    with pytest.raises(RunError) as caught:
        tensors.decode(forged(change), "x", "model")
    assert str(caught.value).startswith("x: damaged")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("kind", ["model\n", "\x1b[31m", "", "a" * 1000, ["model"], None, 1])
def test_a_kind_that_is_no_word_is_not_repeated_in_the_message(kind):
    data = tensors.encode(kind, {}, {})  # with a sound checksum
    with pytest.raises(RunError, match=r"^x: damaged: "):
        tensors.decode(data, "x", "model")


@pytest.mark.parametrize("version", [0, -1, 10**4000, True, 1.0, "1", None, [1]])
def test_a_version_that_is_none_is_refused(version, monkeypatch):
    monkeypatch.setattr(tensors, "FORMAT", version)
    data = small_file()
    monkeypatch.undo()
    with pytest.raises(RunError, match=r"^x: damaged, or cut short"):
        tensors.decode(data, "x", "model")


def test_a_forged_file_without_a_change_is_read():
    assert tensors.decode(forged(lambda *_: None, name="e"), "x", "model").facts["epoch"] == 3


@pytest.mark.parametrize(
    "header",
    [
        b'{"__metadata__":{"bpnet":"' + b"[" * 500_000,
        b'{"__metadata__":{"bpnet":"' + b"[" * 500_000 + b'"}}',
        b'{"__metadata__":{"bpnet":"' + b"9" * 5000 + b'"}}',
        b'{"__metadata__":{"bpnet":"{\\"format\\":' + b"9" * 4000 + b'}"}}',
        b'{"__metadata__":{"bpnet":"{\\"format\\":NaN}"}}',
        b'{"__metadata__":{"bpnet":"\xff"}}',
        '{"__metadata__":{"bpnet":"'.encode("utf-16"),
        b'{"__metadata__":{"bpnet":"{}"},"__metadata__":{}}',
        b'{"__metadata__":{"bpnet":"null"}}',
    ],
)
def test_a_header_of_any_sort_is_refused(header):
    with pytest.raises(RunError) as caught:
        tensors.decode(len(header).to_bytes(8, "little") + header, "x", "model")
    assert len(str(caught.value)) < 200


def test_a_foreign_file_is_refused_by_its_first_bytes_however_large_it_is(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    with open(path, "wb") as file:
        file.write((1 << 40).to_bytes(8, "little") + b'{"a":')
        file.truncate(1 << 33)
    monkeypatch.setattr(tensors.durable, "read", lambda path: pytest.fail("read as a whole"))
    with pytest.raises(RunError, match="its header is longer than the file"):
        tensors.read(path, "model")
    with open(path, "r+b") as file:
        file.write((1000).to_bytes(8, "little"))
    with pytest.raises(RunError, match="not made by bpnet"):
        tensors.read(path, "model")
    path.write_bytes(b"")
    with pytest.raises(RunError, match="damaged"):
        tensors.read(path, "model")
