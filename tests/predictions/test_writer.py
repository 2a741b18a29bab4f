import io
import json
import tracemalloc

import numpy as np
import pytest

from bpnet import model as models
from bpnet.config.document import Document
from bpnet.data.sources import stream_table
from bpnet.experiment import build
from bpnet.predictions import Writer, writer

CONFIG = """\
data: {{train: rows.csv, target: {target}, numeric: {{missing: drop}}}}
model:
  layers:
    - {{type: dense, units: 64}}
    - {{type: relu}}
    - {{type: dense, units: 32}}
    - {{type: tanh}}
    - {{type: dense, units: auto}}
loss: {loss}
dtype: {dtype}
"""
LOSSES = {"y": "mse", "class": "cross_entropy", "flag": "binary_cross_entropy"}
NAMES = [f"x{i}" for i in range(7)]


def csv_rows(count, start=0, color=lambda i: "red" if i % 3 else "blue"):
    """Return rows of numbers and a category as CSV, without their header."""
    numbers = np.random.default_rng(start).normal(size=(count, len(NAMES))).round(4)
    return "".join(
        ",".join([*map(str, row), color(start + i)]) + "\n"
        for i, row in enumerate(numbers.tolist())
    )


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that makes a model of a target, not trained at all."""
    monkeypatch.chdir(tmp_path)
    rows = csv_rows(90).splitlines()
    targets = [f"{i * 0.37},{'abc'[i % 3]},{i % 2}" for i in range(90)]
    lines = [",".join([*NAMES, "color", "y", "class", "flag"])]
    lines += [f"{row},{target}" for row, target in zip(rows, targets, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")

    def model(target="class", dtype="float32"):
        others = f", exclude: [{', '.join(LOSSES.keys() - {target})}]"
        text = CONFIG.format(target=target + others, loss=LOSSES[target], dtype=dtype)
        (tmp_path / "model.safetensors").write_bytes(models.encode(build(Document.parse(text))))
        return models.load(tmp_path / "model.safetensors")

    return model


class Pieces:
    """A stream that hands out its bytes in the pieces given."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)

    def read(self, size):
        return next(self._pieces, b"")


HEADER = ",".join([*NAMES, "color"]) + "\n"


def predicted(model, pieces, form="csv", *, probabilities=False):
    """Predict the rows of a stream of CSV; return the text and the writer."""
    sink = io.StringIO()
    lines = Writer(model, sink, form, probabilities=probabilities)
    stream = Pieces([HEADER.encode(), *pieces])
    for table in stream_table(stream, "-", model.features.columns, rows=1 << 20):
        lines.write(table)
    lines.finish()
    return sink.getvalue(), lines


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", LOSSES)
def test_a_prediction_does_not_depend_on_the_blocks_in_which_rows_come(load, target, dtype):
    model, draw = load(target, dtype), np.random.default_rng(5)
    data = csv_rows(2000).replace("-0.1", "", 3).encode()
    expected, _ = predicted(model, [data])
    lines = data.splitlines(keepends=True)
    one_by_one, _ = predicted(model, lines[:400])
    assert expected.startswith(one_by_one)
    for _ in range(5):
        cuts = sorted(draw.integers(0, len(data), 30).tolist())
        pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]
        assert predicted(model, pieces)[0] == expected


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_blocks_that_are_too_large_are_divided(load, monkeypatch, form):
    model = load()
    data = csv_rows(1000).encode()
    expected, whole = predicted(model, [data], form, probabilities=True)
    monkeypatch.setattr(writer, "NUMBERS", 10)
    calls = []
    transform = model.features.transform

    def watched(table, **options):
        calls.append(table.rows)
        return transform(table, **options)

    monkeypatch.setattr(model.features, "transform", watched, raising=False)
    text, divided = predicted(model, [data], form, probabilities=True)
    assert text == expected
    assert divided.rows == whole.rows == 1000
    assert sum(calls) == 1000
    assert max(calls) == writer.BATCH


def test_rows_that_are_dropped_have_empty_cells_in_their_place(load):
    rows = csv_rows(300).splitlines(keepends=True)
    gaps = [0, 7, 150, 299]
    full = {}
    for target in ("class", "y"):
        model = load(target)
        full[target] = predicted(model, ["".join(rows).encode()])[0].splitlines()
        broken = [
            row if i not in gaps else f",{row.partition(',')[2]}" for i, row in enumerate(rows)
        ]
        text, lines = predicted(model, ["".join(broken).encode()])
        assert (lines.rows, lines.dropped) == (300, 4)
        found = text.splitlines()
        empty = "," if target == "class" else '""'
        assert [i for i, line in enumerate(found[1:]) if line == empty] == gaps
        said = predicted(model, ["".join(broken).encode()], "json")[0]
        assert [i for i, row in enumerate(json.loads(said)) if None in row.values()] == gaps
        labels = [line.partition(",")[0][:6] for line in found]
        expected = [line.partition(",")[0][:6] for line in full[target]]
        assert [a for i, a in enumerate(labels) if i - 1 not in gaps] == [
            a for i, a in enumerate(expected) if i - 1 not in gaps
        ]


def test_all_rows_may_be_dropped(load):
    text, lines = predicted(load(), [b",1,2,3,4,5,6,red\n" * 3])
    assert text == "prediction,probability\n,\n,\n,\n"
    assert (lines.rows, lines.dropped) == (3, 3)


class Nowhere(io.StringIO):
    """A sink that keeps nothing."""

    def write(self, text):
        return len(text)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_memory_does_not_grow_with_the_rows(load, form):
    model = load()
    new = [0]

    def color(i):
        new[0] += 1
        return f"color {new[0]}"  # a category that neither training nor an earlier row had

    def peak(blocks):
        pieces = (csv_rows(2000, color=color).encode() for _ in range(blocks))
        lines = Writer(model, Nowhere(), form, probabilities=True)
        tracemalloc.start()
        stream = Pieces([HEADER.encode()])
        stream._pieces = (piece for part in ([HEADER.encode()], pieces) for piece in part)
        for table in stream_table(stream, "-", model.features.columns, rows=1 << 20):
            lines.write(table)
        lines.finish()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert lines.rows == blocks * 2000
        assert len(lines.unseen["color"]) == writer.NAMED
        return most

    peak(2)  # what is made once
    few, many = peak(3), peak(12)
    assert many < 1.1 * few


def test_categories_that_training_never_saw_are_counted(load):
    colors = ["red", "green", "green", "blue", "grey"]
    rows = csv_rows(50, color=lambda i: colors[i % 5])
    _, lines = predicted(load(), [rows.encode(), rows.encode()])
    assert lines.unseen["color"] == {"green": 40, "grey": 20}
