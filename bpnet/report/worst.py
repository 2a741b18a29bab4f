"""The rows that a network gets most wrong, as pictures or with their values.

Legend: N rows, K outputs.
"""

from __future__ import annotations

import math

import numpy as np

from bpnet.data.table import Table, Tensor
from bpnet.nn.arena import Array
from bpnet.report import judging
from bpnet.report.chart import place, svg, text_width
from bpnet.report.outcome import Outcome
from bpnet.report.pictures import as_bytes, data_uri
from bpnet.report.section import Plot, Section, table
from bpnet.report.wording import cut, escaped, figure, listing, share
from bpnet.training.metrics.base import true_class

TILES = 20
"""Images that are shown."""

LINES = 12
"""Rows of a table."""

COLUMNS = 12
"""Values of a row."""


def ranked(outcome: Outcome) -> Array:
    """Return the rows, the worst first: least probable truth, or largest scaled error."""
    truth, output = outcome.truth, outcome.output
    if outcome.target.kind != "number":
        codes = true_class(truth) if outcome.target.kind == "class" else truth
        bad = judging.surprise(codes, output)
    else:
        error = np.abs(output.astype(np.float64) - truth)
        scale = np.std(truth, axis=0, dtype=np.float64)
        bad = (error / np.where(scale > 0, scale, 1)).mean(axis=1)
    if outcome.dataset.weight is not None:
        bad = np.where(outcome.dataset.weight > 0, bad, -1.0)
    return np.argsort(-np.nan_to_num(bad, nan=np.inf), kind="stable")


def section(outcome: Outcome) -> Section:
    """Return the worst rows."""
    kind = outcome.target.kind
    rule = (
        "The rows with the largest errors."
        if kind == "number"
        else "The rows whose truth got the least probability, right answers among them if there "
        "are not enough wrong ones."
    )
    doubt = "is their truth right?" if kind == "number" else "are they mislabelled?"
    named = f" Lines and rows are those of {outcome.source.source}." if outcome.source else ""
    intro = f"{rule} Look at them: are they hard, or {doubt}{named}"
    made = Section("The worst examples", intro)
    order = ranked(outcome)
    if outcome.images is not None:
        made.plots.append(_tiles(outcome, order[:TILES]))
        return made
    made.tables.append(_table(outcome, order[:LINES]))
    return made


def verdicts(outcome: Outcome, rows: Array) -> list[tuple[str, str]]:
    """Return for some rows what was true, and what was predicted (and how surely)."""
    target, truth, output = outcome.target, outcome.truth[rows], outcome.output[rows]
    if target.kind == "number":
        return [
            (_numbers(true), _numbers(said))
            for true, said in zip(truth.tolist(), output.tolist(), strict=True)
        ]
    names = target.class_names
    if target.kind == "binary" and target.outputs > 1:
        return [
            (_labels(names, true), _labels(names, said))
            for true, said in zip(truth, output, strict=True)
        ]
    chances = target.probabilities(output.astype(np.float64))
    codes = true_class(truth) if target.kind == "class" else (truth[:, 0] > 0.5).astype(np.intp)
    said = chances.argmax(axis=1)
    if target.kind == "binary":
        said = (output[:, 0] > 0.5).astype(np.intp)
    found = []
    for t, s, row in zip(codes.tolist(), said.tolist(), chances, strict=True):
        true = cut(names[t], 24)
        if t != s:
            true += f" ({share(float(row[t]))})"
        found.append((true, f"{cut(names[s], 24)} ({share(float(row[s]))})"))
    return found


def _numbers(values: list[float]) -> str:
    return ", ".join(figure(float(v)) for v in values[:4]) + (", …" if len(values) > 4 else "")


def _labels(names: tuple[str, ...], values: Array) -> str:
    yes = [cut(name, 20) for name, v in zip(names, values.tolist(), strict=True) if v > 0.5]
    return listing(yes, 4) or "none"


