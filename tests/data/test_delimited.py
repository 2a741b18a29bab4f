import csv
import io
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpnet.data import delimited, lines, text_table
from bpnet.data.sources import read_source
from bpnet.data.table import Table
from bpnet.errors import DataError


@pytest.fixture(autouse=True, scope="module")
def small_blocks_are_read_like_large_ones():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_SMALL", 0)
        yield


def read(folder: Path, content: str | bytes, name: str = "t.csv", **options) -> Table:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    table = read_source(name, folder, **options)
    assert isinstance(table, Table)
    return table


def fault(folder: Path, content: str | bytes, name: str = "t.csv", **options) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, content, name, **options)
    return str(caught.value)


def cells(table: Table) -> dict[str, list]:
    return {
        name: column.texts() if column.kind == "category" else column.values.tolist()
        for name, column in table.columns.items()
    }


def test_numbers_and_categories_are_told_apart(tmp_path):
    table = read(tmp_path, "a,b,c\n1,x,.5\n-2.5,y,1e-3\n+3,x,7.\n")
    assert cells(table) == {"a": [1, -2.5, 3], "b": ["x", "y", "x"], "c": [0.5, 1e-3, 7]}
    assert table.columns["b"].levels == ("x", "y")
    assert table.columns["a"].values.dtype == np.float64
    assert table.columns["b"].values.dtype == np.int32
    assert table.source == "t.csv"
    assert [table.line(i) for i in range(3)] == [2, 3, 4]


def test_levels_are_sorted_whatever_their_order_in_the_file(tmp_path):
    table = read(tmp_path, "c\nzebra\nant\nÄrger\nant\n")
    assert table.columns["c"].levels == ("ant", "zebra", "Ärger")
    assert table.columns["c"].values.tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize("marker", ["", " ", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "?"])
def test_missing_cells_are_missing_in_both_kinds(tmp_path, marker):
    table = read(tmp_path, f"a,b,z\n1,x,1\n{marker},{marker},2\n2,y,{marker}\n")
    assert table.columns["a"].missing.tolist() == [False, True, False]
    assert table.columns["b"].missing.tolist() == [False, True, False]
    assert table.columns["z"].missing.tolist() == [False, False, True]
    assert table.columns["b"].levels == ("x", "y")


@pytest.mark.parametrize("marker", ["-", "--", "none", "None", "NONE", "Null", "na", "."])
def test_what_is_no_number_but_means_nothing_is_missing_among_numbers_only(tmp_path, marker):
    table = read(tmp_path, f"a,b\n1,x\n{marker},{marker}\n2,y\n")
    assert table.columns["a"].missing.tolist() == [False, True, False]
    assert marker in table.columns["b"].levels


def test_signs_as_categories_are_kept(tmp_path):
    table = read(tmp_path, "strand\n+\n-\n-\n")
    assert cells(table)["strand"] == ["+", "-", "-"]


def test_a_column_without_any_cell_is_a_number_column_of_missing_cells(tmp_path):
    table = read(tmp_path, "a,b,c\nx,,1\ny,NA,2\n")
    assert table.columns["b"].kind == "number"
    assert table.columns["b"].missing.all()


def test_white_space_around_cells_and_names_is_ignored(tmp_path):
    table = read(tmp_path, 'a , b,c\n 1 ,\tx , "p, q"\n2, x,r\n')
    assert cells(table) == {"a": [1, 2], "b": ["x", "x"], "c": ["p, q", "r"]}


def test_quoted_cells_may_hold_separators_quotes_and_line_ends(tmp_path):
    table = read(tmp_path, 'a,b\n"x, ""y""",1\n"two\nlines",2\nplain,3\n')
    assert cells(table) == {"a": ['x, "y"', "two\nlines", "plain"], "b": [1, 2, 3]}
    assert [table.line(i) for i in range(3)] == [2, 3, 5]


def test_quoted_numbers_are_numbers(tmp_path):
    assert cells(read(tmp_path, '"a","b"\n"1","x"\n"2","y"\n'))["a"] == [1, 2]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_every_line_end_and_a_byte_order_mark_are_understood(tmp_path, end, last, bom):
    text = bom + end.join(["a,b", "1,x", '2,"y"', "3,z"]) + (end if last else "")
    table = read(tmp_path, text)
    assert cells(table) == {"a": [1, 2, 3], "b": ["x", "y", "z"]}
    assert [table.line(i) for i in range(3)] == [2, 3, 4]


