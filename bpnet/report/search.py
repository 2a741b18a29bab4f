"""The report of a search: what is best, what made the difference, and how its trials learned."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bpnet.collection.comparing import brief
from bpnet.collection.searches import Point, Search, read_search
from bpnet.collection.trials import points_of
from bpnet.errors import BpnetError
from bpnet.report import landscape
from bpnet.report.drawing import Drawn, write_plots
from bpnet.report.page import page
from bpnet.report.record import read_record
from bpnet.report.section import Section, table
from bpnet.report.wording import cut, escaped, figure, listing, number, share
from bpnet.runs import durable, rundir

LISTED = 100
"""Points that the page lists."""


def draw_search(directory: Path) -> Drawn:
    """Draw the report of a search, as far as it is.

    Raises
    ------
    RunError
        If its leaderboard is damaged.
    RefusedError
        If the operating system refuses.
    """
    found = read_search(directory)
    notes = []
    if not found.summed_up:
        found.points = points_of(found)
        notes.append(
            "The search has not been summed up yet, so what is here are its runs by themselves: "
            "each with the metrics of its best epoch, and none of them chosen."
        )
    said = {
        "What is best?": _best(found),
        "What made the difference?": _difference(found),
        "What became of the trials?": _trials(found),
    }
    sections = [landscape.scores(found), landscape.curves(found)]
    plots = write_plots(directory, sections)
    durable.write(directory / rundir.REPORT, _page(found, said, sections, notes))
    plain = {question: [s.replace("\u00a0", " ") for s in told] for question, told in said.items()}
    return Drawn(directory / rundir.REPORT, plots, plain, notes)


def _best(found: Search) -> list[str]:
    best = found.best
    if best is None or best.score is None:
        return ["No point has been chosen yet."]
    ranked = [point for point in found.points if point.place]
    said = f"{_values(best)}: {found.metric} {_score(best)}"
    repeated = len(best.runs) > 1
    if repeated:
        said += f" (mean and 95\u00a0% interval of {len(best.runs)} trainings)"
    told = [f"{said}, the best of {_points(len(ranked))}."]
    equal = sum(point.place == best.place for point in ranked) - 1
    if equal:
        others = "another one" if equal == 1 else f"{equal} others"
        told.append(f"It can't be told apart from {others}: their intervals overlap.")
    if found.best_run is not None:
        told += _tested(found, found.best_run)
        run = shlex.quote(str(found.best_run))
        told.append(f"Its run is {found.best_run.name}; bpnet report {run} looks at it.")
    return told


def _tested(found: Search, run: Path) -> list[str]:
    """Say how good the best run is on rows that chose nothing."""
    try:
        record = read_record(run)
    except BpnetError:
        return []
    metrics = record.result.get("metrics")
    name = found.metric.replace("val/", "test/", 1)
    value = number(metrics.get(name)) if isinstance(metrics, dict) else math.nan
    if not math.isfinite(value):
        return ["It was chosen by these rows, so on new ones it will do a little worse."]
    return [f"On the test part, which chose nothing, {name} is {figure(value)}."]


def _difference(found: Search) -> list[str]:
    told = []
    if found.importance:
        shares = sorted(found.importance.items(), key=lambda entry: -entry[1])
        named = [f"{name} {share(part)}" for name, part in shares]
        told.append(f"Of the variance of the scores these explain: {listing(named)}.")
    edges = _edges(found)
    if edges:
        told.append(
            f"The best point lies at the end of what was tried: {listing(edges)}. It may pay to "
            "try further."
        )
    return told or ["Too few points are done to say."]


def _edges(found: Search) -> list[str]:
    """Return the numbers of the best point that are the least or the largest that were tried."""
    best, said = found.best, []
    if best is None:
        return []
    for path, value in best.values.items():
        done = [point.values.get(path) for point in found.points if point.score is not None]
        tried = {v for v in done if isinstance(v, int | float) and not isinstance(v, bool)}
        if len(tried) < 3 or value not in tried:
            continue
        if value == max(tried):
            said.append(f"{path} {brief(value)} is the largest of {len(tried)}")
        elif value == min(tried):
            said.append(f"{path} {brief(value)} is the least of {len(tried)}")
    return said


def _trials(found: Search) -> list[str]:
    states: dict[str, int] = {}
    for point in found.points:
        states[point.state] = states.get(point.state, 0) + 1
    counted = [f"{count:,} {state}" for state, count in states.items()]
    said = [f"{_points(len(found.points))}, {listing(counted)}; {found.trials:,} trainings."]
    reasons: dict[str, int] = {}
    for point in found.points:
        if point.state == "failed" and point.reason:
            reason = cut(point.reason, 160)
            reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in sorted(reasons.items(), key=lambda entry: -entry[1])[:3]:
        said.append(f"Failed {'once' if count == 1 else f'{count:,} times'}: {reason}")
    directory = shlex.quote(str(found.directory))
    if found.status in ("interrupted", "cut off"):
        said.append(
            "It is not at its end: the same bpnet gridsearch command, with --run-dir "
            f"{directory}, goes on."
        )
    return said


def _points(count: int) -> str:
    return f"{count:,} point{'' if count == 1 else 's'}"


def _score(point: Point) -> str:
    spread = "" if point.interval is None else f" ± {figure(float(f'{point.interval:.2g}'))}"
    return f"{figure(point.score)}{spread}"


def _values(point: Point) -> str:
    named = [f"{path} {cut(brief(value), 40)}" for path, value in point.values.items()]
    return listing(named, 8) or f"Trial {point.trial}"


def _page(
    found: Search,
    said: dict[str, list[str]],
    sections: Sequence[Section],
    notes: Sequence[str],
) -> str:
    name = found.directory.resolve().name
    noted = "".join(f'<p class="note">{escaped(note)}</p>\n' for note in notes)
    asked = "".join(
        f'<div class="answer"><h3>{escaped(question)}</h3>'
        f"{''.join(f'<p>{escaped(sentence)}</p>' for sentence in sentences)}</div>\n"
        for question, sentences in said.items()
    )
    cards = "".join(
        f'<div class="card"><b>{escaped(value)}</b><span>{escaped(label)}</span></div>'
        for value, label in _cards(found)
    )
    about = "A search" + (f" by {found.method}" if found.method else "")
    if found.metric and found.mode:
        about += f" for the {'most' if found.mode == 'max' else 'least'} {found.metric}"
    body = (
        f'<header>\n<h1>{escaped(name)}</h1>\n<p class="quiet">{escaped(about)}</p>\n'
        f'</header>\n<main>\n{noted}<div class="cards">{cards}</div>\n<div class="answers">\n'
        f"{asked}</div>\n{_leaderboard(found)}{''.join(part.html() for part in sections)}"
        f"</main>\n"
    )
    return page(f"{name} · bpnet", body)


def _cards(found: Search) -> list[tuple[str, str]]:
    cards = []
    if found.best is not None:
        cards.append((figure(found.best.score), f"best {found.metric}"))
    cards += [
        (f"{len(found.points):,}", "points"),
        (f"{found.trials:,}", "trainings"),
        (found.status, "status"),
    ]
    return cards


def _leaderboard(found: Search) -> str:
    if not found.points:
        return ""
    shown = found.points[:LISTED]
    paths = list(dict.fromkeys(path for point in shown for path in point.values))
    others = list(dict.fromkeys(name for point in shown for name in point.metrics))
    others = [name for name in others if name != found.metric][:6]
    header = ["rank", "trial", *paths, found.metric, *others, "epochs", "state"]
    body: list[list[Any]] = [
        [
            point.place or "–",
            point.trial,
            *(_cell(point, path) for path in paths),
            _score(point),
            *(figure(point.metrics.get(name)) for name in others),
            figure(point.epochs),
            point.state,
        ]
        for point in shown
    ]
    caption = "The points, the best first"
    if len(shown) < len(found.points):
        caption += f" ({len(shown)} of {_points(len(found.points))})"
    best = [(0, 2 + len(paths))] if shown[0].place else []
    return table(header, body, caption=caption, best=best)


def _cell(point: Point, path: str) -> str:
    return cut(brief(point.values[path]), 40) if path in point.values else "–"
