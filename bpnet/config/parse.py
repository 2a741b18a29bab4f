"""YAML text to a tree of nodes, from the parser's events.

Only PyYAML's event stream is used, and never its loaders: they take anchors for values, build
objects from tags, keep the last of two equal keys, and recurse (the C one until the process
dies). What a config has no use for is refused with its place: anchors, aliases, merge keys,
tags, directives, several documents, keys that are no plain text, and plain text that runs on
over several lines, which is nearly always a line with a mistake.
"""

from __future__ import annotations

import re
from typing import Any

from bpnet.config.nodes import Mapping, Node, Scalar, Sequence
from bpnet.config.places import Place, Problem, Source, shown

DEPTH = 64
"""Levels of nesting; a network of residual blocks in residual blocks needs about ten."""

NODES = 50_000
"""Values and keys in one config."""

_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Refused(Exception):
    """The text can't be read further; the problems tell why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


def parse(source: Source, indent: int = 0) -> tuple[Node | None, list[Problem]]:
    """Read a text into a tree of nodes.

    Parameters
    ----------
    source
        The text.
    indent
        Characters of the first line to be skipped (the ``KEY=`` of an override).

    Returns
    -------
    The root, or None if there is nothing but comments, and what is wrong with it so far: the
    tree is whole all the same, so that `bpnet.config.bind` can go on with it.

    Raises
    ------
    Refused
        If the text is not YAML at all, nests too deeply or has too many values.
    """
    text = "\n".join(source.lines)
    return _Reader(source).read(" " * indent + text[indent:])


class _Reader:
    """Builds the tree with a stack of its own: no recursion, whatever the text nests."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self.stack: list[Mapping | Sequence] = []
        self.keys: list[Scalar | None] = []
        """For each collection on the stack, the key whose value comes next, if one does."""
        self.last: Scalar | None = None
        self.settled = 0
        """How many of the problems are older than `last`."""
        self.count = 0

    def read(self, text: str) -> tuple[Node | None, list[Problem]]:
        yaml, parser = _parser(text)
        documents = 0
        try:
            while True:
                event = parser.get_event()
                kind = type(event).__name__
                if kind == "ScalarEvent":
                    self._scalar(event)
                elif kind == "MappingStartEvent":
                    self._open(Mapping(self._start(event), flow=bool(event.flow_style)), event)
                elif kind == "SequenceStartEvent":
                    self._open(Sequence(self._start(event), flow=bool(event.flow_style)), event)
                elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                    self._close(event)
                elif kind == "AliasEvent":
                    self._alias(event)
                elif kind == "DocumentStartEvent":
                    documents += 1
                    if documents > 1:
                        place = self._start(event, width=3)
                        raise self._refused(place, "one config is one document; remove the '---'")
                    if event.version or event.tags:
                        self._directive()
                elif kind == "StreamEndEvent":
                    return self.root, self.problems
        except yaml.YAMLError as error:
            from bpnet.config.syntax import explain  # only a config with a mistake needs it

            finding = explain(error, self.source.lines, self.last)
            del self.problems[self.settled :]  # of a scalar that is part of the trouble
            if any(problem.place.line == finding.line for problem in self.problems):
                raise Refused(self.problems) from None  # the same mistake, seen twice
            place = Place(self.source, finding.line, finding.column, finding.end)
            raise self._refused(place, finding.message) from None
        except (ValueError, OverflowError):  # PyYAML's own parser, of "\UFFFFFFFF"
            line = self.last.place.line if self.last else 1
            place = Place(self.source, line, 1, 1)
            raise self._refused(place, "an escape in double quotes is no character") from None

    def _refused(self, place: Place, message: str) -> Refused:
        return Refused([*self.problems, Problem(place, message)])

    def _complain(self, place: Place, message: str) -> None:
        self.problems.append(Problem(place, message))

    def _start(self, event: Any, width: int = 1) -> Place:
        mark = event.start_mark
        return Place(self.source, mark.line + 1, mark.column + 1, mark.column + 1 + width)

    def _line(self, index: int) -> str:
        return self.source.lines[index] if index < len(self.source.lines) else ""

    def _scalar(self, event: Any) -> None:
        start, end = event.start_mark, event.end_mark
        stop = end.column if end.line == start.line else len(self._line(start.line).rstrip())
        place = Place(self.source, start.line + 1, start.column + 1, stop + 1)
        scalar = Scalar(place, event.value, quoted=bool(event.style))
        self.last, self.settled = scalar, len(self.problems)
        self._check_scalar(scalar, event)
        scalar.broken = len(self.problems) > self.settled
        if self._awaits_key():
            self._key(scalar)
        else:
            self._add(scalar)

    def _check_scalar(self, scalar: Scalar, event: Any) -> None:
        self._check_properties(scalar.place, event)
        text = scalar.text
        if unwanted := _UNWANTED.search(text):
            self._complain(
                scalar.place, f"the character U+{ord(unwanted[0]):04X} can't be part of a text"
            )
        if event.style in ("|", ">") and not text.strip():
            sign = event.style
            self._complain(
                scalar.place,
                f"'{sign}' starts a block of text, which is empty; put the value in quotes if "
                f"'{sign}' belongs to it",
            )
        elif not event.style and text and event.end_mark.line > event.start_mark.line:
            self._complain(*self._run_on(scalar))

    def _run_on(self, scalar: Scalar) -> tuple[Place, str]:
        """Explain plain text on several lines: a line without ``:`` or with wrong indentation."""
        start = scalar.place.line - 1
        line = self._line(start)
        if not line[: scalar.place.column - 1].strip():
            return scalar.place, _no_entry(line)
        for i in range(start + 1, len(self.source.lines)):
            below = self._line(i)
            if below.strip():
                first = len(below) - len(below.lstrip())
                place = Place(self.source, i + 1, first + 1, len(below.rstrip()) + 1)
                return place, (
                    f"this line goes on with the text of line {start + 1}; is a ':' missing, or "
                    "the indentation wrong? (a text over several lines needs quotes)"
                )
        return scalar.place, "a text over several lines needs quotes"

    def _check_properties(self, place: Place, event: Any) -> None:
        if not event.anchor and not event.tag:
            return
        word = re.match(r"\S*", self._line(place.line - 1)[place.column - 1 :])
        marked = Place(
            self.source,
            place.line,
            place.column,
            place.column + max(1, len(word[0]) if word else 1),
        )
        if event.anchor:
            self._complain(marked, _unsupported("anchors", "&"))
        if event.tag:
            self._complain(marked, _unsupported("tags", "!"))

    def _alias(self, event: Any) -> None:
        place = self._start(event, width=len(event.anchor) + 1)
        self._complain(place, _unsupported("aliases", "*"))
        scalar = Scalar(place, "", quoted=True)
        scalar.broken = True
        if self._awaits_key():
            self.keys[-1] = _NOWHERE
        else:
            self._add(scalar)

    def _directive(self) -> None:
        for i, line in enumerate(self.source.lines):
            if line.startswith("%"):
                place = Place(self.source, i + 1, 1, len(line.rstrip()) + 1)
                self._complain(place, "directives (%...) are not supported; remove this line")
                return

    def _open(self, node: Mapping | Sequence, event: Any) -> None:
        if len(self.stack) >= DEPTH:
            raise self._refused(node.place, f"nested more than {DEPTH} levels deep")
        self._check_properties(node.place, event)
        if self._awaits_key():
            template = "{{" in self._line(node.place.line - 1)
            self._complain(
                node.place,
                "a key must be a name, not a list or mapping"
                + ("; put a text with '{{' in quotes" if template else ""),
            )
            self.keys[-1] = _NOWHERE
        else:
            self._add(node)
        self.stack.append(node)
        self.keys.append(None)

    def _close(self, event: Any) -> None:
        """End a collection, and let its place reach as far as its first line goes."""
        node = self.stack.pop()
        self.keys.pop()
        mark, place = event.end_mark, node.place
        if node.flow:
            one_line = mark.line + 1 == place.line
            place.end = (mark.column if one_line else len(self._line(place.line - 1).rstrip())) + 1
        elif isinstance(node, Mapping) and node.entries:
            key, value = next(iter(node.entries.values()))
            place.end = key.place.end
            if isinstance(value, Scalar) and value.place.line == place.line:
                place.end = max(place.end, value.place.end)

    def _awaits_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1], Mapping) and self.keys[-1] is None

    def _key(self, key: Scalar) -> None:
        mapping = self.stack[-1]
        assert isinstance(mapping, Mapping)
        self.keys[-1] = _NOWHERE
        if key.text == "<<" and not key.quoted:
            self._complain(key.place, "merge keys (<<) are not supported; write the options out")
        elif not key.text and not key.quoted:
            self._complain(key.place, "a key is missing before ':'")
        elif re.match(r"-[^\d.]", key.text) and not key.quoted:  # `-{type: ...}`
            self._complain(key.place, _no_entry(self._line(key.place.line - 1)))
        elif first := mapping.key(key.text):
            self._complain(
                key.place,
                f"the key {shown(key.text)} is there twice{_lines(first, key)}; remove one",
            )
        else:
            self.keys[-1] = key

    def _add(self, node: Node) -> None:
        """Put a scalar, or a collection that begins, where it belongs."""
        self.count += 1
        if self.count > NODES:
            raise self._refused(node.place, f"more than {NODES} values in one config")
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        if isinstance(parent, Sequence):
            if node.place.end <= node.place.column > 1:  # nothing behind a '-': show the '-'
                node.place.column -= 1
            parent.items.append(node)
            return
        key, self.keys[-1] = self.keys[-1], None
        if key is not None and key is not _NOWHERE:
            parent.entries[key.text] = (key, node)


_NOWHERE = Scalar(Place(Source("", ""), 1, 1, 1), "", quoted=True)
"""Stands for a key that was refused: its value is read, and dropped."""


def _no_entry(line: str) -> str:
    from bpnet.config.layout import no_entry

    return no_entry(line)


def _lines(first: Scalar, second: Scalar) -> str:
    one, two = first.place.line, second.place.line
    return "" if one == two else f", on line {one} and on line {two}"


def _unsupported(what: str, sign: str) -> str:
    return (
        f"{what} ({sign}name) are not supported; write the value out, or put a text that starts "
        f"with '{sign}' in quotes"
    )


def _parser(text: str) -> tuple[Any, Any]:
    """Return the yaml module and a loader, libyaml's if there; only its events are used."""
    import yaml

    return yaml, (yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)(text)
