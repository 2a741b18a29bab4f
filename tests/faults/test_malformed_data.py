"""Malformed data of the kinds that public test suites collect: each is refused, or read by a rule.

CSV as in csv-spectrum and the csv module's reports, JSON as in JSONTestSuite, NPY as in NumPy's
own tests, archives as zip bombs are built. (Built here; nothing is copied.)
"""

from __future__ import annotations

import binascii
import gzip
import io
import re
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from bpnet.data import sources
from bpnet.data.table import MAX_COLUMNS, Table
from bpnet.errors import DataError


def read(folder: Path, name: str, content: bytes, **options: object) -> Table:
    (folder / name).write_bytes(content)
    table = sources.read_source(name, folder, target_required=False, **options)  # type: ignore[arg-type]
    assert isinstance(table, Table)
    return table


def refusal(folder: Path, name: str, content: bytes, **options: object) -> str:
    """Return the message that refuses a file, which comes within a second."""
    (folder / name).write_bytes(content)
    started = time.process_time()
    with pytest.raises(DataError) as caught:
        sources.read_source(name, folder, target_required=False, **options)  # type: ignore[arg-type]
    assert time.process_time() - started < 5
    message = str(caught.value)
    assert message.startswith(name)
    assert message.isprintable()
    assert len(message) < 400
    return message


def texts(table: Table) -> dict[str, list[str | None]]:
    return {name: column.texts() for name, column in table.columns.items()}


CSV_READ = {
    "commas in quotes": (b'a,b\n1,"x, y"\n', {"a": ["1"], "b": ["x, y"]}),
    "doubled quotes": (b'a,b\n1,"say ""no"""\n', {"a": ["1"], "b": ['say "no"']}),
    "only a doubled quote": (b'a\n""""\n', {"a": ['"']}),
    "line ends in quotes": (b'a,b\n1,"x\ny"\n', {"a": ["1"], "b": ["x\ny"]}),
    "crlf": (b"a,b\r\n1,2\r\n", {"a": ["1"], "b": ["2"]}),
    "crlf in quotes": (b'a,b\r\n1,"x\r\ny"\r\n', {"a": ["1"], "b": ["x\ny"]}),
    "bare cr": (b"a,b\r1,2\r3,4\r", {"a": ["1", "3"], "b": ["2", "4"]}),
    "mixed line ends": (b"a\r\n1\n2\r3", {"a": ["1", "2", "3"]}),
    "no last line end": (b"a,b\n1,2", {"a": ["1"], "b": ["2"]}),
    "empty cells": (b'a,b\n,2\n"",4\n', {"a": [None, None], "b": ["2", "4"]}),
    "byte order mark": (b"\xef\xbb\xbfa,b\n1,2\n", {"a": ["1"], "b": ["2"]}),
    "utf-8": ("ä,b\nΩ,😀\n".encode(), {"ä": ["Ω"], "b": ["😀"]}),
    "blank lines": (b"\n\na,b\n\n1,2\n \n3,4\n\n", {"a": ["1", "3"], "b": ["2", "4"]}),
    "spaces around": (b" a , b \n 1 , x \n", {"a": ["1"], "b": ["x"]}),
    "no-break space around": ("a\n\u00a01\u00a0\n".encode(), {"a": ["1"]}),
    "json in a cell": (b'a,b\n1,"{""k"": [1, 2]}"\n', {"a": ["1"], "b": ['{"k": [1, 2]}']}),
    "a formula is text": (b"a\n=1+1\n@SUM(A1)\n", {"a": ["=1+1", "@SUM(A1)"]}),
    "nan is missing": (b"a\nnan\nNaN\n1\n", {"a": [None, None, "1"]}),
    "semicolons": (b"a;b\n1;2\n", {"a": ["1"], "b": ["2"]}),
    "tiny numbers": (b"a\n1e-400\n4.9e-324\n", {"a": ["0", "5e-324"]}),
    "a quote inside a cell": (b'a\n5"\n6"\n', {"a": ['5"', '6"']}),
    "single quotes are text": (b"a\n'x'\n", {"a": ["'x'"]}),
}


