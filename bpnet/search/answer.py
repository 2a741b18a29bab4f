"""What a search found: the leaderboard, the best run, and how good it really is."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpnet import model, scoring
from bpnet.errors import RunError
from bpnet.runs import durable, rundir
from bpnet.search import leaderboard, plot
from bpnet.search.importance import importance
from bpnet.search.leaderboard import Row
from bpnet.search.store import TOLD, Trial
from bpnet.search.study import Study

CSV = "leaderboard.csv"
JSON = "leaderboard.json"
BEST = "best.txt"
BEST_CONFIG = "best.yaml"
PLOT = "space.svg"


@dataclass
class Answer:
    """What a search found.

    Attributes
    ----------
    study
        The search.
    rows
        The points, the best first.
    importance
        The share of the scores' variance that each key explains.
    best, run
        The best point, and its trial whose run is the best; None if no point finished.
    validation, test
        The run's metric, computed again from its files; None where there are no such rows.
    test_rows
        How many rows it was tested on.
    files
        Names of what was written into the search's directory.
    """

    study: Study
    rows: list[Row]
    importance: dict[str, float]
    best: Row | None = None
    run: Trial | None = None
    validation: float | None = None
    test: float | None = None
    test_rows: int = 0
    files: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        found = leaderboard.as_json(self.study, self.rows, self.importance)
        found["directory"] = str(self.study.directory)
        if self.run is not None:
            found["best_run"] = str(self.study.directory / self.run.directory)
            found["validation"], found["test"] = self.validation, self.test
        return found


def write(study: Study) -> Answer:
    """Write down what the search has found so far; score the best run again from its files.

    Raises
    ------
    RunError
        If the best run's files do not give the score that was written down.
    RefusedError
        If the operating system refuses.
    """
    with durable.postponed():
        answer = _write_files(study)
    durable.synchronize(study.directory)
    return answer


def _write_files(study: Study) -> Answer:
    found = leaderboard.rows(study)
    shares = importance(study, found)
    answer = Answer(study, found, shares)
    folder = study.directory
    _write(folder / CSV, leaderboard.as_csv(study, found))
    _write(folder / JSON, rundir.to_json(leaderboard.as_json(study, found, shares)))
    _write(folder / PLOT, plot.draw(study, found))
    answer.files = [CSV, JSON, PLOT]
    answer.best = leaderboard.best(found)
    trial = None
    if answer.best is not None:
        trial = study.final if study.plan.search.folds else _best_trial(study, answer.best)
    if trial is None or trial.outcome.state != "done":
        _remove(folder / BEST, folder / BEST_CONFIG)
        return answer
    _write(folder / BEST_CONFIG, study.plan.resolved(trial))
    answer.files.append(BEST_CONFIG)
    if trial.outcome.cause == TOLD:  # trained elsewhere, by somebody else
        _remove(folder / BEST)
        return answer
    answer.run = trial
    _check(answer)
    _write(folder / BEST, f"{trial.directory}\n")
    answer.files.append(BEST)
    return answer


def _remove(*paths: Path) -> None:
    """Remove files that an earlier answer has left."""
    for path in paths:
        with durable.refusals("remove", path):
            path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """Write a file, unless it holds just that already."""
    with contextlib.suppress(RunError):
        if durable.read(path) == text.encode():
            return
    durable.write(path, text)


def _best_trial(study: Study, row: Row) -> Trial:
    """Return the best trial of a point; of equal ones the first."""

    def loss(trial: Trial) -> tuple[float, int]:
        value = study.plan.loss(study.score(trial))
        return (float("inf") if value is None else value), trial.number

    return min(row.tried.trials, key=loss)


def _check(answer: Answer) -> None:
    """Score the best run from its files, on the rows that chose it and on those kept for the end.

    Raises
    ------
    RunError
        If the score is another one than the search has written down.
    """
    assert answer.run is not None
    study = answer.study
    directory = study.directory / answer.run.directory
    name = study.plan.search.metric.removeprefix("val/")
    loaded = model.load(directory)
    loaded.config.data = study.plan.data_of(answer.run)  # the same, where it is now
    report = scoring.score_split(loaded, "val", directory)
    answer.validation = report.scores[name]
    expected = study.score(answer.run)
    if answer.validation != expected:
        raise RunError(
            f"{directory}: scores {study.plan.search.metric} {answer.validation!r}, but "
            f"{expected!r} was written down; its files, the data, NumPy or the number of threads "
            "have changed since"
        )
    if "test" in study.plan.experiment.data.datasets:
        tested = scoring.score_split(loaded, "test", directory)
        answer.test, answer.test_rows = tested.scores[name], tested.rows
