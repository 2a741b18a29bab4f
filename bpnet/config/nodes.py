"""The tree that a config is read into: every value and every key with its place.

Plain scalars mean what a reader expects and nothing else. Numbers are decimal (``12``,
``-0.5``, ``.5``, ``1e-3``, ``1E5``), booleans are ``true`` and ``false``, nothing is ``null``,
``~`` or empty; all the rest is text as it stands: ``no``, ``on``, ``012``, ``12:30``,
``2024-01-01``, ``1_000``. Where a number or boolean was expected, `bpnet.config.bind` says
how to write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bpnet.config.places import Place
from bpnet.errors import Path

Plain = Any
"""What YAML holds: None, bool, int, float, str, and lists and string-keyed dicts of these."""

_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Plain] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], float("inf")),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], float("-inf")),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
}
_DIGITS = 1000
"""An integer longer than this is infinite, as ``1e999`` is: too large for any option."""


class Scalar:
    """A single value.

    Attributes
    ----------
    value
        What it means: None, bool, int, float or str.
    text
        What is written, without quotes.
    place
        Where it stands, quotes included.
    quoted
        Whether it is text because of quotes (or a text block), whatever it looks like.
    broken
        Whether a problem with it has been noted already, so that its value says nothing.
    """

    __slots__ = ("broken", "place", "quoted", "text", "value")

    def __init__(self, place: Place, text: str, *, quoted: bool = False) -> None:
        self.place = place
        self.text = text
        self.quoted = quoted
        self.broken = False
        self.value = text if quoted else resolve(text)


class Mapping:
    """Keys with their values, in the order of the file.

    Attributes
    ----------
    entries
        By the key's text: the key and the value.
    flow
        Whether it is written in braces.
    shorthand
        The bare name that an override has turned into a mapping with this `type`.
    overridden
        Whether an override made it, so that the file has nothing here.
    """

    __slots__ = ("entries", "flow", "overridden", "place", "shorthand")

    def __init__(self, place: Place, *, flow: bool = False) -> None:
        self.place = place
        self.flow = flow
        self.entries: dict[str, tuple[Scalar, Node]] = {}
        self.shorthand: Scalar | None = None
        self.overridden = False

    def get(self, key: str) -> Node | None:
        """Return the value of a key, or None."""
        entry = self.entries.get(key)
        return entry[1] if entry else None

    def key(self, key: str) -> Scalar | None:
        """Return the key itself, with its place, or None."""
        entry = self.entries.get(key)
        return entry[0] if entry else None

    def copy(self) -> Mapping:
        """Return a mapping with the same entries, to be changed."""
        new = Mapping(self.place, flow=self.flow)
        new.entries = dict(self.entries)
        new.shorthand, new.overridden = self.shorthand, self.overridden
        return new


class Sequence:
    """A list of values."""

    __slots__ = ("flow", "items", "place")

    def __init__(self, place: Place, *, flow: bool = False) -> None:
        self.place = place
        self.flow = flow
        self.items: list[Node] = []

    def copy(self) -> Sequence:
        """Return a list with the same items, to be changed."""
        new = Sequence(self.place, flow=self.flow)
        new.items = list(self.items)
        return new


Node = Scalar | Mapping | Sequence


def resolve(text: str) -> Plain:
    """Return what a plain scalar means; see the module's text for the rules."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "-+.0123456789" and _NUMBER.fullmatch(text):
        if not text.lstrip("-+").isdigit():
            return float(text)
        return int(text) if len(text) <= _DIGITS else float(text[0] + "1e999")
    return text


def plain(node: Node) -> Plain:
    """Return the node as None, bool, int, float, str, list and dict."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
    return {key: plain(value) for key, (_, value) in node.entries.items()}


def child(node: Node, step: str | int) -> Node | None:
    """Return the value one step down, or None."""
    if isinstance(node, Mapping):
        return node.get(str(step))
    if isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None


def trail(root: Node, path: Path) -> Iterator[Node]:
    """Yield the nodes along a path as far as it is there, starting with `root`."""
    yield root
    node = root
    for step in path:
        below = child(node, step)
        if below is None:
            return
        yield below
        node = below
