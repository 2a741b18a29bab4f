import gzip
import hashlib
import io
import json
import os
import zlib
from dataclasses import dataclass

import numpy as np
import pytest

from bpnet.data import gunzip
from bpnet.data.sources import (
    fingerprints,
    form_of,
    open_stream,
    published_test_part,
    read_source,
    stream_table,
)
from bpnet.errors import DataError, RefusedError

CSV = b"a,b\n1,x\n2,y\n"


def fault(source, folder, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_source(source, folder, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a/b.csv", "csv"),
        ("b.CSV.GZ", "csv"),
        ("b.tsv", "tsv"),
        ("b.txt.gz", "txt"),
        ("b.jsonl", "jsonl"),
        ("b.ndjson.gz", "jsonl"),
        ("b.npz", "npz"),
        ("b.npy", "npy"),
        ("b.idx.gz", "idx"),
        ("train-images-idx3-ubyte", "idx"),
        ("train-images.idx3-ubyte.gz", "idx"),
    ],
)
def test_the_name_says_what_a_file_is(name, form):
    assert form_of(name) == form


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data", "data: expected a name that ends in .csv, .tsv, .txt, .jsonl, .ndjson, .idx "),
        ("a.json", "a.json: expected JSON Lines: one object a line, in a file that ends in .jsonl"),
        ("a.xlsx", "a.xlsx: expected CSV: save the sheet in a file that ends in .csv"),
        ("a.npz.gz", "a.npz.gz: .npz files are not read compressed by gzip; decompress it"),
    ],
)
def test_other_names_are_refused_with_what_to_do(tmp_path, name, message):
    assert fault(name, tmp_path).startswith(message)


def test_paths_are_relative_to_the_folder_and_shown_as_written(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "t.csv").write_bytes(CSV)
    assert read_source("data/t.csv", tmp_path).source == "data/t.csv"
    assert read_source("../data/t.csv", tmp_path / "data").rows == 2
    absolute = str(tmp_path / "data" / "t.csv")
    assert read_source(absolute, tmp_path / "elsewhere").source == absolute
    assert read_source(tmp_path / "data" / "t.csv", tmp_path).source == absolute


@pytest.mark.parametrize("name", ["sp ace.csv", "quo'te\".csv", "$HOME.csv", "*.csv", "🙂.csv"])
def test_odd_names_are_fine(tmp_path, name):
    (tmp_path / name).write_bytes(CSV)
    assert read_source(name, tmp_path).rows == 2


def test_a_missing_file_is_told_with_its_nearest_neighbour(tmp_path):
    (tmp_path / "train.csv").write_bytes(CSV)
    assert fault("trian.csv", tmp_path) == ("trian.csv: no such file; did you mean 'train.csv'?")
    assert fault("other/train.csv", tmp_path).startswith(
        "other/train.csv: no such file: there is no folder"
    )
    assert fault("train.csv/x.csv", tmp_path).startswith("train.csv/x.csv: no such file")
    assert fault("zzz.csv", tmp_path) == f"zzz.csv: no such file in {str(tmp_path)!r}"


@pytest.mark.parametrize("name", ["a\0b.csv", "x" * 300 + ".csv", "a" * 5000 + ".csv"])
def test_impossible_names_are_missing_files(tmp_path, name):
    assert "no such file" in fault(name, tmp_path)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "npz", "npy", "idx"])
def test_only_regular_files_are_read_and_nothing_hangs(tmp_path, ending):
    (tmp_path / f"d.{ending}").mkdir()
    os.mkfifo(tmp_path / f"p.{ending}")
    (tmp_path / f"z.{ending}").symlink_to("/dev/zero")
    (tmp_path / f"l.{ending}").symlink_to(f"l.{ending}")
    (tmp_path / f"m.{ending}").symlink_to("gone")
    options = {"target_required": False}
    for name, what in [
        ("d", "expected a regular file, found a folder"),
        ("p", "expected a regular file, found a pipe"),
        ("z", "expected a regular file, found a device"),
        ("l", "no such file: too many levels of symbolic links"),
        ("m", "no such file: it is a link to a file that is missing"),
    ]:
        assert fault(f"{name}.{ending}", tmp_path, **options) == f"{name}.{ending}: {what}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused_by_the_system(tmp_path):
    (tmp_path / "t.csv").write_bytes(CSV)
    (tmp_path / "t.csv").chmod(0)
    with pytest.raises(RefusedError, match=r"t\.csv: cannot be opened: permission denied"):
        read_source("t.csv", tmp_path)