@pytest.mark.parametrize("case", CSV_READ)
def test_a_table_that_is_only_unusual_is_read(case, tmp_path):
    content, expected = CSV_READ[case]
    assert texts(read(tmp_path, "t.csv", content)) == expected
    packed = gzip.compress(content, mtime=0)
    assert texts(read(tmp_path, "t.csv.gz", packed)) == expected


CSV_REFUSED = {
    "empty": (b"", "is empty"),
    "only line ends": (b"\r\n\n\r", "is empty"),
    "only a mark": (b"\xef\xbb\xbf", "is empty"),
    "header only": (b"a,b\n", "has no rows"),
    "ragged, short": (b"a,b\n1,2\n3\n", ":3: expected 2 cells as in the header, found 1"),
    "ragged, long": (b"a,b\n1,2,3\n", ":2: expected 2 cells as in the header, found 3"),
    "last comma": (b"a,b\n1,2,\n", ":2: expected 2 cells as in the header, found 3"),
    "open quote": (b'a,b\n1,"x\n2,y\n', ":2: a quoted cell begins here and is never closed"),
    "open quote at the end": (b'a\n1\n"', ":3: a quoted cell begins here and is never closed"),
    "text after a quote": (b'a,b\n"1"x,2\n', ":2: text follows the quote that closes a cell"),
    "quote not doubled": (b'a,b\n1,"a"b"\n', ":2: text follows the quote that closes a cell"),
    "nul": (b"a,b\n1,2\n3,\x004\n", ":3: a NUL byte"),
    "utf-16 with a mark": ("a,b\n1,2\n".encode("utf-16"), ": expected text, found UTF-16"),
    "utf-16 without": ("a,b\n1,2\n".encode("utf-16-be"), ":1: a NUL byte"),
    "utf-32": ("a,b\n1,2\n".encode("utf-32"), ": expected text, found UTF-16 text"),
    "latin-1": (b"a\n\xe9t\xe9\n", ":2: byte 1 of the line is 0xe9, which is no UTF-8"),
    "overlong": (b"a\nx\xc0\xaf\n", ":2: byte 2 of the line is 0xc0"),
    "surrogate": (b"a\n\xed\xa0\x80\n", ":2: byte 1 of the line is 0xed"),
    "cut character": (b"a\n\xe2\x82", ":2: byte 1 of the line is 0xe2"),
    "two marks": (b"\xef\xbb\xbf\xef\xbb\xbfa\n1\n", r":1: the name of column 1, '\\ufeffa'"),
    "name twice": (b"a,a\n1,2\n", ":1: the name 'a' is there twice, in columns 1 and 2"),
    "same name but spaces": (b"a, a\n1,2\n", ":1: the name 'a' is there twice"),
    "name missing": (b"a,,c\n1,2,3\n", r":1: column 2 \(after 'a'\) has no name"),
    "no names": (b"1,2\n3,4\n", ":1: expected column names, found only numbers"),
    "escape in a name": (b"\x1b[31ma\n1\n", r":1: the name of column 1, '\\x1b"),
    "turned-round name": ("\u202ea\n1\n".encode(), r":1: the name of column 1, '\\u202ea'"),
    "long cell": (b"a\n" + b"x" * 131_073 + b"\n", ":2: .*a cell is longer than 131072 char"),
    "long quoted cell": (b'a\n"' + b"x\n" * 99_999, ":2: a cell is longer than 131072 char"),
    "long line": (b"a,b\n" + b"1" * (17 << 20), ":2: the line is longer than 16 MiB"),
    "endless commas": (b"a,b\n" + b"," * (17 << 20), ":2: the line is longer than 16 MiB"),
    "endless zeros": (bytes(17 << 20), ":1: a NUL byte"),
    "endless line ends": (b"a,b\n" + b"\r" * 4_000_000, "has no rows"),
    "zip": (b"PK\x03\x04junk", "expected text, found a zip archive"),
    "gzip": (gzip.compress(b"a\n1\n"), "expected text, found gzip data"),
    "numpy": (b"\x93NUMPY\x01\x00", "expected text, found a NumPy array"),
    "pickle": (b"\x80\x04\x95\n", ":1: byte 1 of the line is 0x80"),
    "end-of-file mark": (b"a,b\n1,2\n\x1a", ":3: expected 2 cells as in the header, found 1"),
    "comment first": (b"# made by x\na,b\n1,2\n", ":2: expected 1 cell"),
    **{
        f"no number: {cell}": (f"a\n1\n2\n{cell}\n3\n4\n5\n".encode(), ":4: column 'a': .* is no")
        for cell in [
            *("1_000", '"1,5"', "1.234,5", "0x10", "0b1", "0o7", "1e400", "-1e999", "9" * 400),
            *("inf", "-Infinity", "+inf", "∞", "١٢", "１２", "1e", "e5", "1e5.0", "--1", "+-1"),
            *("1d5", "1j", "1/2", "1%", "$1", "€5", "1 000", "1\u00a0000", "1.2.3", "12px", "=1+1"),
            *("#REF!", "#DIV/0!", "TRUE", "1:30", "2024-01-01", "(5)", "5-", "1,2,3", "½", "Ⅷ"),
        ]
        if "," not in cell or '"' in cell
    },
}


