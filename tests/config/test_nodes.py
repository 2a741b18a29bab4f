from __future__ import annotations

import math

import pytest

from bpnet.config.document import Document
from bpnet.config.nodes import resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-2", -2),
        ("+7", 7),
        ("0", 0),
        ("-0.0", -0.0),
        ("1.5e+3", 1500.0),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1e999", math.inf),
        ("-" + "9" * 5000, -math.inf),
    ],
)
def test_a_plain_scalar_is_what_it_looks_like(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


TEXTS = """
no yes on off y n No OFF 012 0o17 0x10 0b1 12:30 1:30:00 2024-01-01 2001-99-99 1_000 1,000 15% 0,5
1e e5 . - 1.2.3 nan inf -inf Infinity ١٢ 1/2 = << tRUE NuLL
"""


@pytest.mark.parametrize("text", TEXTS.split())
def test_everything_else_stays_text(text: str) -> None:
    assert resolve(text) == text


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(resolve(".nan"))


def test_quotes_make_text_of_anything(parser: str) -> None:
    document = Document.parse("a: '1'\nb: \"true\"\nc: ''\nd: |\n  5\n")
    assert document.peek() == {"a": "1", "b": "true", "c": "", "d": "5\n"}


def test_every_value_and_key_knows_its_place(parser: str) -> None:
    text = "data:\n  train: 'a b'\nlayers:\n  - {type: dense, units: 3}\n  - relu\nlast:\n"
    document = Document.parse(text, "f.yaml")

    def place(*path: str | int, on: str = "value") -> tuple[int, int, int]:
        found = document.locate(path, on=on)  # type: ignore[arg-type]
        return found.line, found.column, found.end

    assert place("data", "train") == (2, 10, 15)
    assert place("data", "train", on="key") == (2, 3, 8)
    assert place("layers", 0) == (4, 5, 28)
    assert place("layers", 0, "units") == (4, 26, 27)
    assert place("layers", 1) == (5, 5, 9)
    assert place("last") == (6, 1, 5)  # nothing there: the key stands for it
    assert place("data") == (2, 3, 15)  # the first line of the block
    assert place("layers", 0, "rate") == (4, 5, 28)  # not there: what it belongs to
    assert place("optimizer", "beta1") == (1, 1, 1)


def test_peek_looks_values_up_without_checking_them() -> None:
    document = Document.parse("threads: 2\nmodel: {layers: [relu, {units: no}]}\n")
    assert document.peek("threads") == 2
    assert document.peek("model", "layers", 1, "units") == "no"
    assert document.peek("model", "layers", 5, "units", default="auto") == "auto"
    assert document.peek("threads", "x", default=7) == 7
    assert document.override(["threads=4"]).peek("threads") == 4


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(parser: str) -> None:
    plain = Document.parse("a: 1\nb:\n  - x\n")
    odd = Document.parse(b"\xef\xbb\xbfa: 1\r\nb:\r\n  - x\r\n")
    assert odd.peek() == plain.peek()
    assert odd.locate(("b", 0)).line == 3
    assert odd.locate(("a",)).column == 4


def test_a_json_file_is_a_config(parser: str) -> None:
    tab = "\t" if parser == "libyaml" else "  "  # PyYAML's own parser takes no tabs at all
    text = '{\nTAB"seed": 1,\nTAB"data": {"train": "a\\u00e9.csv", "x": [1, 2.5, null, true]}\n}\n'
    text = text.replace("TAB", tab)
    assert Document.parse(text).peek() == {
        "seed": 1,
        "data": {"train": "aé.csv", "x": [1, 2.5, None, True]},
    }
