"""What is wrong with a config, in words; `bpnet.config.bind` decides that something is."""

from __future__ import annotations

import re
from typing import Any

from bpnet.config import phrases
from bpnet.config.document import SHOWN, Document, refuse
from bpnet.config.homes import Homes
from bpnet.config.kinds import Custom, Kind, Option, Pick, Tables, options_of
from bpnet.config.layout import no_entry
from bpnet.config.nodes import Mapping, Node, Scalar, Sequence, plain
from bpnet.config.places import Place, Problem, shown
from bpnet.config.spelling import advice, closest, normal, same_word
from bpnet.config.trouble import LONG
from bpnet.config.write import inline
from bpnet.errors import ConfigError, OptionError, Path, dotted

Entries = dict[str, tuple[Scalar, Node]]


class Mistakes:
    """The mistakes in one config.

    Attributes
    ----------
    problems
        One each, with its place.
    notes
        Lists that help with them: ``{"Options of adam": ["learning_rate", ...]}``.
    """

    def __init__(self, document: Document, root: type[Any], tables: Tables) -> None:
        self.document = document
        self.tables = tables
        self.homes = Homes(root, tables)
        self.problems = list(document.problems)
        self.notes: dict[str, list[str]] = {}
        self.misplaced: set[Path] = set()
        """Where the options belong that are somewhere else."""
        self._missing: dict[int, Path] = {}
        """What the problems are about (by `id`) that say that an option is missing."""

    def error(self) -> ConfigError | None:
        """Return all mistakes as one error, or None if there are none.

        An option that is in the wrong block isn't reported as missing from the right one too.
        """
        if not self.problems:
            return None
        kept = [p for p in self.problems if self._missing.get(id(p)) not in self.misplaced]
        return refuse(kept or self.problems, self.notes)

    @property
    def _many(self) -> bool:
        """Whether there are more mistakes already than anybody reads, so that hints can rest."""
        return len(self.problems) > 4 * SHOWN

    def note(self, place: Place, message: str) -> None:
        """Add a mistake."""
        self.problems.append(Problem(place, message))

    def refused(self, error: OptionError) -> None:
        """Add what a dataclass says against its options."""
        self.problems.append(self.document.located(error.path, error.message))

    def wrong_value(self, kind: Kind, node: Node, path: Path, key: Scalar | None) -> None:
        """Add that a value is not what is expected."""
        takes = phrases.expected(kind, self.tables)
        for option in phrases.options(kind):
            if isinstance(option, Custom) and (exact := _objection(option, node)):
                takes = takes.replace(option.cls.expected, exact)
        got = phrases.received(node, kind)
        remedy = "" if self._many else phrases.remedy(kind, node, self.tables)
        if key is None or key.place.source.rank:
            remedy = remedy.replace("after the ':'", "after the '='" if key else "after the '-'")
        empty = node.place.end <= node.place.column
        place = key.place if key and empty else node.place
        self.note(place, f"{dotted(path)}: expected {takes}, received {got}{remedy}")

    def missing_key(
        self, option: Option, path: Path, where: str, place: Place, bare: str | None = None
    ) -> None:
        """Add that a required option is not there; `bare` is the name that stands alone."""
        takes = phrases.expected(option.kind, self.tables)
        hint = f"; write {{type: {bare}, {option.name}: ...}}" if bare else ""
        self.note(place, f"missing key '{option.name}' {where}: {takes}{hint}")
        self._missing[id(self.problems[-1])] = (*path, option.name)

    def unknown_key(
        self, key: Scalar, node: Node, cls: type[Any], entries: Entries, path: Path, where: str
    ) -> str | None:
        """Add an unknown key, and return the option that was meant, if that is clear.

        Parameters
        ----------
        key, node
            The key and its value.
        cls
            The dataclass that has no such option.
        entries
            All entries beside it.
        path, where
            The block: its path, and its name in messages.
        """
        hint, meant = self._hint(key.text, node, cls, entries, path)
        self.note(key.place, f"unknown key {shown(key.text)} {where}{hint and '; '}{hint}")
        return meant

    def _hint(
        self, name: str, node: Node, cls: type[Any], entries: Entries, path: Path
    ) -> tuple[str, str | None]:
        """Return what to do instead of an unknown key, and the option that was meant."""
        options = options_of(cls)
        if self._many:
            return "", None
        alone = isinstance(node, Scalar) and node.value is None and not node.text
        if alone and (hint := _hint_alone(name, entries, options)):
            return hint
        found, home = same_word(name, options), self.homes.of(name, path)
        # `train: a.csv` at the top level is data.train, although some say train for training
        elsewhere = home is not None and home.is_block and isinstance(node, Scalar)
        if found and (normal(found) == normal(name) or not elsewhere):
            return f"did you mean '{found}'?", found
        if cls in self.tables.get("layer", {}).values() and (hint_text := advice(name)):
            return hint_text, None
        if home:
            if home.path is not None:
                self.misplaced.add((*home.path, name))
            return home.words, None
        if found := closest(name, options):
            return f"did you mean '{found}'?", found
        return self.homes.of_other_word(name) or ("" if options else "it has no options"), None

    def no_type(self, pick: Pick, node: Mapping, path: Path, key: Scalar | None) -> None:
        """Add that ``{...}`` does not say which entry of the table it is."""
        table = self.tables[pick.table]
        for name, (name_node, value) in node.entries.items():
            if hint := self._type_elsewhere(table, name, value, len(node.entries) == 1):
                self.note(name_node.place, f"{dotted(path)}: {hint}")
                return
        able = [
            entry
            for entry, cls in table.items()
            if node.entries and all(name in options_of(cls) for name in node.entries)
        ]
        hint = f"; is it {{type: {able[0]}, ...}}?" if len(able) == 1 else ""
        noun = phrases.an(pick.table)
        message = f"missing key 'type' in {dotted(path)}, the name of {noun}{hint}"
        self.note(key.place if key else node.place, message)
        self._list_names(pick)

    def _type_elsewhere(self, table: Any, name: str, value: Node, single: bool) -> str | None:
        """Say how to write a type that is there, but not as ``type: NAME``."""
        text = value.text if isinstance(value, Scalar) else ""
        if not text and (_is_tight(name) or re.match(r"type\s", name)):
            return no_entry(name)
        found = text if text in table else same_word(text, table) if name != "name" else None
        if found:
            return f"write 'type: {found}' instead of {shown(f'{name}: {text}')}"
        entry = name if name in table else same_word(name.split(" ")[0], table)
        if single and entry:
            return f"write {_example(entry, table[entry], value)}"
        return None

    def unknown_name(self, pick: Pick, node: Scalar, path: Path) -> None:
        """Add that a table has no entry of this name."""
        message = f"{dotted(path)}: unknown {pick.table} {shown(node.text)}"
        if not self._many:
            message = self._unknown_name(pick, node.text[:LONG], path, message)
        self.note(node.place, message)

    def _unknown_name(self, pick: Pick, text: str, path: Path, message: str) -> str:
        """Return the message with what to do; list the table's names if nothing is near."""
        table = self.tables[pick.table]
        attached = re.fullmatch(r"([\w.-]+)\s*[( :=,{](.*)", text, re.DOTALL)
        several = [same_word(part, table) for part in text.split()]
        other = [noun for noun, known in self.tables.items() if text in known]
        tight = text.partition(":")[0]
        if re.match(r"type\s*[=\s]", text) or (
            _is_tight(text) and (tight == "type" or tight in table)
        ):
            return f"{dotted(path)}: {no_entry(text)}"
        if path and isinstance(path[-1], int) and len(several) > 1 and all(several):
            return f"{message}; a ',' is missing before '{text.split()[1]}'"
        if attached and attached[2].strip(" )}") and (entry := same_word(attached[1], table)):
            return f"{message}; options are written {_example(entry, table[entry], None)}"
        if not other and (name := closest(text, table)):
            return f"{message}; did you mean '{name}'?"
        self._list_names(pick)
        return f"{message}; it is {phrases.an(other[0])}" if other else message

    def _list_names(self, pick: Pick) -> None:
        title = phrases.plural(pick.table)
        self.notes[title[0].upper() + title[1:]] = list(self.tables[pick.table])