@pytest.mark.parametrize("case", CSV_REFUSED)
def test_a_malformed_table_is_refused_with_its_place(case, tmp_path):
    content, message = CSV_REFUSED[case]
    assert re.match(rf"t\.csv:? ?{message}", refusal(tmp_path, "t.csv", content))
    if len(content) < 1 << 20 and case not in ("gzip", "empty"):
        packed = gzip.compress(content, mtime=0)
        assert re.match(rf"t\.csv\.gz:? ?{message}", refusal(tmp_path, "t.csv.gz", packed))


def test_a_table_without_names_may_start_with_anything(tmp_path):
    table = read(tmp_path, "t.csv", b' \n\n""\n1\n', header=False)
    assert texts(table) == {"x0": [None, None, "1"]}
    message = refusal(tmp_path, "t.csv", b'\n"' + b"x" * 140_000 + b'"\n', header=False)
    assert message.startswith("t.csv:2: a cell is longer than 131072 characters")


def test_a_table_has_at_most_so_many_columns(tmp_path):
    names = [f"c{i}" for i in range(MAX_COLUMNS + 1)]
    wide = ",".join(names).encode() + b"\n" + b",".join([b"1"] * len(names))
    assert "has 100001 columns, above 100000" in refusal(tmp_path, "t.csv", wide)
    numbers = b",".join([b"1"] * len(names))
    assert "has 100001 columns" in refusal(tmp_path, "t.csv", numbers, header=False)
    keys = b"{" + b",".join(b'"%s":1' % name.encode() for name in names) + b"}"
    assert "has 100001 columns" in refusal(tmp_path, "t.jsonl", keys)
    row = bytes(len(names))
    array, images = npy("|u1", (1, len(row)), row), idx(8, (1, len(row)), row)
    assert "has 100001 columns" in refusal(tmp_path, "t.npy", array)
    assert "has 100001 columns" in refusal(tmp_path, "t.idx", images)


JSON_READ = {
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', ["1"]),
    "spaces and blank lines": (b'\n \t{"a" : 1}\t \r\n\t\n', ["1"]),
    "bare cr": (b'{"a":1}\r{"a":2}', ["1", "2"]),
    "numbers": (b'{"a":-0}\n{"a":0e1}\n{"a":1E+2}\n{"a":-1.5e-1}', ["0", "0", "100", "-0.15"]),
    "underflow": (b'{"a":1e-400}', ["0"]),
    "pair of surrogates": (rb'{"a":"\ud83d\ude00"}', ["😀"]),
    "escaped solidus": (rb'{"a":"\/\b\f\n\r\t\"\\x"}', ['/\x08\x0c\n\r\t"\\x']),
    "delete": (b'{"a":"x\x7fy"}', ["x\x7fy"]),
    "no character": (b'{"a":"\xf4\x8f\xbf\xbf"}', ["\U0010ffff"]),
    "line separator": (b'{"a":"x\xe2\x80\xa8y"}', ["x\u2028y"]),
    "braces in texts": (b'{"a":"}{"}\n{"a":"{"}', ["}{", "{"]),
    "missing": (b'{"a":null,"b":1}\n{"b":1}\n{"a":NaN,"b":1}\n{"a":"NA"}', [None] * 4),
    "truth": (b'{"a":true}\n{"a":false}', ["true", "false"]),
    "number in quotes": (b'{"a":"1e5"}\n{"a":2}', ["100000", "2"]),
    "names of programs": (b'{"a":1,"__proto__":2,"$ref":3}', ["1"]),
    "formula": (b'{"a":"=cmd|\' /C calc\'!A0"}', ["=cmd|' /C calc'!A0"]),
}


