"""The trials of a search that has not been summed up: it still runs, or was cut off."""

from __future__ import annotations

import contextlib

from bpnet.collection.choosing import mode_of
from bpnet.collection.comparing import config_of, options
from bpnet.collection.searches import Point, Search, trial_folders
from bpnet.collection.summary import Summary, summarize
from bpnet.errors import UsageError


def points_of(search: Search) -> list[Point]:
    """Return a point for each training, by what its run says; the best so far first.

    Their metrics are those of the models, or of the best epochs so far; which of them the search
    is going to prefer, it says itself in the end.

    Raises
    ------
    RunError
        If there is no such directory any more.
    """
    with contextlib.suppress(UsageError):  # of a metric that nothing is known of
        search.mode = search.mode or mode_of(search.metric)
    runs = [summarize(folder) for folder in trial_folders(search.directory)]
    sound = [run for run in runs if run.kind == "run" and run.status != "starting"]
    rows = options([_tried(run) for run in sound])
    made = []
    for i, run in enumerate(sound):
        values = {row.name: row.values[i] for row in rows}
        made.append(_point(run, values, run.metrics.get(search.metric)))
    made += [_point(run, {}, None) for run in runs if run not in sound]
    sign = -1 if search.mode == "max" else 1
    made.sort(key=lambda p: (p.score is None, sign * (p.score or 0.0), p.trial))
    return made


def _tried(run: Summary) -> dict[str, object]:
    """Return the config of a run, without what tells any two trials apart."""
    return {key: value for key, value in config_of(run.directory).items() if key != "seed"}


def _point(run: Summary, values: dict[str, object], score: float | None) -> Point:
    number = run.name.partition("-")[0]
    return Point(
        "",
        int(number) if number.isdecimal() else 0,
        run.status,
        values,
        score,
        None,
        {name: value for name, value in run.metrics.items() if not name.startswith("test/")},
        run.epochs or 0,
        run.reason if run.kind == "damaged" else "",
        (run.directory,),
    )
