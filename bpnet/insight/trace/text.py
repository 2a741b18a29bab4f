"""A trace as plain lines for a terminal: all numbers of a small network, sums of a large one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpnet.config.places import printable
from bpnet.insight.trace.arithmetic import Derivation, num
from bpnet.insight.trace.changes import changes
from bpnet.insight.trace.formulas import of_layer, of_loss
from bpnet.insight.trace.outcomes import outcome_of
from bpnet.insight.trace.record import Numeric, TensorStep, Trace
from bpnet.insight.trace.text_tables import ROWS, aligned, estimate, table, written_out
from bpnet.insight.trace.updates import UPDATES
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import sides

ENTRIES = 30
"""Parameters that are listed one by one; of more, each tensor is summed up in a line."""


def lines(trace: Trace) -> Iterator[str]:
    """Yield the lines of a trace."""
    yield from _head(trace)
    yield ""
    yield from _forward(trace)
    yield ""
    yield from _loss(trace)
    yield ""
    yield from _backward(trace)
    yield ""
    yield from _update(trace)


def _head(trace: Trace) -> Iterator[str]:
    which = "row" if len(trace.rows) == 1 else "rows"
    listed = ", ".join(map(str, trace.rows[:12])) + (", ..." if len(trace.rows) > 12 else "")
    between = "; " if any("," in answer for answer in trace.answers) else ", "
    answers = between.join(trace.answers[:12]) + (", ..." if len(trace.answers) > 12 else "")
    yield (
        f"{printable(trace.name)}: training step {trace.rule.step} on {which} {listed} of "
        f"{printable(trace.source)} "
        f"(target {answers}), in float64"
    )
    for note in trace.notes:
        yield f"note: {note}"


def _forward(trace: Trace) -> Iterator[str]:
    yield "1 FORWARD  each layer's output y, from its input x"
    rows = [("input", sides(trace.x.shape), _named(trace), trace.x)]
    rows += [
        (name, sides(trace.layers[name].y.shape), of_layer(trace.layers[name].layer).forward, y)
        for name, y in ((name, trace.layers[name].y) for name in trace.forward)
    ]
    yield from table(rows)


def _named(trace: Trace) -> str:
    names = [printable(name) for name in trace.inputs[:4]]
    return ", ".join(names) + (", ..." if len(trace.inputs) > 4 else "") if names else "x"


def _loss(trace: Trace) -> Iterator[str]:
    step, outcome = trace.loss, outcome_of(trace)
    yield f"2 LOSS  {step.loss.type}: {of_loss(step.loss).forward}"
    for n in range(min(len(trace.rows), ROWS)):
        if step.z.shape[1] <= ROWS:
            found = [outcome.meaning(n, k) for k in range(step.z.shape[1])]
            said = ", ".join(f"{one.symbol} = {num(one.value)}" for one in found if one)
            if said:
                yield f"  {said}"
        row = outcome.of_row(n)
        if row is not None:
            yield f"  {_equation(row)}"
    penalty = f", and penalties of {num(step.penalty)}" if step.penalty else ""
    whole = outcome.value()
    yield f"  {_equation(whole) if whole is not None else f'L = {num(step.value)}'}{penalty}"


def _equation(line: Derivation) -> str:
    """Write a derivation; what is nothing but a number only once."""
    value = num(line.value)
    return " = ".join([line.symbol, *([] if line.numbers == value else [line.numbers]), value])


def _backward(trace: Trace) -> Iterator[str]:
    yield "3 BACKWARD  each layer's dx, from its dy: how much L grows per unit of x"
    loss = trace.loss
    last = trace.layers[trace.forward[-1]].numeric
    rows = [("loss", sides(loss.dz.shape), of_loss(loss.loss).backward, loss.dz)]
    estimates = [last]
    for name in trace.backward:
        step = trace.layers[name]
        if step.dx is not None:
            rows.append((name, sides(step.dx.shape), of_layer(step.layer).backward, step.dx))
            estimates.append(trace.numeric_of_dx(step))
    yield from table(rows, estimates)
    outcome = outcome_of(trace)
    first = None if outcome.as_written else outcome.gradient(0, 0)
    if first is not None:
        yield f"  with weights or smoothing {first.symbol} = {first.formula}"
        yield f"    = {first.numbers} = {num(first.value)}"
    worst = _worst_delta(trace)
    if worst:
        yield f"  {worst}"
    left = [name for name in trace.forward if trace.layers[name].dy is None]
    if left:
        yield f"  not needed, as nothing is trained there: {', '.join(left)}"


def _worst_delta(trace: Trace) -> str:
    compared = [
        (step.dy, step.numeric)
        for step in trace.layers.values()
        if step.dy is not None and step.numeric is not None
    ]
    count = sum(int((~np.isnan(n.values)).sum()) for _, n in compared)
    if not count:
        return ""
    worst = max(_distance(dy, numeric) for dy, numeric in compared)
    if all(written_out(dy) and not np.isnan(numeric.values).any() for dy, numeric in compared):
        return ""  # they stand beside each other
    kinks = sum(int(numeric.kinks.sum()) for _, numeric in compared)
    more = f"; {kinks} more lie on kinks, where there is none" if kinks else ""
    return f"{count - kinks} of these also by differences of L: at most {worst:.0e} apart{more}"


def _distance(values: Array, numeric: Numeric) -> float:
    known = ~np.isnan(numeric.values) & ~numeric.kinks
    return float(np.abs(values - numeric.values)[known].max()) if known.any() else 0.0


def _update(trace: Trace) -> Iterator[str]:
    rule = trace.rule
    known = UPDATES.get(rule.optimizer.type)
    formulas = known.formula if known else ()
    one = f": {formulas[0]}" if len(formulas) == 1 else ""
    yield f"4 UPDATE  {rule.optimizer.type}, lr = {num(rule.lr)}{one}"
    if not one:
        yield from (f"  {formula}" for formula in formulas)
    tensors = trace.tensors
    if sum(tensor.before.size for tensor in tensors) <= ENTRIES:
        yield from _entries(trace, tensors)
    else:
        yield from _summaries(tensors)
    yield from _example(trace)
    yield from _bounds(trace)
    step = trace.loss
    before, after = step.value + step.penalty, step.after + step.penalty_after
    penalties = ", penalties included," if step.penalty or step.penalty_after else ""
    moved = f"{before:.6g} before and {after:.6g} after: {after - before:+.4g}"
    yield f"  L of these rows{penalties} is {moved};"
    foretold = f"{trace.foretold:+.4g}"
    yield f"  the gradient foretold {foretold}, the sum of every gradient times its change"


def _bounds(trace: Trace) -> Iterator[str]:
    rule = trace.rule
    if rule.clip_norm is not None:
        what = "shrunk" if rule.norm > rule.clip_norm else "left as it was"
        yield (f"  the gradient is {num(rule.norm)} long, clip_norm {num(rule.clip_norm)}: {what}")
    if rule.clip_value is not None:
        yield f"  each number of the gradient is kept within ±{num(rule.clip_value)}"


def _entries(trace: Trace, tensors: list[TensorStep]) -> Iterator[str]:
    rows = [("weight", "value", "gradient", "by diff.", "change", "new")]
    for tensor in tensors:
        for index in np.ndindex(tensor.shape):
            before = float(tensor.before[index])
            name = f"{tensor.name}[{','.join(map(str, index))}]"
            if tensor.gradient is None:
                rows.append((name, num(before), "frozen", "", "", num(before)))
                continue
            assert tensor.after is not None
            after = float(tensor.after[index])
            rows.append(
                (
                    name,
                    num(before),
                    num(float(tensor.gradient[index])),
                    estimate(tensor.numeric, index),
                    num(after - before),
                    num(after),
                )
            )
    yield from aligned(rows)


def _example(trace: Trace) -> Iterator[str]:
    """Write out the way of the weight whose gradient is the largest."""
    if trace.example is None:
        return
    tensor, index = trace.example
    assert tensor.gradient is not None
    name = f"{tensor.name}[{','.join(map(str, index))}]"
    said = [_equation(line) for line in changes(trace.rule, tensor, index)[1:]]
    if len(said) == 1:
        yield f"  {name}: {said[0]}"
        return
    yield f"  {name}, with g = {num(float(tensor.gradient[index]))}:"
    yield from (f"    {line}" for line in said)


def _summaries(tensors: list[TensorStep]) -> Iterator[str]:
    rows = [("tensor", "shape", "mean |w|", "mean |g|", "max |g|", "by diff.", "mean |change|", "")]
    for tensor in tensors:
        shape = "x".join(map(str, tensor.shape))
        size = num(float(np.abs(tensor.before).mean()))
        if tensor.gradient is None or tensor.after is None:
            rows.append((tensor.name, shape, size, "frozen", "", "", "", ""))
            continue
        change = float(np.abs(tensor.after - tensor.before).mean())
        mean = float(np.abs(tensor.before).mean())
        apart = f"{_distance(tensor.gradient, tensor.numeric):.0e}" if tensor.numeric else "-"
        rows.append(
            (
                tensor.name,
                shape,
                size,
                num(float(np.abs(tensor.gradient).mean())),
                num(float(np.abs(tensor.gradient).max())),
                apart,
                num(change),
                f"{change / mean:.1e} of |w|" if mean else "",
            )
        )
    yield from aligned(rows)