def test_a_line_end_split_between_two_reads_counts_once(tmp_path):
    width = 1 << 16  # the first block ends between \r and \n
    first = "a\r\n" + "1" * 5 + "\r\n"
    text = first + "2" + " " * (width - len(first) - 2) + "\r\n3\r\n"
    assert text[width - 1 : width + 1] == "\r\n"
    table = read(tmp_path, text)
    assert cells(table)["a"] == [11111, 2, 3]
    assert table.line(2) == 4


def test_blank_lines_are_skipped_and_lines_still_counted(tmp_path):
    table = read(tmp_path, "\n\na,b\n\n1,x\n   \n2,y\n\n")
    assert cells(table) == {"a": [1, 2], "b": ["x", "y"]}
    assert [table.line(i) for i in range(2)] == [5, 7]
    assert table.take(np.array([1])).line(0) == 7


def test_in_a_single_column_only_an_empty_line_is_blank(tmp_path):
    table = read(tmp_path, 'a\nx\n\n""\n  \ny\n')
    assert cells(table)["a"] == ["x", None, None, "y"]
    assert [table.line(i) for i in range(4)] == [2, 4, 5, 6]


def test_separators_only_are_a_row_of_missing_cells(tmp_path):
    table = read(tmp_path, "a,b\n1,2\n,\n")
    assert table.rows == 2
    assert table.columns["a"].missing.tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "separator", "told"),
    [
        ("t.csv", ",", False),
        ("t.csv", ";", True),
        ("t.csv", "\t", True),
        ("t.tsv", "\t", False),
        ("t.txt", "\t", False),
        ("t.txt", ",", True),
        ("t.txt", ";", True),
        ("T.CSV", ",", False),
    ],
)
def test_the_separator_follows_from_the_name_and_the_header(tmp_path, name, separator, told):
    text = f'"a, b; c"{separator}d\n1{separator}x\n'
    table = read(tmp_path, text, name)
    assert list(table.columns) == ["a, b; c", "d"]
    assert bool(table.notes) == told


def test_without_a_header_columns_are_numbered(tmp_path):
    table = read(tmp_path, "1,2,x\n3,4,y\n", header=False)
    assert cells(table) == {"x0": [1, 3], "x1": [2, 4], "x2": ["x", "y"]}
    assert table.line(0) == 1