def _tiles(outcome: Outcome, rows: Array) -> Plot:
    """Draw images with what they are and what they were taken for."""
    shape = outcome.images
    assert shape is not None
    shown = shape.images(_pixels(outcome, rows))
    if shape.channels == 1:
        tiles = np.concatenate([_grey(image[None]) for image in shown])
    else:
        stored = shown.dtype == np.uint8
        tiles = as_bytes(shown, *((0, 255) if stored else (shown.min(), shown.max())))
    said = verdicts(outcome, rows)
    columns, size, gap = min(5, len(rows)), 104.0, 14.0
    height = size + 54
    parts = ['<text class="title ink" x="8" y="18">worst examples</text>']
    for i, (tile, (true, answer)) in enumerate(zip(tiles, said, strict=True)):
        y, x = divmod(i, columns)
        left, top = 8 + x * (size + gap), 30 + y * height
        where = outcome.place(int(rows[i]))
        parts.append(
            f"<g><title>{escaped(f'{where}: {true}, taken for {answer}')}</title>"
            f'<image x="{place(left)}" y="{place(top)}" width="{place(size)}" '
            f'height="{place(size)}" style="image-rendering:pixelated" '
            f'href="{data_uri(tile)}"/>'
            f'<text class="ink" x="{place(left)}" y="{place(top + size + 14)}">'
            f"{escaped(_fitted('is', true, size + gap - 4))}</text>"
            f'<text class="ink" x="{place(left)}" y="{place(top + size + 28)}">'
            f"{escaped(_fitted('said', answer, size + gap - 4))}</text>"
            f'<text class="quiet small" x="{place(left)}" y="{place(top + size + 42)}">'
            f"{escaped(where)}</text></g>"
        )
    width = 16 + columns * (size + gap)
    lines = -(-len(rows) // columns)
    caption = (
        f"The {len(rows)} worst of {len(outcome):,} images of the {outcome.part} part, the worst "
        "first: what each is, with the probability that this got, and what was said instead."
    )
    picture = svg(parts, width, 34 + lines * height, "Worst examples", least=min(int(width), 520))
    return Plot("worst_examples", picture, caption, wide=True)


def _pixels(outcome: Outcome, rows: Array) -> Array:
    """Return the pixels of some rows as they were stored, where they were read again."""
    source, chosen = outcome.source, outcome.dataset.rows[rows]
    if isinstance(source, Tensor):
        return source.x[chosen]
    if isinstance(source, Table):
        return np.stack([source.columns[n].values[chosen] for n in outcome.inputs], axis=1)
    return outcome.dataset.x[rows]


def _fitted(word: str, text: str, width: float) -> str:
    """Return ``is 8 (0.3 %)`` without the probability where there is no room."""
    whole = f"{word} {text}"
    if text_width(whole) <= width:
        return whole
    return cut(f"{word} {text.rpartition(' (')[0] or text}", int(width / text_width("n")))


def _grey(image: Array) -> Array:
    """Return one image from its darkest to its brightest pixel."""
    return as_bytes(image, float(image.min()), float(image.max()))


def _table(outcome: Outcome, rows: Array) -> str:
    """Show rows with their values."""
    said = verdicts(outcome, rows)
    header = ["row", "true", "predicted"]
    body = [
        [outcome.place(int(row)), true, answer]
        for row, (true, answer) in zip(rows.tolist(), said, strict=True)
    ]
    number = outcome.target.kind == "number" and outcome.target.outputs == 1
    if number:
        header.append("error")
        errors = (outcome.output[rows, 0].astype(np.float64) - outcome.truth[rows, 0]).tolist()
        for line, error in zip(body, errors, strict=True):
            line.append(figure(error))
    caption = f"The worst of {len(outcome):,} rows of the {outcome.part} part"
    if isinstance(outcome.source, Table):
        taken = outcome.source.take(outcome.dataset.rows[rows])
        inputs = [n for n in taken.columns if n not in outcome.target.columns]
        for name in inputs[:COLUMNS]:
            header.append(cut(name, 24))
            for line, text in zip(body, taken.columns[name].texts(), strict=True):
                line.append("–" if text is None else cut(_rounded(text), 24))
        if len(inputs) > COLUMNS:
            caption += f", with {COLUMNS} of their {len(inputs)} values"
    return table(header, body, caption=caption, left=() if number else (1, 2))


def _rounded(text: str) -> str:
    """Return a cell with at most six digits where it is a long number."""
    try:
        value = float(text)
    except ValueError:
        return text
    return f"{value:.6g}" if len(text) > 8 and math.isfinite(value) else text
