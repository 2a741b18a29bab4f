"""Numbers from text, all against Python's float, to the bit."""

import random
import re
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bpnet.data.decimals import Decimals, parse_decimals
from bpnet.data.powers import EXACT
from bpnet.data.words import MARGIN

GRAMMAR = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def parse(texts: list[str]) -> Decimals:
    cells = [text.encode() for text in texts]
    raw = b"\n" * MARGIN + b"".join(cell + b"," for cell in cells) + b"\n" * MARGIN
    stops = MARGIN + np.cumsum([len(cell) + 1 for cell in cells]) - 1
    starts = stops - [len(cell) for cell in cells]
    return parse_decimals(np.frombuffer(raw, np.uint8), starts, stops)


def known(texts: list[str]) -> list[str]:
    """Check every number against float; return the texts of those that were told."""
    found = parse(texts)
    unknown = np.zeros(len(texts), bool) if found.unknown is None else found.unknown
    told = [text for text, left in zip(texts, unknown.tolist(), strict=True) if not left]
    values = found.values[~unknown]
    assert np.isnan(found.values[unknown]).all()
    assert all(map(GRAMMAR.fullmatch, told))
    expected = np.array([float(text) for text in told])
    same = values.view(np.uint64) == expected.view(np.uint64)  # -0.0 is not 0.0
    assert same.all(), told[int(same.argmin())]
    rounded = np.zeros(len(texts), bool) if found.rounded is None else found.rounded
    marked = {text for text, mark in zip(texts, rounded.tolist(), strict=True) if mark}
    assert all(text.lstrip("+-").isdecimal() and int(text) != float(text) for text in marked)
    whole = {text for text in told if text.lstrip("+-").isdecimal()}
    assert {text for text in whole if int(text) != float(text)} <= marked
    return told


PLAIN = [
    *("0", "-0", "+0", "00", "-00.00", "0.0", ".0", "0.", "1", "-1", "+1", "007", "12.", ".5"),
    *("-.5", "+.5", "3.1415", "-273.15", "99999999", "100000000", "12345678", "1234567.8"),
    *(".12345678", "123456789012345678", "9007199254740991", "9007199254740992"),
    *("0.1", "0.2", "0.30000000000000004", "2.2250738585072014", "1.7976931348623157"),
    *("000000000000000000000001", "0.0000000000000000000001", "-12345678.12345678"),
    *("9007199254740994", "9007199254740996.0", "9999999999999999999", "0.1234567890123456789"),
]
NONE = [
    *("", " ", "-", "+", ".", "-.", "+.", "--1", "+-1", "1-", "1.2.3", "..", "1..", "1,5", "1_000"),
    *(
        "1 000",
        " 1",
        "1 ",
        "\t1",
        "0x10",
        "1j",
        "inf",
        "nan",
        "NaN",
        "NA",
        "1e",
        "e5",
        "e-05",
        ".e-05",
    ),
    *(
        "1e-",
        "1e-0x",
        "1e--5",
        "1e+a5",
        "-e-05",
        "1f-05",
        "١٢",
        "１２",
        "½",
        "²",
        "1\u00a0",
        "−1",
        "1٫5",
    ),
    *("/", ":", "0/", "0:", "12:30", "1/2", "1;", "#", "\x00", "\x7f", "1\n2", '"1"', "99999999/"),
    *("12345678.1234567x", "x2345678.12345678", "1234.678.12345678", "\uff11", "1e5\u0660"),
]


def test_plain_numbers_are_known_and_equal_to_float():
    assert known(PLAIN) == PLAIN


def test_plain_numbers_are_known_alone_too():
    for text in PLAIN:
        assert known([text]) == [text]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_number_is_left_alone(text):
    assert known([text]) == []
    # Nor does it spoil what is beside it, whatever that makes the others pass through.
    beside = ["1", "-2.5", "123456789.123456789", *["3.25e-01"] * 20]
    assert known([*beside, text, *beside]) == beside * 2


