"""A config's tree to checked dataclasses: every mistake in one pass, each with its place.

Nothing is converted silently: an integer is fine where a number is expected, and that is all.
Names are looked up in closed tables; nothing that a config says is imported or evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bpnet.config.document import Document
from bpnet.config.kinds import (
    Anything,
    Block,
    Custom,
    Either,
    Fixed,
    Kind,
    ListOf,
    MapOf,
    Number,
    Pick,
    Tables,
    Text,
    Words,
    options_of,
)
from bpnet.config.misread import number_remedy
from bpnet.config.mistakes import Entries, Mistakes
from bpnet.config.nodes import Mapping, Node, Scalar, Sequence
from bpnet.config.places import Place
from bpnet.config.values import FAILED, simple_value
from bpnet.errors import ConfigError, OptionError, Path, dotted

T = TypeVar("T")


def bind(document: Document, cls: type[T], tables: Tables) -> T:
    """Read a config into a dataclass.

    Parameters
    ----------
    document
        The config.
    cls
        A dataclass whose fields with ``init`` are the options.
    tables
        The tables that `Choice` marks name.

    Raises
    ------
    ConfigError
        With all mistakes, in the order of the file.
    """
    mistakes = Mistakes(document, cls, tables)
    start = Place(document.source, 1, 1, 1)
    group = _Group(cls, document.root.entries, (), "at the top level", "Top-level keys", start)
    value = _Binder(mistakes, tables).fields(group)
    if error := mistakes.error():
        raise error
    if not isinstance(value, cls):  # part of a document, whose own problems were said before
        raise ConfigError([f"{document.source.name}: error: a value that can't be read"])
    return value


@dataclass(slots=True)
class _Group:
    """The options of one dataclass, about to be read.

    Attributes
    ----------
    cls, entries, path
        The dataclass, its options' keys and values, and where they are.
    where, title
        Its name in messages, and above the list of its options.
    place
        Where a missing option is reported.
    bare
        Its name in its table, if that stands alone instead of ``{type: name, ...}``.
    given
        Values of options that the entries leave out.
    """

    cls: type[Any]
    entries: Entries
    path: Path
    where: str
    title: str
    place: Place
    bare: str | None = None
    given: dict[str, Any] = field(default_factory=dict)


class _Binder:
    """One pass over a document. All methods note mistakes and then return FAILED."""

    def __init__(self, mistakes: Mistakes, tables: Tables) -> None:
        self.mistakes = mistakes
        self.tables = tables

    def value(
        self, kind: Kind, node: Node, path: Path, key: Scalar | None, default: Any = None
    ) -> Any:
        """Return the value of a node.

        Parameters
        ----------
        kind
            What is expected.
        node, path, key
            The node, where it is, and the key that leads to it.
        default
            The option's default, if an override goes on with it (see `_entry`).
        """
        if isinstance(node, Scalar) and node.broken:
            return FAILED
        match kind:
            case Either():
                if isinstance(node, Scalar):
                    return self._scalar_of(kind, node, path, key)
                return self._collection_of(kind, node, path, key, default)
            case Block(cls) if isinstance(node, Mapping):
                return self._block(cls, node, path, key)
            case Pick() if isinstance(node, Mapping) or _is_text(node):
                return self._entry(kind, node, path, key, default)
            case ListOf(item, frozen) if isinstance(node, Sequence):
                return self._list([item] * len(node.items), node, path, frozen)
            case Fixed(items) if isinstance(node, Sequence) and len(node.items) == len(items):
                return self._list(list(items), node, path, frozen=True)
            case MapOf(inner) if isinstance(node, Mapping):
                values = {
                    name: self.value(inner, below, (*path, name), name_node)
                    for name, (name_node, below) in node.entries.items()
                }
                return FAILED if _any_failed(values.values()) else values
        value = simple_value(kind, node)
        if value is FAILED:
            self.mistakes.wrong_value(kind, node, path, key)
        return value

    def _scalar_of(self, kind: Either, node: Scalar, path: Path, key: Scalar | None) -> Any:
        """Return a scalar as the first of several kinds that it fits."""
        picks = [option for option in kind.options if isinstance(option, Pick)]
        for pick in picks:
            if _is_text(node) and node.text in self.tables[pick.table]:
                return self._entry(pick, node, path, key)
        numbers = [option for option in kind.options if isinstance(option, Number)]
        # a fraction or a file: `15%` is a fraction written wrongly
        misread = numbers and not node.quoted and number_remedy(node.text, numbers[0])
        for option in kind.options:
            value = simple_value(option, node)
            if value is not FAILED and not (misread and isinstance(option, Text)):
                return value
        if len(picks) == 1 and _is_text(node) and not any(map(_is_words, kind.options)):
            return self._entry(picks[0], node, path, key)
        self.mistakes.wrong_value(kind, node, path, key)
        return FAILED

    def _collection_of(
        self, kind: Either, node: Node, path: Path, key: Scalar | None, default: Any
    ) -> Any:
        """Return a mapping or list as that of several kinds which it fits best."""
        able = [option for option in kind.options if _takes(option, node)]
        if not able:
            self.mistakes.wrong_value(kind, node, path, key)
            return FAILED
        if len(able) == 1:
            return self.value(able[0], node, path, key, default)
        mistakes = self.mistakes
        problems, notes = mistakes.problems, mistakes.notes
        attempts = []
        for option in able:
            mistakes.problems, mistakes.notes = [], {}
            value = self.value(option, node, path, key, default)
            attempts.append((len(mistakes.problems), value, mistakes.problems, mistakes.notes))
        _, value, more, more_notes = min(attempts, key=lambda attempt: attempt[0])
        mistakes.problems, mistakes.notes = problems + more, notes | more_notes
        return value

    def _list(self, kinds: list[Kind], node: Sequence, path: Path, frozen: bool) -> Any:
        values = [
            self.value(kind, item, (*path, i), None)
            for i, (kind, item) in enumerate(zip(kinds, node.items, strict=True))
        ]
        if _any_failed(values):
            return FAILED
        return tuple(values) if frozen else values

    def _block(self, cls: type[Any], node: Mapping, path: Path, key: Scalar | None) -> Any:
        entries = dict(node.entries)
        if node.shorthand:  # `train: a.csv` in the file, and `data.train.images=...` over it
            del entries["type"]
        name = dotted(path)
        place = key.place if key else node.place
        return self.fields(_Group(cls, entries, path, f"in {name}", f"Options of {name}", place))

    def _entry(
        self, pick: Pick, node: Node, path: Path, key: Scalar | None, default: Any = None
    ) -> Any:
        """Return what a bare name or ``{type: name, ...}`` picks from its table.

        An override of an option (``optimizer.beta1=0.8``) where the config has no optimizer at
        all goes on with the default optimizer and its other options.
        """
        table = self.tables[pick.table]
        entries: Entries = {}
        given: dict[str, Any] = {}
        named: Node | None = node
        bare = True
        place = node.place
        if isinstance(node, Mapping):
            entries = {name: entry for name, entry in node.entries.items() if name != "type"}
            named = node.get("type")
            bare = named is node.shorthand and named is not None
            default_name = next((n for n, cls in table.items() if type(default) is cls), None)
            if named is None and node.overridden and default_name:
                given = {name: getattr(default, name) for name in options_of(type(default))}
                named = Scalar(place, default_name)
        type_path = path if bare else (*path, "type")
        if named is None:
            assert isinstance(node, Mapping)
            self.mistakes.no_type(pick, node, path, key)
        elif not isinstance(named, Scalar) or not isinstance(named.value, str):
            type_key = node.key("type") if isinstance(node, Mapping) else key
            self.mistakes.wrong_value(pick, named, type_path, type_key)
        elif named.text not in table:
            self.mistakes.unknown_name(pick, named, type_path)
        else:
            name = named.text
            where, title = f"in {dotted(path)} ({name})", f"Options of {name}"
            alone = name if isinstance(node, Scalar) else None
            return self.fields(
                _Group(table[name], entries, path, where, title, named.place, alone, given)
            )
        return FAILED

    def fields(self, group: _Group) -> Any:
        """Return an instance of a group's dataclass."""
        options = options_of(group.cls)
        values: dict[str, Any] = dict(group.given)
        failed = False
        meant: set[str | None] = set()
        for name, (key, node) in group.entries.items():
            option = options.get(name)
            if option is None:
                failed = True
                meant.add(
                    self.mistakes.unknown_key(
                        key, node, group.cls, group.entries, group.path, group.where
                    )
                )
                if options:
                    self.mistakes.notes[group.title] = list(options)
                continue
            default = option.default() if option.default and _goes_on(node) else None
            values[name] = self.value(option.kind, node, (*group.path, name), key, default)
        for name, option in options.items():
            if option.default is None and name not in values:
                failed = True
                if name not in meant:
                    self.mistakes.missing_key(
                        option, group.path, group.where, group.place, group.bare
                    )
        if failed or _any_failed(values.values()):
            return FAILED
        try:
            return group.cls(**values)
        except OptionError as error:
            self.mistakes.refused(error.within(*group.path))
            return FAILED


def _takes(kind: Kind, node: Node) -> bool:
    """Say whether a kind takes mappings, or lists, as the node is one."""
    if isinstance(node, Mapping):
        return isinstance(kind, Block | Pick | MapOf | Custom | Anything)
    return isinstance(kind, ListOf | Fixed | Custom | Anything)


def _any_failed(values: Iterable[Any]) -> bool:
    return any(value is FAILED for value in values)


def _is_text(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str)


def _is_words(kind: Kind) -> bool:
    return isinstance(kind, Words)


def _goes_on(node: Node) -> bool:
    return isinstance(node, Mapping) and node.overridden
