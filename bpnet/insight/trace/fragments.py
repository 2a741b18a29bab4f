"""Pieces of HTML that the steps of the page are made of."""

from __future__ import annotations

import inspect

import numpy as np

from bpnet.insight.trace.record import LayerStep, TensorStep
from bpnet.insight.trace.typeset import number, prose, text
from bpnet.nn.arena import Array

ENTRIES = 40
"""Numbers of a tensor that a table lists."""


def about(step: LayerStep) -> str:
    """Return what a layer is for, unless its description only repeats the formula."""
    said = (inspect.getdoc(type(step.layer)) or "").split("\n")[0]
    return "" if said.startswith("y =") else f"<p>{prose(said)}</p>"


def shapes(step: LayerStep) -> str:
    """Return the shapes of input, output and parameters of a layer."""
    sides = [" × ".join(map(str, shape)) for shape in (step.x.shape, step.y.shape)]
    own = "".join(
        f"; {text(tensor.short)} {' × '.join(map(str, tensor.shape))}" for tensor in step.tensors
    )
    return f"x {sides[0]}; y {sides[1]}{own}"


def summary(values: Array) -> str:
    """Return what many numbers are like."""
    return (
        f"{values.size} numbers from {number(float(values.min()))} to "
        f"{number(float(values.max()))}, of mean size {number(float(np.abs(values).mean()))}"
    )


def aside(question: str, answer: str, more: str = "") -> str:
    """Return a question that can be opened, with its answer."""
    return (
        f'<details class="why" open><summary>{text(question)}</summary>'
        f"<p>{prose(answer)}</p>{more}</details>"
    )


def gradient_table(tensor: TensorStep) -> str:
    """Return the gradients of a tensor beside their estimates, if they are few."""
    assert tensor.gradient is not None
    if tensor.before.size > ENTRIES:
        return f"<p>{text(tensor.name)}: {summary(tensor.gradient)}</p>"
    rows = []
    for index in np.ndindex(tensor.shape):
        rows.append(
            [_entry(tensor, index), number(float(tensor.gradient[index])), _estimate(tensor, index)]
        )
    return _table([text(tensor.name), "gradient", "by differences"], rows)


def update_table(tensor: TensorStep) -> str:
    """Return how a tensor moved: each number, or a summary if they are many."""
    if tensor.gradient is None or tensor.after is None:
        return f"<p>{text(tensor.name)} is frozen and stays as it is.</p>"
    if tensor.before.size > ENTRIES:
        change = np.abs(tensor.after - tensor.before)
        return (
            f"<p>{text(tensor.name)}: {tensor.before.size:,} numbers of mean size "
            f"{number(float(np.abs(tensor.before).mean()))} moved by "
            f"{number(float(change.mean()))} on average, {number(float(change.max()))} at most.</p>"
        )
    rows = []
    for index in np.ndindex(tensor.shape):
        before, after = float(tensor.before[index]), float(tensor.after[index])
        rows.append(
            [
                _entry(tensor, index),
                number(before),
                number(float(tensor.gradient[index])),
                number(after - before),
                number(after),
            ]
        )
    return _table([text(tensor.name), "value", "gradient", "change", "new"], rows)


def _entry(tensor: TensorStep, index: tuple[int, ...]) -> str:
    return f"{text(tensor.short)}<sub>{','.join(map(str, index))}</sub>"


def _estimate(tensor: TensorStep, index: tuple[int, ...]) -> str:
    numeric = tensor.numeric
    if numeric is None or np.isnan(numeric.values[index]):
        return "–"
    return "kink" if numeric.kinks[index] else number(float(numeric.values[index]))


def _table(head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
