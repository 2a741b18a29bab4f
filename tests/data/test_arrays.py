import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpnet.data.sources import read_source
from bpnet.data.table import Table, Tensor
from bpnet.errors import DataError


def npy(array, **options) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(array), **options)
    return out.getvalue()


def header(descr, shape, fortran=False, data=b"", version=1) -> bytes:
    """Return an NPY file whose header says anything."""
    text = repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode()
    return raw_header(text, data, version)


def raw_header(text: bytes, data: bytes = b"", version: int = 1) -> bytes:
    width = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(width, len(text)) + text + data


def read(folder, content, name="t.npy", **options):
    (folder / name).write_bytes(content)
    return read_source(name, folder, **options)


def fault(folder, content, name="t.npy", **options) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, content, name, **options)
    return str(caught.value)


def npz(**arrays) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def archive(*members, compression=zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return out.getvalue()


X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 0, 1])


def test_a_matrix_is_a_table_whose_columns_are_views(tmp_path):
    table = read(tmp_path, npy(X))
    assert isinstance(table, Table)
    assert list(table.columns) == ["x0", "x1", "x2"]
    assert table.columns["x1"].values.tolist() == [1, 4, 7, 10]
    assert table.columns["x1"].values.base is not None
    assert table.line(0) is None
    assert table.target_names == ()


def test_a_vector_is_a_table_of_one_column(tmp_path):
    assert list(read(tmp_path, npy(Y)).columns) == ["x0"]


@pytest.mark.parametrize(
    "dtype", ["?", "u1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8", ">f8", "|i1"]
)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_number_type_and_order_is_read(tmp_path, dtype, order, version):
    array = np.asarray(X, dtype, order=order)
    table = read(tmp_path, npy(array, version=version))
    found = np.stack([column.values for column in table.columns.values()], axis=1)
    np.testing.assert_array_equal(found, array.astype(np.float64))
    assert found.dtype == np.float64


@pytest.mark.parametrize("order", ["C", "F"])
def test_more_dimensions_are_a_tensor_as_stored(tmp_path, order):
    images = np.arange(120, dtype=">u2").reshape(2, 3, 4, 5, order=order)
    tensor = read(tmp_path, npy(images))
    assert isinstance(tensor, Tensor)
    np.testing.assert_array_equal(tensor.x, images)
    assert tensor.x.dtype == np.dtype("u2")


def test_an_archive_holds_inputs_and_target(tmp_path):
    table = read(tmp_path, npz(x=X, y=Y, other=np.ones(7)), "t.npz")
    assert list(table.columns) == ["x0", "x1", "x2", "y"]
    assert table.columns["y"].values.tolist() == [0, 1, 0, 1]
    assert table.columns["y"].kind == "number"
    assert table.target_names == ("y",)


def test_compressed_archives_are_read(tmp_path):
    out = io.BytesIO()
    np.savez_compressed(out, x=np.zeros((500, 4)), y=np.arange(500))
    assert read(tmp_path, out.getvalue(), "t.npz").rows == 500


def test_features_and_target_name_the_arrays(tmp_path):
    content = npz(x_train=X, label=np.array(["b", "a", "", "b"]), x=np.ones((2, 2)))
    for features in ("x_train", ["x_train"]):
        table = read(tmp_path, content, "t.npz", features=features, target="label")
        assert list(table.columns) == ["x0", "x1", "x2", "label"]
        assert table.columns["label"].texts() == ["b", "a", None, "b"]
        assert table.target_names == ("label",)


def test_features_that_name_columns_leave_the_array_x(tmp_path):
    for features in ("all", ["x2"], ["x0", "x1"]):
        assert read(tmp_path, npz(x=X, y=Y), "t.npz", features=features).rows == 4


def test_several_targets_become_columns(tmp_path):
    table = read(tmp_path, npz(x=X, y=X[:, :2]), "t.npz")
    assert table.target_names == ("y0", "y1")
    table = read(tmp_path, npz(x=X, u=Y, v=Y[:, None]), "t.npz", target=["u", "v"])
    assert table.target_names == ("u", "v")


def test_a_target_may_be_absent(tmp_path):
    assert read(tmp_path, npz(x=X), "t.npz").target_names == ()
    options = {"target": "y", "target_required": False}
    assert read(tmp_path, npz(x=X), "t.npz", **options).target_names == ()


def test_byte_texts_are_categories(tmp_path):
    table = read(tmp_path, npy(np.array([[b"x", b" y"], [b"NA", b"y"]])))
    assert table.columns["x0"].texts() == ["x", None]
    assert table.columns["x1"].texts() == ["y", "y"]


def test_numbers_can_be_made_categories(tmp_path):
    table = read(tmp_path, npz(x=X, y=Y), "t.npz", kinds={"y": "category", "x0": "category"})
    assert table.columns["y"].levels == ("0", "1")
    assert table.columns["x0"].levels == ("0", "3", "6", "9")


