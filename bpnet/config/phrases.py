"""The words of a message: what was expected, what was received, how to write it."""

from __future__ import annotations

import re
from collections.abc import Sequence as AbstractSequence

from bpnet.config.kinds import (
    Block,
    Custom,
    Either,
    Fixed,
    Flag,
    Kind,
    ListOf,
    MapOf,
    Null,
    Number,
    Pick,
    Tables,
    Text,
    Words,
    options_of,
)
from bpnet.config.layout import joined
from bpnet.config.misread import number_remedy
from bpnet.config.nodes import Mapping, Node, Scalar, Sequence, resolve
from bpnet.config.places import shown
from bpnet.config.spelling import closest
from bpnet.options import Range

_YES_NO = {
    **dict.fromkeys(["yes", "y", "on", "t", "enable", "enabled", "1"], True),
    **dict.fromkeys(["no", "n", "off", "f", "disable", "disabled", "none", "0"], False),
}


def options(kind: Kind) -> tuple[Kind, ...]:
    """Return the alternatives of a kind: itself, unless it is a choice of several."""
    return kind.options if isinstance(kind, Either) else (kind,)


def an(noun: str) -> str:
    """Return the noun with its article."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    """Return the plural of a table's name."""
    return noun if noun.endswith("rs") else f"{noun}{'es' if noun.endswith('s') else 's'}"


def word(value: object) -> str:
    """Write a fixed value as the config does: ``'auto'``, ``false``, ``3``."""
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def expected(kind: Kind, tables: Tables) -> str:
    """Say what a kind takes: ``a positive integer or 'auto'``."""
    parts: list[str] = []
    for option in options(kind):
        parts += alternatives(option, tables)
    return joined(parts)


def alternatives(kind: Kind, tables: Tables) -> list[str]:
    """Return what a kind takes in words, one item for each alternative."""
    match kind:
        case Number(whole, bounds):
            noun = "integer" if whole else "number"
            return [bounds.describe(noun) if bounds != Range() else an(noun)]
        case Text():
            return ["text"]
        case Flag():
            return ["true", "false"]
        case Null():
            return ["null"]
        case Words(values):
            return [word(value) for value in values]
        case ListOf(item):
            return [f"a list of {_items(item)}"]
        case Fixed(items):
            return [f"a list of {len(items)} values"]
        case MapOf():
            return ["a mapping ({name: ...})"]
        case Block(cls):
            names = list(options_of(cls))
            more = ", ..." if len(names) > 4 else ""
            return [f"options ({', '.join(names[:4])}{more})"]
        case Pick(table):
            names = list(tables[table])
            more = ", ..." if len(names) > 3 else ""
            return [f"{an(table)} ({', '.join(names[:3])}{more})"]
        case Custom(cls):
            return [cls.expected]
    return ["a value"]


def _items(kind: Kind) -> str:
    match kind:
        case Pick(table):
            return plural(table)
        case Number(whole, _):
            return "integers" if whole else "numbers"
        case Text():
            return "texts"
    return "values"


def received(node: Node, kind: Kind) -> str:
    """Say what stands there instead."""
    if isinstance(node, Mapping):
        return "a mapping" if node.entries else "an empty mapping"
    if isinstance(node, Sequence):
        counts = any(isinstance(option, Fixed | ListOf) for option in options(kind))
        return "an empty list" if not node.items else f"a list{f' of {len(node.items)}' * counts}"
    if node.value is None:
        return "null" if node.text else "nothing"
    if not isinstance(node.value, str):
        return shown(node.text)[1:-1]
    texts_fit = any(isinstance(option, Text | Words | Pick) for option in options(kind))
    if node.quoted and not texts_fit:
        return f"the quoted text {shown(node.text)}"
    return shown(node.text) if texts_fit and _is_name(node.text) else f"the text {shown(node.text)}"


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z][\w.-]*", text) is not None


def remedy(kind: Kind, node: Node, tables: Tables) -> str:
    """Say how to write it, as the end of a sentence: ``; write 0.15``; or nothing."""
    if isinstance(node, Scalar):
        advice = _scalar_remedy(kind, node, tables)
    elif isinstance(node, Mapping):
        advice = _mapping_remedy(kind, node)
    else:
        advice = _list_remedy(kind, node)
    return f"; {advice}" if advice else ""


