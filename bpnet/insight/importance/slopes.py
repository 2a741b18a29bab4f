"""How far the output moves where a column moves a little; N rows."""

from __future__ import annotations

import numpy as np

from bpnet.data.features import TableFeatures
from bpnet.insight.importance.columns import ColumnImportance, Importances, drawn, source_columns
from bpnet.model import Model
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass
from bpnet.nn.network import EVALUATED


def gradients(model: Model, x: Array, seed: int = 0) -> Importances:
    """Return how far the output moves where a column moves by its standard deviation.

    For each row the gradient of the output by the inputs is taken: of the logit of the class that
    the network says, less the mean of all logits; of the logit of yes; of the number, scaled. Each
    input's share is multiplied by that input's standard deviation over the rows, the shares of
    the inputs of one column are joined as the root of the sum of their squares, and that is
    averaged over the rows (and over several outputs).

    Parameters
    ----------
    model
        The model.
    x
        Inputs ``(N, ...)``.
    seed
        Where the random stream starts that draws rows if there are very many.
    """
    of = len(x)
    x = x[drawn(len(x), seed)]
    deviation = x.std(axis=0, dtype=np.float64)
    shape = x.shape[1:]
    groups = None
    if isinstance(model.features, TableFeatures):
        groups = source_columns(model.features)
    total = np.zeros(len(groups) if groups is not None else int(np.prod(shape)))
    count = 0
    for start in range(0, len(x), EVALUATED):
        block = np.ascontiguousarray(x[start : start + EVALUATED])
        for slope in _slopes(model, block):
            moved = (slope * deviation).reshape(len(block), -1)
            if groups is not None:
                parts = [np.sqrt((moved[:, g] ** 2).sum(axis=1)) for g in groups.values()]
                moved = np.stack(parts, axis=1)
            total += np.abs(moved).sum(axis=0)
            count += len(block)
    mean = total / count
    if groups is None:
        picture = mean.reshape(shape)
        order = np.argsort(-mean, kind="stable")
        names = [
            f"[{', '.join(str(int(k)) for k in np.unravel_index(i, shape))}]"
            for i in order.tolist()
        ]
        found = [
            ColumnImportance(name, 1, float(mean[i]))
            for name, i in zip(names, order.tolist(), strict=True)
        ]
        return Importances("gradient", len(x), of, found, picture=picture)
    found = [
        ColumnImportance(name, len(inputs), float(value))
        for (name, inputs), value in zip(groups.items(), mean.tolist(), strict=True)
    ]
    found.sort(key=lambda column: -column.importance)
    return Importances("gradient", len(x), of, found)


def _slopes(model: Model, x: Array) -> list[Array]:
    """Return the gradients of the outputs that count by the inputs, each ``(N, ...)`` float64."""
    network = model.network
    with np.errstate(all="ignore"):
        z = network.forward(x, Pass(train=False))
        outputs = z.shape[1]
        if model.target.kind == "class":
            dz = np.full(z.shape, -1 / outputs, z.dtype)
            dz[np.arange(len(z)), z.argmax(axis=1)] += 1
            asked = [dz]
        else:
            asked = []
            for k in range(outputs):
                dz = np.zeros(z.shape, z.dtype)
                dz[:, k] = 1
                asked.append(dz)
        found = []
        for dz in asked:
            network.forward(x, Pass(train=False))
            dx = network.backward(dz, need_dx=True)
            assert dx is not None
            found.append(dx.astype(np.float64))
    return found
