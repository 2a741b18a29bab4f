"""Plain values to YAML text that every YAML reader takes for the same values.

Texts are quoted wherever this or another reader (YAML 1.1 or 1.2) would see something else in
them; numbers are the shortest that read back as the same number, with the point and the sign
that YAML 1.1 asks for (``1.0e-05``). Blocks are as wide as a page: what fits on a line is
written in braces, but a list of mappings (the layers) always has a line for each.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping

from bpnet.config.nodes import Plain, resolve

WIDTH = 100
"""Characters of a line."""

_SAFE = re.compile(
    r"(?:\.{0,2}/)?[A-Za-z_](?:[\w/.+-]|:(?=[\w/.]))*(?: [\w.+-]+)*|\d+(?:\.\d+)? [A-Za-z]+",
    re.ASCII,
)
_MISREAD = re.compile("y|yes|n|no|on|off|true|false|null", re.IGNORECASE)


def dump(value: Mapping[str, Plain]) -> str:
    """Return a mapping as the text of a config file.

    Raises
    ------
    TypeError
        If a value is none that YAML holds.
    """
    return "".join(f"{line}\n" for line in _block(value, 0)) or "{}\n"


def inline(value: Plain) -> str:
    """Return any value on one line: ``{type: adam, learning_rate: 0.001}``.

    Raises
    ------
    TypeError
        If a value is none that YAML holds.
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(str(k))}: {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str | os.PathLike):
        return _text(os.fspath(value))
    if value is None:
        return "null"
    if not isinstance(value, bool | int | float) and hasattr(value, "item"):
        value = value.item()  # a NumPy scalar
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    raise TypeError(f"a config can't hold a {type(value).__name__}")


def _block(value: Plain, indent: int) -> list[str]:
    """Return the lines of a mapping or list in block style."""
    space = " " * indent
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, inner in value.items():
            name = f"{space}{_text(str(key))}:"
            if _on_one_line(inner, len(name) + 1):
                lines.append(f"{name} {inline(inner)}")
            else:
                lines += [name, *_block(inner, indent + 2)]
        return lines
    for item in value:
        if _on_one_line(item, indent + 2):
            lines.append(f"{space}- {inline(item)}")
        else:
            first, *rest = _block(item, indent + 2)
            lines += [f"{space}- {first.lstrip()}", *rest]
    return lines


def _on_one_line(value: Plain, used: int) -> bool:
    if not isinstance(value, Mapping | list | tuple) or not value:
        return True
    return not _has_rows(value) and used + len(inline(value)) <= WIDTH


def _has_rows(value: Plain) -> bool:
    """Say whether there is a list of mappings in a value."""
    if isinstance(value, Mapping):
        return any(_has_rows(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(isinstance(item, Mapping) or _has_rows(item) for item in value)
    return False


def _float(value: float) -> str:
    if not math.isfinite(value):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    mantissa, e, exponent = repr(float(value)).partition("e")
    if e and "." not in mantissa:
        mantissa += ".0"
    return mantissa + e + exponent


def _text(text: str) -> str:
    """Return a text, in quotes if it needs them."""
    plain = _SAFE.fullmatch(text) and not _MISREAD.fullmatch(text) and resolve(text) == text
    if plain:
        return text
    if text.isprintable() and "\\" not in text and "'" not in text:
        return f"'{text}'"
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(ch: str) -> str:
    if ch in '"\\':
        return f"\\{ch}"
    if ch.isprintable():
        return ch
    code = ord(ch)
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(ch)
    if short:
        return short
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
