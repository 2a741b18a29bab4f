"""What a config makes of a value that the space puts into it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bpnet.config import overrides
from bpnet.config.document import Document
from bpnet.config.nodes import Mapping, Node, Plain, Scalar, Sequence
from bpnet.config.parse import Refused
from bpnet.config.places import Place, Problem
from bpnet.config.schema import bind_config, plain_config
from bpnet.config.write import inline
from bpnet.errors import ConfigError, Path
from bpnet.search.dimensions import Option


@dataclass
class Entry:
    """One key of the space, with its values."""

    key: str
    path: Path
    place: Place
    node: Node


@dataclass(frozen=True)
class Surroundings:
    """The configs that a value must do with.

    Attributes
    ----------
    documents
        The config, once for each combination of the blocks around the value, and the name of the
        option that this one has.
    """

    documents: tuple[tuple[Document, str], ...]

    @classmethod
    def of(cls, document: Document) -> Surroundings:
        """Return a config as it is."""
        return cls(((document, ""),))

    def with_each(self, key: str, choices: Iterable[Option], place: Place) -> Surroundings:
        """Return the configs with each option of a block around the value."""
        nodes = [(_node(option.value, place), option.label) for option in choices]
        return Surroundings(
            tuple(
                (_put(document, key, place, node), label)
                for document, _ in self.documents
                for node, label in nodes
            )
        )

    def with_value(self, entry: Entry, node: Node) -> Surroundings:
        """Return the configs with a value in its place."""
        return Surroundings(
            tuple((_put(d, entry.key, entry.place, node), owner) for d, owner in self.documents)
        )

    def resolve(self, entry: Entry, node: Node, problems: list[Problem | str]) -> list[Plain]:
        """Return what the configs make of a value, alone in a list; none if one refuses it.

        What speaks against it is added to `problems`.
        """
        found: list[Plain] = []
        for document, owner in self.documents:
            try:
                config = bind_config(_put(document, entry.key, entry.place, node))
            except ConfigError as error:
                problems += [
                    _with_owner(text, owner, entry.key) if owner else text
                    for text in error.problems
                ]
                return []
            except Refused as refused:
                problems += refused.problems
                return []
            resolved: Plain = plain_config(config)
            for step in entry.path:
                resolved = resolved[int(step)] if isinstance(resolved, list) else resolved[step]
            found = [resolved]
        return found


def _with_owner(text: str, owner: str, key: str) -> str:
    """Add to a problem that it shows only with one of the options of a block around it."""
    head, newline, rest = text.partition("\n")
    return (
        f"{head} (as search.space combines {key} with {owner}; "
        f"or give it inside the block that has it){newline}{rest}"
    )


def _put(document: Document, key: str, place: Place, node: Node) -> Document:
    root = overrides.put(document.root, key, place, node)
    return Document(document.data, document.source, root, [], document.assignments)


def _node(value: Plain, place: Place) -> Node:
    """Return a plain value as a tree whose parts all stand at one place."""
    if isinstance(value, dict):
        mapping = Mapping(place)
        for key, below in value.items():
            mapping.entries[key] = (Scalar(place, key, quoted=True), _node(below, place))
        return mapping
    if isinstance(value, list):
        sequence = Sequence(place)
        sequence.items = [_node(item, place) for item in value]
        return sequence
    if isinstance(value, str):
        return Scalar(place, value, quoted=True)
    return Scalar(place, inline(value))
