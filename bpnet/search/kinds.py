"""What the config takes at a path, and which paths it has."""

from __future__ import annotations

from collections.abc import Iterator

from bpnet.config.kinds import Anything, Block, Fixed, Kind, ListOf, MapOf, Pick, options_of
from bpnet.config.nodes import Plain
from bpnet.config.phrases import options as alternatives
from bpnet.config.schema import TABLES, Config
from bpnet.errors import Path

ROOT = Block(Config)


def kind_at(path: Path, resolved: Plain) -> Kind | None:
    """Return what is taken at a path of a config, whose plain form this is; None if nothing is."""
    kind: Kind | None = ROOT
    for step in path:
        kind = inner(kind, str(step), resolved)
        if kind is None:
            return None
        if isinstance(resolved, dict):
            resolved = resolved.get(str(step))
        elif isinstance(resolved, list):
            resolved = resolved[int(step)]
    return kind


def inner(kind: Kind | None, step: str, value: Plain) -> Kind | None:
    """Return what is taken one step into a value of a kind; None if there is no such step."""
    for option in alternatives(kind) if kind is not None else ():
        found: Kind | None = None
        if isinstance(option, Block):
            found = _option(option.cls, step)
        elif isinstance(option, Pick) and isinstance(value, dict):
            cls = TABLES[option.table].get(str(value.get("type")))
            found = _option(cls, step) if cls is not None else None
        elif isinstance(option, MapOf):
            found = option.value
        elif isinstance(option, ListOf | Fixed) and isinstance(value, list) and step.isdecimal():
            if int(step) < len(value):
                found = option.item if isinstance(option, ListOf) else option.items[int(step)]
        elif isinstance(option, Anything):
            found = option
        if found is not None:
            return found
    return None


def _option(cls: type, name: str) -> Kind | None:
    option = options_of(cls).get(name)
    return None if option is None else option.kind


def keys_of(resolved: Plain) -> list[str]:
    """Return every path of a config, as overrides name them."""
    return [key for key in _keys(ROOT, resolved, "") if not key.startswith("search")]


def _keys(kind: Kind, value: Plain, prefix: str) -> Iterator[str]:
    if prefix:
        yield prefix
    dot = f"{prefix}." if prefix else ""
    if isinstance(value, list):
        for i, item in enumerate(value):
            below = inner(kind, str(i), value)
            if below is not None and isinstance(item, dict | list):
                yield from _keys(below, item, f"{dot}{i}")
        return
    names: list[str] = list(value) if isinstance(value, dict) else []
    if value is None:  # a block that is left out
        names = [n for o in alternatives(kind) if isinstance(o, Block) for n in options_of(o.cls)]
    for name in names:
        below = inner(kind, name, value)
        if below is not None:
            inside = value.get(name) if isinstance(value, dict) else 0
            yield from _keys(below, inside, f"{dot}{name}")