@pytest.mark.parametrize("case", JSON_READ)
def test_json_that_is_only_unusual_is_read(case, tmp_path):
    content, expected = JSON_READ[case]
    assert texts(read(tmp_path, "t.jsonl", content))["a"] == expected
    packed = gzip.compress(content, mtime=0)
    assert texts(read(tmp_path, "t.jsonl.gz", packed))["a"] == expected


NOT_JSON = [
    *(b"{", b"}", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b'{,"a":1}', b'{"a" 1}'),
    *(b'{"a":1}}', b'{"a":1}{"a":2}', b'{"a":1},', b'{"a":1},{"a":2}', b'{"a":1};', b'[{"a":1},'),
    *(b"{'a':1}", b"{a:1}", b"{1:1}", b'{"a":}', b"{:1}", b'{"a"::1}', b'{"a":1 "b":2}'),
    *(b'{"a",1}', b'{"a":01}', b'{"a":-01}', b'{"a":+1}', b'{"a":.5}', b'{"a":1.}', b'{"a":1e}'),
    *(b'{"a":1e+}', b'{"a":-}', b'{"a":--1}', b'{"a":2.e3}', b'{"a":0x1}', b'{"a":1_0}'),
    *(b'{"a":1 0}', b'{"a":nan}', b'{"a":-NaN}', b'{"a":inf}', b'{"a":True}', b'{"a":tru}'),
    *(b'{"a":nul}', b'{"a":None}', '{"a":１}'.encode(), b'{"a":"\t"}', b'{"a":"\x1f"}'),
    *(rb'{"a":"\x41"}', rb'{"a":"\u00g0"}', rb'{"a":"\u00"}', rb'{"a":"\ud83d\u"}', rb'{"a":"\"}'),
    *(b'{"a":"', b'{"a":"x}', b"{\"a\":'x'}", b'{"a":1} # c', b'{"a":1}//c', b'{"a":/**/1}'),
    *(b'/**/{"a":1}', b'{"a":1}\x0c', b'\x0b{"a":1}', b'\xc2\xa0{"a":1}', b'\xe2\x81\xa0{"a":1}'),
    *(b'\x1e{"a":1}', b'{"a":1}\x1a', b"*", b"a", b"<x>", b"\xef\xbb\xbf\xef\xbb\xbf{}"),
    *(b"undefined", b"{{}}", b'{"a":<null>}', b'{"a":@}', b"null,"),
]


@pytest.mark.parametrize("line", NOT_JSON)
def test_a_line_that_is_no_json_is_refused_with_its_number(line, tmp_path):
    message = refusal(tmp_path, "t.jsonl", b'{"a":1}\n' + line + b'\n{"a":2}\n')
    assert message.startswith("t.jsonl:2: expected one JSON object in this line; at character ")