def test_kinds_can_be_given(tmp_path):
    text = "zip,n\n01234,1\n98765,2\n"
    assert read(tmp_path, text).columns["zip"].kind == "number"
    table = read(tmp_path, text, kinds={"zip": "category", "n": "number"})
    assert table.columns["zip"].levels == ("01234", "98765")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv: is empty; expected a line of column names, then rows"),
        ("\n \n\n", "t.csv: is empty; expected a line of column names, then rows"),
        ("\ufeff", "t.csv: is empty; expected a line of column names, then rows"),
        ("a,b\n", "t.csv: has no rows; expected some below the line of column names"),
        ("a,b", "t.csv: has no rows; expected some below the line of column names"),
        ("a,b\n1,2\n3\n", "t.csv:3: expected 2 cells as in the header, found 1"),
        ("a,b\n1,2\n\n3,4,5\n", "t.csv:4: expected 2 cells as in the header, found 3"),
        ("a\n1\n2,3\n", "t.csv:3: expected 1 cell as in the header, found 2"),
        (
            "a,b,a\n1,2,3\n",
            "t.csv:1: the name 'a' is there twice, in columns 1 and 3; rename one",
        ),
        (
            ",a\n0,1\n",
            "t.csv:1: column 1 has no name; name it in this line, or remove it if it only numbers "
            "the rows",
        ),
        (
            "a,,b\n0,1,2\n",
            "t.csv:1: column 2 (after 'a') has no name; name it in this line, or remove it if it "
            "only numbers the rows",
        ),
        (
            "1,2\n3,4\n",
            "t.csv:1: expected column names, found only numbers; add a line of names, or set "
            "data.header: false",
        ),
        (
            "a\x1b[31m,b\n1,2\n",
            r"t.csv:1: the name of column 1, 'a\x1b[31m', holds control characters",
        ),
        (
            "a,b\n1,2\n3,\x00\n",
            "t.csv:3: a NUL byte: the file is no text, or UTF-16; save it as UTF-8",
        ),
        (
            "a,b\n1,2\n".encode("utf-16"),
            "t.csv: expected text, found UTF-16 text; save it as UTF-8",
        ),
        (
            "a,b\n1,2\n".encode("utf-16-le"),
            "t.csv:1: a NUL byte: the file is no text, or UTF-16; save it as UTF-8",
        ),
        (
            "a,b\n1,x\n2,café\n".encode("latin-1"),
            "t.csv:3: byte 6 of the line is 0xe9, which is no UTF-8; save the file as UTF-8",
        ),
        (b"\x1f\x8b\x08rest", "t.csv: expected text, found gzip data; end its name in .gz"),
        (
            b"PK\x03\x04rest",
            "t.csv: expected text, found a zip archive or a spreadsheet; save the sheet as CSV",
        ),
        (
            'a,b\n1,2\n3,"x\n4,5\n',
            "t.csv:3: a quoted cell begins here and is never closed; add the missing quote",
        ),
        (
            'a,b\n1,2\n3,"\n',
            "t.csv:3: a quoted cell begins here and is never closed; add the missing quote",
        ),
        (
            'a,b\n1,"x"y\n',
            "t.csv:2: text follows the quote that closes a cell; double the quotes inside a quoted "
            "cell",
        ),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path, content, message):
    assert fault(tmp_path, content) == message


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("abc", "'abc' is not a number"),
        ("1_000", "'1_000' is not a number (write a decimal point and no other separator)"),
        ("1 000", "'1 000' is not a number (write no separators)"),
        ('"1,5"', "'1,5' is not a number (write a decimal point and no other separator)"),
        ('"1,234,567.5"', "'1,234,567.5' is not a number (write a decimal point and no other"),
        ("١٢", "'١٢' is not a number (use the digits 0 to 9)"),
        ("１２", "'１２' is not a number (use the digits 0 to 9)"),
        ("0x10", "'0x10' is not a number (write it in decimal)"),
        ("inf", "'inf' is not a number (leave the cell empty or exclude the row)"),
        ("-Infinity", "'-Infinity' is not a number (leave the cell empty or exclude the row)"),
        ("1e400", "'1e400' is not a number (float64 ends at 1.797e308)"),
        ("9" * 400, "…' is not a number (float64 ends at 1.797e308)"),
        ("12%", "'12%' is not a number (write the number alone)"),
        ("$12", "'$12' is not a number (write the number alone)"),
        ("1e", "'1e' is not a number"),
        ("1.2.3", "'1.2.3' is not a number"),
        ("1j", "'1j' is not a number"),
        ("True", "'True' is not a number"),
        ("a\x1b[2J", r"'a\x1b[2J' is not a number"),
    ],
)
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("beside", ["7", "text"])
def test_a_cell_that_is_no_number_is_refused_by_line_and_column(
    tmp_path, cell, message, given, beside
):
    rows = [["age", "other"], *[["1.5", beside]] * 6, [cell, beside], ["2", beside]]
    text = "\n".join(map(",".join, rows)) + "\n"
    found = fault(tmp_path, text, kinds={"age": "number"} if given else None)
    assert found.startswith("t.csv:8: column 'age': '")
    assert message in found
    if not given:
        assert found.endswith(
            ", but 7 of 8 cells are; mend the file, leave a missing value empty, or set "
            "data.columns: {age: {type: category}}"
        )


def test_a_column_that_is_half_text_is_a_category(tmp_path):
    table = read(tmp_path, "a\n1\n2\nx\ny\n")
    assert table.columns["a"].levels == ("1", "2", "x", "y")


def test_a_column_of_numbers_that_are_written_otherwise_is_refused(tmp_path):
    message = fault(tmp_path, 'a;b\n"1,5";x\n"2,5";y\n')
    assert message == (
        "t.csv:2: column 'a': '1,5' is not a number (write a decimal point and no other "
        "separator); mend the file, leave a missing value empty, or set data.columns: "
        "{a: {type: category}}"
    )
    table = read(tmp_path, 'a;b\n"1,5";x\n"2,5";y\n', kinds={"a": "category"})
    assert table.columns["a"].levels == ("1,5", "2,5")


ROWS = 30_000  # several blocks


def test_texts_far_behind_numbers_make_a_category(tmp_path):
    text = "a,b\n" + "".join(f"{i},{i}\n" for i in range(ROWS))
    text += "".join(f"t{i % 7},{i}\n" for i in range(2 * ROWS))
    table = read(tmp_path, text)
    assert table.columns["a"].kind == "category"
    assert table.columns["a"].texts()[ROWS - 1 : ROWS + 1] == [str(ROWS - 1), "t0"]
    assert table.columns["b"].kind == "number"


