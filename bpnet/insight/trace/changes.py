"""The way of one weight through a step: gradient, penalties, clipping, optimizer, cap."""

from __future__ import annotations

import numpy as np

from bpnet.insight.trace.arithmetic import Derivation, arg, num, times
from bpnet.insight.trace.record import Rule, TensorStep
from bpnet.insight.trace.updates import UPDATES, Situation


def changes(rule: Rule, tensor: TensorStep, index: tuple[int, ...]) -> list[Derivation]:
    """Derive the new value of one number of a tensor, stage by stage.

    The first line is the gradient of the loss, the last one the new weight.
    """
    assert tensor.of_loss is not None
    assert tensor.gradient is not None
    assert tensor.clipped is not None
    w, g = float(tensor.before[index]), float(tensor.of_loss[index])
    lines = [Derivation("g", "dL/dw, from the backward pass", num(g), g)]
    if tensor.decays:
        lines += _penalties(rule, w, g)
    lines += _clipping(rule, lines[-1].value)
    w, decay = _decay(rule, tensor, w, lines[-1].value)
    lines += decay
    kept = {name: float(array[index]) for name, array in tensor.moments.items()}
    known = UPDATES.get(rule.optimizer.type)
    g = next(line.value for line in reversed(lines) if line.symbol == "g")
    if known is not None:
        lines += known.derive(Situation(rule, w, g, kept))
    elif tensor.updated is not None:
        lines.append(Derivation("new w", rule.optimizer.type, "", float(tensor.updated[index])))
    return lines + _cap(rule, tensor, index, lines[-1].value)


def _penalties(rule: Rule, w: float, g: float) -> list[Derivation]:
    l1, l2 = float(rule.regularization.l1), float(rule.regularization.l2)
    letters, numbers, value = "g", num(g), g
    if l2:
        letters, numbers, value = f"{letters} + l2 w", f"{numbers} + {times(l2, w)}", value + l2 * w
    if l1:
        sign = float(np.sign(w))
        letters, numbers = f"{letters} + l1 sign(w)", f"{numbers} + {times(l1, sign)}"
        value += l1 * sign
    if not (l1 or l2):
        return []
    remark = "the penalties of `regularization` pull the weight towards 0"
    return [Derivation("g", letters, numbers, value, remark)]


def _clipping(rule: Rule, g: float) -> list[Derivation]:
    lines = []
    if rule.clip_norm is not None:
        factor = rule.clip_norm / (rule.norm + 1e-6)
        if factor < 1:
            g *= factor
            remark = "the whole gradient is longer than clip_norm and is shrunk to it"
            numbers = f"{arg(g / factor)} · {num(rule.clip_norm)} / {num(rule.norm)}"
            lines.append(Derivation("g", "g clip_norm / |gradient|", numbers, g, remark))
    if rule.clip_value is not None and abs(g) > rule.clip_value:
        clipped = float(np.sign(g)) * rule.clip_value
        letters = "g brought into -clip_value ... clip_value"
        lines.append(Derivation("g", letters, num(clipped), clipped))
    return lines


def _decay(rule: Rule, tensor: TensorStep, w: float, g: float) -> tuple[float, list[Derivation]]:
    """Return the weight that the optimizer starts from, and how the weight decay acts."""
    decay = float(rule.optimizer.weight_decay)
    if not (decay and tensor.decays):
        return w, []
    if not rule.optimizer.decoupled_weight_decay:
        line = Derivation("g", "g + weight_decay w", f"{num(g)} + {times(decay, w)}", g + decay * w)
        return w, [line]
    shrunk = w * (1 - rule.lr * decay)
    numbers = f"{arg(w)} · (1 - {times(rule.lr, decay)})"
    return shrunk, [Derivation("w", "w (1 - lr weight_decay)", numbers, shrunk)]


def _cap(rule: Rule, tensor: TensorStep, index: tuple[int, ...], w: float) -> list[Derivation]:
    limit = float(rule.regularization.max_norm)
    if not (limit and tensor.decays and tensor.before.ndim > 1 and tensor.updated is not None):
        return []
    unit = tensor.updated.reshape(-1, tensor.shape[-1])[:, index[-1]]
    norm = float(np.linalg.norm(unit))
    if norm <= limit:
        return []
    remark = "the weights of this unit together are longer than max_norm and are shrunk to it"
    numbers = f"{arg(w)} · {num(limit)} / {num(norm)}"
    return [
        Derivation("new w", "w max_norm / |weights of the unit|", numbers, w * limit / norm, remark)
    ]
