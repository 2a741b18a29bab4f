"""Several runs on one page: what was changed, what came of it, and their curves together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bpnet.collection import comparing
from bpnet.errors import RunError, UsageError
from bpnet.report import scales
from bpnet.report.chart import Chart
from bpnet.report.history import is_share
from bpnet.report.page import MARK, page
from bpnet.report.record import Record, read_record
from bpnet.report.section import Markup, Plot, Section, table
from bpnet.report.styles import COLORS
from bpnet.report.thinning import Point
from bpnet.report.wording import cut, duration, escaped, figure, listing, number
from bpnet.runs import durable
from bpnet.training.metrics import METRICS

MOST = 50
"""Runs that are compared at once."""

OPTIONS = 200
"""Options that differ, of which a table is made at most."""

_LESS = ("loss", *(name for name, metric in METRICS.items() if metric.mode == "min"))
"""Metrics of which less is better."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of a comparison: which run is best, and what was left out."""

    answer: str
    notes: list[str]


def compare(directories: Sequence[Path], output: Path) -> Compared:
    """Write a page that compares runs.

    Parameters
    ----------
    directories
        The run directories, two or more.
    output
        Where the page goes; a page of an earlier comparison there is replaced.

    Raises
    ------
    UsageError
        If a run is there twice, or there are too many.
    RunError
        If one is no run or damaged, or something else is at `output`.
    RefusedError
        If the operating system refuses.
    """
    if len(directories) > MOST:
        raise UsageError(f"{len(directories)} runs are too many for one page; give at most {MOST}")
    found = comparing.compare(directories)
    records = [read_record(directory) for directory in directories]
    if output.exists() and not (
        output.is_file() and MARK.encode() in durable.read(output, 1 << 28)[:2000]
    ):
        raise RunError(f"{output}: there already, and no page of bpnet; choose another --output")
    notes = [f"{record.name}: {note}" for record in records for note in record.notes]
    answer = _winner(records, found)
    durable.write(output, _page(records, found, answer, notes))
    return Compared(answer, notes)


def _page(
    records: Sequence[Record], found: comparing.Comparison, answer: str, notes: Sequence[str]
) -> str:
    names = found.names
    said = "".join(f'<p class="note">{escaped(note)}</p>\n' for note in notes)
    body = (
        f"<header>\n<h1>{len(records)} runs</h1>\n"
        f'<p class="quiet">{escaped(listing(list(names), 12))}</p>\n</header>\n<main>\n{said}'
        f'<div class="answer"><p>{escaped(answer)}</p></div>\n'
        f"{_results(records, found)}{_options(found)}{_curves(records, names).html()}"
        f"{_facts(found)}</main>\n"
    )
    return page(f"{listing(list(names), 3)} · bpnet", body)


def _metrics(found: comparing.Comparison) -> dict[str, list[float]]:
    """Return the metrics of the models, those of all runs first, then by part; NaN for none."""
    values = {
        row.name: [number(value) for value in row.values]
        for row in found.rows
        if row.part == "metric"
    }
    parts = {"test": 0, "val": 1, "train": 2}

    def key(name: str) -> tuple[int, int]:
        missing = sum(not math.isfinite(v) for v in values[name])
        return missing, parts.get(name.partition("/")[0], 3)

    return {name: values[name] for name in sorted(values, key=key)}


def _winner(records: Sequence[Record], found: comparing.Comparison) -> str:
    """Say which run is best, by what all of them measured."""
    common = {n: v for n, v in _metrics(found).items() if all(map(math.isfinite, v))}
    chosen = next(
        (
            name
            for part in ("test", "val", "train")
            for name in sorted(common, key=lambda name: name.endswith("/loss"))
            if name.startswith(f"{part}/")
        ),
        None,
    )
    if chosen is None:
        return "No metric was measured in all of these runs, so none is the best."
    if chosen.endswith("/loss") and _losses_differ(records):
        return (
            "Their losses are different ones, whose values can't be compared, and no other metric "
            "was measured in all of them, so none is the best."
        )
    values = common[chosen]
    best = _best(chosen, values)
    first = [name for name, value in zip(found.names, values, strict=True) if value == best]
    others = [value for value in values if value != best]
    if others:
        text = (
            f"{listing(first)} {'have' if len(first) > 1 else 'has'} the best {chosen}, "
            f"{figure(best)}; the next has {figure(_best(chosen, others))}."
        )
    else:
        text = f"All of them have the same {chosen}, {figure(best)}."
    if len({_data(record) for record in records}) > 1:
        text += " The runs saw different data or splits, so differences need not come from them."
    return text


def _losses_differ(records: Sequence[Record]) -> bool:
    """Say whether runs minimized different losses, whose values can't be compared."""
    return len({repr(record.plain.get("loss")) for record in records}) > 1


def _best(metric: str, values: Sequence[float]) -> float:
    return min(values) if metric.rpartition("/")[2] in _LESS else max(values)


