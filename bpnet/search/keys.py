"""The keys of a space: what they lead to, and whether that may be searched."""

from __future__ import annotations

from collections.abc import Iterator

from bpnet.config import overrides
from bpnet.config.nodes import Mapping, Plain
from bpnet.config.parse import Refused
from bpnet.config.places import Place, Problem, shown
from bpnet.errors import Path
from bpnet.search.kinds import keys_of, kind_at
from bpnet.search.naming import key_of, nearest_path
from bpnet.search.several import is_range, misspelled_range
from bpnet.search.surroundings import Entry

_REFUSED = {
    "seed": "every trial has a seed of its own already; `seeds: 5` repeats each point with five",
    "name": "a name changes nothing",
    "threads": "the number of threads is the same for all trials",
    "compute": "what does the arithmetic changes no training",
    "checkpoint": "when a training is saved changes nothing",
    "logging": "other listeners change nothing",
    "metrics": "what is measured changes no training",
    "search": "a search can't search its own settings",
    "data.train": "trials are compared on the same data",
    "data.validation": "trials are compared on the same validation rows",
    "data.test": "the test rows are the same for all trials, and looked at once",
    "data.target": "trials are compared by how they predict the same target",
    "data.split": "trials are compared on the same rows",
    "data.seed": "trials are compared on the same rows",
    "data.stratify": "trials are compared on the same rows",
    "data.weight": "trials are compared by the same weights of rows",
}
"""What can't be searched, and why."""


class Keys:
    """One pass over the keys.

    Attributes
    ----------
    plain
        The config as plain values, every default filled in.
    problems
        Where what is wrong is noted.
    """

    def __init__(self, plain: Plain, problems: list[Problem | str]) -> None:
        self.plain = plain
        self.problems = problems

    def read(self, space: Mapping) -> list[Entry]:
        """Return every key that may be searched, with its values."""
        return self._once([entry for entry in self._entries(space, ()) if self._allowed(entry)])

    def _note(self, place: Place, message: str) -> None:
        self.problems.append(Problem(place, message))

    def _entries(self, mapping: Mapping, path: Path) -> Iterator[Entry]:
        """Yield every key with its values; a mapping that is no range goes one step down."""
        for text, (key, node) in mapping.entries.items():
            try:
                steps: Path = (*path, *overrides.path_of(text))
            except Refused:
                self._note(key.place, f"search.space: {shown(text)} is no path of the config")
                continue
            if isinstance(node, Mapping) and node.entries and not is_range(node):
                if wrong := misspelled_range(node):
                    self._note(*wrong)
                    continue
                yield from self._entries(node, steps)
            else:
                yield Entry(key_of(steps), steps, key.place, node)

    def _once(self, entries: list[Entry]) -> list[Entry]:
        """Return the entries without those that an override repeats; note other repetitions."""
        found: dict[str, Entry] = {}
        for entry in entries:
            other = found.get(entry.key)
            if other and other.place.source.rank == entry.place.source.rank:
                self._note(entry.place, f"search.space: '{entry.key}' is there twice")
            if not other or other.place.source.rank < entry.place.source.rank:
                found[entry.key] = entry
        return list(found.values())

    def _allowed(self, entry: Entry) -> bool:
        """Say whether a key leads somewhere, and may be searched."""
        for prefix, why in _REFUSED.items():
            steps = tuple(prefix.split("."))
            if entry.path[: len(steps)] == steps:
                self._note(entry.place, f"search.space: {entry.key} can't be searched: {why}")
                return False
        if kind_at(entry.path, self.plain) is not None:
            return True
        known = keys_of(self.plain)
        near = nearest_path(entry.key, known)
        step = entry.key
        hint = f"; the nearest right path is {near}" if near else ""
        self._note(entry.place, f"search.space: the config has no option {shown(step)}{hint}")
        return False
