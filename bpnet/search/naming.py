"""Names for the parameters of a space and for what they may be."""

from __future__ import annotations

import difflib

from bpnet.config.nodes import Plain
from bpnet.config.spelling import same_word
from bpnet.config.write import inline
from bpnet.errors import Path


def labels_of(values: list[Plain]) -> list[str]:
    """Return short names for values; blocks are called by their type, if that tells them apart."""
    texts = [inline(value) for value in values]
    short = [_short(value) for value in values]
    return [
        name if short.count(name) == 1 or texts[i] == name else texts[i]
        for i, name in enumerate(short)
    ]


def _short(value: Plain) -> str:
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        return str(value["type"])
    if isinstance(value, list) and value and all(isinstance(v, dict | str) for v in value):
        return "-".join(_layer(v) if isinstance(v, dict) else str(v) for v in value)
    return inline(value)


def _layer(value: dict[str, Plain]) -> str:
    if "type" not in value:
        return inline(value)
    units = value.get("units")
    return f"{value['type']}{units if isinstance(units, int) else ''}"


def key_of(path: Path) -> str:
    """Write a path as an override: steps with dots or signs are quoted."""
    return ".".join(
        f'"{step}"' if any(sign in str(step) for sign in ".[]=\"'") else str(step) for step in path
    )


def nearest_path(key: str, known: list[str]) -> str | None:
    """Return the path that is most likely meant: the same option elsewhere, or a similar one."""
    last = key.rpartition(".")[2]
    same = [path for path in known if path.rpartition(".")[2] == last]
    found = difflib.get_close_matches(key, same, n=1, cutoff=0)
    if found:
        return found[0]
    lasts = list(dict.fromkeys(path.rpartition(".")[2] for path in known))
    if word := same_word(last, lasts):
        same = [path for path in known if path.rpartition(".")[2] == word]
        return difflib.get_close_matches(key, same, n=1, cutoff=0)[0]
    found = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return found[0] if found else None
