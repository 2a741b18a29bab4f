"""A trace as JSON values: every array of the step, with the formulas."""

from __future__ import annotations

from typing import Any

from bpnet.insight.trace.formulas import of_layer, of_loss
from bpnet.insight.trace.record import LayerStep, Numeric, TensorStep, Trace
from bpnet.insight.trace.updates import UPDATES
from bpnet.nn.arena import Array

MOST = 4096
"""Numbers of an array that are listed; of a larger one only its shape and statistics."""


def document(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON values."""
    rule, loss = trace.rule, trace.loss
    known = UPDATES.get(rule.optimizer.type)
    formula = of_loss(loss.loss)
    return {
        "name": trace.name,
        "source": trace.source,
        "rows": trace.rows,
        "splits": trace.splits,
        "inputs": list(trace.inputs),
        "outputs": list(trace.outputs),
        "answers": trace.answers,
        "notes": trace.notes,
        "step": rule.step,
        "forward": [_forward(trace.layers[name]) for name in trace.forward],
        "loss": {
            "type": loss.loss.type,
            "formula": formula.forward,
            "gradient": formula.backward,
            "z": _array(loss.z),
            "target": _array(loss.target),
            "weight": _array(loss.weight),
            "meaning": _array(loss.meaning),
            "value": loss.value,
            "penalty": loss.penalty,
            "dz": _array(loss.dz),
            "after": loss.after,
            "penalty_after": loss.penalty_after,
        },
        "backward": [
            _backward(trace, trace.layers[name])
            for name in trace.backward
            if trace.layers[name].dx is not None
        ],
        "update": {
            "optimizer": rule.optimizer.type,
            "formula": list(known.formula) if known else [],
            "lr": rule.lr,
            "grad_norm": rule.norm,
            "clip_norm": rule.clip_norm,
            "clip_value": rule.clip_value,
            "tensors": [_tensor(tensor) for tensor in trace.tensors],
        },
    }


def _forward(step: LayerStep) -> dict[str, Any]:
    return {
        "layer": step.name,
        "type": step.type,
        "formula": of_layer(step.layer).forward,
        "x": _array(step.x),
        "y": _array(step.y),
    }


def _backward(trace: Trace, step: LayerStep) -> dict[str, Any]:
    formula = of_layer(step.layer)
    return {
        "layer": step.name,
        "formula": formula.backward,
        "gradients": dict(formula.gradients),
        "dy": _array(step.dy),
        "dy_by_differences": _numeric(step.numeric),
        "dx": _array(step.dx),
        "dx_by_differences": _numeric(trace.numeric_of_dx(step)),
    }


def _tensor(tensor: TensorStep) -> dict[str, Any]:
    return {
        "tensor": tensor.name,
        "frozen": tensor.frozen,
        "before": _array(tensor.before),
        "gradient_of_loss": _array(tensor.of_loss),
        "gradient": _array(tensor.gradient),
        "by_differences": _numeric(tensor.numeric),
        "after_clipping": _array(tensor.clipped),
        "moments": {name: _array(array) for name, array in tensor.new_moments.items()},
        "after": _array(tensor.after),
    }


def _array(array: Array | None) -> Any:
    if array is None:
        return None
    if array.size <= MOST:
        return array.tolist()
    return {
        "shape": list(array.shape),
        "min": float(array.min()),
        "max": float(array.max()),
        "mean": float(array.mean()),
        "std": float(array.std()),
    }


def _numeric(numeric: Numeric | None) -> Any:
    """Return estimates; null where there is none, or a kink."""
    if numeric is None or numeric.values.size > MOST:
        return None
    values = numeric.values.copy()
    values[numeric.kinks] = float("nan")
    return values.tolist()
