"""Where an option belongs that was put somewhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bpnet.config.kinds import Block, Either, Kind, ListOf, Pick, Tables, options_of
from bpnet.config.layout import joined
from bpnet.config.phrases import an
from bpnet.config.spelling import same_word
from bpnet.errors import Path, dotted


@dataclass(frozen=True, slots=True)
class Home:
    """Where an option belongs.

    Attributes
    ----------
    words
        ``it belongs in training``.
    path
        The block, or the option that picks from a table; None if it is in a list of entries.
    is_block
        Whether the path is that of a block.
    """

    words: str
    path: Path | None
    is_block: bool = False


class Homes:
    """All options of a config by name, with the blocks and table entries that have them.

    Built on first use: only a config with a mistake needs it.
    """

    def __init__(self, root: type[Any], tables: Tables) -> None:
        self.root = root
        self.tables = tables
        self._blocks: dict[str, list[Path]] = {}
        self._entries: dict[str, list[tuple[Path | None, str]]] = {}

    def of(self, name: str, path: Path) -> Home | None:
        """Return where the option `name` belongs that was found at `path`, if it is one."""
        self._index()
        entries = self._entries.get(name, [])
        here = [entry for at, entry in entries if at == path]
        if here:
            return Home(f"it is an option of {joined(here[:4], 'and')}", None)
        blocks = self._blocks.get(name, [])
        picks = [at for at, _ in entries if at is not None]
        if blocks or picks:
            home = min([*blocks, *picks], key=len)
            words = f"it belongs in {dotted(home)}" if home else "it belongs at the top level"
            return Home(words, home, is_block=bool(blocks))
        owners = list(dict.fromkeys(entry for _, entry in entries))
        return Home(f"it is an option of {joined(owners[:4], 'and')}", None) if owners else None

    def of_other_word(self, name: str) -> str:
        """Say which option of another block is called `name` in other tools, or nothing."""
        self._index()
        homes = {option: min(paths, key=len) for option, paths in self._blocks.items()}
        for option, owners in self._entries.items():
            if owners[0][0] is not None:
                homes.setdefault(option, owners[0][0])
        if found := same_word(name, homes):
            home = dotted(homes[found])
            return f"did you mean '{found}' {f'in {home}' if home else 'at the top level'}?"
        for table, entries in self.tables.items():
            if found := same_word(name, entries):
                return f"{found} is {an(table)}, chosen by 'type: {found}'"
        return ""

    def _index(self) -> None:
        if not self._blocks:
            self._walk_block(self.root, ())

    def _walk_block(self, cls: type[Any], path: Path) -> None:
        for name, option in options_of(cls).items():
            self._blocks.setdefault(name, []).append(path)
            self._walk(option.kind, (*path, name))

    def _walk(self, kind: Kind, path: Path) -> None:
        match kind:
            case Block(cls) if len(path) < 6:
                self._walk_block(cls, path)
            case Either(options):
                for option in options:
                    self._walk(option, path)
            case Pick(table):
                self._walk_table(table, path)
            case ListOf(Pick(table)):
                self._walk_table(table, None)

    def _walk_table(self, table: str, path: Path | None) -> None:
        for entry, cls in self.tables[table].items():
            for name in options_of(cls):
                self._entries.setdefault(name, []).append((path, entry))
