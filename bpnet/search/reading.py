"""From the `space` of a config to parameters; every mistake in one pass, each with its place."""

from __future__ import annotations

import math

from bpnet.config.document import Document, refuse
from bpnet.config.kinds import Kind, Number
from bpnet.config.nodes import Mapping, Node, Scalar, Sequence, child, plain
from bpnet.config.phrases import options as alternatives
from bpnet.config.places import Place, Problem, shown
from bpnet.config.schema import Config, plain_config
from bpnet.config.write import inline
from bpnet.errors import ConfigError, Path
from bpnet.search.dimensions import Choices, Dimension, Domain, Interval, Option
from bpnet.search.keys import Keys
from bpnet.search.kinds import kind_at
from bpnet.search.naming import key_of, labels_of
from bpnet.search.several import (
    CHOICE,
    COUNT,
    RANGES,
    as_written,
    is_range,
    number_of,
    template_of,
)
from bpnet.search.surroundings import Entry, Surroundings

_LIMIT = 10_000
"""Values of one parameter that are listed."""


def read_space(document: Document, config: Config) -> tuple[Dimension, ...]:
    """Return the parameters of a config's search, blocks before what is set in them.

    Raises
    ------
    ConfigError
        With everything that is wrong with the space, located in the file.
    """
    reader = _Reader(document, config)
    dimensions = reader.read()
    if reader.problems:
        raise _joined(reader.problems)
    return dimensions


