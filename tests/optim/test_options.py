from __future__ import annotations

import dataclasses
import typing

import pytest

from bpnet.nn.losses import LOSSES
from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.optim.regularization import Regularization
from bpnet.optim.schedules import SCHEDULES
from bpnet.options import Range

CLASSES = [*LOSSES.values(), *OPTIMIZERS.values(), *SCHEDULES.values(), Regularization]


def options(cls):
    """Yield the fields that YAML may give, with all that their types say."""
    hints = typing.get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        if field.init:
            yield field, hints[field.name]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_option_says_what_it_does(cls):
    for field, hint in options(cls):
        notes = [note for note in getattr(hint, "__metadata__", ()) if isinstance(note, str)]
        assert len(notes) == 1, field.name


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_number_has_bounds_that_its_default_keeps(cls):
    for field, hint in options(cls):
        if typing.get_origin(hint) is not typing.Annotated or hint.__origin__ not in (int, float):
            continue
        ranges = [note for note in hint.__metadata__ if isinstance(note, Range)]
        assert ranges, field.name
        if field.default is not dataclasses.MISSING:
            assert all(r.allows(field.default) for r in ranges), field.name


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_has_a_docstring_of_its_own(cls):
    assert not cls.__doc__.startswith(cls.__name__ + "("), "this is what dataclass writes"


def test_no_learning_rate_can_overflow_float32():
    for cls in OPTIMIZERS.values():
        hint = typing.get_type_hints(cls, include_extras=True)["learning_rate"]
        (bounds,) = (note for note in hint.__metadata__ if isinstance(note, Range))
        assert not bounds.allows(1e308)
        assert not bounds.allows(0)
        assert not bounds.allows(-1e-3)
        assert not bounds.allows(float("nan"))
