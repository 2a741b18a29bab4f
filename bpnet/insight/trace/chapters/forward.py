"""The steps forwards: the input, each layer, and the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bpnet.insight.trace.chapters.chapter import SHOWN, Chapter, View, rest
from bpnet.insight.trace.formulas import of_layer, of_loss
from bpnet.insight.trace.fragments import about, aside, shapes, summary
from bpnet.insight.trace.plan import Column
from bpnet.insight.trace.typeset import equation, formula, number, text

_NOTATION = (
    "x is what enters a layer, y what leaves it: the y of one layer is the x of the next. dy is "
    "the derivative of the loss L by y, which many books call delta: how much L grows, per unit, "
    "when that number grows a little. Going back, a layer is handed dy and does two things with "
    "it: it works out the gradients of its own parameters, which it keeps for the update, and dx, "
    "which it hands down to the layer below, whose dy that is. Everything is counted from 0."
)


def forward(view: View) -> Iterator[Chapter]:
    """Yield the steps from the input to the loss."""
    bodies = [_input(view, row) for row in view.rows]
    yield Chapter("forward", "The input", bodies, 1, (), (0,))
    for column in view.plan.columns[1:-1]:
        assert column.step is not None
        what = of_layer(column.step.layer)
        start = (
            f'<p class="formula">{formula(what.forward)}</p>{about(column.step)}'
            f'<p class="shapes">{shapes(column.step)}</p>'
        )
        bodies = [start + "".join(_outputs(view, column, row)) for row in view.rows]
        number_ = column.number
        yield Chapter("forward", column.name, bodies, number_ + 1, (), (number_,), number_)
    end = view.all - 1
    what = of_loss(view.trace.loss.loss)
    bodies = [
        f'<p class="formula">{formula(what.forward)}</p>' + "".join(_loss(view, row))
        for row in view.rows
    ]
    title = f"The loss: {view.trace.loss.loss.type}"
    yield Chapter("loss", title, bodies, view.all, (), (end,), end)


def _input(view: View, row: int) -> str:
    trace = view.trace
    answer = text(trace.answers[row])
    given = view.plan.columns[0]
    listed = ""
    if given.drawn and not given.hidden:
        pairs = zip(trace.inputs, given.values[row], strict=False)
        listed = ", ".join(f"{text(name)} = {number(float(v))}" for name, v in pairs)
        listed = f"<p>{listed}</p>"
    return (
        f"<p>Row {trace.rows[row]} of {text(trace.source)}; the right answer is "
        f"<b>{answer}</b>. Its columns have become the numbers of the picture's first "
        f"column, prepared for the network.</p>{listed}"
        f"{aside('What the letters mean', _NOTATION)}"
    )


def _outputs(view: View, column: Column, row: int) -> Iterator[str]:
    if not column.drawn:
        values = column.values[row]
        yield f"<p>{summary(values)}</p>"
        return
    steps = view.details.steps(column.name)
    for j in range(min(column.drawn, SHOWN)):
        found = steps.output(row, j)
        yield equation(found) if found else f"<p>{number(float(column.values[row, j]))}</p>"
    yield rest(column)


def _loss(view: View, row: int) -> Iterator[str]:
    outcome, loss = view.details.outcome, view.trace.loss
    for k in range(min(loss.z.shape[1], SHOWN)):
        meaning = outcome.meaning(row, k)
        if meaning is not None:
            yield equation(meaning if k == 0 else replace(meaning, remark=""))
    found = outcome.of_row(row)
    if found is not None:
        yield equation(found)
    value = outcome.value()
    if value is not None and not (found is not None and value.value == found.value):
        yield equation(value)
    if loss.penalty:
        yield (
            f"<p>The penalties of regularization add {number(loss.penalty)} for the size of "
            "the weights.</p>"
        )
