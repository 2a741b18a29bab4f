"""Which run is best, and which way a metric is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bpnet.collection.searches import read_search
from bpnet.collection.summary import Summary, summarize
from bpnet.errors import RunError, UsageError, did_you_mean

Mode = Literal["min", "max"]


@dataclass(frozen=True, slots=True)
class Best:
    """The best run.

    Attributes
    ----------
    run, metric, mode, value
        Which one, by what, whether more or less is better, and how good it is.
    among
        How many runs have that metric.
    """

    run: Summary
    metric: str
    mode: Mode
    value: float
    among: int


def choose(runs: Sequence[Summary], metric: str | None = None, mode: Mode | None = None) -> Best:
    """Return the best finished run; of several that are equally good, the first by name.

    Parameters
    ----------
    runs
        All of them.
    metric
        ``val/accuracy``; by default what early stopping looked at, if it is the same in all.
    mode
        Whether more or less is better; by default what is known of the metric.

    Raises
    ------
    UsageError
        If the runs lack the metric, or nothing is known of it.
    RunError
        If no run is finished.
    """
    finished = [run for run in runs if run.finished]
    if not finished:
        raise RunError("there is no finished run to choose from")
    if metric is None:
        monitors = {run.monitor for run in finished}
        if len(monitors) > 1:
            shown = ", ".join(sorted(monitors))
            raise UsageError(f"the runs looked at different metrics ({shown}); name one: --metric")
        (metric,) = monitors
    having = [run for run in finished if metric in run.metrics]
    if not having:
        known = sorted({name for run in finished for name in run.metrics})
        near = did_you_mean(metric, known) or f"; measured are {', '.join(known[:20])}"
        raise UsageError(f"--metric: no finished run has '{metric}'{near}")
    chosen: Mode = mode or mode_of(metric)
    sign = 1 if chosen == "min" else -1
    best = min(having, key=lambda run: (sign * run.metrics[metric], run.name))
    return Best(best, metric, chosen, best.metrics[metric], len(having))


def chosen_by_search(directory: Path) -> Best:
    """Return the run that a search names as its best, by the search's own metric.

    Raises
    ------
    RunError
        If it has none yet, or its leaderboard is damaged.
    """
    search = read_search(directory)
    if search.best is None or search.best.score is None or search.best_run is None:
        raise RunError(f"{directory}: the search has no best run yet; --metric compares its runs")
    mode: Mode = "max" if search.mode == "max" else "min"
    ranked = sum(1 for point in search.points if point.place)
    run = summarize(search.best_run)
    return Best(run, search.metric, mode, search.best.score, ranked)


def mode_of(metric: str) -> Mode:
    """Return whether more or less of a metric is better.

    Raises
    ------
    UsageError
        If it is none that bpnet measures.
    """
    name = metric.rpartition("/")[2]
    if name == "loss":
        return "min"
    from bpnet.training.metrics import METRICS

    for key in sorted(METRICS, key=len, reverse=True):  # f1_macro and top_3 are f1 and top_k
        if name == key or name.startswith(f"{key.removesuffix('_k')}_"):
            return METRICS[key].mode
    raise UsageError(f"is more of '{metric}' better or less? --mode max or --mode min says")
