"""The config's reference in Markdown, written from the dataclasses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bpnet.config import phrases
from bpnet.config.emit import plain_value
from bpnet.config.kinds import Block, Kind, MapOf, Option, Pick, Tables, options_of, summary
from bpnet.config.layout import joined
from bpnet.config.write import inline


def reference(root: type[Any], tables: Tables, level: int = 3) -> str:
    """Return the reference of a config dataclass.

    Parameters
    ----------
    root, tables
        The config.
    level
        Of the headings: 3 for ``###``.

    Returns
    -------
    Markdown: a table of options for every block, and for every entry of every table.
    """
    lines: list[str] = []
    mark = "#" * level
    for title, cls in _blocks(root):
        lines += [f"{mark} {title}", "", *_about(cls), *_options(options_of(cls), tables), ""]
    for table, entries in tables.items():
        if not entries:
            continue
        shared = _shared(entries)
        lines += [f"{mark} {phrases.plural(table).capitalize()}", ""]
        if shared:
            lines += [f"Every {table} takes:", "", *_options(shared, tables), ""]
        for name, cls in entries.items():
            own = {key: o for key, o in options_of(cls).items() if key not in shared}
            lines += [f"{mark}# `{name}`", "", *_about(cls)]
            lines += [*_options(own, tables), ""] if own else []
    return "\n".join(lines).rstrip() + "\n"


def _blocks(root: type[Any]) -> list[tuple[str, type[Any]]]:
    """Return all blocks that are not in tables, each once, with their headings."""
    found: list[tuple[str, type[Any]]] = [("Top level", root)]
    seen = {root}

    def walk(cls: type[Any], path: str) -> None:
        for name, option in options_of(cls).items():
            for kind in phrases.options(option.kind):
                inner = kind.value if isinstance(kind, MapOf) else kind
                if isinstance(inner, Block) and inner.cls not in seen:
                    seen.add(inner.cls)
                    below = f"{path}{name}" + (".NAME" if isinstance(kind, MapOf) else "")
                    found.append((f"`{below}`", inner.cls))
                    walk(inner.cls, f"{below}.")

    walk(root, "")
    return found


def _shared(entries: Mapping[str, type[Any]]) -> dict[str, Option]:
    """Return the options that all entries of a table have alike."""
    every = [options_of(cls) for cls in entries.values()]
    if len(every) < 2:
        return {}
    return {
        name: option
        for name, option in every[0].items()
        if all(
            name in other
            and (other[name].kind, other[name].doc) == (option.kind, option.doc)
            and _default_value(other[name]) == _default_value(option)
            for other in every
        )
    }


def _default_value(option: Option) -> object:
    return option.default() if option.default is not None else None


def _about(cls: type[Any]) -> list[str]:
    text = summary(cls)
    return [text, ""] if text else []


def _options(options: Mapping[str, Option], tables: Tables) -> list[str]:
    lines = ["| option | takes | default | meaning |", "|---|---|---|---|"]
    for option in options.values():
        cells = [f"`{option.name}`", _takes(option.kind, tables), _default(option, tables)]
        lines.append("| " + " | ".join([*map(_cell, cells), _cell(option.doc)]) + " |")
    return lines


def _takes(kind: Kind, tables: Tables) -> str:
    parts = []
    for option in phrases.options(kind):
        if isinstance(option, Block):
            parts.append("options (below)")
        elif isinstance(option, MapOf) and isinstance(option.value, Block):
            parts.append("options by name (below)")
        elif isinstance(option, Pick):
            parts.append(phrases.an(option.table))
        else:
            parts += phrases.alternatives(option, tables)
    return joined(parts)


def _default(option: Option, tables: Tables) -> str:
    if option.default is None:
        return "required"
    if isinstance(option.kind, Block):
        return ""
    value = plain_value(option.default(), option.kind, tables)
    if isinstance(option.kind, Pick):
        return f"`{value['type']}`"
    text = re.sub(r"\.0e-0?(\d)", r"e-\1", inline(value))
    return "" if value == "" else f"`{text}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
