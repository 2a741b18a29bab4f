import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpnet.predictions import Lines

CHANCES = st.one_of(
    st.floats(0, 1),
    st.floats(0, 1, width=32),
    st.sampled_from([0.0, 1.0, 0.99999999, 0.999999996, 1e-4, 9.9999999e-5, 1e-5, 5e-324]),
)
CLASSES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
)
WITHOUT_TEXT = {"csv": "", "jsonl": "null", "json": "null"}


@given(st.lists(CHANCES), st.sampled_from(["float32", "float64"]))
def test_probabilities_have_eight_digits_and_are_written_as_python_does(chances, dtype):
    values = np.array(chances, dtype)
    rounded = [repr(float(f"{value:.8g}")) for value in values.tolist()]
    assert Lines(["p"], "csv").probabilities(values) == rounded


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_probability_that_is_none_is_an_empty_cell(form):
    cells = Lines(["a", "b"], form).probabilities(np.array([0.5, np.nan, 1]))
    assert cells == ["0.5", WITHOUT_TEXT[form], "1.0"]


def written(form, names, columns, cells):
    """Write rows in two blocks, one of them empty in between; return the text."""
    lines = Lines(names, form)
    parts = [lines.opening]
    for part in (slice(0, 1), slice(1, 1), slice(1, None)):
        parts.append(lines.rows([cells(lines, column[part]) for column in columns]))
    return "".join([*parts, lines.closing])


@given(st.lists(CLASSES, min_size=1), st.text("ab,'\"% {}\n", min_size=1))
def test_classes_are_read_back_as_they_were(classes, name):
    column = np.empty(len(classes), object)
    column[:] = classes
    names = [name, f"{name}2"]

    def cells(lines, values):
        return lines.classes(values)

    text = written("csv", names, [column, column], cells)
    expected = io.StringIO()
    csv.writer(expected, lineterminator="\n").writerows(
        [names, *([value, value] for value in classes)]
    )
    assert text == expected.getvalue()
    rows = [dict.fromkeys(names, value) for value in classes]
    text = written("jsonl", names, [column, column], cells)
    assert text == "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    assert json.loads(written("json", names, [column, column], cells)) == rows


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_read_back_to_the_last_bit(numbers):
    def cells(lines, values):
        return lines.numbers(values)

    column = np.array(numbers)
    text = written("csv", ["y"], [column], cells)
    assert list(map(float, text.splitlines()[1:])) == numbers
    assert json.loads(written("json", ["y"], [column], cells)) == [{"y": y} for y in numbers]


def test_numbers_that_json_does_not_know_are_null_there():
    numbers = np.array([1.0, np.nan, -np.inf])
    assert Lines(["y"], "jsonl").numbers(numbers) == ["1.0", "null", "null"]
    assert Lines(["y"], "csv").numbers(numbers) == ["1.0", "nan", "-inf"]


def test_without_a_row_there_is_a_header_or_an_empty_list():
    lines = Lines(["a", "b"], "csv")
    assert (lines.opening, lines.rows([[], []]), lines.closing) == ("a,b\n", "", "")
    lines = Lines(["a"], "json")
    assert json.loads(lines.opening + lines.rows([[]]) + lines.closing) == []