def test_numbers_far_behind_texts_are_refused_at_the_first_text(tmp_path):
    text = "a,b\n\n" + "".join(f"t{i % 7},{i}\n" for i in range(ROWS))
    text += "".join(f"{i},{i}\n" for i in range(2 * ROWS))
    message = fault(tmp_path, text)
    assert message.startswith(f"t.csv:3: column 'a': 't0' is not a number, but {2 * ROWS} of ")


def test_one_text_far_behind_numbers_is_found_with_its_line(tmp_path):
    rows = ["a,b", *(f"{i},x" for i in range(ROWS))]
    rows[ROWS - 5] = "oops,x"
    assert fault(tmp_path, "\n".join(rows)).startswith(
        f"t.csv:{ROWS - 4}: column 'a': 'oops' is not a number, but {ROWS - 1} of {ROWS} cells are"
    )


def test_a_column_that_is_empty_for_long_takes_the_kind_of_its_first_cells(tmp_path):
    text = "a,b,c\n" + ",,x\n" * ROWS + "1,u,x\n2,v,y\n"
    table = read(tmp_path, text)
    assert [column.kind for column in table.columns.values()] == ["number", "category", "category"]
    assert table.columns["a"].values[-2:].tolist() == [1, 2]
    assert table.columns["b"].texts()[-3:] == [None, "u", "v"]
    assert table.columns["b"].values.shape == (ROWS + 2,)


def test_integers_that_float64_rounds_are_told(tmp_path):
    table = read(tmp_path, f"a,b\n1,{2.0**80}\n{2**53 + 1},1\n")
    assert table.notes == (
        "column 'a' holds integers above 2**53 (the first in line 3), which are rounded",
    )
    assert read(tmp_path, f"a\n1\n{2**53}\n{2**60}\n").notes == ()


def test_a_number_that_some_programs_write_for_missing_is_told(tmp_path):
    table = read(tmp_path, "a,b\n1,1\n-2147483648,2\n,3\n")
    assert table.notes == (
        "column 'a' holds -2147483648 (the first in line 3), which some programs write for a "
        "missing value; empty these cells if they are missing",
    )
    assert table.columns["a"].values[1] == -(2**31)


def test_a_cell_beyond_all_bounds_is_refused(tmp_path):
    long = "x" * 200_000
    assert fault(tmp_path, f"a,b\n1,y\n2,{long}\n").startswith(
        "t.csv:3: column 'b': a cell is longer than 131072 characters"
    ) or "longer than 131072" in fault(tmp_path, f"a,b\n1,y\n2,{long}\n")
    assert fault(tmp_path, f'a,b\n1,y\n2,"{long}"\n').startswith(
        "t.csv:3: a cell is longer than 131072 characters"
    )


def test_many_columns_are_read(tmp_path):
    names = [f"c{i}" for i in range(20_000)]
    row = ",".join("1" for _ in names)
    table = read(tmp_path, f"{','.join(names)}\n{row}\n{row}\n")
    assert len(table.columns) == 20_000
    assert table.rows == 2


def test_the_fingerprint_is_that_of_the_bytes(tmp_path):
    import hashlib

    table = read(tmp_path, "a\n1\n2\n")
    (file,) = table.files
    assert (file.path, file.bytes) == ("t.csv", 6)
    assert file.sha256 == hashlib.sha256(b"a\n1\n2\n").hexdigest()


def test_loading_takes_little_more_memory_than_the_arrays(tmp_path):
    rows, columns = 150_000, 20
    line = ",".join(f"{i}.{i}25" for i in range(columns)) + "\n"
    text = ",".join(f"c{i}" for i in range(columns)) + "\n" + line * rows
    (tmp_path / "t.csv").write_text(text)
    tracemalloc.start()
    try:
        table = read_source("t.csv", tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    arrays = sum(column.values.nbytes for column in table.columns.values())
    assert arrays == rows * columns * 8
    # Some blocks of text and what is found in them, in each of two threads, come on top, whatever
    # the size of the file.
    assert peak < 1.5 * arrays + (40 << 20)


# The csv module as the reference.

texts = st.text(st.sampled_from('ab1.5,;"\n -?é'), max_size=6)
some = st.one_of(
    texts,
    st.sampled_from(["", "NA", "?", "nan", "1", "2.5", "-3e2", "x", '"', '""', ' "a"', "N/A", "n"]),
)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(some, min_size=width, max_size=width), min_size=1, max_size=12)
)


