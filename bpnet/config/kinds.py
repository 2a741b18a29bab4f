"""What an option takes, read off the annotation of its field.

The binder, the emitter, the JSON Schema and the reference all work from these kinds, so an
option is written down once: as a field of a dataclass.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from bpnet.options import Choice, Range

Tables = typing.Mapping[str, typing.Mapping[str, type[Any]]]
"""Name of a table -> name of an entry -> its dataclass: ``{"layer": {"dense": Dense}}``."""


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number; with `whole` an integer."""

    whole: bool
    bounds: Range = field(default_factory=Range)


@dataclass(frozen=True, slots=True)
class Text:
    """Any text."""


@dataclass(frozen=True, slots=True)
class Flag:
    """``true`` or ``false``."""


@dataclass(frozen=True, slots=True)
class Null:
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Words:
    """One of a few fixed values."""

    values: tuple[str | int | bool, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of any length; a tuple in Python if `frozen`."""

    item: Kind
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Fixed:
    """A list of fixed length, each place of its own kind; a tuple in Python."""

    items: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """Names of the user's choice, each with a value."""

    value: Kind


@dataclass(frozen=True, slots=True)
class Block:
    """The options of one dataclass."""

    cls: type[Any]


@dataclass(frozen=True, slots=True)
class Pick:
    """An entry of a table: ``{type: NAME, ...}``, or just ``NAME``."""

    table: str


@dataclass(frozen=True, slots=True)
class Custom:
    """A type that reads and writes itself: `from_yaml`, `to_yaml`, `expected` (see `Span`)."""

    cls: Any


@dataclass(frozen=True, slots=True)
class Either:
    """Any of several kinds."""

    options: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Anything:
    """Whatever YAML holds, unchecked."""


Kind = (
    Number
    | Text
    | Flag
    | Null
    | Words
    | ListOf
    | Fixed
    | MapOf
    | Block
    | Pick
    | Custom
    | Either
    | Anything
)


@dataclass(frozen=True, slots=True)
class Option:
    """One field of a dataclass, as an option.

    Attributes
    ----------
    name, kind
        The key and what it takes.
    doc
        What it means.
    default
        Makes the default; None if the option is required.
    """

    name: str
    kind: Kind
    doc: str
    default: Callable[[], Any] | None


_OPTIONS: dict[Any, dict[str, Option]] = {}


def options_of(cls: type[Any]) -> dict[str, Option]:
    """Return the options of a dataclass by name, in the order of its fields.

    Raises
    ------
    TypeError
        If an annotation has no kind here: a mistake in the dataclass.
    """
    if cls in _OPTIONS:
        return _OPTIONS[cls]
    hints = typing.get_type_hints(cls, include_extras=True)
    options = {}
    for entry in dataclasses.fields(cls):
        if entry.init:
            try:
                kind, doc = _annotated(hints[entry.name])
            except TypeError as error:
                raise TypeError(f"{cls.__name__}.{entry.name}: {error}") from None
            options[entry.name] = Option(entry.name, kind, doc, _default(entry))
    _OPTIONS[cls] = options
    return options


def summary(cls: type[Any]) -> str:
    """Return the first sentence of a class's docstring, or nothing if it has none of its own."""
    doc = cls.__doc__ or ""
    if doc.startswith(f"{cls.__name__}("):  # written by @dataclass
        return ""
    return " ".join(doc.strip().split("\n\n")[0].split())


def _default(entry: dataclasses.Field[Any]) -> Callable[[], Any] | None:
    if entry.default_factory is not MISSING:
        return entry.default_factory
    if entry.default is not MISSING:
        value = entry.default
        return lambda: value
    return None


def _annotated(hint: Any) -> tuple[Kind, str]:
    """Return the kind of an annotation, and its documentation."""
    if get_origin(hint) is not Annotated:
        return _kind(hint), ""
    inner, *marks = get_args(hint)
    doc = " ".join(mark for mark in marks if isinstance(mark, str))
    for mark in marks:
        if isinstance(mark, Choice):
            return _chosen(inner, Pick(mark.table)), doc
    kind, inner_doc = _annotated(inner)
    for mark in marks:
        if isinstance(mark, Range):
            kind = _bounded(kind, mark)
    return kind, doc or inner_doc


def _chosen(hint: Any, pick: Pick) -> Kind:
    """Return the kind of ``Annotated[X, Choice(...)]``, where X may be ``Y | None``."""
    if get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
        return Either((pick, Null()))
    return pick


def _bounded(kind: Kind, bounds: Range) -> Kind:
    if isinstance(kind, Number):
        return dataclasses.replace(kind, bounds=bounds)
    if isinstance(kind, Either):
        return Either(tuple(_bounded(option, bounds) for option in kind.options))
    return kind


def _kind(hint: Any) -> Kind:
    simple = _SIMPLE.get(hint) if isinstance(hint, type) or hint is Any else None
    if simple is not None:
        return simple
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(hint)[0]
    if origin is Literal:
        words = Words(tuple(value for value in args if value is not None))
        return Either((words, Null())) if None in args else words
    if origin in (Union, types.UnionType):
        return _either([_kind(arg) for arg in args])
    if origin is list:
        return ListOf(_kind(args[0]))
    if origin is tuple:
        if args[-1] is Ellipsis:
            return ListOf(_kind(args[0]), frozen=True)
        return Fixed(tuple(_kind(arg) for arg in args))
    if origin is dict and args[0] is str:
        return MapOf(_kind(args[1]))
    if hasattr(hint, "from_yaml"):
        return Custom(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return Block(hint)
    raise TypeError(f"an option can't be annotated as {hint!r}")


def _either(kinds: list[Kind]) -> Kind:
    """Join kinds, nested ones included; fixed words go last and null after them, as one reads."""
    flat: list[Kind] = []
    for kind in kinds:
        flat += kind.options if isinstance(kind, Either) else [kind]
    words = [value for kind in flat if isinstance(kind, Words) for value in kind.values]
    joined: list[Kind] = [kind for kind in flat if not isinstance(kind, Words | Null)]
    joined += [Words(tuple(words))] if words else []
    joined += [Null()] if Null() in flat else []
    return joined[0] if len(joined) == 1 else Either(tuple(dict.fromkeys(joined)))


_SIMPLE: dict[Any, Kind] = {
    int: Number(whole=True),
    float: Number(whole=False),
    str: Text(),
    bool: Flag(),
    type(None): Null(),
    Any: Anything(),
    object: Anything(),
}
