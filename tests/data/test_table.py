import numpy as np
import pytest

from bpnet.data.table import Column, Table, Tensor, number_text


def column(name, texts):
    levels = tuple(sorted({t for t in texts if t is not None}))
    codes = [levels.index(t) if t is not None else -1 for t in texts]
    return Column(name, "category", np.array(codes, np.int32), levels)


def numbers(*values):
    return Column("n", "number", np.array(values, np.float64))


def test_missing_cells_are_marked_in_both_kinds():
    assert numbers(1, np.nan).missing.tolist() == [False, True]
    assert column("c", ["x", None]).missing.tolist() == [False, True]


def test_numbers_become_categories_as_people_write_them():
    found = numbers(10, 2, np.nan, 2.5, -1e20, 2).as_category()
    assert found.kind == "category"
    assert found.texts() == ["10", "2", None, "2.5", "-1e+20", "2"]
    assert list(found.levels) == sorted(found.levels)
    assert found.as_category() is found
    assert numbers(np.nan, np.nan).as_category().texts() == [None, None]


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (-0.0, "0"), (2.5, "2.5"), (1e15, "1000000000000000")]
)
def test_whole_numbers_are_written_without_a_point(value, text):
    assert number_text(value) == text


def test_sentences_are_text_and_names_are_identifiers():
    sentences = column("t", [f"this is the sentence number {i}" for i in range(60)])
    names = column("t", [f"name{i}" for i in range(60)])
    colours = column("t", ["red", "green", "dark blue and grey"] * 20)
    assert [c.is_text for c in (sentences, names, colours)] == [True, False, False]
    assert [c.is_identifier for c in (sentences, names, colours)] == [True, True, False]
    assert not numbers(*range(100)).is_text
    assert not numbers(*range(100)).is_identifier


def test_rows_keep_their_lines_when_some_are_taken():
    table = Table({"n": numbers(5, 6, 7)}, 3, "t.csv")
    assert [table.line(i) for i in range(3)] == [2, 3, 4]
    taken = table.take(np.array([2, 0]))
    assert taken.columns["n"].values.tolist() == [7, 5]
    assert [taken.line(i) for i in range(2)] == [4, 2]
    masked = taken.take(np.array([True, False]))
    assert (masked.rows, masked.line(0), masked.place(0)) == (1, 4, "line 4")


def test_rows_of_arrays_have_no_lines():
    table = Table({"n": numbers(5, 6)}, 2, "t.npz", first_line=None)
    assert table.line(1) is None
    assert table.place(1) == "row 1"
    assert table.take(slice(0, 1)).line(0) is None


def test_a_tensor_takes_its_labels_along():
    tensor = Tensor(np.arange(8).reshape(2, 2, 2, 1), {"n": numbers(3, 4)}, "t.idx", ("n",))
    taken = tensor.take(np.array([1]))
    assert taken.rows == 1
    assert taken.x.ravel().tolist() == [4, 5, 6, 7]
    assert taken.columns["n"].values.tolist() == [4]
    assert taken.place(0) == "row 0"