JSON_REFUSED = {
    "empty": (b"", " is empty"),
    "array": (b"[1]", "1: expected an object .* found an array"),
    "number": (b"1" * 4000, "1: expected an object .* found a number"),
    "text": (b'"a"', "1: expected an object .* found a text"),
    "null": (b"null", "1: expected an object .* found null"),
    "key twice": (b'{"a":1,"a":1}', "1: the key 'a' is there twice"),
    "key twice, escaped": (rb'{"a":1,"\u0061":2}', "1: the key 'a' is there twice"),
    "empty key": (b'{"":1}', "1: the key '' can't name a column"),
    "key with a line end": (rb'{"a\n":1}', r"1: the key 'a\\n' can't name a column"),
    "key of half a character": (rb'{"\ud800":1}', "1: the key .* can't name a column"),
    "half a character": (rb'{"a":"\ud800"}', "1: column 'a': .* lone surrogate"),
    "halves turned round": (rb'{"a":"\udc00\ud800"}', "1: column 'a': .* lone surrogate"),
    "escaped nul": (rb'{"a":"x\u0000y"}', "1: column 'a': .* holds the character NUL"),
    "nul": (b'{"a":"\0"}', "1: a NUL byte"),
    "utf-16": ('{"a":1}'.encode("utf-16"), " expected text, found UTF-16"),
    "bad utf-8": (b'{"a":"\xff"}', "1: byte 7 of the line is 0xff"),
    "surrogate bytes": (b'{"a":"\xed\xa0\x80"}', "1: byte 7 of the line is 0xed"),
    "nested": (b'{"a":{"b":1}}', "1: column 'a': .* found an object"),
    "list": (b'{"a":[1]}', "1: column 'a': .* found an array"),
    "infinity": (b'{"a":Infinity}', "1: Infinity is not a number"),
    "minus infinity": (b'{"a":-Infinity}', "1: -Infinity is not a number"),
    "overflow": (b'{"a":1}\n{"a":2}\n{"a":1e400}', "3: column 'a': 'inf' is not a number"),
    "400 digits": (b'{"a":' + b"9" * 400 + b"}", "1: column 'a': '999.* is not a number"),
    "5000 digits": (b'{"a":' + b"9" * 5000 + b"}", "1: an integer of thousands of digits"),
    "deep lists": (b'{"a":' + b"[" * 1_000_000, "1: the object is nested too deeply"),
    "deep objects": (b'{"a":' * 200_000, "1: the object is nested too deeply"),
    "many keys, one twice": (
        b"{" + b",".join(b'"k%d":1' % (i % 60_000) for i in range(60_001)) + b"}",
        "1: the key 'k0' is there twice",
    ),
    "every line another key": (
        b"".join(b'{"k%d":1}\n' % i for i in range(20_000)),
        " 5[0-9]{3} lines have 5[0-9]{3} different keys, but only 5[0-9]{3} values",
    ),
    "objects over several lines": (
        b'{"a":1},{"a":2}\n{"a":"}\n{"}\n',
        "1: expected one JSON object in this line",
    ),
    "lists over several lines": (
        b'{"a":[1\n{"b":1}]}\n{"c":1},5\n',
        "1: expected one JSON object in this line",
    ),
}


@pytest.mark.parametrize("case", JSON_REFUSED)
def test_malformed_json_lines_are_refused(case, tmp_path):
    content, message = JSON_REFUSED[case]
    assert re.match(rf"t\.jsonl:{message}", refusal(tmp_path, "t.jsonl", content))


def npy(descr: str, shape: tuple[int, ...], data: bytes) -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def test_a_signalling_nan_is_missing_and_warns_nobody(tmp_path):
    signalling = struct.pack("<I", 0x7FA00001)
    table = read(tmp_path, "t.npy", npy("<f4", (2, 1), signalling + struct.pack("<f", 1.5)))
    assert texts(table) == {"x0": [None, "1.5"]}
    swapped = idx(13, (1, 2), signalling[::-1] + struct.pack(">f", 2))
    assert texts(read(tmp_path, "t.idx", swapped)) == {"x0": [None], "x1": ["2"]}


def test_a_truth_value_that_is_neither_counts_as_true(tmp_path):
    table = read(tmp_path, "t.npy", npy("|b1", (4, 1), b"\x00\x01\x02\xff"))
    assert texts(table) == {"x0": ["0", "1", "1", "1"]}


def idx(code: int, shape: tuple[int, ...], data: bytes) -> bytes:
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + data


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as packed:
        for name, content in members:
            packed.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


def overlapping(*, quoted: bool) -> bytes:
    """Return an archive whose second array shares the bytes of the first.

    Either both entries of the directory point to one member, or the first member holds, as
    stored deflate data, the second one's header in front of the data that they share.
    """
    kernel = npy("<f8", (1, 1000), bytes(8000))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(kernel) + packer.flush()

    def local(name: bytes, data: bytes, size: int, crc: int) -> bytes:
        return (
            struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, len(data), size, 5, 0)
            + name
            + data
        )

    def entry(name: bytes, length: int, size: int, crc: int, place: int) -> bytes:
        sizes = (crc, length, size)
        return (
            struct.pack("<4s6H", b"PK\x01\x02", 20, 20, 0, 8, 0, 33)
            + struct.pack("<3I5H2I", *sizes, 5, 0, 0, 0, 0, 0, place)
            + name
        )

    crc = binascii.crc32(kernel)
    inner = local(b"y.npy", packed, len(kernel), crc)
    if quoted:
        head = inner[:35]
        quote = struct.pack("<BHH", 0, len(head), ~len(head) & 0xFFFF)
        whole = head + kernel
        data = quote + head + packed
        body = local(b"x.npy", data, len(whole), binascii.crc32(whole))
        places = (0, 35 + len(quote))
        first = entry(b"x.npy", len(data), len(whole), binascii.crc32(whole), 0)
    else:
        body, places = local(b"x.npy", packed, len(kernel), crc), (0, 0)
        first = entry(b"x.npy", len(packed), len(kernel), crc, 0)
    directory = first + entry(b"y.npy", len(packed), len(kernel), crc, places[1])
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), len(body), 0)
    return body + directory + end


