"""Codes of texts, against a dict of Python's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpnet.data import levels
from bpnet.data.grid import MAX_CELL, CellFinder, Cells
from bpnet.data.levels import MISSING, Levels


def cells_of(texts: list[str]) -> Cells:
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    grid = CellFinder(",", 1).find("".join(f"{text}\n" for text in quoted).encode())
    assert grid is not None
    return grid.columns([0])


def decoded(found: Levels, codes: np.ndarray) -> list[str | None]:
    codes, texts = found.finish(codes)
    assert codes.dtype == np.int32
    assert list(texts) == sorted(set(texts))
    assert set(codes[codes >= 0].tolist()) == set(range(len(texts)))
    return [texts[code] if code >= 0 else None for code in codes.tolist()]


def meant(text: str) -> str | None:
    return None if text.strip() in MISSING else text.strip()


def check(blocks: list[list[str]]) -> None:
    found = Levels()
    codes = [
        found.code_texts(block, len(block)) if i % 3 == 2 else found.code_cells(cells_of(block))
        for i, block in enumerate(blocks)
    ]
    expected = [meant(text) for block in blocks for text in block]
    assert decoded(found, np.concatenate(codes)) == expected


def test_texts_have_the_codes_of_their_sorted_levels():
    check([["red", "green", "red"], ["blue", "NA", "green"], ["red", " green ", ""]])


def test_no_cells_have_no_levels():
    assert decoded(Levels(), np.empty(0, np.int32)) == []


def test_texts_that_differ_in_one_character_anywhere_are_different():
    base = "abcdefgh" * 7
    texts = [base, *(base[:i] + "_" + base[i + 1 :] for i in range(len(base)))]
    texts += [base[:i] for i in range(1, len(base))]
    check([texts * 3])


def test_long_texts_and_other_scripts_are_texts_too():
    check(
        [
            ["x" * 65, "x" * 64, "x" * 63, "é" * 40, "日本", "日", "x" * 65, "🙂", "\u00a0x\u00a0"]
            * 3
        ]
    )


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="too long"):
        Levels().code_texts(["x" * (MAX_CELL + 1)], 1)


@pytest.mark.parametrize("many", [0, 10, 10_000])
def test_many_different_texts_are_coded_as_few_are(monkeypatch, many):
    monkeypatch.setattr(levels, "MANY", many)
    some = [f"name {i}" for i in range(500)]
    odd = [
        "NA",
        "",
        "x",
        "  name 7",
        'the "best"',
        "name 7\u00a0",
        "\u2003name",
        "naïve",
        "é" * 9,
        "née",
    ]
    check(
        [some[:300], some[200:], [*some, *odd], odd * 2, some[::-1], [*odd, *some[:99]], some * 2]
    )


@given(
    st.lists(
        st.lists(
            st.text(max_size=12).filter(lambda t: not set("\0\r") & set(t)), min_size=1, max_size=20
        ),
        max_size=6,
    ),
    st.sampled_from([0, 5, 1000]),
)
@settings(max_examples=200, deadline=None)
def test_any_texts_are_coded_as_a_dict_codes_them(blocks, many):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(levels, "MANY", many)
        if blocks:
            encodable = [[t.encode(errors="ignore").decode() for t in block] for block in blocks]
            check(encodable)
