"""The last steps: from gradients to new weights, and whether it helped."""

from __future__ import annotations

from collections.abc import Iterator

from bpnet.insight.trace.changes import changes
from bpnet.insight.trace.chapters.chapter import Chapter, View
from bpnet.insight.trace.fragments import aside, update_table
from bpnet.insight.trace.typeset import equation, formula, number, text
from bpnet.insight.trace.updates import UPDATES


def update(view: View) -> Iterator[Chapter]:
    """Yield how the weights move, and what became of the loss."""
    trace = view.trace
    rule = trace.rule
    known = UPDATES.get(rule.optimizer.type)
    if trace.example is not None:
        tensor, index = trace.example
        parts = [
            f"<p>Optimizer: {text(rule.optimizer.type)}, learning rate {number(rule.lr)}, "
            f"step {rule.step}.</p>"
        ]
        parts += (
            [f'<p class="formula">{formula(line)}</p>' for line in known.formula] if known else []
        )
        parts.append(aside("What is that for?", known.why) if known else "")
        where = ",".join(map(str, index))
        parts.append(f"<h4>For instance {text(tensor.name)}<sub>{where}</sub></h4>")
        parts += list(map(equation, changes(rule, tensor, index)))
        parts += [update_table(tensor) for tensor in trace.tensors]
        bodies = ["".join(parts)] * len(view.rows)
        yield Chapter(
            "update", "From gradients to new weights", bodies, view.all, view.differentiated, ()
        )
    yield _afterwards(view)


def _afterwards(view: View) -> Chapter:
    trace, loss = view.trace, view.trace.loss
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
    bodies = ["".join(parts)] * len(view.rows)
    return Chapter("update", "Did it help?", bodies, view.all, view.differentiated, (view.all - 1,))