def test_exponents_of_two_digits_are_known_where_there_are_some():
    texts = [
        f"{m}e{s}{e:02}"
        for m in ("1", "-1.5", ".5", "2.", "1.234567890123456789")
        for s in "+-"
        for e in range(100)
    ]
    ties = {"1e+23", ".5e+23", "2.e+23"}  # halfway between two floats
    told = [text for text in texts if text not in ties]
    assert known(texts) == told
    assert known([text.upper() for text in texts]) == [text.upper() for text in told]


def test_other_exponents_are_left_to_float():
    texts = ["1e5", "1e+5", "1e-5", "1e-105", "1.5e+308", "1e400", "5e-324", "1e05"] * 20
    assert known(texts) == []


def test_more_digits_than_are_kept_are_left_to_float():
    assert known(["1" * 20, "0." + "1" * 20, "1" * 25, "0" * 30, "0." + "0" * 30]) == []
    assert known(["0" * 23 + "1", "0." + "0" * 20 + "11"]) == [
        "0" * 23 + "1",
        "0." + "0" * 20 + "11",
    ]


def test_of_a_halfway_case_nothing_is_said_but_of_its_neighbours():
    even, odd = 2**53 + 1, 2**53 + 3  # between 2**53, + 2 and + 4
    assert known([str(even), str(odd)]) == []
    above = ["9007199254740993.1", "9007199254740992.9", "9007199254740995.1", "9007199254740994.9"]
    assert known(above) == above


def test_no_cells_are_no_numbers():
    assert len(parse([]).values) == 0


def test_integers_that_float64_rounds_are_marked():
    texts = ["1", str(2**53), str(2**53 + 2), "9007199254740999", "9007199254740999.", "5"]
    found = parse(texts)
    assert found.rounded is not None
    assert np.flatnonzero(found.rounded).tolist() == [3]
    assert parse(["1", "2"]).rounded is None
    assert EXACT == 2**53


def floats(draw: random.Random, count: int) -> list[float]:
    """Return finite floats: any bits, ordinary ones, and those with short decimals."""
    bits = struct.unpack(f"<{count}d", draw.randbytes(8 * count))
    ordinary = [draw.gauss(0, 1) * 10.0 ** draw.randrange(-25, 26) for _ in range(count)]
    short = [draw.randrange(10**6) / 10 ** draw.randrange(6) for _ in range(count)]
    return [x for x in (*bits, *ordinary, *short) if x - x == 0]


