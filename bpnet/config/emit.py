"""Checked dataclasses back to a config: every default filled in, and itself valid.

The law: ``bind(parse(dump(to_plain(config)))) == config``, and the text of that is the same
bytes again.
"""

from __future__ import annotations

from typing import Any

from bpnet.config import phrases
from bpnet.config.kinds import (
    Block,
    Custom,
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
from bpnet.config.nodes import Plain
from bpnet.config.write import dump


def emit(config: Any, tables: Tables) -> str:
    """Return a config as YAML text with all options, except texts that are empty by default."""
    return dump(to_plain(config, tables))


def to_plain(config: Any, tables: Tables) -> dict[str, Plain]:
    """Return a config dataclass as nested dicts and lists with all options.

    An option that is an empty text by default, and is one now, is left out: it means that
    the option isn't used (a layer without a name of its own).
    """
    return _options(config, tables)


def plain_value(value: Any, kind: Kind, tables: Tables) -> Plain:
    """Return the value of one option as YAML holds it.

    Raises
    ------
    TypeError
        If the value is not of this kind: a mistake in the code that set it.
    """
    for option in phrases.options(kind):
        if _fits(value, option, tables):
            return _plain(value, option, tables)
    raise TypeError(f"{value!r} is not {phrases.expected(kind, tables)}")


def _options(instance: Any, tables: Tables) -> dict[str, Plain]:
    plain = {}
    for name, option in options_of(type(instance)).items():
        value = getattr(instance, name)
        if value == "" and option.default is not None and option.default() == "":
            continue
        try:
            plain[name] = plain_value(value, option.kind, tables)
        except TypeError as error:
            raise TypeError(f"{type(instance).__name__}.{name}: {error}") from None
    return plain


def _fits(value: Any, kind: Kind, tables: Tables) -> bool:
    match kind:
        case Number(whole):
            types = int if whole else (int, float)
            return isinstance(value, types) and not isinstance(value, bool)
        case Text():
            return isinstance(value, str)
        case Flag():
            return isinstance(value, bool)
        case Null():
            return value is None
        case Words(values):
            return any(type(value) is type(word) and value == word for word in values)
        case ListOf() | Fixed():
            return isinstance(value, list | tuple)
        case MapOf():
            return isinstance(value, dict)
        case Block(cls) | Custom(cls):
            return isinstance(value, cls)
        case Pick(table):
            return type(value) in tables[table].values()
    return True


def _plain(value: Any, kind: Kind, tables: Tables) -> Plain:
    match kind:
        case Number(whole):
            return int(value) if whole else float(value)
        case ListOf(item):
            return [plain_value(inner, item, tables) for inner in value]
        case Fixed(items):
            return [plain_value(v, item, tables) for v, item in zip(value, items, strict=True)]
        case MapOf(inner):
            return {key: plain_value(below, inner, tables) for key, below in value.items()}
        case Block():
            return _options(value, tables)
        case Custom():
            return value.to_yaml()
        case Pick(table):
            name = next(n for n, cls in tables[table].items() if cls is type(value))
            return {"type": name, **_options(value, tables)}
    return value