SOUND = npy("<f8", (2, 1), struct.pack("<2d", 1, 2))
ARCHIVES = {
    "empty": (b"", "the archive is damaged: it begins like none"),
    "no array": (archive(), r"there is no array 'x' \(arrays: none\)"),
    "prefixed": (b"#!/bin/sh\n" + archive(("x.npy", SOUND)), "the archive is damaged: it begins"),
    "one member for two": (overlapping(quoted=False), "the archive is damaged: 'y.npy' overlaps"),
    "a quoted member": (overlapping(quoted=True), "the archive is damaged: 'y.npy' overlaps"),
    "bomb": (
        archive(
            ("x.npy", npy("|u1", (1 << 26, 1), bytes(1 << 26))), compression=zipfile.ZIP_DEFLATED
        ),
        r"\[x\]: .* compressed bytes grow to .* as a decompression bomb does",
    ),
    "above": (archive(("../x.npy", SOUND)), "holds '../x.npy', which is no array"),
    "absolute": (archive(("/x.npy", SOUND)), "holds '/x.npy', which is no array"),
    "no npy": (archive(("x", SOUND)), "holds 'x', which is no array"),
    "escape in a name": (archive(("\x1b[1m.npy", SOUND)), r"holds '\\x1b\[1m\.npy', which"),
    "member of nothing": (archive(("x.npy", b"")), r"\[x\]: expected an array as NumPy saves it"),
    "pickle": (archive(("x.npy", b"\x80\x04N.")), r"\[x\]: expected an array as NumPy saves it"),
    "many others": (
        archive(*((f"a{i}.npy", b"") for i in range(2000))),
        r"there is no array 'x'.* a19 and 1980 more",
    ),
    "cut": (archive(("x.npy", SOUND))[:-9], "the archive is damaged"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_a_malformed_archive_is_refused(case, tmp_path):
    content, message = ARCHIVES[case]
    assert re.match(rf"t\.npz:? ?{message}", refusal(tmp_path, "t.npz", content))


def test_overlapping_archives_are_sound_but_for_the_overlap():
    """Else another check would refuse them, and this one would be untested."""
    for quoted in (False, True):
        with zipfile.ZipFile(io.BytesIO(overlapping(quoted=quoted))) as packed:
            names = [info.filename for info in packed.infolist()]
            assert names == ["x.npy", "y.npy"]
            info = packed.getinfo("y.npy" if quoted else "x.npy")
            assert len(packed.read(info)) == info.file_size


GZIPPED = {
    "nothing": (b"", "is empty"),
    "no gzip": (b"a,b\n1,2\n", "expected gzip data, found something else"),
    "cut in the header": (gzip.compress(b"a\n1\n")[:5], "the gzip data ends too early"),
    "cut": (gzip.compress(b"a\n1\n" * 99)[:-5], "the gzip data ends too early"),
    "wrong checksum": (gzip.compress(b"a\n1\n")[:-8] + bytes(8), "the gzip data is damaged"),
    "junk behind": (gzip.compress(b"a\n1\n") + b"junk", "the gzip data is damaged"),
    "zlib": (zlib.compress(b"a\n1\n"), "expected gzip data"),
    "bomb": (
        gzip.compress(b"a\n" + (b"x" * 999 + b"\n") * 40_000, 9),
        "grow to .* a decompression bomb",
    ),
    "line-end bomb": (gzip.compress(b"\n" * (80 << 20), 9), "grow to .* a decompression bomb"),
    "bomb in a line": (gzip.compress(b"a\n" + b"1" * (40 << 20)), ":2: the line is longer than"),
    "zero bomb": (gzip.compress(bytes(80 << 20), 9), ":1: a NUL byte"),
    "in itself": (gzip.compress(gzip.compress(b"a\n1\n")), "expected text, found gzip data"),
}


@pytest.mark.parametrize("case", GZIPPED)
def test_malformed_gzip_is_refused(case, tmp_path):
    content, message = GZIPPED[case]
    assert re.match(rf"t\.csv\.gz.*{message}", refusal(tmp_path, "t.csv.gz", content))


def test_gzip_in_thousands_of_pieces_is_read_in_linear_time(tmp_path):
    empty = gzip.compress(b"", mtime=0)
    content = (
        gzip.compress(b"a,b\n1,2\n") + empty * 50_000 + gzip.compress(b"3,4\n") + bytes(99_999)
    )
    started = time.process_time()
    assert read(tmp_path, "t.csv.gz", content).rows == 2
    assert time.process_time() - started < 5


IMAGES = {
    "empty": (b"", "ends within its IDX header"),
    "cut header": (b"\0\0\x08\x03" + bytes(8), "ends within its IDX header"),
    "wrong start": (b"\1\0\x08\x01" + bytes(4), "expected an IDX file"),
    "wrong type": (idx(10, (4,), bytes(4)), "expected an IDX file"),
    "255 dimensions": (b"\0\0\x08\xff" + bytes(1020), "expected 1 to 4 dimensions"),
    "no dimension": (idx(8, (), b""), "expected 1 to 4 dimensions"),
    "lying": (b"\0\0\x08\x03" + b"\xff" * 12, "its header promises 4294967295 x 4294967295 x"),
    "no images": (idx(8, (0, 2**31, 2**31), b""), "is empty"),
    "one byte short": (idx(8, (2, 2), bytes(3)), "its header promises"),
    "one byte more": (idx(8, (2, 2), bytes(5)), "its header promises"),
    "numbers alone": (idx(8, (2,), bytes(2)), "holds a single dimension"),
    "infinite": (idx(13, (1, 1), struct.pack(">f", np.inf)), r"x\[0, 0\] is inf"),
    "little-endian": (idx(8, (2 << 24, 2 << 24), bytes(4)), "its header promises"),
}


@pytest.mark.parametrize("case", IMAGES)
def test_malformed_images_are_refused(case, tmp_path):
    content, message = IMAGES[case]
    assert re.match(rf"t\.idx:? ?{message}", refusal(tmp_path, "t.idx", content))
    if content:
        packed = gzip.compress(content, mtime=0)
        assert re.match(rf"t\.idx\.gz:? ?{message}", refusal(tmp_path, "t.idx.gz", packed))


MEASURED = """
import resource, sys
from pathlib import Path
from bpnet.data import sources
from bpnet.errors import DataError
import bpnet.data.idx, bpnet.data.npz, bpnet.data.gunzip
before = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = before + (int(sys.argv[2]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    sources.read_source(sys.argv[1], Path(), target_required=False)
except DataError as error:
    print(error)
"""


def huge_files() -> dict[str, bytes]:
    promise = struct.pack(">III", 2**31 - 1, 2**15, 2**15)
    return {
        "lying.npy": npy("<f8", (2**40, 2**20), bytes(80)),
        "lying.npz": archive(("x.npy", npy("<f8", (2**40, 2**20), bytes(80)))),
        "lying.idx": b"\0\0\x08\x03" + promise + bytes(80),
        "lying.idx.gz": gzip.compress(b"\0\0\x08\x03" + promise + bytes(80)),
        "bomb.idx.gz": gzip.compress(b"\0\0\x08\x03" + promise + bytes(300 << 20), 9),
        "bomb.csv.gz": gzip.compress(b"a\n" + b"1" * (300 << 20), 9),
        "bomb.jsonl.gz": gzip.compress(b'{"a":"' + b"1" * (300 << 20), 9),
        "commas.csv": b"a,b\n" + b"," * (40 << 20),
        "keys.jsonl": b"".join(b'{"k%d":1}\n' % i for i in range(100_000)),
    }


@pytest.mark.faults
@pytest.mark.parametrize("name", huge_files())
def test_memory_follows_what_is_there_and_not_what_is_claimed(name, tmp_path):
    (tmp_path / name).write_bytes(huge_files()[name])
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, name, "200"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(name)