def test_a_refusing_system_is_told_apart_from_wrong_data(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_bytes(CSV)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(RefusedError, match=r"^t\.csv: cannot be opened: permission denied$"):
        read_source("t.csv", tmp_path)


@pytest.mark.parametrize(("change", "told"), [(-3, "9"), (3, "more")])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, change, told):
    (tmp_path / "t.csv").write_bytes(CSV)
    real = os.fstat

    class Changed:
        def __init__(self, status):
            self.st_mode, self.st_size = status.st_mode, status.st_size - change
            self.st_mtime_ns = status.st_mtime_ns

    monkeypatch.setattr(os, "fstat", lambda d: Changed(real(d)))
    message = fault("t.csv", tmp_path)
    assert message.startswith(f"t.csv: changed while it was read: it had {12 - change} bytes")


def test_gzip_of_one_member_or_several_is_decompressed(tmp_path):
    (tmp_path / "one.csv.gz").write_bytes(gzip.compress(CSV, mtime=0))
    two = gzip.compress(CSV, mtime=0) + gzip.compress(b"3,z\n", mtime=0)
    (tmp_path / "two.csv.gz").write_bytes(two)
    (tmp_path / "filled.csv.gz").write_bytes(two + bytes(100))
    assert read_source("one.csv.gz", tmp_path).rows == 2
    assert read_source("two.csv.gz", tmp_path).rows == 3
    assert read_source("filled.csv.gz", tmp_path).rows == 3
    file = read_source("two.csv.gz", tmp_path).files[0]
    assert (file.bytes, file.sha256) == (len(two), hashlib.sha256(two).hexdigest())


def test_damaged_gzip_is_refused(tmp_path):
    whole = gzip.compress(CSV * 1000, mtime=0)
    path = tmp_path / "t.csv.gz"
    for cut in (1, 5, 11, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert "cut short" in fault("t.csv.gz", tmp_path)
    path.write_bytes(b"")
    assert "is empty" in fault("t.csv.gz", tmp_path)
    path.write_bytes(CSV)
    assert fault("t.csv.gz", tmp_path) == (
        "t.csv.gz: expected gzip data, found something else; drop .gz from its name"
    )
    path.write_bytes(whole + b"rubbish")
    assert "damaged" in fault("t.csv.gz", tmp_path)
    for place in (-1, -5):  # length and checksum
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place:][1:])
        assert "damaged" in fault("t.csv.gz", tmp_path)


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(gunzip, "FREE_EXPANSION", 1 << 20)
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(b"a,b\n") + packer.compress(b"1,2\n" * (1 << 20)) + packer.flush()
    (tmp_path / "t.csv.gz").write_bytes(bomb)
    assert "as a decompression bomb does" in fault("t.csv.gz", tmp_path)


def test_fingerprints_are_those_of_reading(tmp_path):
    (tmp_path / "t.csv").write_bytes(CSV)
    np.savez(tmp_path / "t.npz", x=np.ones((3, 2)), y=np.arange(3))
    np.save(tmp_path / "t.npy", np.ones((3, 2)))
    for source in [
        "t.csv",
        "t.npz",
        "t.npy",
        "builtin:iris",
        "builtin:fashion_test",
        "builtin:xor",
    ]:
        files = fingerprints(source, tmp_path)
        assert files == read_source(source, tmp_path).files
    assert fingerprints("t.csv", tmp_path)[0].sha256 == hashlib.sha256(CSV).hexdigest()
    assert len(fingerprints("builtin:fashion", tmp_path)) == 2


def test_fashion_has_a_published_test_part():
    assert published_test_part("builtin:fashion") == "builtin:fashion_test"
    assert published_test_part("builtin:iris") is None
    assert published_test_part("t.csv") is None


# Streams.

KINDS = {"a": "number", "b": "category"}


def stream(data: bytes, **options):
    return list(stream_table(io.BytesIO(data), "-", options.pop("kinds", KINDS), **options))


def test_a_stream_comes_in_chunks_with_lines_and_own_levels():
    chunks = stream(b"b,extra,a\nx,1,1\n\nz,2,2\ny,?,3\nz,4,\n", rows=2)
    assert [chunk.rows for chunk in chunks] == [2, 2]
    assert [list(chunk.columns) for chunk in chunks] == [["a", "b"]] * 2
    assert [chunk.line(0) for chunk in chunks] == [2, 5]
    texts = [text for chunk in chunks for text in chunk.columns["b"].texts()]
    assert texts == ["x", "z", "y", "z"]
    numbers = np.concatenate([chunk.columns["a"].values for chunk in chunks])
    np.testing.assert_array_equal(numbers, [1, 2, 3, np.nan])


def test_a_stream_of_json_lines_comes_in_chunks():
    lines = [{"a": 1, "b": "x", "c": [1]}, {"b": "y"}, {"a": None, "b": None}]
    data = "\n\n".join(map(json.dumps, lines)).encode()
    chunks = stream(data, form="jsonl", rows=2)
    assert [chunk.rows for chunk in chunks] == [2, 1]
    assert [chunk.line(0) for chunk in chunks] == [1, 5]
    np.testing.assert_array_equal(chunks[0].columns["a"].values, [1, np.nan])
    assert chunks[1].columns["b"].texts() == [None]


