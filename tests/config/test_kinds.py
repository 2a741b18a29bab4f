from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import pytest

from bpnet.config.kinds import (
    Anything,
    Block,
    Custom,
    Either,
    Fixed,
    Flag,
    ListOf,
    MapOf,
    Null,
    Number,
    Pick,
    Text,
    Words,
    options_of,
    summary,
)
from bpnet.options import Choice, Fraction, PositiveInt, Range, Span


@dataclass
class Inner:
    """Say what it is
    in one sentence.

    And more.
    """

    x: int = 0


@dataclass
class Undocumented:
    x: int = 0


@dataclass
class Everything:
    whole: int
    number: Annotated[float, Range(ge=0), "documentation"]
    words: Literal["a", "b"]
    flag: bool
    text: str
    any: Any
    positive: PositiveInt
    auto: Literal["auto"] | PositiveInt
    maybe: Fraction | None
    part: Fraction | str | Inner
    several: list[str]
    shape: tuple[PositiveInt, ...]
    pair: tuple[float, float]
    named: dict[str, Inner]
    length: Span
    pick: Annotated[Inner, Choice("layer")]
    pick_or_none: Annotated[Inner | None, Choice("layer")]
    pick_inside: Annotated[Inner, Choice("layer")] | None
    picks: list[Annotated[Inner, Choice("layer")]]
    bounded: Annotated[int | None, Range(gt=2)]
    nothing_or_words: Literal["a", None]
    hidden: int = field(init=False, default=0)
    fixed: ClassVar[int] = 3


WHOLE = Number(True, Range(gt=0))
FRACTION = Number(False, Range(ge=0, lt=1))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("whole", Number(True)),
        ("number", Number(False, Range(ge=0))),
        ("words", Words(("a", "b"))),
        ("flag", Flag()),
        ("text", Text()),
        ("any", Anything()),
        ("positive", WHOLE),
        ("auto", Either((WHOLE, Words(("auto",))))),
        ("maybe", Either((FRACTION, Null()))),
        ("part", Either((FRACTION, Text(), Block(Inner)))),
        ("several", ListOf(Text())),
        ("shape", ListOf(WHOLE, frozen=True)),
        ("pair", Fixed((Number(False), Number(False)))),
        ("named", MapOf(Block(Inner))),
        ("length", Custom(Span)),
        ("pick", Pick("layer")),
        ("pick_or_none", Either((Pick("layer"), Null()))),
        ("pick_inside", Either((Pick("layer"), Null()))),
        ("picks", ListOf(Pick("layer"))),
        ("bounded", Either((Number(True, Range(gt=2)), Null()))),
        ("nothing_or_words", Either((Words(("a",)), Null()))),
    ],
)
def test_the_kind_is_read_off_the_annotation(name: str, kind: object) -> None:
    assert options_of(Everything)[name].kind == kind


def test_only_fields_that_are_arguments_are_options() -> None:
    assert set(options_of(Everything)) == set(Everything.__annotations__) - {"hidden", "fixed"}


def test_an_option_carries_its_documentation() -> None:
    assert options_of(Everything)["number"].doc == "documentation"


def test_the_first_sentence_of_a_class_is_its_summary() -> None:
    assert summary(Inner) == "Say what it is in one sentence."
    assert summary(Undocumented) == ""


@pytest.mark.parametrize("hint", [set[int], dict[int, str], bytes, object()])
def test_an_annotation_without_a_kind_is_a_mistake_in_the_code(hint: Any) -> None:
    wrong = dataclass(type("Wrong", (), {"__annotations__": {"x": Annotated[Any, ""]}}))
    wrong.__annotations__["x"] = hint
    with pytest.raises(TypeError, match=r"x|Forward"):
        options_of(wrong)
