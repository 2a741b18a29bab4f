"""The steps backwards: how the loss depends on the outputs, and back through each layer."""

from __future__ import annotations

from collections.abc import Iterator

from bpnet.insight.trace.chapters.chapter import SHOWN, Chapter, View, rest
from bpnet.insight.trace.formulas import of_layer, of_loss
from bpnet.insight.trace.fragments import aside, gradient_table, summary
from bpnet.insight.trace.plan import Column
from bpnet.insight.trace.record import LayerStep
from bpnet.insight.trace.typeset import differences, equation, formula, number


def backward(view: View) -> Iterator[Chapter]:
    """Yield the steps from the loss back to the first layer that is trained."""
    known: list[int] = []
    what = of_loss(view.trace.loss.loss)
    last = next(c for c in view.plan.columns if c.consumer == "loss")
    _learn(known, last)
    bodies = [
        f'<p class="formula">{formula(what.backward)}</p>'
        + "".join(_first_deltas(view, last, row, what.why))
        for row in view.rows
    ]
    yield Chapter(
        "backward",
        "How the loss depends on the outputs",
        bodies,
        view.all,
        tuple(known),
        (last.number,),
        view.all - 1,
    )
    for name in view.trace.backward:
        step = view.trace.layers[name]
        column = view.plan.of(name)
        for source, _ in column.sources:
            if source.consumer == name:
                _learn(known, source)
        what_layer = of_layer(step.layer)
        start = (
            f'<p class="formula">{formula(what_layer.backward)}</p>{aside("Why?", what_layer.why)}'
        )
        bodies = [
            start + "".join(_inputs(view, column, step, row)) + _gradients(view, step)
            for row in view.rows
        ]
        around = tuple(source.number for source, _ in column.sources)
        yield Chapter(
            "backward",
            f"Back through {name}",
            bodies,
            view.all,
            tuple(known),
            around,
            column.number,
        )


def _learn(known: list[int], column: Column) -> None:
    """Note that the derivatives of a column are known, and those that a sum hands on."""
    if column.deltas is None or column.number in known:
        return
    known.append(column.number)
    for source, _ in column.sources:
        if source.consumer == column.name and source.name.startswith(f"{column.name}."):
            _learn(known, source)


def _first_deltas(view: View, last: Column, row: int, why: str) -> Iterator[str]:
    outcome = view.details.outcome
    for k in range(min(last.values.shape[1], SHOWN)):
        found = outcome.gradient(row, k)
        if found is not None:
            yield equation(found)
        assert last.step is not None
        yield differences(last.step.numeric, (row, k))
    yield rest(last)
    chain = outcome.chain(row)
    inner = "".join(map(equation, chain))
    yield aside("Why is it so simple?" if chain else "Why?", why, inner)
    if len(view.trace.rows) > 1:
        yield aside(
            "Where does the N come from?",
            f"The loss is the mean over the {len(view.trace.rows)} rows of the batch, so each "
            "row has its share of 1/N in it. It is divided here, once; from here on "
            "everything is only added up.",
        )


def _inputs(view: View, column: Column, step: LayerStep, row: int) -> Iterator[str]:
    (source, *_) = [source for source, _ in column.sources]
    if step.dx is None:
        return
    yield "<h4>What it hands down: the derivative by its input</h4>"
    if step.x.ndim != 2 or step.y.ndim != 2:
        yield f"<p>{summary(step.dx[row])}</p>"
        return
    steps = view.details.steps(step.name)
    numeric = view.trace.numeric_of_dx(step)
    for i in range(min(step.x.shape[1], SHOWN)):
        found = steps.input(row, i)
        yield equation(found) if found else f"<p>{number(float(step.dx[row, i]))}</p>"
        if i == 0:
            yield differences(numeric, (row, i))
    if step.x.shape[1] > SHOWN:
        yield rest(source)


def _gradients(view: View, step: LayerStep) -> str:
    trained = [tensor for tensor in step.tensors if tensor.of_loss is not None]
    if not trained:
        return ""
    what = of_layer(step.layer)
    parts = ["<h4>What it keeps: the gradients of its own parameters</h4>"]
    for tensor in trained:
        said = what.gradients.get(tensor.short, "")
        parts.append(f'<p class="formula">{formula(said)}</p>')
        _, index = tensor.steepest
        found = view.details.steps(step.name).gradient(tensor.short, index)
        if found is not None:
            parts.append(equation(found))
            parts.append(differences(tensor.numeric, index))
    return "".join(parts) + "".join(gradient_table(tensor) for tensor in trained)
