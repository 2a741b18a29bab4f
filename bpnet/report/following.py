"""Follows the metrics of a run that somebody trains, or that is over."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from bpnet.config import of_run
from bpnet.errors import BpnetError
from bpnet.report.wording import is_epoch
from bpnet.runs import durable, lock, rundir


class Follower:
    """Reads new epochs as they are written, without a lock and never half a line.

    Attributes
    ----------
    directory
        The run.
    facts
        Its ``run.json``, as of the last `poll`.
    rows
        Its epochs so far.
    planned
        How many epochs it is going to train at most; None if that is not known.
    monitor
        The metric that chooses its best epoch; empty if that is not known.

    Raises
    ------
    RunError
        If `directory` is no run.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.facts: dict[str, Any] = rundir.open_run(directory)
        self.rows: list[dict[str, Any]] = []
        self.planned: int | None = None
        self.monitor = ""
        self._file: tuple[int, int] | None = None
        self._read = 0
        self._sessions = -1
        self._take_config()

    def _take_config(self) -> None:
        """Read what the config says, which a resume may have changed."""
        sessions = len(self.facts.get("resumed") or ())
        if sessions == self._sessions:
            return
        self._sessions = sessions
        with contextlib.suppress(BpnetError):
            document = of_run.current(self.directory, self.facts)
            planned = document.peek("training", "epochs")
            self.planned = planned if is_epoch(planned) else None
            self.monitor = str(document.peek("early_stopping", "monitor") or "")

    @property
    def over(self) -> str:
        """Why nothing more will come: what the run says of its end; empty as long as it runs."""
        if self.facts.get("status") == "running":
            if lock.is_held(self.directory):
                return ""
            self.facts = rundir.open_run(self.directory)  # it may have ended just now
        status, reason = self.facts.get("status"), self.facts.get("stop_reason")
        if status == "running":
            return (
                "no bpnet trains it any more, though it has not ended; go on with: "
                f"bpnet train --resume {self.directory}"
            )
        return f"{status}: {reason}" if reason else str(status)

    def poll(self) -> list[dict[str, Any]]:
        """Return the rows that came since the last time.

        A resume may have replaced the file by a shorter one; rows that are trained again are
        returned again only if they have become others.

        Raises
        ------
        RunError
            If the run has been removed, or is damaged.
        """
        self.facts = rundir.open_run(self.directory)
        self._take_config()
        try:
            file = (self.directory / rundir.METRICS).open("rb")
        except FileNotFoundError:
            return []
        with file, durable.refusals("read", self.directory / rundir.METRICS):
            found = os.fstat(file.fileno())
            same = self._file == (found.st_dev, found.st_ino) and found.st_size >= self._read
            if not same:
                self._file, self._read = (found.st_dev, found.st_ino), 0
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        rows = [row for row in map(_row, whole.splitlines()) if row]
        if same:
            self.rows += rows
            return rows
        known = {row["epoch"]: row for row in self.rows}
        self.rows = rows
        return [row for row in rows if not _alike(row, known.get(row["epoch"]))]


def _row(line: bytes) -> dict[str, Any]:
    """Return a line's row, or nothing if it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) and is_epoch(row.get("epoch")) else {}


def _alike(row: dict[str, Any], other: dict[str, Any] | None) -> bool:
    """Say whether two rows are the same but for their times."""
    return other is not None and {**row, "time_s": 0} == {**other, "time_s": 0}
