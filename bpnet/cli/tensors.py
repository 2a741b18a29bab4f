"""How `bpnet inspect` shows weights and activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpnet.cli.console import Console, harmless, number
from bpnet.errors import UsageError

if TYPE_CHECKING:
    from bpnet.insight.chosen_rows import Rows
    from bpnet.insight.inspection import Summary
    from bpnet.model import Model
    from bpnet.nn.arena import Array

WIDTH = 40
"""Characters of the longest bar."""

SMALL = 200
"""Numbers that are shown one by one."""

ACROSS = 10
"""Columns of a matrix that is shown."""

IN_JSON = 10_000
"""Numbers that JSON gets one by one."""


@dataclass(frozen=True, slots=True)
class _Labels:
    """What the lines and columns of an array are called; None where they are counted."""

    lines: list[str] | None
    columns: list[str] | None
    corner: str


def show_weights(
    console: Console,
    model: Model,
    layer: str | None,
    tensors: dict[str, Array],
    output: Path | None,
) -> None:
    """Show or write weights."""
    from bpnet.insight.inspection import summarize

    found = {"what": "weights", "layer": layer, "part": None, "rows": None}
    summaries = [summarize(name, array) for name, array in tensors.items()]
    labels = {name: _weight_labels(model, name, array) for name, array in tensors.items()}
    _emit(console, found, summaries, tensors, labels, output, whole=layer is None)


def _weight_labels(model: Model, name: str, array: Array) -> _Labels:
    """Name the lines and columns of a tensor: by the inputs in the first, classes in the last."""
    names, classes = model.features.names, model.target.class_names
    first = next(iter(model.network.walk()))[0]
    last = [known for known, _, _ in model.network.walk()][-1]
    owner = name.rpartition(".")[0]
    lines = list(names) if owner == first and array.ndim == 2 and len(array) == len(names) else None
    columns = None
    if owner == last and array.ndim == 2 and array.shape[1] == len(classes):
        columns = list(classes)
    if array.ndim == 1:
        lines = list(classes) if owner == last and len(array) == len(classes) else lines
        columns = ["value"]
    return _Labels(lines, columns, "input" if array.ndim == 2 else "unit")


def show_activations(
    console: Console,
    model: Model,
    layer: str | None,
    rows: Rows,
    row: int | None,
    output: Path | None,
) -> None:
    """Work out what layers give for rows, and show or write it."""
    from bpnet.insight import inspection

    found: dict[str, Any] = {
        "what": "activations",
        "layer": layer,
        "part": rows.part,
        "rows": len(rows),
        "source": rows.source,
        "row": row,
        "place": None if row is None else rows.place(int(rows.rows[0])),
        "row_numbers": rows.rows.tolist() if layer is not None else None,
    }
    names = [inspection.INPUT, *inspection.layer_names(model)] if layer is None else [layer]
    if layer is None and output is None:
        summaries = list(inspection.each_activation(model, rows.x))
        _emit(console, found, summaries, {}, {}, None, whole=True)
        return
    arrays = {name: inspection.activations(model, rows.x, name) for name in names}
    summaries = [inspection.summarize(n, a, by_row=True) for n, a in arrays.items()]
    lines = list(map(str, rows.rows.tolist()))
    last = inspection.layer_names(model)[-1]
    labels = {}
    for name in names:
        columns = None
        if name == inspection.INPUT and model.features.names:
            columns = list(model.features.names)
        elif name == last and arrays[name].shape[1:] == (len(model.target.class_names),):
            columns = list(model.target.class_names)
        labels[name] = _Labels(lines, columns, "row")
    _emit(console, found, summaries, arrays, labels, output, whole=layer is None)


def _emit(
    console: Console,
    found: dict[str, Any],
    summaries: Sequence[Summary],
    arrays: dict[str, Array],
    labels: dict[str, _Labels],
    output: Path | None,
    *,
    whole: bool,
) -> None:
    """Write the arrays, or show them: one by one where they are few, else by statistics."""
    from bpnet.insight.array_files import as_csv, write_arrays
    from bpnet.insight.inspection import histogram

    text = None
    if output is not None and output.suffix not in (".npz", ".npy") and len(arrays) == 1:
        (name,) = arrays
        own = labels[name]
        text = as_csv(arrays[name], own.lines, own.columns, own.corner)
    if output is not None and str(output) == "-":
        if text is None:
            raise UsageError("-o - writes one array; name a layer or a tensor such as dense_1.W")
        console.out(text.rstrip("\n"))
        return
    if output is not None:
        write_arrays(output, arrays, text)
    if console.as_json:
        entries = []
        for summary in summaries:
            entry = summary.as_json()
            if not whole and summary.name in arrays:
                array = arrays[summary.name]
                counts, edges = histogram(array)
                entry["histogram"] = {"counts": counts, "edges": edges}
                entry["values"] = array.tolist() if array.size <= IN_JSON else None
            entries.append(entry)
        console.json({**found, "output": str(output) if output else None, "tensors": entries})
        return
    if console.quiet:
        return
    if found["part"] is not None:
        of = f"{found['rows']:,} rows" if found["row"] is None else f"row {found['row']}"
        at = "" if found["row"] is None else f" ({found['place']})"
        console.out(harmless(f"activations for {of} of {found['part']}: {found['source']}{at}"))
    _show_summaries(console, summaries)
    if not whole:
        for name, array in arrays.items():
            console.out()
            _show_array(console, name, array, labels[name])
    if output is not None:
        console.info(f"wrote {output}")


def _show_summaries(console: Console, summaries: Sequence[Summary]) -> None:
    idle = any(summary.idle is not None for summary in summaries)
    bad = any(summary.not_finite for summary in summaries)
    header = ["tensor", "shape", "mean", "deviation", "least", "median", "largest", "zeros"]
    console.table(
        [*header, *(["idle units"] if idle else []), *(["NaN, Inf"] if bad else [])],
        [
            [
                s.name,
                " x ".join(map(str, s.shape)) or "1",
                *(number(v + 0.0) for v in (s.mean, s.deviation, s.low, s.median, s.high)),
                f"{s.zeros / s.count:.1%}" if s.zeros else "",
                *([str(s.idle) if s.idle else ""] if idle else []),
                *([str(s.not_finite) if s.not_finite else ""] if bad else []),
            ]
            for s in summaries
        ],
        right=range(2, 10),
    )


def _show_array(console: Console, name: str, array: Array, labels: _Labels) -> None:
    """Show the numbers of a small array, and the histogram of a large one."""
    from bpnet.insight.array_files import indices
    from bpnet.insight.inspection import histogram

    matrix = array.reshape(len(array), -1)
    columns = labels.columns or indices(array.shape[1:])
    lines = labels.lines or [str(i) for i in range(len(matrix))]
    if array.size <= SMALL and (len(matrix) == 1 or matrix.shape[1] == 1):
        units = columns if len(matrix) == 1 else lines
        largest = float(abs(array).max()) or 1.0
        rows = [
            [unit, number(float(v)), _bar(float(v), largest)]
            for unit, v in zip(units, array.reshape(-1), strict=True)
        ]
        console.table(["unit", "value", ""], rows, title=name, right=(1,))
        return
    if array.size <= SMALL and matrix.shape[1] <= ACROSS:
        shown = [
            [line, *(number(float(v)) for v in values)]
            for line, values in zip(lines, matrix, strict=True)
        ]
        right = range(1, len(columns) + 1)
        console.table([labels.corner, *columns], shown, title=name, right=right)
        return
    counts, edges = histogram(array)
    if not counts:
        console.out(f"{name} has no finite number")
        return
    most = max(counts)
    bars = [
        [f"{low:.3g} to {high:.3g}", count, "#" * max(round(WIDTH * count / most), count > 0)]
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    console.table(["value", "numbers", ""], bars, title=name, right=(0, 1))


def _bar(value: float, largest: float) -> str:
    if value != value:
        return ""
    length = round(WIDTH / 2 * min(abs(value) / largest, 1))
    half = WIDTH // 2
    return ("#" * length).rjust(half) + "|" if value < 0 else " " * half + "|" + "#" * length