def _data(record: Record) -> str:
    """Return what says which rows a run saw."""
    data = record.plain.get("data")
    plain = data if isinstance(data, dict) else {}
    parts = [plain.get(key) for key in ("validation", "test", "split", "seed", "stratify")]
    seed = record.plain.get("seed") if plain.get("seed") is None else None
    files = [file.get("sha256") for file in record.facts.get("data") or []]
    return repr((parts, seed, files))


def _results(records: Sequence[Record], found: comparing.Comparison) -> str:
    """Show the metrics, the best of each standing out."""
    metrics = _metrics(found)
    body: list[list[object]] = []
    for i, (name, record) in enumerate(zip(found.names, records, strict=True)):
        key = Markup(
            f'<span class="named"><span class="key{" dashed" if i // COLORS % 2 else ""}" '
            f'style="border-color:var(--c{i % COLORS})"></span>{escaped(cut(name, 60))}</span>'
        )
        seconds = number(record.result.get("training_s"))
        took = duration(seconds) if math.isfinite(seconds) else "–"
        scores = [figure(values[i]) for values in metrics.values()]
        body.append([key, *scores, f"{len(record.rows):,}", took, record.status])
    best = []
    for column, (name, values) in enumerate(metrics.items(), 1):
        finite = [v for v in values if math.isfinite(v)]
        if len(set(finite)) > 1 and not (name.endswith("/loss") and _losses_differ(records)):
            top = _best(name, finite)
            best += [(row, column) for row, value in enumerate(values) if value == top]
    header = ["run", *metrics, "epochs", "training", "status"]
    return table(header, body, caption="What came of it", best=best)


def _options(found: comparing.Comparison) -> str:
    """Show the options in which the configs differ."""
    rows = [row for row in found.rows if row.part == "config"]
    if not rows:
        return '<p class="quiet">Their configs are the same.</p>\n'
    return _side_by_side("What differs in their configs", "option", rows[:OPTIONS], found)


def _facts(found: comparing.Comparison) -> str:
    """Show what else differs: versions, data, code."""
    shown = ("status", "epochs", "seconds")  # in the first table
    rows = [row for row in found.rows if row.part == "run" and row.name not in shown]
    return _side_by_side("What differs around them", "", rows, found) if rows else ""


def _side_by_side(
    caption: str, first: str, rows: Sequence[comparing.Row], found: comparing.Comparison
) -> str:
    header = [first, *(cut(name, 40) for name in found.names)]
    body = [[_key(row.name), *map(comparing.brief, row.values)] for row in rows]
    return table(header, body, caption=caption)


def _key(key: str) -> Markup:
    """Return a dotted key that may be broken at its dots and underscores."""
    broken = escaped(key).replace(".", ".<wbr>").replace("_", "_<wbr>")
    return Markup(f'<span class="path">{broken}</span>')


def _curves(records: Sequence[Record], names: Sequence[str]) -> Section:
    made = Section("How they learned", "Rest the pointer on a plot to read the numbers.")
    metrics = list(dict.fromkeys(name for record in records for name in record.metrics))
    metrics.sort(key=lambda name: (not name.endswith("/loss"), not name.startswith("val/")))
    for metric in [*metrics[:12], "lr", "grad_norm"]:
        curves = {
            i: record.curve(metric) for i, record in enumerate(records) if record.values(metric)
        }
        if curves:
            made.plots.append(_overlaid(metric, curves, names))
    return made


def _overlaid(metric: str, curves: dict[int, list[Point]], names: Sequence[str]) -> Plot:
    values = [y for points in curves.values() for _, y in points]
    log = scales.suits_log(values)
    axis = scales.fitting(values, log=log, bounds=(0.0, 1.0) if is_share(metric) else None)
    epochs = [x for points in curves.values() for x, _ in points]
    keys = [(i, names[i]) for i in curves] if len(curves) <= COLORS else []
    titles = {"lr": "learning rate", "grad_norm": "length of the gradient"}
    title = titles.get(metric, metric)
    chart = Chart(title, scales.epochs(epochs), axis, x_name="epoch", keys=keys, height=220)
    most = max(40, 1200 // len(curves))
    for i, points in curves.items():
        chart.line(points, i, most=most)
    by_epoch = [(i, dict(points)) for i, points in curves.items()]
    told = []
    for epoch in sorted(set(epochs)):
        lines = [
            f"{names[i]}: {figure(found[epoch])}" for i, found in by_epoch[:12] if epoch in found
        ]
        told.append((epoch, f"epoch {epoch:,.0f}\n" + "\n".join(lines)))
    chart.bands(told)
    caption = f"{title} of each run by epoch." + (" The axis is logarithmic." if log else "")
    if not keys:
        caption += " The colours are those of the table at the top."
    return Plot(f"compare_{metric.replace('/', '_')}", chart.svg(caption), caption)
