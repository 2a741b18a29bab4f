import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpnet.data.sources import read_source
from bpnet.errors import DataError


def read(folder, *lines, **options):
    (folder / "t.jsonl").write_bytes("\n".join(lines).encode())
    return read_source("t.jsonl", folder, **options)


def fault(folder, *lines, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, *lines, **options)
    return str(caught.value)


def test_numbers_texts_and_missing_values_are_read(tmp_path):
    table = read(
        tmp_path, '{"a": 1, "b": "x"}', "", '{"b": null, "a": -2.5}', '{"c": "y", "b": "z"} '
    )
    np.testing.assert_array_equal(table.columns["a"].values, [1, -2.5, np.nan])
    assert table.columns["b"].texts() == ["x", None, "z"]
    assert table.columns["c"].texts() == [None, None, "y"]
    assert list(table.columns) == ["a", "b", "c"]
    assert [table.line(i) for i in range(3)] == [1, 3, 4]


def test_true_and_false_are_categories(tmp_path):
    table = read(tmp_path, '{"a": true}', '{"a": false}', '{"a": null}')
    assert table.columns["a"].texts() == ["true", "false", None]


def test_texts_are_read_like_cells_of_a_csv_file(tmp_path):
    table = read(tmp_path, '{"a": "12", "b": " NA "}', '{"a": 3.5, "b": " x "}')
    assert table.columns["a"].values.tolist() == [12, 3.5]
    assert table.columns["b"].texts() == [None, "x"]


def test_numbers_can_be_categories(tmp_path):
    table = read(tmp_path, '{"a": 1}', '{"a": 2.0}', '{"a": 2.5}', kinds={"a": "category"})
    assert table.columns["a"].texts() == ["1", "2", "2.5"]


def test_nan_as_python_writes_it_is_missing(tmp_path):
    table = read(tmp_path, json.dumps({"a": float("nan")}), '{"a": 1}')
    assert table.columns["a"].missing.tolist() == [True, False]


def test_a_key_that_appears_late_has_missing_cells_before(tmp_path):
    lines = ['{"a": 1}'] * 20_000 + ['{"a": 1, "late": 5}', '{"a": 1, "text": "x"}']
    table = read(tmp_path, *lines)
    assert int(table.columns["late"].missing.sum()) == 20_001
    assert table.columns["late"].values[20_000] == 5
    assert table.columns["text"].texts()[-2:] == [None, "x"]


def test_large_integers_are_told(tmp_path):
    table = read(tmp_path, '{"a": 1}', f'{{"a": {2**53 + 1}}}')
    assert table.notes == (
        "column 'a' holds integers above 2**53 (the first in line 2), which are rounded",
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1, 2]", 'expected an object such as {"x": 1, "y": 2}, found an array'),
        ("1", 'expected an object such as {"x": 1, "y": 2}, found a number'),
        ("null", 'expected an object such as {"x": 1, "y": 2}, found null'),
        ('"text"', 'expected an object such as {"x": 1, "y": 2}, found a text'),
        ('{"a": 1', "expected one JSON object in this line; at character 8: "),
        ('{"a": 1} {"a": 2}', "expected one JSON object in this line; at character 10: "),
        ('{"a": 1},{"a": 2}', "expected one JSON object in this line; at character 9: "),
        ("{'a': 1}", "expected one JSON object in this line; at character 2: "),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ('{"a": [1, 2]}', "column 'a': expected a number, a text, true, false or null, found an "),
        ('{"a": {"b": 1}}', "column 'a': expected a number, a text, true, false or null, found "),
        ('{"a": Infinity}', "Infinity is not a number that can be computed with"),
        ('{"a": ' + "[" * 100_000, "the object is nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "an integer of thousands of digits"),
        ('{"a": ' + "9" * 400 + "}", "column 'a': '99999"),
        ('{"a": 1e400}', "column 'a': 'inf' is not a number"),
        ('{"a": "abc"}', "column 'a': 'abc' is not a number, but 3 of 4 cells are"),
        ('{"a": true}', "column 'a': 'true' is not a number, but 3 of 4 cells are"),
        ('{"b": "\\ud800"}', r"column 'b': '\ud800' holds half a character"),
        ('{"\\u001b[2J": 1}', r"the key '\x1b[2J' can't name a column"),
        ('{"": 1}', "the key '' can't name a column"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(tmp_path, line, message):
    found = fault(tmp_path, '{"a": 1}', '{"a": 2}', '{"a": 3}', line)
    assert found.startswith(f"t.jsonl:4: {message}")


def test_a_file_without_objects_is_refused(tmp_path):
    assert fault(tmp_path, "", " ") == "t.jsonl: is empty; expected one JSON object a line"
    assert fault(tmp_path, "[", "{", '"a": 1', "}", "]").startswith("t.jsonl:1: expected one JSON")


def test_an_object_over_several_lines_is_refused(tmp_path):
    assert fault(tmp_path, '{"a": {}', '{"b": 1}}').startswith("t.jsonl:1: expected one JSON")


values = st.one_of(
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**53) + 1, 2**53 - 1),
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), values, min_size=1), min_size=1))
@settings(max_examples=100, deadline=None)
def test_numbers_survive_being_written_and_read(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("json")
    table = read(folder, *map(json.dumps, rows))
    for name, column in table.columns.items():
        expected = [np.nan if row.get(name) is None else float(row[name]) for row in rows]
        np.testing.assert_array_equal(column.values, expected)
    assert set(table.columns) == {key for row in rows for key in row}


@pytest.mark.parametrize("text", ["12", "12:30"])
def test_many_lines_are_as_strict_as_one(tmp_path, text):
    good = [f'{{"a": {i}, "b": "{text}"}}' for i in range(50)]
    assert read(tmp_path, *good).rows == 50
    twice = f'{{"a": 1, "b": "{text}", "a": 2}}'
    assert "t.jsonl:51: the key 'a' is there twice" in fault(tmp_path, *good, twice, *good)
    odd = f'{{"a": 1, "b": "{text}", "c\\u0007": 2}}'
    assert "t.jsonl:51: the key 'c\\x07' can't name" in fault(tmp_path, *good, odd, *good)
    nested = f'{{"a": [1, 2], "b": "{text}"}}'
    assert "t.jsonl:51: column 'a': expected a number" in fault(tmp_path, *good, nested, *good)
    table = read(tmp_path, *good, '{"b": null}', f'{{"c": "{text}"}}')
    assert np.isnan(table.columns["a"].values[50:]).all()
    assert np.count_nonzero(table.columns["c"].missing) == 51
