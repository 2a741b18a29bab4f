"""A whole model as ONNX: from rows as users have them to labels, probabilities or numbers.

Legend: N rows, F inputs of the network, K outputs.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from bpnet import __version__
from bpnet.data.cells import MISSING
from bpnet.data.features import Features, TableFeatures, TensorFeatures
from bpnet.data.features.categorical import CategoryColumn
from bpnet.data.target import Target
from bpnet.data.target.base import labels_as_values
from bpnet.exporting.exported import Exported, Port
from bpnet.exporting.graph import Graph
from bpnet.exporting.layers import translate
from bpnet.model import Model
from bpnet.nn.arena import Array

MATRIX = "x"
"""The one input of a model that takes numbers only, or images."""

NO_LABEL = np.iinfo(np.int64).min
"""Stands for the label of a row that gets none, where labels are whole numbers."""


def to_onnx(model: Model, facts: dict[str, str]) -> Exported:
    """Write a model with its preprocessing as ONNX.

    Parameters
    ----------
    model
        The model.
    facts
        What travels with it, by name: the run.

    Raises
    ------
    UsageError
        If the package onnx is not installed, or the model is too large for ONNX.
    """
    pipeline = _Pipeline(model)
    z = translate(pipeline.graph, model.network.chain, pipeline.inputs())
    pipeline.outputs(z)
    target = model.target
    told = {
        "bpnet": __version__,
        **facts,
        "task": {"number": "regression"}.get(target.kind, "classification"),
        "target": _json(list(target.columns)),
        "classes": _json(list(target.class_names)),
        "inputs": _json({p.name: list(p.columns) for p in pipeline.taken}),
        "missing": "NaN for a number, the empty text for a category",
    }
    about = f"{model.config.name}: predicts {', '.join(target.columns)}; made by bpnet"
    data = pipeline.graph.encode(about, told, __version__)
    return Exported(data, tuple(pipeline.taken), tuple(pipeline.given))


class _Pipeline:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.graph = Graph(model.config.dtype)
        self.taken: list[Port] = []
        self.given: list[Port] = []
        self._refused: list[str] = []  # masks (N, 1) of rows that get no prediction

    def inputs(self) -> str:
        """Add everything up to the inputs of the network."""
        features: Features = self.model.features
        if isinstance(features, TensorFeatures):
            return self._tensor(features)
        parts: list[str] = []
        if not features.categories:
            columns = tuple(features.columns)
            about = "the columns in this order; NaN where a cell is missing"
            parts.append(self._numbers(features, self._take(MATRIX, columns, "double", about)))
            return parts[0]
        names = {
            name: self._take(name, (name,), *_KINDS[kind])
            for name, kind in features.columns.items()
        }
        if features.numeric.names:
            numbers = [names[name] for name in features.numeric.names]
            joined = numbers[0]
            if len(numbers) > 1:
                joined = self.graph.node("Concat", *numbers, name="numbers", axis=1)
            parts.append(self._numbers(features, joined))
        parts += [self._category(column, names[column.name]) for column in features.categories]
        return parts[0] if len(parts) == 1 else self.graph.node(
            "Concat", *parts, name="inputs", axis=1
        )  # fmt: skip

    def _take(
        self,
        name: str,
        columns: tuple[str, ...],
        kind: str,
        about: str,
        shape: tuple[int, ...] | None = None,
    ) -> str:
        shape = (len(columns),) if shape is None else shape
        named = self.graph.input(name, _NUMPY.get(kind, kind), shape, about)
        self.taken.append(Port(named, columns, kind, ("N", *shape), about))
        return named

    def _tensor(self, features: TensorFeatures) -> str:
        graph = self.graph
        kind = "double" if features.stored == "float" else features.stored
        about = "one example a row, stored as those of the training"
        x = self._take(MATRIX, (), kind, about, features.shape)
        x = graph.cast(x, "float64", "input.float64") if kind != "double" else x
        return self._scale(x, features.center, features.scale)

    def _scale(self, x: str, center: Array, scale: Array) -> str:
        """Add ``(x - center) / scale`` in float64, 0 for a scale of 0."""
        graph = self.graph
        divisor = np.where(scale > 0, scale, np.inf)
        if center.any():
            x = graph.node("Sub", x, graph.constant("input.center", center), name="input.centred")
        if (divisor != 1).any():
            x = graph.node("Div", x, graph.constant("input.scale", divisor), name="input.scaled")
        return graph.cast(x, graph.dtype, "input.numbers") if graph.dtype != np.float64 else x

    def _numbers(self, features: TableFeatures, x: str) -> str:
        """Add what happens to the columns of numbers ``(N, C)``: clipped, filled, scaled."""
        graph, numeric = self.graph, features.numeric
        gaps = graph.node("IsNaN", x, name="input.gaps")
        refusing = [i for i, rule in enumerate(numeric.missing) if rule != "fill"]
        if refusing:
            which = graph.constant("input.refusing", np.array(refusing))
            some = graph.node("Gather", gaps, which, name="input.refused", axis=1)
            some = graph.cast(some, "int32", "input.refused")
            axes = graph.constant("input.axes", np.array([1]))
            some = graph.node("ReduceMax", some, axes, name="input.refused")
            self._refused.append(graph.cast(some, "bool", "input.refused"))
        clipped = np.array([rule == "clip" for rule in numeric.outliers], bool)
        if clipped.any():
            low = graph.constant("input.low", np.where(clipped, numeric.low, -np.inf))
            high = graph.constant("input.high", np.where(clipped, numeric.high, np.inf))
            x = graph.node("Max", x, low, name="input.clipped")
            x = graph.node("Min", x, high, name="input.clipped")
        fill = graph.constant("input.fill", numeric.fill)
        x = graph.node("Where", gaps, fill, x, name="input.filled")
        return self._scale(x, numeric.center, numeric.scale)

    def _category(self, column: CategoryColumn, x: str) -> str:
        """Add one column of categories ``(N, 1)``, as the inputs that stand for it."""
        graph, name = self.graph, column.name or "column"
        refused = -2
        missing = column.fill if column.missing == "fill" else refused
        unseen = {"ignore": -1, "missing": missing, "error": refused}[column.unseen]
        codes = dict.fromkeys(sorted(MISSING), missing)
        codes |= {level: code for code, level in enumerate(column.levels)}
        code = graph.node(
            "LabelEncoder",
            x,
            name=f"{name}.code",
            domain="ai.onnx.ml",
            keys_strings=list(codes),
            values_int64s=list(codes.values()),
            default_int64=unseen,
        )
        if refused in (missing, unseen):
            number = graph.constant(f"{name}.refusing", np.array(refused))
            self._refused.append(graph.node("Equal", code, number, name=f"{name}.refused"))
        if column.encode == "ordinal":
            return graph.cast(code, graph.dtype, f"{name}.number")
        known = graph.constant(f"{name}.known", np.arange(len(column.names))[None])
        found = graph.node("Equal", code, known, name=f"{name}.found")
        return graph.cast(found, graph.dtype, f"{name}.one_hot")

    def outputs(self, z: str) -> None:
        """Add everything behind the network: what its outputs mean."""
        target = self.model.target
        if target.kind == "number":
            self._prediction(z, target)
        elif target.kind == "class":
            chances = self.graph.node("Softmax", z, name="softmax", axis=1)
            best = self.graph.node("ArgMax", chances, name="best", axis=1, keepdims=0)
            self._labels(best, _values(target), ())
            self._probabilities(chances, len(target.class_names))
        else:
            self._yes_or_no(z, target)

    def _prediction(self, z: str, target: Any) -> None:
        graph = self.graph
        value = graph.cast(z, "float64", "output.float64") if graph.dtype != np.float64 else z
        value = graph.node(
            "Mul", value, graph.constant("target.scale", target.scale), name="output.scaled"
        )
        value = graph.node(
            "Add", value, graph.constant("target.center", target.center), name="output.units"
        )
        about = "numbers in the target's own units"
        value = self._spare(value, graph.constant("output.none", np.array(np.nan)))
        self._give(value, "prediction", "double", (target.outputs,), about, target.columns)

    def _yes_or_no(self, z: str, target: Any) -> None:
        graph, several = self.graph, target.outputs > 1
        chance = graph.node("Sigmoid", z, name="sigmoid")
        yes = graph.node("Greater", chance, graph.number("even", 0.5), name="yes")
        place = graph.cast(yes, "int64", "yes.place")
        if several:
            start = graph.constant("yes.start", np.arange(target.outputs)[None] * 2)
            place = graph.node("Add", place, start, name="yes.place")
        else:
            axes = graph.constant("yes.axes", np.array([1]))
            place = graph.node("Squeeze", place, axes, name="yes.place")
        pairs = [labels_as_values(pair) for pair in zip(target.no, target.yes, strict=True)]
        values = np.concatenate(pairs)
        if values.dtype == object:
            values = np.array([str(value) for value in values.tolist()], object)
        self._labels(place, values, (target.outputs,) if several else ())
        if not several:
            no = graph.node("Sub", graph.number("one", 1), chance, name="no.chance")
            chance = graph.node("Concat", no, chance, name="chances", axis=1)
        self._probabilities(chance, len(target.class_names))

    def _labels(self, place: str, values: Array, shape: tuple[int, ...]) -> None:
        """Add the output with the labels, from their places in `values`."""
        graph, texts = self.graph, values.dtype == object
        if self._refused:
            nothing = "" if texts else NO_LABEL
            values = np.append(values, np.array([nothing], values.dtype))
            last = graph.constant("label.none", np.array(len(values) - 1))
            place = self._spare(place, last, column=bool(shape))
        table = graph.constant("label.values", values)
        label = graph.node("Gather", table, place, name="label.chosen")
        about = "the likelier of two values each" if shape else "the likeliest class"
        kind = "string" if texts else "int64"
        self._give(label, "label", kind, shape, about, self.model.target.columns)

    def _probabilities(self, chances: str, count: int) -> None:
        chances = self._spare(chances, self.graph.number("output.none", np.nan))
        names = self.model.target.class_names
        about = f"of {', '.join(names)}" if len(names) <= 20 else "in the order of the classes"
        kind = "float" if self.graph.dtype == np.float32 else "double"
        self._give(chances, "probabilities", kind, (count,), about, names)

    def _spare(self, value: str, nothing: str, *, column: bool = True) -> str:
        """Put `nothing` where a row gets no prediction."""
        graph = self.graph
        if not self._refused:
            return value
        refused = self._refused[0]
        for mask in self._refused[1:]:
            refused = graph.node("Or", refused, mask, name="refused")
        self._refused = [refused]
        if not column:
            axes = graph.constant("refused.axes", np.array([1]))
            refused = graph.node("Squeeze", refused, axes, name="refused.row")
        return graph.node("Where", refused, nothing, value, name="spared")

    def _give(
        self,
        value: str,
        name: str,
        kind: str,
        shape: tuple[int, ...],
        about: str,
        columns: tuple[str, ...],
    ) -> None:
        name = self.graph.output(value, name, _NUMPY.get(kind, kind), shape, about)
        self.given.append(Port(name, tuple(columns), kind, ("N", *shape), about))


_KINDS = {
    "number": ("double", "a number; NaN where it is missing"),
    "category": ("string", "a category; the empty text where it is missing"),
}
_NUMPY = {"double": "float64", "float": "float32", "string": "object"}


def _values(target: Target) -> Array:
    """Return the label of each class as it leaves the model."""
    values = target.labels(np.eye(target.outputs))
    return values if values.dtype == object else values.astype(np.int64)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
