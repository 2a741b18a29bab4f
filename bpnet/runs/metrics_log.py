"""metrics.jsonl and metrics.csv: a row for each epoch, exactly once, whatever happens."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpnet.errors import RunError
from bpnet.runs import durable, rundir


class MetricsLog:
    """The metrics of one training, row by row.

    A checkpoint carries the log's :meth:`mark`. Going on from it first cuts off the rows that
    were written later: the training is about to write the same rows again.

    Parameters
    ----------
    directory
        The run directory.
    mark
        Where to go on; None starts with no rows.
    """

    def __init__(self, directory: Path, mark: Mapping[str, Any] | None = None) -> None:
        self._jsonl = directory / rundir.METRICS
        self._csv = directory / rundir.METRICS_CSV
        kept = b"" if mark is None else _kept(self._jsonl, mark)
        self._digest = hashlib.sha256(kept)
        if self._jsonl.exists() or kept:
            self._cut(kept)
        self._lines = durable.LineFile(self._jsonl)
        self._cells = durable.LineFile(self._csv)

    def _cut(self, kept: bytes) -> None:
        if not self._jsonl.is_file() or self._jsonl.stat().st_size != len(kept):
            durable.write(self._jsonl, kept)
        lines: list[str] = []
        for line in kept.splitlines():
            with contextlib.suppress(RunError):  # damaged: said to the user by whoever asks
                row = rundir.parse_json(line, self._jsonl)
                lines += ([",".join(row)] if not lines else []) + [_cells(row)]
        durable.write(self._csv, "".join(f"{line}\n" for line in lines))

    def append(self, row: Mapping[str, Any]) -> None:
        """Write the row of an epoch to both files."""
        line = rundir.to_json_line(row)
        self._lines.append(line)
        self._digest.update(line.encode() + b"\n")
        if self._cells.size == 0:
            self._cells.append(",".join(row))
        self._cells.append(_cells(row))

    def mark(self) -> dict[str, Any]:
        """Make all rows durable, and return where they end and their checksum."""
        self._lines.sync()
        return {"bytes": self._lines.size, "sha256": self._digest.hexdigest()}

    def close(self) -> None:
        """Make all rows durable and close the files."""
        for file in (self._lines, self._cells):
            file.close()


def is_intact(directory: Path, mark: Mapping[str, Any]) -> bool:
    """Say whether the rows up to a mark are those that were there when it was made."""
    kept = _kept(directory / rundir.METRICS, mark)
    return mark == {"bytes": len(kept), "sha256": hashlib.sha256(kept).hexdigest()}


def _kept(path: Path, mark: Mapping[str, Any]) -> bytes:
    """Return the whole lines up to a mark."""
    if not path.is_file():
        return b""
    kept = durable.read(path)[: int(mark["bytes"])]
    return kept[: kept.rfind(b"\n") + 1]


def _cells(row: Mapping[str, Any]) -> str:
    cells = rundir.finite(list(row.values()))
    assert isinstance(cells, list)
    return ",".join("" if cell is None else str(cell) for cell in cells)


def read(directory: Path) -> list[dict[str, Any]]:
    """Return the rows of a run; a last line that is still being written is left out.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    path = directory / rundir.METRICS
    text = durable.read(path)
    return [rundir.parse_json(line, path) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def mend(path: Path) -> None:
    """Cut off the half line that a killed process may have left at the end of a file."""
    if not path.is_file():
        return
    text = durable.read(path)
    end = text.rfind(b"\n") + 1
    if end != len(text):
        with durable.refusals("mend", path):
            os.truncate(path, end)
