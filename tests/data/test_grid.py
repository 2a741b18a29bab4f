"""Cells found in blocks, against the csv module."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bpnet.data.grid import MAX_CELL, CellFinder, Grid


def found(text: str, columns: int, separator: str = ",") -> Grid | None:
    return CellFinder(separator, columns).find(text.encode())


def rows(grid: Grid) -> list[list[str]]:
    columns = [grid.columns([place]).texts() for place in range(grid.starts.shape[1])]
    return [list(row) for row in zip(*columns, strict=True)]


def reference(text: str, separator: str = ",") -> tuple[list[list[str]], list[int]]:
    reader = csv.reader(
        io.StringIO(text, newline="\n"), delimiter=separator, strict=True, skipinitialspace=True
    )
    cells, lines, line = [], [], 2
    for row in reader:
        if row:
            cells.append([cell.strip(" ") for cell in row])
            lines.append(line)
        line = 2 + reader.line_num
    return cells, lines


def test_cells_of_a_column_and_of_several_are_found_row_by_row():
    grid = found("1,a,x\n22,,yy\n", 3)
    assert grid is not None
    assert rows(grid) == [["1", "a", "x"], ["22", "", "yy"]]
    assert grid.columns([0, 2]).texts() == ["1", "x", "22", "yy"]
    assert grid.columns([0, 1, 2]).texts() == ["1", "a", "x", "22", "", "yy"]
    assert grid.columns([1]).empty.tolist() == [False, True]
    assert grid.widths().tolist() == [2, 1, 2]
    assert (list(grid.lines_from(2)), grid.height) == ([2, 3], 2)


def test_spaces_and_quotes_around_cells_are_left_out():
    grid = found('  a ,"b"," c "\n" ","","d ""e"""\n', 3)
    assert grid is not None
    assert rows(grid) == [["a", "b", "c"], ["", "", 'd "e"']]


def test_quoted_cells_hold_separators_and_line_ends_and_lines_are_counted():
    grid = found('"a,b",1\n"two\nlines\n",2\nc,3\n"",4\n', 2)
    assert grid is not None
    assert rows(grid) == [["a,b", "1"], ["two\nlines\n", "2"], ["c", "3"], ["", "4"]]
    assert (list(grid.lines_from(2)), grid.height) == ([2, 3, 6, 7], 6)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1\n",
            "1,2,3\n",
            "1,2\n3\n",
            "1,2\n3,4,5\n",
            "1\n2,3,4\n",
            "\n",
            "\n\n",
            "1,2\n \n",
            " \n",
        ),
        *('"1,2\n', '1,2"\n', '1",2\n', '"1"x,2\n', 'x"1",2\n', '"1" ,2\n', '1, "2"\n', '"""a,2\n'),
        *('a"b,"c"\n', '"a"b","c"\n', '1,"2\n3,4\n', '"a""b,2\n', '"a" "b",2\n'),
    ],
)
def test_of_a_block_that_is_not_simple_nothing_is_said(text):
    assert found(text, 2) is None


def test_an_empty_line_is_no_row_but_empty_quotes_and_spaces_are_in_one_column():
    grid = found('\na\n\n\n""\n  \n', 1)
    assert grid is not None
    assert rows(grid) == [["a"], [""], [""]]
    assert (list(grid.lines_from(2)), grid.height) == ([3, 6, 7], 6)


def test_empty_lines_between_rows_are_left_out_and_counted():
    grid = found('\n\n1,2\n\n"3\n",4\n\n,\n\n', 2)
    assert grid is not None
    assert rows(grid) == [["1", "2"], ["3\n", "4"], ["", ""]]
    assert (list(grid.lines_from(2)), grid.height) == ([4, 6, 9], 9)


def test_a_cell_beyond_all_bounds_is_left_to_the_csv_module():
    assert found(f"{'x' * MAX_CELL},1\n", 2) is not None
    assert found(f"{'x' * (MAX_CELL + 1)},1\n", 2) is None


def test_one_finder_takes_longer_and_shorter_blocks_in_turn():
    finder = CellFinder(";", 2)
    for block in (b"1;2\n", b"111;222\n" * 50, b'"a";b\n', b"5;6\n"):
        grid = finder.find(block)
        assert grid is not None
        assert rows(grid) == reference(block.decode(), ";")[0]


cell = st.text(st.sampled_from('a1.,;\t"\n -é🙂'), max_size=5)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=9)
)


@given(tables, st.sampled_from(",;\t"), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
@settings(max_examples=300, deadline=None)
def test_what_the_csv_module_writes_is_understood_and_read_alike(table, separator, quoting):
    out = io.StringIO()
    csv.writer(out, delimiter=separator, quoting=quoting, lineterminator="\n").writerows(table)
    text = out.getvalue()
    cells, lines = reference(text, separator)
    grid = found(text, len(table[0]), separator)
    assert grid is not None
    assert (rows(grid), list(grid.lines_from(2))) == (cells, lines)
    assert grid.height == text.count("\n")


@given(st.text(st.sampled_from('a1,;" \n'), max_size=30), st.integers(1, 3))
@example('a,"b""c"\n"d\n",e\n', 2)
@settings(max_examples=500, deadline=None)
def test_whatever_is_understood_is_read_as_the_csv_module_reads_it(text, columns):
    grid = found(text + "\n", columns)
    if grid is not None:
        assert (rows(grid), list(grid.lines_from(2))) == reference(text + "\n")