def halfway(draw: random.Random) -> str:
    """Write the number between two floats, or one very close to it, with up to 19 digits."""
    whole = draw.randrange(2**53, 10**19)
    step = 2 ** (whole.bit_length() - 53)
    text = str(whole // step * step + step // 2 + draw.choice((-1, 0, 0, 0, 1)))
    shift = draw.randrange(len(text))
    return text if draw.random() < 0.5 else f"{text[:shift]}.{text[shift:]}"


def written(draw: random.Random, number: float) -> str:
    form = draw.choice(("r", ".4f", ".6f", ".17g", ".18e", ".10e", ".3g", ".20f", "+.5f", ".0f"))
    text = repr(number) if form == "r" else format(number, form)
    return text if draw.random() < 0.9 else text.replace("0.", ".").replace("e", "E")


def junk(draw: random.Random) -> str:
    return "".join(draw.choices("0123456789.-+eE_ ,/:x\u0661\u00a0", k=draw.randrange(26)))


def digits(draw: random.Random) -> str:
    text = "".join(draw.choices("0123456789", k=draw.randrange(1, 26)))
    place = draw.randrange(len(text) + 1)
    zeros = "0" * draw.randrange(4)
    return (
        draw.choice(("", "-", "+")) + zeros + draw.choice((text, f"{text[:place]}.{text[place:]}"))
    )


def check_many(seed: int, count: int) -> None:
    """Check texts of one kind, which take the short ways, and of all kinds at once."""
    draw = random.Random(seed)
    numbers = [written(draw, x) for x in floats(draw, count)]
    kinds = [numbers, *([make(draw) for _ in range(count)] for make in (halfway, junk, digits))]
    for texts in kinds:
        known(texts)
    everything = [text for texts in kinds for text in texts]
    draw.shuffle(everything)
    told = known(everything)
    assert len(told) > 0.4 * len(everything)


def test_thousands_of_random_texts_are_equal_to_float():
    check_many(0, 4000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_millions_of_random_texts_are_equal_to_float(seed):
    check_many(seed, 100_000)


def test_columns_as_programs_write_them_leave_nothing_to_float():
    draw = random.Random(0)
    for form in (".4f", ".2f", ".17g", ".18e", ".6e", ".0f", "+.3f"):
        texts = [format(draw.gauss(0, 100), form) for _ in range(2000)]
        texts = [t for t in texts if "e" not in t or t[-4] == "e"]
        assert known(texts) == texts, form
    texts = [repr(draw.gauss(0, 1)) for _ in range(20_000)]
    assert len(known(texts)) > 19_900


TOO_LONG = [
    *("1" * 21 + ".25", "1" * 18 + ".25", "9" * 22 + ".", "0" * 23 + ".25", "0" * 24 + "1."),
    *("1." + "1" * 19, "1." + "0" * 22, "0." + "1" * 20, "0." + "0" * 23, "9." + "9" * 400),
]
TIES = ["9007199254740993.", "9007199254740995.0"]


@pytest.mark.parametrize(
    "column",
    [
        ["0.25", "-1.5", "9.87654321012345678", "-0.00012345678901234567"] * 50,  # one digit first
        ["1.25", "-99.00", "1234567890123456.78", ".50"] * 50,  # two digits last
        ["12.", "-3.", "9007199254740991."] * 70,
        ["1.123456789012345678", "-0.000000000000000001", "9.999999999999999999"] * 70,
    ],
)
def test_a_few_cells_may_be_unlike_the_others_of_a_column(column):
    for others in (PLAIN, [*PLAIN, "1e-05", "1.25e+10"], ["+1.25", "1.2.5", "1.25e-05"] * 16):
        mixed = column * 2
        for place, text in enumerate(others):
            mixed.insert(3 * place + len(column), text)
        told = known(mixed)
        assert [text for text in told if text in column] == [t for t in mixed if t in column]
        assert {text for text in others if text in PLAIN} <= set(told)
    for text in (*NONE, *TOO_LONG, *TIES):
        assert known([*column, text, *column]) == column * 2


def test_numbers_next_to_the_middle_of_two_floats_are_told_behind_one_digit():
    draw = random.Random(0)
    below = [2.0**-k for k in range(1, 8)] + [draw.random() for _ in range(2000)]
    middles = [(Fraction(x) + Fraction(float(np.nextafter(x, 1)))) / 2 for x in below]
    for decimals in range(15, 20):
        texts = [f"0.{round(middle * 10**decimals):0{decimals}}" for middle in middles]
        assert known(texts) == texts


number_like = st.from_regex(r"\A[+-]?\d{0,12}\.?\d{0,22}([eE][+-]?\d{1,3})?\Z")
anything = st.one_of(
    number_like,
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers().map(str),
    st.text(st.sampled_from("0123456789+-.eE \t_x\u0661"), max_size=26),
    st.text(max_size=8).filter(lambda t: t.isprintable()),
)


@given(st.lists(anything, max_size=40))
@example(["1.5e-05"] * 16 + [""])
@settings(max_examples=300, deadline=None)
def test_any_texts_side_by_side_are_equal_to_float_or_left_alone(texts):
    known([text for text in texts if text.isascii() or GRAMMAR.fullmatch(text) is None])


@given(st.integers(0, 10**19 - 1), st.integers(0, 23))
@settings(max_examples=300, deadline=None)
def test_the_value_is_the_float_nearest_to_the_exact_number(whole, decimals):
    text = f"{whole:024}"
    text = f"{text[: 24 - decimals]}.{text[24 - decimals :]}".lstrip("0")
    if len(text) > 24 or text == ".":
        return
    found = parse([text])
    if found.unknown is not None:
        return
    exact, value = Fraction(whole, 10**decimals), float(found.values[0])
    distance = abs(Fraction(value) - exact)
    for neighbour in (np.nextafter(value, np.inf), np.nextafter(value, -np.inf)):
        assert distance < abs(Fraction(float(neighbour)) - exact)
