"""Several runs side by side: the options that differ, and the metrics with their differences."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpnet.collection.summary import Summary, summarize
from bpnet.config import of_run
from bpnet.config.changes import differences
from bpnet.config.nodes import Plain, plain
from bpnet.config.write import inline
from bpnet.errors import RunError, UsageError
from bpnet.runs import rundir

_ELSEWHERE = ("name", "search", "checkpoint", "logging", "report")
"""Blocks of the config that say nothing of what was trained."""

Value = Any

WIDEST = 60
"""Characters of an option in a table; JSON and CSV have it as a whole."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing of all the runs.

    Attributes
    ----------
    part
        ``config``, ``run`` or ``metric``.
    name
        ``optimizer.learning_rate``, ``status``, ``val/loss``.
    values
        By run; None where a run has none.
    """

    part: str
    name: str
    values: tuple[Value, ...]

    def difference(self, i: int) -> float | None:
        """Return how much more run `i` has than the first; None where nothing can be said."""
        first, value = self.values[0], self.values[i]
        if self.part != "metric" or i == 0 or first is None or value is None:
            return None
        return float(value - first)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between runs.

    Attributes
    ----------
    names
        Of the runs, as short as they can be told apart.
    rows
        Options, then facts, then metrics.
    """

    names: tuple[str, ...]
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""

        def part(name: str) -> dict[str, list[Value]]:
            return {row.name: list(row.values) for row in self.rows if row.part == name}

        metrics = {
            row.name: {
                "values": list(row.values),
                "differences": [row.difference(i) for i in range(len(row.values))],
            }
            for row in self.rows
            if row.part == "metric"
        }
        return {
            "runs": list(self.names),
            "config": part("config"),
            "run": part("run"),
            "metrics": metrics,
        }

    def as_csv(self) -> str:
        """Return it as CSV: a line for each option and metric."""
        into = io.StringIO()
        writer = csv.writer(into, lineterminator="\n")
        others = [f"{name} - {self.names[0]}" for name in self.names[1:]]
        writer.writerow(["part", "name", *self.names, *others])
        for row in self.rows:
            apart = [row.difference(i) for i in range(1, len(row.values))]
            cells = [_cell(value) for value in row.values]
            writer.writerow([row.part, row.name, *cells, *("" if d is None else d for d in apart)])
        return into.getvalue()

    def as_markdown(self) -> str:
        """Return it as a Markdown table."""
        lines = [["", *self.names], ["---", *("---:" for _ in self.names)]]
        lines += [[row.name, *shown(row)] for row in self.rows]
        return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines) + "\n"


def compare(directories: Sequence[Path]) -> Comparison:
    """Compare runs; the first is what the others are measured by.

    Raises
    ------
    UsageError
        If there are fewer than two, or one is there twice.
    RunError
        If one is no run, or damaged.
    """
    if len(directories) < 2:
        raise UsageError("give two runs or more to compare")
    places = [directory.resolve() for directory in directories]
    for i, place in enumerate(places):
        if place in places[:i]:
            raise UsageError(f"{directories[i]} is there twice")
    summaries = [_sound(directory) for directory in directories]
    every = [rundir.open_run(directory) for directory in directories]
    rows = [
        *options([config_of(directory) for directory in directories]),
        *_facts(every, summaries),
        *_metrics(summaries),
    ]
    return Comparison(_names(directories), tuple(rows))


def _sound(directory: Path) -> Summary:
    found = summarize(directory)
    if found.kind == "search":
        raise RunError(
            f"{directory}: a search; bpnet report {directory} compares its trials with each "
            f"other, and one of them ({directory}/trials/...) can be compared with other runs"
        )
    if found.kind == "damaged":
        raise RunError(f"{directory}: {found.reason}")
    return found


def config_of(directory: Path) -> Mapping[str, Plain]:
    """Return the config of a run, without what says nothing of what was trained.

    Raises
    ------
    RunError
        If it is no run, or damaged.
    """
    config = plain(of_run.current(directory, rundir.open_run(directory)).root)
    assert isinstance(config, Mapping)
    return {key: value for key, value in config.items() if key not in _ELSEWHERE}


def options(configs: Sequence[Mapping[str, Plain]]) -> list[Row]:
    """Return the options in which configs differ."""
    paths: dict[tuple[str | int, ...], None] = {}
    for other in configs[1:]:
        paths |= dict.fromkeys(change.path for change in differences(configs[0], other))
    # Where a block differs as a whole between two runs, it is shown as a whole.
    kept = [p for p in paths if not any(p[:n] in paths for n in range(1, len(p)))]
    return [
        Row("config", ".".join(map(str, path)), tuple(_at(config, path) for config in configs))
        for path in kept
    ]


def _at(value: Any, path: Sequence[str | int]) -> Value:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _facts(every: Sequence[Mapping[str, Any]], summaries: Sequence[Summary]) -> list[Row]:
    """Return what differs around the configs: versions, data, how the training went."""
    told: list[dict[str, Any]] = []
    for facts, summary in zip(every, summaries, strict=True):
        versions = facts.get("versions") or {}
        data = [str(file.get("sha256"))[:12] for file in facts.get("data", [])]
        told.append(
            {
                "status": summary.status,
                "epochs": summary.epochs,
                "best_epoch": summary.best_epoch,
                "seconds": summary.seconds,
                "parameters": facts.get("parameters"),
                "data sha256": " ".join(data),
                "git_commit": str(facts.get("git_commit") or "")[:12],
                **{f"version of {name}": version for name, version in versions.items()},
            }
        )
    names = list(dict.fromkeys(name for entry in told for name in entry))
    rows = [Row("run", name, tuple(entry.get(name) for entry in told)) for name in names]
    return [row for row in rows if len(set(map(str, row.values))) > 1]


def _metrics(summaries: Sequence[Summary]) -> list[Row]:
    names = dict.fromkeys(name for summary in summaries for name in summary.metrics)
    return [Row("metric", name, tuple(s.metrics.get(name) for s in summaries)) for name in names]


def _names(directories: Sequence[Path]) -> tuple[str, ...]:
    names = [directory.resolve().name for directory in directories]
    if len(set(names)) == len(names):
        return tuple(names)
    return tuple(map(str, directories))


def shown(row: Row) -> list[str]:
    """Return the cells of a row for people: ``0.981 (+0.012)``."""
    cells = []
    for i, value in enumerate(row.values):
        text = brief(value)
        apart = row.difference(i)
        if apart is not None:
            text += f" ({apart:+.3g})" if apart else " (=)"
        cells.append(text)
    return cells


def brief(value: Value) -> str:
    """Return a value in as few words as tell it from others."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping) and "type" in value:
        main = [key for key in ("units", "rate", "learning_rate") if key in value]
        said = [brief(value[key]) for key in main]
        inner = f" [{brief(value['layers'])}]" if "layers" in value else ""
        return " ".join([str(value["type"]), *said]) + inner
    if isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
        return ", ".join(map(brief, value))
    text = value if isinstance(value, str) else inline(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 4]} ..."


def _cell(value: Value) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    return inline(value)


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