def _objection(kind: Custom, node: Node) -> str:
    """Return what a type that reads itself says against a value."""
    try:
        kind.cls.from_yaml(plain(node))
    except ValueError as error:
        return str(error)
    except (TypeError, OverflowError):
        pass
    return ""


def _is_tight(text: str) -> bool:
    """Say whether a text is ``key:value``, a colon without its space."""
    return ":" in text and no_entry(text).startswith("a space is missing")


def _hint_alone(
    name: str, entries: Entries, options: dict[str, Option]
) -> tuple[str, str | None] | None:
    """Return what to do about a key without a value, as all of ``{units:3, 64, 1,000}`` are."""
    word = re.match(r"([\w.-]+)(:\S|\s+\S)", name)
    if word and (word[2][0] == ":" or same_word(word[1], options)):
        return no_entry(name), same_word(word[1], options)
    if not name[:1].isdecimal():
        return None
    if name.isdecimal() and (before := _number_before(name, entries)):
        joint = before.text + (name if len(name) == 3 else f".{name}")
        return f"write {joint} if the number {before.text},{name} is meant", None
    missing = [n for n, option in options.items() if option.default is None and n not in entries]
    meant = missing[0] if missing else None
    return f"a value needs its key: write '{meant or 'key'}: {name}'", meant


def _number_before(name: str, entries: Entries) -> Scalar | None:
    """Return the whole number that stands before a key ``000``, as in ``{units: 1,000}``."""
    names = list(entries)
    before = entries[names[names.index(name) - 1]][1]
    if isinstance(before, Scalar) and type(before.value) is int:
        return before
    return None


def _example(entry: str, cls: type[Any], value: Node | None) -> str:
    """Write an entry of a table as it should be: ``{type: dense, units: 64}``.

    Parameters
    ----------
    entry, cls
        Its name and dataclass.
    value
        What was given instead: its options, or the value of the most important one.
    """
    options = options_of(cls)
    required = [name for name, option in options.items() if option.default is None]
    others = [name for name in options if name != "name"]
    if isinstance(value, Mapping) and len(text := inline({"type": entry, **plain(value)})) < 60:
        return text
    if isinstance(value, Scalar) and value.text and others:
        return f"{{type: {entry}, {(required or others)[0]}: {value.text}}}"
    if isinstance(value, Mapping | Sequence) or (value is None and not required and others):
        return f"{{type: {entry}, ...}}"
    return f"{{type: {entry}{f', {required[0]}: ...' if required else ''}}}"