def test_integers_that_are_rounded_are_told(tmp_path):
    table = read(tmp_path, npz(x=X, y=Y + 2**60), "t.npz")
    assert table.notes == ("'y' holds integers above 2**53, which are rounded",)


def test_missing_numbers_stay_and_infinite_ones_are_refused(tmp_path):
    x = X.copy()
    x[2, 1] = np.nan
    assert read(tmp_path, npy(x)).columns["x1"].missing.tolist() == [False, False, True, False]
    x[3, 0] = -np.inf
    assert fault(tmp_path, npy(x)) == "t.npy: x[3, 0] is -inf; expected a finite number"
    images = np.ones((9000, 2, 2))
    images[8000, 1, 0] = np.nan
    assert fault(tmp_path, npy(images)) == "t.npy: x[8000, 1, 0] is nan; expected a finite number"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an array as NumPy saves it, found something else"),
        (b"\x93NUMPX\x01\x00", "expected an array as NumPy saves it, found something else"),
        (b"\x80\x04K\x01.", "expected an array as NumPy saves it, found something else"),
        (b"\x93NUMPY\x09\x00", "expected the NPY format 1.0, 2.0 or 3.0, found 9.0"),
        (b"\x93NUMPY\x01\x01", "expected the NPY format 1.0, 2.0 or 3.0, found 1.1"),
        (b"\x93NUMPY\x01", "expected the NPY format 1.0, 2.0 or 3.0, found none"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "its header claims 4294967295 bytes, above 65536"),
        (npy(X)[:40], "its NPY header is damaged"),
        (header("<f8", (10**12,)), "its header promises 1000000000000 of float64, 8000000000000 b"),
        (header("<f8", (10**6, 10**30)), "its header promises 1000000 x 100000000000000000000000"),
        (header("<f8", (-1,)), "its NPY header is damaged"),
        (header("<f8", (0, 10**30)), "the array is empty (0 x 10000000000000000000000000000"),
        (header("<f8", (0,)), "the array is empty (0); expected rows with values"),
        (header("<f8", (), data=bytes(8)), "'x' is a single value; expected rows"),
        (
            header("<f8", (1,) * 40, data=bytes(8)),
            "the array has 40 dimensions, above 32; reshape it",
        ),
        (header("<f8", (True,), data=bytes(8)), "its NPY header is damaged"),
        (header("<f8", [1], data=bytes(8)), "its NPY header is damaged"),
        (header("<f8", (1,), fortran=1, data=bytes(8)), "its NPY header is damaged"),
        (header("|O", (1,)), "the array holds Python objects, which are code as much as data"),
        (header([("a", "<f8")], (1,), data=bytes(8)), "the array holds structures; save each"),
        (header("|V8", (1,), data=bytes(8)), "the array holds structures; save each field"),
        (header("<c16", (1,), data=bytes(16)), "the array holds complex numbers; save their"),
        (header("<M8[s]", (1,), data=bytes(8)), "the array holds dates; save them as numbers"),
        (header("<m8", (1,), data=bytes(8)), "the array holds time spans; save them as numbers"),
        (header("<f16", (1,), data=bytes(16)), "the array holds numbers of more than 64 bits"),
        (header("<q3", (1,), data=bytes(8)), "the array holds elements of the unknown type '<q3'"),
        (header("<U0", (1,)), "the array holds elements of the unknown type '<U0'"),
        (header(("<f8", (2,)), (1,)), "the array holds structures"),
        (header(7, (1,)), "its NPY header is damaged"),
        (
            raw_header(b"{'descr': '<f8', 'descr': '<f4', 'shape': (1,)}"),
            "its NPY header is damaged",
        ),
        (
            raw_header(rb"{'descr': '\d', 'fortran_order': False, 'shape': (1,)}"),
            "its NPY header is d",
        ),
        (
            raw_header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1)}"),
            "its NPY header is d",
        ),
        (raw_header(b"{'descr': __import__('os').abort()}"), "its NPY header is damaged"),
        (raw_header(b"(" * 5000), "its NPY header is damaged"),
        (raw_header(b"\x00\xff"), "its NPY header is damaged"),
        (raw_header(b"[]"), "its NPY header is damaged"),
        (raw_header(b"{}"), "its NPY header is damaged"),
        (raw_header(b"\xff\xfe", version=3), "its NPY header is damaged"),
        (npy(X)[:-1], "its header promises 4 x 3 of float64, 96 bytes, but 95 follow"),
        (npy(X) + b"x", "its header promises 4 x 3 of float64, 96 bytes, but 97 follow"),
        (header("<U1", (1, 2, 1, 1), data=bytes(8)), "'x' holds texts in 4 dimensions"),
        (header("<U1", (1,), data=b"\xff" * 4), "column 'x0': a text is no Unicode"),
        (header("|S2", (1,), data=b"\xff\xfe"), "column 'x0': a text is no Unicode"),
    ],
)
def test_a_wrong_array_is_refused_before_anything_is_allocated(tmp_path, content, message):
    assert fault(tmp_path, content).startswith(f"t.npy: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t.npz: the archive is damaged: "),
        (npz(x=X)[:-30], "t.npz: the archive is damaged: "),
        (npy(X), "t.npz: the archive is damaged: "),
        (npz(X=X), "t.npz: there is no array 'x'; did you mean 'X'? (arrays: X); name the inputs"),
        (archive(), "t.npz: there is no array 'x' (arrays: none); name the inputs with"),
        (archive(("x.txt", b"")), "t.npz: holds 'x.txt', which is no array as NumPy saves them"),
        (archive(("../x.npy", npy(X))), "t.npz: holds '../x.npy', which is no array"),
        (archive(("/x.npy", npy(X))), "t.npz: holds '/x.npy', which is no array"),
        (npz(x=X, y=Y[:3]), "t.npz: 'x' has 4 rows, but 'y' has 3"),
        (npz(x=X, y=np.ones((4, 2, 2))), "t.npz: 'y' has 3 dimensions; expected one or two"),
        (archive(("x.npy", b"junk")), "t.npz[x]: expected an array as NumPy saves it"),
        (archive(("x.npy", npy(X)[:-8])), "t.npz[x]: its header promises 4 x 3 of float64, 96"),
        (archive(("x.npy", npy(X) + b"12")), "t.npz[x]: its header promises 4 x 3 of float64, 96"),
        (archive(("x.npy", header("<f8", (10**12,)))), "t.npz[x]: its header promises"),
        (archive(("x.npy", header("|O", (1,)))), "t.npz[x]: the array holds Python objects"),
    ],
)
def test_a_wrong_archive_is_refused(tmp_path, content, message):
    assert fault(tmp_path, content, "t.npz").startswith(message)


