"""A config as it was read: text, tree and overrides, for whoever has to say something about it."""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Iterable
from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence as AbstractSequence
from typing import Literal

from bpnet.config import reading
from bpnet.config.nodes import Mapping, Plain, Scalar, Sequence, child, plain, trail
from bpnet.config.parse import Refused, parse
from bpnet.config.places import Level, Place, Problem, Source
from bpnet.errors import ConfigError, OptionError, Path, dotted

On = Literal["key", "value"]

SHOWN = 50
"""Problems that are listed; a config with more has one that causes the others."""


class Document:
    """A config file with the overrides on top.

    Attributes
    ----------
    data
        The file's bytes, as they were.
    source
        Its text.
    root
        The tree, overrides included.
    assignments
        The overrides, as they were given.
    problems
        What is wrong already although the tree could be read: duplicate keys, anchors, tags.
        `bpnet.config.bind` reports them together with its own.
    """

    __slots__ = ("assignments", "data", "problems", "root", "source")

    def __init__(
        self,
        data: bytes,
        source: Source,
        root: Mapping,
        problems: list[Problem],
        assignments: tuple[str, ...] = (),
    ) -> None:
        self.data = data
        self.source = source
        self.root = root
        self.problems = problems
        self.assignments = assignments

    @classmethod
    def read(cls, path: str) -> Document:
        """Read a config file, or standard input if the path is ``-``.

        Raises
        ------
        ConfigError
            If there is no such file, or it is no YAML mapping.
        RefusedError
            If the operating system refuses.
        """
        name, data = reading.read_bytes(path)
        return cls.parse(data, name)

    @classmethod
    def parse(cls, data: bytes | str, name: str = "<config>") -> Document:
        """Read a config from memory; `name` stands for the file in messages.

        Raises
        ------
        ConfigError
            If it is no YAML mapping.
        """
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogatepass")
        source = reading.decode(name, data)
        try:
            root, problems = parse(source)
        except Refused as refused:
            raise refuse(refused.problems) from None
        if isinstance(root, Mapping):
            return cls(data, source, root, problems)
        if root is None or (isinstance(root, Scalar) and root.value is None):
            place = Place(source, 1, 1, 1)
            message = "the config is empty; 'bpnet init' writes one to start from"
        else:
            place = root.place
            kind = "a list" if isinstance(root, Sequence) else "a single value"
            message = f"a config consists of 'key: value' lines, but this is {kind}"
            if isinstance(root, Scalar) and not root.quoted:
                from bpnet.config.layout import no_entry

                message = no_entry(root.text)
        if not problems or isinstance(root, Sequence):
            problems.append(Problem(place, message))
        raise refuse(problems)

    def override(self, assignments: Iterable[str]) -> Document:
        """Return the document with each ``KEY=VALUE`` applied in turn; this one stays.

        Raises
        ------
        UsageError
            If an assignment has no key or no ``=``.
        ConfigError
            If values are no YAML, or keys lead through something that has no such place.
        """
        from bpnet.config import overrides

        root, problems, failed = self.root, list(self.problems), list[Problem]()
        given = tuple(assignments)
        for rank, text in enumerate(given, 1 + len(self.assignments)):
            try:
                root, found = overrides.apply(root, text, rank)
                problems += found
            except Refused as refused:
                failed += refused.problems
        if failed:
            raise refuse([*problems, *failed])
        return Document(self.data, self.source, root, problems, self.assignments + given)

    def without(self, keys: Collection[str]) -> Document:
        """Return the document without some top-level keys and without its known problems."""
        root = self.root.copy()
        for key in keys:
            root.entries.pop(key, None)
        return Document(self.data, self.source, root, [], self.assignments)

    @property
    def folder(self) -> pathlib.Path:
        """The folder that its relative paths start from."""
        name = self.source.name
        return pathlib.Path() if name.startswith("<") else pathlib.Path(name).parent

    def peek(self, *path: str | int, default: Plain = None) -> Plain:
        """Return the plain value at a path, unchecked, or `default` if there is none."""
        node: Mapping | Sequence | Scalar | None = self.root
        for step in path:
            node = child(node, step) if node is not None else None
        return default if node is None else plain(node)

    def __contains__(self, path: Path) -> bool:
        """Say whether the config (with overrides) has a value at this path."""
        return len(list(trail(self.root, path))) == len(path) + 1

    def locate(self, path: Path, on: On = "value") -> Place:
        """Return where a value (or its key) stands, or else the nearest thing around it."""
        nodes = list(trail(self.root, path))
        node = nodes[-1]
        found = len(nodes) - 1
        if found == 0:
            return Place(self.source, 1, 1, 1)
        parent, step = nodes[-2], path[found - 1]
        key = parent.key(str(step)) if isinstance(parent, Mapping) else None
        if key is not None and (on == "key" or _invisible(node) or found < len(path)):
            return key.place
        return node.place

    def problem(self, path: Path, message: str, *, on: On = "value", level: Level = "error") -> str:
        """Write a problem with the value at `path` as the user shall read it.

        Parameters
        ----------
        path
            Where the value is, or would be: if the config leaves it to its default, the
            message says so and the place is the block that it belongs to.
        message
            What was expected, what was received, what to do.
        on
            Whether the value or its key is marked.
        level
            How grave it is.
        """
        return str(self.located(path, message, on=on, level=level))

    def located(
        self, path: Path, message: str, *, on: On = "value", level: Level = "error"
    ) -> Problem:
        """Return what `problem` writes, to be sorted among others first (see `refuse`)."""
        if path:
            note = "" if path in self else " (the default)"
            message = f"{dotted(path)}{note}: {message}"
        return Problem(self.locate(path, on), message, level)

    def error(self, *errors: OptionError) -> ConfigError:
        """Turn errors that were found later (in building, in the data) into a located one."""
        return refuse([self.located(error.path, error.message) for error in errors])


def refuse(
    problems: AbstractSequence[Problem], notes: AbstractMapping[str, Iterable[str]] | None = None
) -> ConfigError:
    """Make one error of all problems, in the order of the file.

    Parameters
    ----------
    problems
        At least one.
    notes
        Lists for the last lines: ``{"Options of adam": ["learning_rate", ...]}``.
    """
    ordered = sorted(problems, key=lambda problem: problem.order)
    distinct = list({(*problem.order, problem.message): problem for problem in ordered}.values())
    count = "1 error." if len(distinct) == 1 else f"{len(distinct)} errors."
    if len(distinct) > SHOWN:
        count = f"{count[:-1]}, {len(distinct) - SHOWN} of them not shown."
    lines = [f"{title}: {', '.join(names)}" for title, names in (notes or {}).items()]
    footer = " ".join([count, *lines[:1]]) if lines or len(distinct) > 1 else ""
    return ConfigError(
        [str(problem) for problem in distinct[:SHOWN]], "\n".join([footer, *lines[1:]])
    )


def _invisible(node: Mapping | Sequence | Scalar) -> bool:
    return node.place.end <= node.place.column
