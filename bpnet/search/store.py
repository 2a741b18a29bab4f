"""What a search knows, in one sqlite file: which trials there are and what became of them.

One process writes (it holds the directory's lock). The journal is a rollback journal and not a
write-ahead log: after every commit the file itself is the whole truth, so that it can be copied
and read on its own, also on network file systems, which a log with shared memory does not allow.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpnet.errors import RefusedError, RunError
from bpnet.search.task import Outcome, State

STORE = "search.sqlite"
"""The store of a search, in its directory."""

TRIALS = "trials"
"""The folder of its trials, beside the store."""

FORMAT = 1
TOLD = "told"
"""The cause of an outcome that a script has told."""

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE trials (
    number INTEGER PRIMARY KEY,
    point TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    fold INTEGER NOT NULL,
    assigned TEXT NOT NULL,
    labels TEXT NOT NULL,
    seed INTEGER NOT NULL,
    directory TEXT NOT NULL,
    state TEXT NOT NULL,
    cause TEXT NOT NULL,
    reason TEXT NOT NULL,
    score REAL,
    metrics TEXT NOT NULL,
    curve TEXT NOT NULL,
    epochs INTEGER NOT NULL,
    seconds REAL NOT NULL,
    UNIQUE (point, repeat, fold)
) STRICT;
"""

Key = tuple[str, int, int]
"""What a trial is: the digest of its point, its repetition and its fold."""


@dataclass
class Trial:
    """One training of a point.

    Attributes
    ----------
    number
        Its place in the order of the search, from 1.
    point, repeat, fold
        The digest of its point, which seed, and which fold (-1: none), from 0.
    values, labels
        What the point puts into the config, and its names for people.
    seed
        Of its random streams.
    directory
        Its run directory below that of the search.
    outcome
        What became of it.
    """

    number: int
    point: str
    repeat: int
    fold: int
    values: Mapping[str, Any]
    labels: Mapping[str, str]
    seed: int
    directory: str
    outcome: Outcome = field(default_factory=lambda: Outcome("waiting"))

    @property
    def key(self) -> Key:
        """What it is."""
        return self.point, self.repeat, self.fold

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do for it, however long it may train."""
        return self.outcome.state in ("done", "pruned", "failed")


class Store:
    """The trials of one search; every change is durable when its method returns."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self.trials: dict[Key, Trial] = {}
        for trial in self._read():
            self.trials[trial.key] = trial

    @property
    def next_number(self) -> int:
        """The number of the next trial."""
        return max((trial.number for trial in self.trials.values()), default=0) + 1

    def fact(self, name: str) -> Any:
        """Return what is known of the search under a name, or None."""
        with self._trouble():
            row = self._connection.execute(
                "SELECT value FROM facts WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def set_fact(self, name: str, value: Any) -> None:
        """Write down something about the search."""
        with self._trouble(), self._connection as transaction:
            transaction.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value))
            )

    def add(self, trials: Iterable[Trial]) -> None:
        """Write down new trials, all of them or none."""
        new = list(trials)
        with self._trouble(), self._connection as transaction:
            transaction.executemany(
                f"INSERT INTO trials VALUES ({', '.join('?' * 16)})", map(_row, new)
            )
        self.trials |= {trial.key: trial for trial in new}

    def record(self, *trials: Trial) -> None:
        """Write down what became of trials, as their outcomes say."""
        with self._trouble(), self._connection as transaction:
            transaction.executemany(
                "UPDATE trials SET state = ?, cause = ?, reason = ?, score = ?, metrics = ?, "
                "curve = ?, epochs = ?, seconds = ? WHERE number = ?",
                [(*_row(trial)[8:], trial.number) for trial in trials],
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _read(self) -> Iterator[Trial]:
        with self._trouble():
            rows = self._connection.execute("SELECT * FROM trials ORDER BY number").fetchall()
        for row in rows:
            try:
                yield _trial(row)
            except (ValueError, TypeError, KeyError) as error:
                raise damaged(self.path, f"row {row[0]}: {error}") from error

    @contextlib.contextmanager
    def _trouble(self) -> Iterator[None]:
        with _trouble(self.path):
            yield


def _row(trial: Trial) -> tuple[Any, ...]:
    outcome = trial.outcome
    return (
        trial.number,
        trial.point,
        trial.repeat,
        trial.fold,
        json.dumps(trial.values),
        json.dumps(trial.labels),
        trial.seed,
        trial.directory,
        outcome.state,
        outcome.cause,
        outcome.reason,
        outcome.score,
        json.dumps(outcome.metrics),
        json.dumps(outcome.curve),
        outcome.epochs,
        outcome.seconds,
    )


_STATES: tuple[State, ...] = ("waiting", "paused", "done", "pruned", "failed", "asked")


def _trial(row: tuple[Any, ...]) -> Trial:
    values, labels, metrics, curve = (json.loads(row[i]) for i in (4, 5, 12, 13))
    if not isinstance(values, dict) or not isinstance(labels, dict) or row[8] not in _STATES:
        raise ValueError("no trial")
    if not isinstance(metrics, dict) or not isinstance(curve, list):
        raise ValueError("no outcome")
    outcome = Outcome(row[8], row[9], row[10], row[11], metrics, curve, row[14], row[15])
    return Trial(row[0], row[1], row[2], row[3], values, labels, row[6], row[7], outcome)


def damaged(path: Path, what: object) -> RunError:
    """Return the error of a store that can't be used."""
    said = " ".join(str(what).replace("*** in database main ***", "").split())
    return RunError(
        f"{path}: damaged ({said}); 'bpnet gridsearch --repair' sets it aside and takes the "
        "finished trials from their directories"
    )


@contextlib.contextmanager
def _trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "disk" in text or "full" in text or "readonly" in text or "unable to open" in text:
            raise RefusedError(f"can't write {path}: {text}") from error
        raise damaged(path, text) from error
    except sqlite3.Error as error:
        raise damaged(path, error) from error


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Store]:
    """Open the store of a search whose lock the caller holds; make it if there is none.

    Raises
    ------
    RunError
        If it is damaged, or of a newer version.
    RefusedError
        If the operating system refuses.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise RunError(f"{path}: not a file")
    with _trouble(path):
        connection = sqlite3.connect(path, timeout=10)
    with contextlib.closing(connection):
        with _trouble(path):
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = FULL")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0 and not connection.execute("SELECT * FROM sqlite_master").fetchall():
                connection.executescript(
                    f"BEGIN; {_TABLES} PRAGMA user_version = {FORMAT}; COMMIT;"
                )
                version = FORMAT
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if version > FORMAT:
            raise RunError(f"{path}: made by a newer bpnet; use that one")
        if version != FORMAT or verdict != "ok":
            raise damaged(path, verdict if verdict != "ok" else "not a store of bpnet")
        yield Store(path, connection)


def peek(path: Path, name: str) -> Any:
    """Return what a store knows under a name, or None; no trial is touched.

    Raises
    ------
    RunError
        If it is damaged.
    RefusedError
        If the operating system refuses.
    """
    with (
        _trouble(path),
        contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)
        ) as connection,
    ):
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    try:
        return None if row is None else json.loads(row[0])
    except ValueError as error:
        raise damaged(path, error) from error