def test_an_array_that_is_there_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = archive(("x.npy", npy(X)), ("x.npy", npy(X)))
    assert fault(tmp_path, content, "t.npz") == "t.npz: holds the array 'x' twice"


def test_a_missing_target_is_refused_with_what_there_is(tmp_path):
    message = fault(tmp_path, npz(x=X, labels=Y), "t.npz", target="label")
    assert message.startswith(
        "t.npz: there is no array 'label'; did you mean 'labels'? (arrays: x, labels); name"
    )


def test_a_target_with_the_name_of_an_input_is_refused(tmp_path):
    assert fault(tmp_path, npz(x=X, x1=Y), "t.npz", target="x1") == (
        "t.npz: the target 'x1' has the name of an input column; rename the array"
    )


def test_an_encrypted_array_is_refused(tmp_path):
    content = bytearray(archive(("x.npy", npy(X))))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert fault(tmp_path, bytes(content), "t.npz") == "t.npz: the array 'x' is encrypted"


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_than_numpys_are_refused(tmp_path, compression):
    content = archive(("x.npy", npy(X)), compression=compression)
    assert "compressed in a way that NumPy never uses" in fault(tmp_path, content, "t.npz")


def test_an_archive_that_claims_a_place_before_its_start_is_refused(tmp_path):
    content = bytearray(npz(x=X))
    end = content.index(b"PK\x05\x06")
    content[end + 16 : end + 20] = struct.pack(
        "<I", struct.unpack_from("<I", content, end + 16)[0] + 9
    )
    assert "the archive is damaged" in fault(tmp_path, bytes(content), "t.npz")


def test_a_damaged_byte_in_an_archive_is_found(tmp_path):
    content = bytearray(npz(x=X))
    content[content.index(b"NUMPY") + 130] ^= 1
    assert "damaged" in fault(tmp_path, bytes(content), "t.npz")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    bomb = header("<f8", (10**7,), data=bytes(8 * 10**7))
    content = archive(("x.npy", bomb), compression=zipfile.ZIP_DEFLATED)
    assert "as a decompression bomb does" in fault(tmp_path, content, "t.npz")


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_mutated_files_are_read_or_refused_and_nothing_else(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("npy")
    out = io.BytesIO()
    np.savez_compressed(out, x=X, y=Y)
    name, content = data.draw(
        st.sampled_from([("t.npy", npy(X)), ("t.npz", npz(x=X, y=Y)), ("t.npz", out.getvalue())])
    )
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    changed = (
        changed[: data.draw(st.integers(0, len(changed)))] if data.draw(st.booleans()) else changed
    )
    try:
        found = read(folder, bytes(changed), name)
    except DataError:
        return
    assert found.rows > 0