def _scalar_remedy(kind: Kind, node: Scalar, tables: Tables) -> str | None:
    wanted = options(kind)
    number = next((option for option in wanted if isinstance(option, Number)), None)
    if node.value is None:
        return _null_remedy(wanted, node)
    text = node.text
    if isinstance(node.value, str):
        if number is not None and (fix := number_remedy(text, number, quoted=node.quoted)):
            return fix
        if Flag() in wanted:
            if isinstance(resolve(text or " "), bool):
                return "remove the quotes"
            if text.lower() in _YES_NO:
                return f"write {word(_YES_NO[text.lower()])}"
        if Null() in wanted and text.lower() in ("none", "nil", "null", "undefined", "never"):
            return "write null"
        if name := closest(text, names(kind, tables)):
            return f"did you mean '{name}'?"
    elif isinstance(node.value, bool):
        if Text() in wanted:
            return f"put it in quotes if the text is meant: {shown(text)}"
    else:
        if Flag() in wanted and node.value in (0, 1):
            return f"write {word(bool(node.value))}"
        if number is not None and (fix := _range_remedy(node.value, number)):
            return fix
        if Text() in wanted or any(isinstance(option, Words) for option in wanted):
            name = closest(text, names(kind, tables))
            if name:
                return f"did you mean '{name}'?"
            if Text() in wanted and number is None:
                return f"put it in quotes if the text is meant: {shown(text)}"
    for option in wanted:
        if isinstance(option, ListOf) and len(text) < 60 and not set(text) & set("[]{}:"):
            return f"write [{', '.join(part.strip() for part in text.split(','))}]"
    return _block_remedy(wanted, node)


def _block_remedy(wanted: AbstractSequence[Kind], node: Scalar) -> str | None:
    """Say how to write the options that a single value stands for."""
    block = next((option for option in wanted if isinstance(option, Block)), None)
    if block is None:
        return "write {name: value}" if any(isinstance(o, MapOf) for o in wanted) else None
    if any(isinstance(option, Number | Text) for option in wanted):
        return None
    text = node.text.lower()
    says = node.value if not isinstance(node.value, str) else _YES_NO.get(text)
    if says is True:
        return "write {} for its defaults, or {key: value}"
    if says is False:
        return "write null" if Null() in wanted else None
    if text in options_of(block.cls):
        return f"write {{{text}: ...}}"
    for name, option in options_of(block.cls).items():
        for choice in options(option.kind):
            if (isinstance(choice, Text) and isinstance(node.value, str)) or (
                isinstance(choice, Number)
                and isinstance(node.value, int if choice.whole else int | float)
                and choice.bounds.allows(node.value)
            ):
                return f"write {{{name}: {shown(node.text)[1:-1]}}}, say"
    return "write {key: value}, or 'key: value' lines indented below"


def _null_remedy(wanted: AbstractSequence[Kind], node: Scalar) -> str:
    if node.text:
        return ""
    if any(isinstance(option, ListOf | Fixed) for option in wanted):
        return "indent its items below it, each with '- '"
    if any(isinstance(option, Block | MapOf) for option in wanted):
        return "indent its options below it"
    return "write a value after the ':'"


def _mapping_remedy(kind: Kind, node: Mapping) -> str | None:
    if not any(isinstance(option, ListOf) for option in options(kind)):
        return None
    values = [value for _, value in node.entries.values()]
    if node.flow and all(isinstance(value, Scalar) and not value.text for value in values):
        return f"write [{shown(', '.join(node.entries))[1:-1]}]"
    return "start each item with '- '"


def _list_remedy(kind: Kind, node: Sequence) -> str | None:
    for option in options(kind):
        if isinstance(option, Block):
            lists = [
                name
                for name, field in options_of(option.cls).items()
                if any(isinstance(choice, ListOf) for choice in options(field.kind))
            ]
            if len(lists) == 1:
                return f"put the list below '{lists[0]}:'"
        if isinstance(option, Block | Pick) and len(node.items) == 1:
            return "remove the '- '" if not node.flow else "remove the brackets"
    fixed = any(isinstance(option, ListOf | Fixed) for option in options(kind))
    if len(node.items) == 1 and isinstance(node.items[0], Scalar) and not fixed:
        return f"write {shown(node.items[0].text)[1:-1]}"
    return None


def names(kind: Kind, tables: Tables) -> list[str]:
    """Return the texts that a kind has names for: fixed words and entries of tables."""
    found: list[str] = []
    for option in options(kind):
        if isinstance(option, Words):
            found += [value for value in option.values if isinstance(value, str)]
        elif isinstance(option, Pick):
            found += tables[option.table]
    return found


def _range_remedy(value: int | float, number: Number) -> str | None:
    if number.whole and not isinstance(value, int) and abs(value) < 1e15:
        return f"write {int(value)}" if value == int(value) else None
    if abs(value) == float("inf") or value != value:
        return "it must be finite"
    fraction = number.bounds.lt == 1 or number.bounds.le == 1
    if fraction and 1 < value <= 100 and value == int(value):
        return f"{value:g} % is {value / 100:g}"
    return None
