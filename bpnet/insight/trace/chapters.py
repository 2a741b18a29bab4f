"""The steps of the page: input, each layer forwards, loss, each layer backwards, update."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bpnet.insight.trace.changes import changes
from bpnet.insight.trace.details import Details
from bpnet.insight.trace.formulas import of_layer, of_loss
from bpnet.insight.trace.fragments import (
    about,
    aside,
    gradient_table,
    shapes,
    summary,
    update_table,
)
from bpnet.insight.trace.plan import Column, Plan
from bpnet.insight.trace.record import LayerStep, Trace
from bpnet.insight.trace.typeset import (
    differences,
    equation,
    formula,
    number,
    text,
)
from bpnet.insight.trace.updates import UPDATES

_NOTATION = (
    "x is what enters a layer, y what leaves it: the y of one layer is the x of the next. dy is "
    "the derivative of the loss L by y, which many books call delta: how much L grows, per unit, "
    "when that number grows a little. Going back, a layer is handed dy and does two things with "
    "it: it works out the gradients of its own parameters, which it keeps for the update, and dx, "
    "which it hands down to the layer below, whose dy that is. Everything is counted from 0."
)

PHASES = ("forward", "loss", "backward", "update")

SHOWN = 4
"""Units whose derivations a step writes out; the others are a click away."""


@dataclass(frozen=True)
class Chapter:
    """One step of the page.

    Attributes
    ----------
    phase, title
        Its phase, and what it is called.
    body
        What it says, as HTML, for each row that is shown.
    seen, known
        How many columns have their values; the numbers of those that have their derivatives.
    now
        The columns that it is about.
    flow
        The column whose ties are at work; -1 for none.
    """

    phase: str
    title: str
    body: list[str]
    seen: int
    known: tuple[int, ...]
    now: tuple[int, ...]
    flow: int = -1


def chapters(trace: Trace, plan: Plan, rows: range) -> Iterator[Chapter]:
    """Yield the steps of a trace."""
    writer = _Writer(trace, plan, Details(trace, plan), rows)
    yield from writer.forward()
    yield from writer.backward()
    yield from writer.update()


class _Writer:
    def __init__(self, trace: Trace, plan: Plan, details: Details, rows: range) -> None:
        self.trace, self.plan, self.details, self.rows = trace, plan, details, rows
        self.all = len(plan.columns)
        self.known: list[int] = []

    def forward(self) -> Iterator[Chapter]:
        bodies = [self._input(row) for row in self.rows]
        yield Chapter("forward", "The input", bodies, 1, (), (0,))
        for column in self.plan.columns[1:-1]:
            assert column.step is not None
            what = of_layer(column.step.layer)
            start = (
                f'<p class="formula">{formula(what.forward)}</p>{about(column.step)}'
                f'<p class="shapes">{shapes(column.step)}</p>'
            )
            bodies = [start + "".join(self._outputs(column, row)) for row in self.rows]
            number_ = column.number
            yield Chapter("forward", column.name, bodies, number_ + 1, (), (number_,), number_)
        end = self.all - 1
        what = of_loss(self.trace.loss.loss)
        bodies = [
            f'<p class="formula">{formula(what.forward)}</p>' + "".join(self._loss(row))
            for row in self.rows
        ]
        title = f"The loss: {self.trace.loss.loss.type}"
        yield Chapter("loss", title, bodies, self.all, (), (end,), end)

    def _input(self, row: int) -> str:
        trace = self.trace
        answer = text(trace.answers[row])
        given = self.plan.columns[0]
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

    def _outputs(self, column: Column, row: int) -> Iterator[str]:
        if not column.drawn:
            values = column.values[row]
            yield f"<p>{summary(values)}</p>"
            return
        steps = self.details.steps(column.name)
        for j in range(min(column.drawn, SHOWN)):
            found = steps.output(row, j)
            yield equation(found) if found else f"<p>{number(float(column.values[row, j]))}</p>"
        yield self._rest(column)

    def _rest(self, column: Column) -> str:
        count = column.values.shape[1] - SHOWN
        if count <= 0:
            return ""
        return (
            f'<p class="hint">{count} more; choose a circle to see how its number came about.</p>'
        )

    def _loss(self, row: int) -> Iterator[str]:
        outcome, loss = self.details.outcome, self.trace.loss
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

    def backward(self) -> Iterator[Chapter]:
        what = of_loss(self.trace.loss.loss)
        last = next(c for c in self.plan.columns if c.consumer == "loss")
        self._learn(last)
        bodies = [
            f'<p class="formula">{formula(what.backward)}</p>'
            + "".join(self._first_deltas(last, row, what.why))
            for row in self.rows
        ]
        yield Chapter(
            "backward",
            "How the loss depends on the outputs",
            bodies,
            self.all,
            tuple(self.known),
            (last.number,),
            self.all - 1,
        )
        for name in self.trace.backward:
            step = self.trace.layers[name]
            column = self.plan.of(name)
            for source, _ in column.sources:
                if source.consumer == name:
                    self._learn(source)
            what_layer = of_layer(step.layer)
            start = (
                f'<p class="formula">{formula(what_layer.backward)}</p>'
                f"{aside('Why?', what_layer.why)}"
            )
            bodies = [
                start + "".join(self._inputs(column, step, row)) + self._gradients(column, step)
                for row in self.rows
            ]
            around = tuple(source.number for source, _ in column.sources)
            known = tuple(self.known)
            yield Chapter(
                "backward", f"Back through {name}", bodies, self.all, known, around, column.number
            )

    def _learn(self, column: Column) -> None:
        """Note that the derivatives of a column are known, and those that a sum hands on."""
        if column.deltas is None or column.number in self.known:
            return
        self.known.append(column.number)
        for source, _ in column.sources:
            if source.consumer == column.name and source.name.startswith(f"{column.name}."):
                self._learn(source)

    def _first_deltas(self, last: Column, row: int, why: str) -> Iterator[str]:
        outcome = self.details.outcome
        for k in range(min(last.values.shape[1], SHOWN)):
            found = outcome.gradient(row, k)
            if found is not None:
                yield equation(found)
            assert last.step is not None
            yield differences(last.step.numeric, (row, k))
        yield self._rest(last)
        chain = outcome.chain(row)
        inner = "".join(map(equation, chain))
        yield aside("Why is it so simple?" if chain else "Why?", why, inner)
        if len(self.trace.rows) > 1:
            yield aside(
                "Where does the N come from?",
                f"The loss is the mean over the {len(self.trace.rows)} rows of the batch, so each "
                "row has its share of 1/N in it. It is divided here, once; from here on "
                "everything is only added up.",
            )

    def _inputs(self, column: Column, step: LayerStep, row: int) -> Iterator[str]:
        (source, *_) = [source for source, _ in column.sources]
        if step.dx is None:
            return
        yield "<h4>What it hands down: the derivative by its input</h4>"
        if step.x.ndim != 2 or step.y.ndim != 2:
            yield f"<p>{summary(step.dx[row])}</p>"
            return
        steps = self.details.steps(step.name)
        numeric = self.trace.numeric_of_dx(step)
        for i in range(min(step.x.shape[1], SHOWN)):
            found = steps.input(row, i)
            yield equation(found) if found else f"<p>{number(float(step.dx[row, i]))}</p>"
            if i == 0:
                yield differences(numeric, (row, i))
        if step.x.shape[1] > SHOWN:
            yield self._rest(source)

    def _gradients(self, column: Column, step: LayerStep) -> str:
        trained = [tensor for tensor in step.tensors if tensor.of_loss is not None]
        if not trained:
            return ""
        what = of_layer(step.layer)
        parts = ["<h4>What it keeps: the gradients of its own parameters</h4>"]
        for tensor in trained:
            said = what.gradients.get(tensor.short, "")
            parts.append(f'<p class="formula">{formula(said)}</p>')
            _, index = tensor.steepest
            found = self.details.steps(step.name).gradient(tensor.short, index)
            if found is not None:
                parts.append(equation(found))
                parts.append(differences(tensor.numeric, index))
        return "".join(parts) + "".join(gradient_table(tensor) for tensor in trained)

    def update(self) -> Iterator[Chapter]:
        trace = self.trace
        rule = trace.rule
        known = UPDATES.get(rule.optimizer.type)
        if trace.example is not None:
            tensor, index = trace.example
            parts = [
                f"<p>Optimizer: {text(rule.optimizer.type)}, learning rate {number(rule.lr)}, "
                f"step {rule.step}.</p>"
            ]
            parts += (
                [f'<p class="formula">{formula(line)}</p>' for line in known.formula]
                if known
                else []
            )
            parts.append(aside("What is that for?", known.why) if known else "")
            where = ",".join(map(str, index))
            parts.append(f"<h4>For instance {text(tensor.name)}<sub>{where}</sub></h4>")
            parts += list(map(equation, changes(rule, tensor, index)))
            parts += [update_table(tensor) for tensor in trace.tensors]
            everything = tuple(c.number for c in self.plan.columns[:-1] if c.deltas is not None)
            bodies = ["".join(parts)] * len(self.rows)
            yield Chapter(
                "update", "From gradients to new weights", bodies, self.all, everything, ()
            )
        yield self._afterwards()

    def _afterwards(self) -> Chapter:
        trace, loss = self.trace, self.trace.loss
        before, after = loss.value + loss.penalty, loss.after + loss.penalty_after
        better = after < before
        these = "this row" if len(trace.rows) == 1 else "these rows"
        penalties = ", penalties included," if loss.penalty or loss.penalty_after else ""
        parts = [
            f"<p>With the new weights the loss of {these}{penalties} is "
            f"<b>{number(after)}</b>; before it was <b>{number(before)}</b>, so it "
            f"{'fell' if better else 'did not fall'}: a change of {number(after - before)}.</p>",
            "<p>The gradient had foretold "
            f"{number(trace.foretold)}: every gradient times the change of its weight, added up. ",
            "The two differ because the gradient describes the slope where the step began, and the "
            "loss is curved; with a smaller learning rate they come closer.</p>",
        ]
        if not better:
            parts.append(
                "<p>A step that does not help is one that went too far: a smaller learning rate "
                "would have helped, if this is what you see again and again.</p>"
            )
        parts.append(
            aside(
                "How can one be sure that the gradients are right?",
                "Move a single weight a little to either side, compute the loss again each time, "
                "and divide the difference by the distance: that is the slope, without any chain "
                "rule. It takes two forward passes for every single weight, backpropagation takes "
                "one backward pass for all of them. The columns “by differences” show these "
                "slopes; bpnet gradcheck compares them for a whole config.",
            )
        )
        everything = tuple(c.number for c in self.plan.columns[:-1] if c.deltas is not None)
        bodies = ["".join(parts)] * len(self.rows)
        return Chapter("update", "Did it help?", bodies, self.all, everything, (self.all - 1,))