class _Reader:
    """One pass over the space; methods note problems and go on."""

    def __init__(self, document: Document, config: Config) -> None:
        self.document = document.without({"search"})
        self.space = child(child(document.root, "search") or document.root, "space")
        self.plain = plain_config(config)
        self.problems: list[Problem | str] = []
        self._names: dict[str, int] = {}

    def read(self) -> tuple[Dimension, ...]:
        assert isinstance(self.space, Mapping)
        entries = Keys(self.plain, self.problems).read(self.space)
        above = {
            entry.key: [o for o in entries if o is not entry and _is_below(entry.path, o.path)]
            for entry in entries
        }
        found: dict[str, Dimension] = {}
        for entry in sorted(entries, key=lambda entry: len(above[entry.key])):
            parents = [found[o.key] for o in above[entry.key] if o.key in found]
            if dimension := self._dimension(entry, parents):
                found[entry.key] = dimension
        return tuple(found.values())

    def note(self, place: Place, message: str) -> None:
        self.problems.append(Problem(place, message))

    def _dimension(self, entry: Entry, parents: list[Dimension]) -> Dimension | None:
        before = len(self.problems)
        kind = kind_at(entry.path, self.plain)
        around = Surroundings.of(self.document)
        for parent in parents:  # a value must do with every option of the blocks around it
            if isinstance(parent.domain, Choices):
                around = around.with_each(parent.key, parent.domain.options, entry.place)
        domain = self._domain(entry.node, kind, entry, around)
        if domain is None or len(self.problems) > before:
            return None
        return Dimension(self._name(entry.key, ""), entry.key, entry.path, domain)

    def _name(self, key: str, owner: str) -> str:
        name = f"{key} ({owner})" if owner else key
        count = self._names[name] = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name} #{count}"

    def _domain(
        self,
        node: Node,
        kind: Kind | None,
        entry: Entry,
        around: Surroundings,
    ) -> Domain | None:
        """Return what a parameter may be; None if that is wrong, which is noted."""
        if isinstance(node, Mapping) and CHOICE in node.entries:
            node = node.entries[CHOICE][1]
        if isinstance(node, Mapping) and is_range(node):
            return self._range(node, kind, entry, around)
        if not isinstance(node, Sequence):
            what = inline(plain(node)) if isinstance(node, Scalar) and node.text else "nothing"
            self.note(
                node.place if isinstance(node, Scalar) and node.text else entry.place,
                f"search.space: {entry.key}: expected a list of values or a range such as "
                f"{{log_uniform: [1e-4, 1e-1]}}, received {what}"
                + (f"; write [{what}]" if what != "nothing" else ""),
            )
            return None
        if not node.items:
            self.note(node.place, f"search.space: {entry.key}: an empty list leaves nothing to try")
            return None
        if len(node.items) > _LIMIT:
            self.note(node.place, f"search.space: {entry.key}: more than {_LIMIT:,} values")
            return None
        return self._choices(node.items, kind, entry, around)

    def _choices(
        self,
        items: list[Node],
        kind: Kind | None,
        entry: Entry,
        around: Surroundings,
    ) -> Domain | None:
        options = []
        labels = labels_of([plain(item) for item in items])
        for item, label in zip(items, labels, strict=True):
            template, holes = template_of(item, kind, entry.path)
            resolved = around.resolve(entry, template, self.problems)
            if not resolved:
                continue
            inside = around.with_value(entry, template)
            children = []
            for hole in holes:
                key = key_of(hole.path)
                below = Entry(key, hole.path, hole.node.place, hole.node)
                domain = self._domain(hole.node, hole.kind, below, inside)
                if domain is not None:
                    children.append(Dimension(self._name(key, label), key, hole.path, domain))
            options.append(Option(label, plain(template), resolved[0], tuple(children)))
        return Choices(tuple(options)) if options else None

    def _range(
        self,
        node: Mapping,
        kind: Kind | None,
        entry: Entry,
        around: Surroundings,
    ) -> Domain | None:
        name = next(name for name in RANGES if name in node.entries)
        key, ends = node.entries[name]
        where = f"search.space: {entry.key}"
        wanted = 3 if name == "steps" else 2
        for other, (other_key, _) in node.entries.items():
            if other not in (name, COUNT) or (other == COUNT and name == "steps"):
                self.note(other_key.place, f"{where}: {shown(other)} does not belong to a range")
                return None
        shape = "[LOW, HIGH, STEP]" if wanted == 3 else "[LOW, HIGH]"
        numbers = [number_of(item) for item in ends.items] if isinstance(ends, Sequence) else []
        if not isinstance(ends, Sequence) or len(numbers) != wanted or None in numbers:
            self.note(key.place, f"{where}: expected {{{name}: {shape}}}, finite numbers")
            return None
        low, high, *rest = [number for number in numbers if number is not None]
        if not low < high:
            self.note(ends.place, f"{where}: the range ends at {high:g}, but starts at {low:g}")
            return None
        log, whole = name.startswith("log"), name.endswith("integers")
        if log and low <= 0:
            self.note(ends.items[0].place, f"{where}: a logarithmic range starts above 0")
            return None
        if whole and not all(isinstance(number, int) for number in numbers):
            self.note(ends.place, f"{where}: {name} go from a whole number to a whole number")
            return None
        if not whole and name != "steps" and _takes_only_whole(kind):
            self.note(
                key.place,
                f"{where} takes whole numbers; write {'log_' * log}integers instead of {name}",
            )
            return None
        if name == "steps":
            return self._steps(low, high, rest[0], ends, kind, entry, around)
        for end in ends.items:
            if not around.resolve(entry, as_written(end, whole), self.problems):
                return None
        count = self._count(node, where)
        if count == 0:
            return None
        return Interval(low, high, log, whole, count)

    def _count(self, node: Mapping, where: str) -> int | None:
        """Return how many values a grid takes of a range; 0 if that is wrong, which is noted."""
        if COUNT not in node.entries:
            return None
        _, value = node.entries[COUNT]
        count = value.value if isinstance(value, Scalar) else None
        if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= _LIMIT:
            self.note(value.place, f"{where}: expected a count from 2 to {_LIMIT:,}")
            return 0
        return count

    def _steps(
        self,
        low: float,
        high: float,
        step: float,
        ends: Sequence,
        kind: Kind | None,
        entry: Entry,
        around: Surroundings,
    ) -> Domain | None:
        where = f"search.space: {entry.key}"
        if not step > 0:
            self.note(ends.items[2].place, f"{where}: expected a step above 0, received {step:g}")
            return None
        count = math.floor((high - low) / step + 1e-9) + 1
        if count > _LIMIT:
            self.note(ends.place, f"{where}: {count:,} steps; at most {_LIMIT:,}")
            return None
        values = [round(low + i * step, 12) for i in range(count)]
        items: list[Node] = [Scalar(ends.place, inline(value)) for value in values]
        return self._choices(items, kind, entry, around)


def _joined(problems: list[Problem | str]) -> ConfigError:
    texts = list(dict.fromkeys(map(str, problems)))
    if all(isinstance(problem, Problem) for problem in problems):
        return refuse([problem for problem in problems if isinstance(problem, Problem)])
    return ConfigError(texts, f"{len(texts)} errors." if len(texts) > 1 else "")


def _takes_only_whole(kind: Kind | None) -> bool:
    numbers = [o for o in alternatives(kind) if isinstance(o, Number)] if kind is not None else []
    return bool(numbers) and all(number.whole for number in numbers)


def _is_below(path: Path, other: Path) -> bool:
    return len(path) > len(other) and path[: len(other)] == other