@given(tables, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
@settings(max_examples=200, deadline=None)
def test_categories_are_read_as_the_csv_module_reads_them(tmp_path_factory, rows, quoting):
    folder = tmp_path_factory.mktemp("csv")
    out = io.StringIO()
    names = [f"n{i}" for i in range(len(rows[0]))]
    csv.writer(out, quoting=quoting, lineterminator="\n").writerows([names, *rows])
    expected = [
        row for row in csv.reader(io.StringIO(out.getvalue()), skipinitialspace=True) if row
    ][1:]
    (folder / "t.csv").write_text(out.getvalue(), newline="")
    table = read_source("t.csv", folder, kinds=dict.fromkeys(names, "category"))
    found = list(zip(*(column.texts() for column in table.columns.values()), strict=True))
    missing = {"", "NA", "?", "nan", "N/A"}
    wanted = [tuple(None if c.strip() in missing else c.strip() for c in row) for row in expected]
    assert found == wanted


@given(
    tables,
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_neither_the_way_nor_the_size_of_the_blocks_changes_what_is_read(
    tmp_path_factory, rows, separator, end, quote, data
):
    """Whatever the bytes: well-formed or not, quoted or not, of any kinds."""
    folder = tmp_path_factory.mktemp("csv")
    names = [f"n{i}" for i in range(len(rows[0]))]
    write = [[f'"{c}"' if quote and "\n" not in c else c for c in row] for row in rows]
    text = end.join(separator.join(row) for row in [names, *write]) + end
    (folder / "t.csv").write_bytes(text.encode())
    kinds = {
        name: kind
        for name in names
        if (kind := data.draw(st.sampled_from(["number", "category", None])))
    }

    def outcome():
        try:
            table = read_source("t.csv", folder, kinds=kinds)
        except DataError as error:
            return str(error)
        places = [table.line(i) for i in range(table.rows)]
        columns = [(c.name, c.kind, c.levels, c.values.tobytes()) for c in table.columns.values()]
        return columns, places, table.notes

    fast = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited.CellFinder, "find", lambda *_: None)
        slow = outcome()
    assert fast == slow
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_SMALL", 1 << 20)
        assert outcome() == fast
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_SMALL", data.draw(st.sampled_from([0, 20, 1 << 20])))
        patch.setattr(lines, "FIRST_BLOCK", data.draw(st.integers(1, 40)))
        patch.setattr(lines, "BLOCK", data.draw(st.integers(1, 40)))
        small = outcome()
    if isinstance(fast, str):
        assert isinstance(small, str)  # of several faults either may come first
    else:
        assert small == fast


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_every_float_survives_being_written_and_read(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("csv")
    (folder / "t.csv").write_text("a,b\n" + "".join(f"{n!r},{n:.16e}\n" for n in numbers))
    table = read_source("t.csv", folder)
    assert [column.values.tolist() for column in table.columns.values()] == [numbers] * 2


def test_a_large_file_is_read_in_a_thread_and_a_fault_in_it_is_found_where_it_is(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(text_table, "BLOCK", 1)  # every file is a large one
    monkeypatch.setattr(lines, "BLOCK", 1000)
    rows = [f'{i},"name\n{i % 7}",{i / 8}' for i in range(20_000)]
    text = "\n".join(["a,b,c", *rows]) + "\n"
    threads = threading.active_count()
    table = read(tmp_path, text)
    assert cells(table)["a"] == list(range(20_000))
    assert cells(table)["b"][-1] == f"name\n{19_999 % 7}"
    assert table.line(19_999) == 2 + 2 * 19_999
    assert fault(tmp_path, text + "1,2\n") == (
        "t.csv:40002: expected 3 cells as in the header, found 2"
    )
    message = fault(tmp_path, text.encode() + b"1,caf\xe9,3\n")
    assert message.startswith("t.csv:40002: byte 6 of the line is 0xe9, which is no UTF-8")
    assert fault(tmp_path, text + '1,"x,3\n').startswith("t.csv:40002: a quoted cell begins here")
    assert threading.active_count() == threads


def test_a_quoted_cell_may_go_on_over_many_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "FIRST_BLOCK", 50)
    monkeypatch.setattr(lines, "BLOCK", 50)
    long = "\n".join(f"line {i}, of many" for i in range(40))
    table = read(tmp_path, f'a,b\n1,x\n2,"{long}"\n3,y\n' + "4,z\n" * 50)
    assert cells(table)["b"][:4] == ["x", long, "y", "z"]
    assert [table.line(i) for i in (0, 1, 2, 52)] == [2, 3, 43, 93]
