"""Curves in plain characters: the right place, any size, nothing but ASCII."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpnet.report.characters import Panel, draw, panels, screen

VALUES = st.one_of(st.floats(), st.none(), st.just("nonsense"), st.integers(0, 10**30))


def row(epoch, **values):
    base = {"epoch": epoch, "lr": 0.1, "train/loss": 1 / epoch, "val/loss": 2 / epoch}
    return base | {k.replace("__", "/"): v for k, v in values.items()}


def test_a_falling_line_falls():
    points = [(float(i), 10.0 - i) for i in range(1, 10)]
    lines = draw(Panel("loss", {"val/loss": points}), 40, 13)
    places = [(x, y) for y, line in enumerate(lines) for x, c in enumerate(line) if c == "*"][1:]
    assert len(lines) == 13
    by_column = dict(sorted(places))
    heights = list(by_column.values())
    assert heights == sorted(heights)
    assert heights[0] < heights[-1] - 6
    columns = sorted(by_column)
    assert columns == list(range(columns[0], columns[-1] + 1))  # joined, without a hole


def test_training_and_validation_have_signs_of_their_own():
    lines = draw(panels([row(i) for i in range(1, 20)])[0], 60, 12)
    assert lines[0] == "loss   . train 0.05263   * val 0.1053"
    assert any("." in line.partition("|")[2] for line in lines)
    assert any("*" in line.partition("|")[2] for line in lines)
    assert lines[-1].split() == ["1", "epoch", "19"]


def test_numbers_beside_the_axis_are_round_and_stand_where_they_lie():
    points = [(1.0, 0.0), (2.0, 100.0)]
    lines = draw(Panel("x", {"val/x": points}), 40, 14)
    labels = {line.partition("|")[0].strip(): i for i, line in enumerate(lines) if "|" in line}
    assert {"0", "100"} <= set(labels)
    assert "*" in lines[labels["0"]]
    assert "*" in lines[labels["100"]]


def test_the_most_telling_come_first():
    rows = [row(i, val__f1=0.5, grad_norm=1.0) for i in (1, 2, 3)]
    assert [p.title for p in panels(rows)] == ["loss", "f1", "learning rate", "gradient"]
    assert [p.title for p in panels([{"epoch": 1}])] == []


@pytest.mark.parametrize("width", [24, 40, 80, 110, 200])
@pytest.mark.parametrize("height", [4, 9, 24, 60])
def test_a_screen_of_any_size_is_never_left(width, height):
    rows = [row(i, val__f1=0.5, grad_norm=1.0) for i in range(1, 50)]
    lines = screen(rows, width, height)
    assert lines
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert all(line.isascii() and line.isprintable() for line in lines)
    if width >= 110 and height >= 24:
        assert sum(line.count("+---") for line in lines) == 4


def test_where_there_is_no_room_nothing_is_drawn():
    rows = [row(1)]
    assert screen(rows, 10, 40) == screen(rows, 80, 3) == screen([], 80, 24) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({"val/loss": VALUES, "lr": VALUES}), min_size=1, max_size=30),
    st.integers(24, 90),
    st.integers(4, 40),
)
def test_nonsense_does_no_harm(values, width, height):
    rows = [{"epoch": i + 1, **v} for i, v in enumerate(values)]
    lines = screen(rows, width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


def test_a_long_training_is_drawn_by_means_of_its_columns():
    points = [(float(i), math.sin(i)) for i in range(1, 5001)]
    lines = draw(Panel("x", {"val/x": points}), 60, 20)
    filled = [i for i, line in enumerate(lines[1:]) if "*" in line]
    assert filled
    assert max(filled) - min(filled) <= 6  # the mean of a sine is near 0
