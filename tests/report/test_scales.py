"""Axes: every number has its place, and what is written beside them is round."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpnet.report.chart import text_width
from bpnet.report.scales import Scale, epochs, fitting, suits_log
from bpnet.report.thinning import spread, thin
from bpnet.report.wording import cut, cut_inside, duration, figure, listing, rows, share

numbers = st.floats(-1e299, 1e299)


@given(st.lists(numbers, max_size=8), st.booleans())
def test_every_number_has_its_place_between_the_ends(values, zero):
    axis = fitting(values, zero=zero)
    assert axis.low < axis.high
    assert all(-1e-9 <= axis.part(v) <= 1 + 1e-9 for v in values)
    assert axis.ticks(5)


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=8))
def test_a_logarithmic_axis_has_a_place_for_every_number_above_0(values):
    axis = fitting([*values, 0.0, -1.0, math.nan, math.inf], log=True)
    assert all(-1e-9 <= axis.part(v) <= 1 + 1e-9 for v in values)
    assert 1 <= len(axis.ticks(5)) <= 12


@given(numbers, st.floats(1e-12, 1e12), st.integers(2, 8))
def test_written_numbers_are_round_evenly_spaced_and_few(low, span, most):
    high = low + span
    if not high - low > 1e-6 * abs(low):
        return
    ticks = Scale(low, high).ticks(most)
    assert 1 <= len(ticks) <= max(5, most + 2)
    values = [value for value, _ in ticks]
    assert values == sorted(set(values))
    if len(values) > 1:
        step = values[1] - values[0]
        digit = step / 10 ** math.floor(math.log10(step) + 1e-6)
        assert min(abs(digit - d) for d in (1, 2, 5, 10)) < 1e-2
    texts = [text for _, text in ticks]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-3, 7, ["−2", "0", "2", "4", "6"]),
        (0, 12345, ["0", "5,000", "10,000"]),
        (0.74, 0.96, ["0.75", "0.80", "0.85", "0.90", "0.95"]),
        (0, 3e7, ["0", "10⁷", "2·10⁷", "3·10⁷"]),
        (0, 4e-5, ["0", "10⁻⁵", "2·10⁻⁵", "3·10⁻⁵", "4·10⁻⁵"]),
    ],
)
def test_numbers_beside_an_axis(low, high, texts):
    assert [text for _, text in Scale(low, high).ticks(5)] == texts


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.015, 2.2, ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]),
        (0.0008, 2, ["0.001", "0.01", "0.1", "1"]),
        (1e-9, 1e3, ["10⁻⁹", "10⁻⁶", "0.001", "1", "1,000"]),
        (3, 4, ["3", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "4"]),
    ],
)
def test_numbers_beside_a_logarithmic_axis(low, high, texts):
    found = [text for _, text in Scale(low, high, log=True).ticks(5)]
    assert found == texts or (low == 3 and set(found) <= set(texts) and len(found) >= 2)


def test_epochs_are_whole_numbers_even_if_there_is_one():
    assert [text for _, text in epochs([1]).ticks(6)] == ["1", "2"]
    assert [text for _, text in epochs([1, 2, 3]).ticks(6)] == ["1", "2", "3"]
    assert [text for _, text in epochs(range(1, 10001)).ticks(6)][-1] == "10,000"


def test_a_constant_is_seen_in_the_middle_above_0():
    axis = fitting([0.001] * 5)
    assert axis.part(0.001) == pytest.approx(0.5)
    assert "0" in [text for _, text in axis.ticks(5)]


def test_an_axis_is_logarithmic_where_a_tenth_lies_far_below_the_largest():
    decay = [0.1 * 0.9**i for i in range(100)]
    cosine = [(1 + math.cos(math.pi * i / 100)) / 2 for i in range(100)]
    assert suits_log(decay)
    assert not suits_log(cosine)
    assert suits_log([0.0, *decay])  # a loss that is less than a float32 holds
    assert not suits_log([0.0] * len(decay) + decay)
    assert not suits_log([-1.0, *decay])
    assert not suits_log([1.0, 2.0, 3.0])
    assert not suits_log([])


@given(st.lists(st.one_of(numbers, st.just(math.nan)), max_size=3000), st.integers(1, 40))
def test_thinned_curves_keep_their_extremes_and_gaps(values, buckets):
    points = [(float(i), v) for i, v in enumerate(values)]
    kept = thin(points, buckets)
    assert len(kept) <= max(len(points) if len(points) <= 4 * buckets else 0, 5 * buckets)
    finite = [v for v in values if math.isfinite(v)]
    if finite:
        there = [v for _, v in kept if math.isfinite(v)]
        assert (min(there), max(there)) == (min(finite), max(finite))
    assert [x for x, _ in kept] == sorted({x for x, _ in kept})
    if points:
        assert (kept[0][0], kept[-1][0]) == (0.0, len(points) - 1.0)
    if any(math.isnan(v) for v in values):
        assert any(math.isnan(v) for _, v in kept)


def test_a_gap_only_piece_does_not_keep_all_of_its_gaps():
    points = [(float(i), math.nan if i > 10 else 1.0) for i in range(100_000)]
    assert len(thin(points, 100)) <= 500


def test_chosen_places_are_even_with_both_ends():
    assert spread(5, 10) == [0, 1, 2, 3, 4]
    assert spread(101, 5) == [0, 25, 50, 75, 100]


def test_numbers_are_written_as_people_read_them():
    assert figure(0.123456) == "0.1235"
    assert figure(1234567) == "1,234,567"
    assert figure(-48251.7) == "−48,252"
    assert figure(1.5e-7) == "1.5·10⁻⁷"
    assert figure(math.nan) == figure(None) == "–"
    assert figure(math.inf) == "∞"
    assert (share(0.981), share(1.0), share(0.0)) == ("98.1\u00a0%", "100\u00a0%", "0\u00a0%")
    assert share(0.999999) == "> 99.99\u00a0%"
    assert share(1e-7) == "< 0.01\u00a0%"
    assert (rows(1), rows(1234)) == ("1 row", "1,234 rows")
    assert (duration(0.84), duration(125), duration(3720)) == ("0.84 s", "2 min 05 s", "1 h 02 min")
    assert duration(59.7) == "1 min 00 s"
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing(list("abcdefgh"), 3) == "a, b, c and 5 more"


def test_long_names_are_cut():
    assert cut("species number 7", 9) == "species …"
    assert cut_inside("species number 27", 9) == "spec…r 27"
    assert len(cut_inside("x" * 50, 14)) == 14
    assert cut_inside("short", 14) == "short"
    assert text_width("日本語") > text_width("abc")