@pytest.mark.parametrize(
    ("form", "data"), [("csv", b"bb,c\n1,2\n"), ("jsonl", b'{"bb": 1, "c": 2}\n')]
)
def test_columns_that_a_stream_lacks_are_named(form, data):
    with pytest.raises(DataError) as caught:
        stream(data, form=form)
    assert str(caught.value) == ("-: lacks the 2 columns 'a', 'b' (it has: bb, c)")
    with pytest.raises(DataError, match="lacks the column 'b'; did you mean 'bb'"):
        stream(data, form=form, optional=["a"])


def test_an_optional_column_may_be_absent_or_present():
    assert list(stream(b"a\n1\n", optional=["b"])[0].columns) == ["a"]
    assert list(stream(b"a,b\n1,x\n", optional=["b"])[0].columns) == ["a", "b"]
    (chunk,) = stream(b'{"a": 1}\n', form="jsonl", optional=["b"])
    assert list(chunk.columns) == ["a"]


def test_a_wrong_cell_stops_a_stream_after_the_rows_before_it():
    rows = "".join(f"{i},x\n" for i in range(50_000))
    chunks = stream_table(io.BytesIO(f"a,b\n{rows}abc,x\n".encode()), "-", KINDS)
    assert next(chunks).rows > 0
    with pytest.raises(DataError, match=r"-:50002: column 'a': 'abc' is not a number$"):
        list(chunks)


def test_extra_columns_of_any_content_are_ignored_but_rows_must_fit():
    (chunk,) = stream(b"a,junk\n1,x\n2,1e999\n3,\n", kinds={"a": "number"})
    assert chunk.columns["a"].values.tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="-:3: expected 2 cells as in the header, found 3"):
        stream(b"a,junk\n1,x\n2,3,4\n", kinds={"a": "number"})


def test_an_empty_stream_is_refused_and_a_header_alone_gives_no_rows():
    with pytest.raises(DataError, match="is empty"):
        stream(b"")
    assert stream(b"a,b\n") == []
    assert stream(b"", form="jsonl") == []


def test_rows_of_a_pipe_are_handed_on_as_they_arrive():
    read, write = os.pipe()
    with open(read, "rb") as out, open(write, "wb", buffering=0) as into:
        into.write(b"a,b\n1,x\n")
        chunks = stream_table(out, "-", KINDS)
        assert next(chunks).columns["a"].values.tolist() == [1]
        into.write(b"2,y\n3,")
        assert next(chunks).columns["a"].values.tolist() == [2]
        into.write(b"z")
        into.close()
        assert next(chunks).columns["b"].texts() == ["z"]
        assert list(chunks) == []


def test_a_stream_is_read_in_constant_memory():
    import tracemalloc

    class Endless:
        """Ten million bytes that are nowhere at once."""

        left = 160

        def read(self, size):
            self.left -= 1
            return b"" if self.left < 0 else b"a,b\n" if self.left == 159 else b"1.5,x\n" * 10_000

    tracemalloc.start()
    try:
        rows = sum(chunk.rows for chunk in stream_table(Endless(), "-", KINDS))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == 1_590_000
    assert peak < 6 << 20


def test_a_stream_that_the_system_can_not_read_is_refused():
    class Broken:
        def read(self, size):
            raise OSError(5, "Input/output error")

    with pytest.raises(RefusedError, match=r"^-: cannot be read: input/output error$"):
        list(stream_table(Broken(), "-", KINDS))


def test_a_file_is_opened_as_a_stream(tmp_path):
    (tmp_path / "t.tsv.gz").write_bytes(gzip.compress(CSV.replace(b",", b"\t"), mtime=0))
    with open_stream("t.tsv.gz", tmp_path) as (data, form):
        (chunk,) = stream_table(data, "t.tsv.gz", KINDS, form=form)
    assert chunk.columns["b"].texts() == ["x", "y"]
    with (
        pytest.raises(DataError, match=r"t\.npz: expected a \.csv"),
        open_stream("t.npz", tmp_path),
    ):
        pass


def test_a_pair_of_files_is_a_source(tmp_path):
    @dataclass
    class Pair:
        images: str
        labels: str

    (tmp_path / "i").write_bytes(b"\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x02" + bytes(range(8)))
    (tmp_path / "l").write_bytes(b"\0\0\x08\x01\0\0\0\x02\x05\x07")
    tensor = read_source(Pair("i", "l"), tmp_path, target="kind")
    assert tensor.x.shape == (2, 2, 2, 1)
    assert tensor.columns["kind"].values.tolist() == [5, 7]
    assert [file.path for file in fingerprints(Pair("i", "l"), tmp_path)] == ["i", "l"]
