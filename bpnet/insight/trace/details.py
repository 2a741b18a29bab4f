"""What the page says of one unit or one weight when it is chosen."""

from __future__ import annotations

from collections.abc import Iterator

from bpnet.insight.trace.changes import changes
from bpnet.insight.trace.derivations import steps_of
from bpnet.insight.trace.drawing import unit_name
from bpnet.insight.trace.outcomes import outcome_of
from bpnet.insight.trace.plan import Column, Plan
from bpnet.insight.trace.record import TensorStep, Trace
from bpnet.insight.trace.steps import Steps
from bpnet.insight.trace.typeset import differences, equation, number, text


class Details:
    """Writes the details of a trace; what it has worked out of a layer it keeps."""

    def __init__(self, trace: Trace, plan: Plan) -> None:
        self.trace, self.plan = trace, plan
        self.outcome = outcome_of(trace)
        self._steps = {name: steps_of(trace, step) for name, step in trace.layers.items()}

    def steps(self, name: str) -> Steps:
        """Return how a layer's numbers come about."""
        return self._steps[name]

    def all(self, row: int) -> Iterator[tuple[str, str]]:
        """Yield the name and the HTML of every detail of one row."""
        for column in self.plan.columns:
            if column.name == "loss":
                yield f"u{column.number}-0", "".join(self.loss(row))
                continue
            for j in range(max(column.drawn, 1)):
                yield f"u{column.number}-{j}", "".join(self.unit(column, row, j))
            for source, ties in column.sources:
                if ties != "weights" or column.step is None:
                    continue
                weights = next(t for t in column.step.tensors if t.short == "W")
                for i in range(source.drawn):
                    for j in range(column.drawn):
                        yield (
                            f"w{column.number}-{i}-{j}",
                            "".join(self.entry(column, weights, (i, j))),
                        )

    def unit(self, column: Column, row: int, j: int) -> Iterator[str]:
        """Write where the value and the derivative of a unit come from."""
        trace = self.trace
        yield f"<h3>{text(unit_name(trace, column, j))}</h3>"
        if not column.drawn:
            yield (
                f"<p>{' × '.join(map(str, column.values.shape[1:]))} numbers, drawn as one box.</p>"
            )
            return
        yield "<h4>Forward: its value</h4>"
        if column.step is None:
            value = number(float(column.values[row, j]))
            yield (
                f'<p class="equation">x<sub>{j}</sub> = <b class="result">{value}</b> '
                f"<small>input {j} of row {trace.rows[row]}, prepared as data.numeric and "
                "data.categorical say</small></p>"
            )
        else:
            found = self.steps(column.name).output(row, j)
            value = number(float(column.values[row, j]))
            yield equation(found) if found else f"<p>{value}</p>"
            if column.consumer == "loss":
                meaning = self.outcome.meaning(row, j)
                yield equation(meaning) if meaning else ""
        yield "<h4>Backward: the derivative of the loss by it</h4>"
        yield from self.delta(column, row, j)
        if column.step is not None:
            for tensor in column.step.tensors:
                if tensor.before.ndim == 1 and tensor.of_loss is not None:
                    yield from self.entry(column, tensor, (j,))

    def delta(self, column: Column, row: int, j: int) -> Iterator[str]:
        """Write where the derivative by a unit's value comes from."""
        if column.deltas is None:
            yield "<p>Not computed: nothing is trained at or below this place.</p>"
            return
        value = float(column.deltas[row, j])
        if column.consumer == "loss":
            found = self.outcome.gradient(row, j)
        elif column.name.startswith(f"{column.consumer}."):
            found = None
            yield (
                f"<p>The sum of {text(column.consumer)} hands its own derivative on as it is: "
                f"<b>{number(value)}</b></p>"
            )
        else:
            found = self.steps(column.consumer).input(row, j)
            yield (
                f"<p>It is input {j} of {text(column.consumer)}, whose backward pass hands down, "
                "in its own x and y:</p>"
            )
        if found is not None:
            yield equation(found)
        numeric = self.trace.numeric if column.step is None else column.step.numeric
        yield differences(numeric, (row, j))
        direction = "grow" if value > 0 else "shrink"
        if value:
            yield (
                f"<p>So if this value grew by 0.01, the loss would {direction} by about "
                f"{number(abs(value) / 100)}.</p>"
            )
        else:
            yield "<p>The loss does not feel this value at all.</p>"

    def entry(self, column: Column, tensor: TensorStep, index: tuple[int, ...]) -> Iterator[str]:
        """Write where the gradient and the new value of a parameter come from."""
        where = ",".join(map(str, index))
        value = number(float(tensor.before[index]))
        yield f"<h3>{text(tensor.name)}<sub>{where}</sub> = {value}</h3>"
        if tensor.of_loss is None:
            yield "<p>It is frozen: it has no gradient and stays as it is.</p>"
            return
        yield "<h4>Backward: its gradient</h4>"
        found = self.steps(column.name).gradient(tensor.short, index)
        yield equation(found) if found else f"<p>{number(float(tensor.of_loss[index]))}</p>"
        yield differences(tensor.numeric, index)
        yield "<h4>Update: its new value</h4>"
        yield from map(equation, changes(self.trace.rule, tensor, index))

    def loss(self, row: int) -> Iterator[str]:
        """Write where the loss comes from."""
        yield "<h3>loss</h3>"
        found = self.outcome.of_row(row)
        yield equation(found) if found else ""
        value = self.outcome.value()
        yield equation(value) if value else f"<p>{number(self.trace.loss.value)}</p>"
