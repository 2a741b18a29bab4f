import pytest

from bpnet.options import Range, Span


@pytest.mark.parametrize(
    ("bounds", "noun", "text"),
    [
        (Range(gt=0), "integer", "a positive integer"),
        (Range(ge=1), "integer", "a positive integer"),
        (Range(ge=0), "integer", "an integer of 0 or more"),
        (Range(ge=3), "number", "a number of 3 or more"),
        (Range(gt=2), "number", "a number above 2"),
        (Range(ge=0, lt=1), "number", "a number from 0 to below 1"),
        (Range(ge=0, le=1), "number", "a number from 0 to 1"),
        (Range(gt=0, le=1), "number", "a number above 0 and at most 1"),
        (Range(gt=0, lt=1), "number", "a number above 0 and below 1"),
        (Range(lt=5), "number", "a number below 5"),
        (Range(le=5), "number", "a number of 5 or less"),
    ],
)
def test_bounds_read_as_a_sentence(bounds, noun, text):
    assert bounds.describe(noun) == text


@pytest.mark.parametrize(
    ("value", "count", "unit"),
    [
        (500, 500, "steps"),
        ("500", 500, "steps"),
        ("500 steps", 500, "steps"),
        ("1 step", 1, "steps"),
        ("5 epochs", 5, "epochs"),
        ("1epoch", 1, "epochs"),
        ("90 s", 90, "seconds"),
        ("10m", 600, "seconds"),
        ("10 min", 600, "seconds"),
        ("1.5 h", 5400, "seconds"),
    ],
)
def test_a_length_is_read_with_its_unit_and_written_back(value, count, unit):
    span = Span.from_yaml(value)
    assert (span.count, span.unit) == (count, unit)
    assert Span.from_yaml(span.to_yaml()) == span


@pytest.mark.parametrize("value", [True, None, "soon", "5 years", "-1", "1.5 epochs", 1.5, ""])
def test_what_is_no_length_is_refused(value):
    with pytest.raises(ValueError, match=r"a length such as|a whole number of"):
        Span.from_yaml(value)


def test_a_length_in_epochs_is_counted_in_steps_and_a_time_is_not():
    assert Span(3, "epochs").steps(40) == 120
    assert Span(3, "steps").steps(40) == 3
    with pytest.raises(ValueError, match="give steps or epochs"):
        Span(3, "seconds").steps(40)
