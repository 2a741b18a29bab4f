"""Numbers that stand for missing values are told from honest ones, and the draft says so."""

import numpy as np
import pytest

from bpnet.drafting.stand_ins import stand_ins

RNG = np.random.default_rng(0)
AGES = RNG.integers(18, 80, 300).astype(float)
AMOUNTS = np.exp(RNG.normal(size=300) * 1.5)


def with_marks(values, *marks, count=10):
    values = values.copy()
    for i, mark in enumerate(marks):
        values[i * count : (i + 1) * count] = mark
    return values


@pytest.mark.parametrize("mark", [-999, 999, 9999, -99, -2147483648, 32767, -500, 1e6])
def test_a_number_that_repeats_far_from_all_others_stands_for_something(mark):
    (found,), others = stand_ins(with_marks(AGES, mark))
    assert str(found) == f"{int(mark)} in 10 cells"
    assert len(others) == 290


def test_the_least_whole_number_of_a_program_is_known_when_it_comes_once():
    assert str(stand_ins(with_marks(AGES, -2147483648, count=1))[0][0]) == "-2147483648 in 1 cell"
    assert stand_ins(with_marks(AGES, -999, count=1))[0] == []


def test_several_marks_are_found_one_after_the_other():
    found, others = stand_ins(with_marks(AGES, -2147483648, -999, 9999))
    assert sorted(mark.text for mark in found) == ["-2147483648", "-999", "9999"]
    assert others.max() < 80


@pytest.mark.parametrize(
    "values",
    [
        AGES,
        AMOUNTS,
        np.sort(AMOUNTS),
        with_marks(AGES, 99),  # of people
        with_marks(AGES, 0),
        with_marks(AGES, 9999, count=2),  # slips
        with_marks(AMOUNTS, 0),
        np.repeat([0.0, 1.0], [290, 10]),  # yes and no
        np.repeat([0.0, 1.0, 1000.0], [200, 90, 10]),  # codes
        np.array([]),
        np.array([1.0]),
        np.full(50, 9999.0),
        np.array([1.0, np.inf] * 30),
        np.array([-1e308, 1e308] * 30),
    ],
)
def test_honest_numbers_are_left_alone(values):
    assert stand_ins(values)[0] == []


def test_the_draft_names_the_marks_and_says_what_to_do(draft):
    rows = 120
    age = [*(20 + i % 50 for i in range(rows - 12)), *[9999] * 12]
    income = [*[-2147483648] * 5, *(200 + 3 * i for i in range(rows - 5))]
    text, config = draft(age=age, income=income, y=[i % 2 for i in range(rows)])
    said = " ".join(line.removeprefix("# ") for line in text.splitlines())
    assert "age 9999 in 12 cells; income -2147483648 in 5 cells" in said
    assert "has no option for other marks" in said
    assert "empty those cells in the file" in said
    assert said.count("-2147483648 in 5 cells") == 3  # in the head, here, and where it is clipped
    assert "which some programs write" not in said  # once is enough
    assert "whole numbers 20 to 69, 9999 in 12 cells" in said
    assert config.data.columns["age"].outliers.type == "clip"


def test_marks_in_a_target_of_numbers_are_named_too(draft):
    rows = 120
    y = [*(float(i) for i in range(rows - 4)), *[-999] * 4]
    text, _ = draft(x=[(i * 7) % 31 for i in range(rows)], y=y)
    assert "by their look: y -999 in 4 cells" in text


def test_dates_are_called_dates(draft):
    dates = [f"2024-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(120)]
    text, _ = draft(x=[(i * 7) % 31 for i in range(120)], when=dates, y=[i % 2 for i in range(120)])
    assert "when  dates 2024-01-01 to 2024-12-28" in text


def test_a_column_that_tells_the_target_is_taken_if_there_is_no_other(draft):
    text, config = draft(x=range(1, 241, 2), y=[3 * i for i in range(120)])
    assert not config.data.exclude
    assert "x tells the target exactly" in text
    _, config = draft(
        x=range(1, 241, 2), z=[(i * 7) % 31 for i in range(120)], y=[3 * i for i in range(120)]
    )
    assert config.data.exclude == ["x"]


def test_several_numbers_are_watched_in_units_that_they_share(draft):
    a = [(i * 7) % 31 + i * 0.37 for i in range(120)]
    _, config = draft(["a", "b"], x=[i % 13 for i in range(120)], a=a, b=[1000 * v for v in a])
    assert config.early_stopping.monitor == "val/loss"
