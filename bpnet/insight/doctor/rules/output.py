"""Illnesses of what stands at the end: output layer, loss and target; and layers for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bpnet.combinations import doubts
from bpnet.insight.doctor import places
from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.findings import Change, Finding, Rule
from bpnet.insight.doctor.probe import front

OUTSIDE = 0.01
"""Share of the targets that the output layer may be unable to reach."""

CODES = 20
"""Most classes that codes of classes are looked for."""

FEW = 20
"""Rows below which a column of numbers says nothing about what it holds."""

EVEN = 10.0
"""Codes of classes are about evenly frequent, counts of things are not: the most frequent value
over the rarest."""

DISTINCT = 0.2
"""Classes per training row, from where on they are no classes."""

_BOUNDS = {
    "relu": (0.0, np.inf),
    "softplus": (0.0, np.inf),
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "elu": (-1.0, np.inf),
}
"""What the outputs of a layer lie between."""


def _bounded_output(seen: Evidence) -> Iterator[Finding]:
    if seen.experiment is None:
        return
    config = seen.experiment.config
    last = config.model.layers[-1]
    if config.loss.target == "number" and last.type in _BOUNDS:
        low, high = _BOUNDS[last.type]
        target = front(seen.experiment.state.batches.data).target
        rounding = 1e-6
        share = float(((target < low - rounding) | (target > high + rounding)).mean())
        if share > OUTSIDE:
            yield Finding(
                "output_does_not_suit_loss",
                last.name,
                share,
                OUTSIDE,
                f"{share:.0%} of the (scaled) targets lie outside of what {last.type} at the end "
                f"can reach, {low:g} to {high:g}",
            )
        return
    for path, message in doubts(config):
        if path == ("model", "layers", len(config.model.layers) - 1) and last.type != "batch_norm":
            yield Finding("output_does_not_suit_loss", last.name, 1.0, 0.0, message)


def _open_output(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    last = len(seen.experiment.config.model.layers) - 1
    key = f"model.layers.{last}"
    plain = seen.experiment.config.model.layers[last].type in ("relu", "sigmoid", "tanh", "softmax")
    override = f"{key}.type=identity" if plain else f"{key}={{type: identity}}"
    yield Change((override,), "drop the last layer")


OUTPUT_DOES_NOT_SUIT_LOSS = Rule(
    "output_does_not_suit_loss",
    "share of targets out of reach",
    "Bishop, Pattern Recognition and Machine Learning (2006), 5.2: each loss has its output",
    _bounded_output,
    _open_output,
    begins=f"a last layer outside of whose bounds more than {OUTSIDE:g} of the targets lie; or one "
    "that bounds logits, or drops outputs",
)


def _wrong_loss(seen: Evidence) -> Iterator[Finding]:
    if seen.experiment is None:
        return
    loss, data = seen.experiment.config.loss, front(seen.experiment.state.batches.data)
    target = seen.experiment.state.target
    if loss.target == "number" and len(data) >= FEW:
        columns = (data.truth if data.truth is not None else data.target).T
        found = [np.unique(column, return_counts=True) for column in columns]
        k = max(len(values) for values, _ in found)
        values, counts = found[0]
        codes = k <= CODES and np.array_equal(values, np.arange(k)) and len(data) >= FEW * k / 4
        even = counts.max() <= EVEN * counts.min()
        if k == 2 or (len(found) == 1 and k > 2 and codes and even):
            shown = ", ".join(f"{v:g}" for v in values[:4]) + (", ..." if k > 4 else "")
            yield Finding(
                "loss_does_not_suit_target",
                target.columns[0],
                k,
                CODES,
                f"{target.columns[0]} has only {k} values ({shown}), which look like codes of "
                f"classes, but {loss.type} takes them for amounts",
            )
    if loss.target == "class" and target.class_counts is not None:
        rows = len(seen.experiment.state.batches.data)
        share = len(target.class_names) / rows
        numbers = all(_is_number(name) for name in target.class_names)
        if numbers and share > DISTINCT and len(target.class_names) > CODES:
            yield Finding(
                "loss_does_not_suit_target",
                target.columns[0],
                share,
                DISTINCT,
                f"{target.columns[0]} has {len(target.class_names)} different numbers in {rows} "
                f"rows, each of which {loss.type} takes for a class of its own",
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _other_loss(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    config = seen.experiment.config
    if config.loss.target == "class":
        yield Change(("loss=mse", "metrics=auto"), "predict the number itself")
        return
    name = "binary_cross_entropy" if finding.number == 2 else "cross_entropy"
    overrides = [f"loss={name}", "metrics=auto"]
    last = len(config.model.layers) - 1
    while last > 0 and not hasattr(config.model.layers[last], "units"):
        if config.model.layers[last].type in ("relu", "sigmoid", "tanh", "softmax"):
            overrides.append(f"model.layers.{last}.type=identity")
        last -= 1
    if hasattr(config.model.layers[last], "units"):
        overrides.append(f"model.layers.{last}.units=auto")
    if config.early_stopping is not None and config.early_stopping.monitor not in (
        "val/loss",
        "train/loss",
    ):
        overrides.append("early_stopping.monitor=val/loss")
    yield Change(tuple(overrides), "predict the class")


LOSS_DOES_NOT_SUIT_TARGET = Rule(
    "loss_does_not_suit_target",
    "values of the target, or classes per row",
    "Bishop, Pattern Recognition and Machine Learning (2006), 5.2: classes have a cross-entropy",
    _wrong_loss,
    _other_loss,
    begins=f"up to {CODES} whole numbers from 0 on, about evenly frequent, or two numbers, taken "
    f"for amounts; more than {CODES} numbers, in {DISTINCT:g} of the rows, taken for classes",
)


def _stacked(seen: Evidence) -> Iterator[Finding]:
    names = [name for pair in _pairs(seen) for name in pair]
    if names:
        count = len(names) // 2
        yield Finding(
            "no_activation",
            names[1],
            count,
            1,
            f"between {names[0]} and {names[1]} stands no activation, so the two are no more than "
            "one" + (f" (one of {count} such pairs)" if count > 1 else ""),
        )


def _pairs(seen: Evidence) -> Iterator[tuple[str, str]]:
    """Yield the names of dense layers that follow one another without an activation between."""
    if seen.experiment is None:
        return
    layers = seen.experiment.config.model.layers
    before = -1
    for i, layer in enumerate(layers):
        if layer.type == "dense":
            if before >= 0 and not _narrows(seen, before):
                yield layers[before].name, layer.name
            before = i
        elif layer.type not in ("identity", "dropout", "batch_norm"):
            before = -1


def _narrows(seen: Evidence, i: int) -> bool:
    """Say whether a layer has fewer units than inputs: a bottleneck, which may be meant."""
    assert seen.experiment is not None
    network = seen.experiment.state.network
    inputs, units = network.chain.shapes[i], network.chain.shapes[i + 1]
    outputs = network.out_shape[-1]
    return units[-1] < min(inputs[-1], outputs)


def _activate(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    layers: list[Any] = []
    second = {name for _, name in _pairs(seen)}
    for layer, written in zip(
        seen.experiment.config.model.layers, places.written_layers(seen.experiment), strict=True
    ):
        if layer.name in second:
            layers.append({"type": "relu"})
        layers.append(written)
    yield Change((places.whole(layers),), "put a relu between them")


NO_ACTIVATION = Rule(
    "no_activation",
    "pairs of layers without an activation between",
    "Rumelhart, Hinton and Williams (1986): layers without an activation are a single one",
    _stacked,
    _activate,
    begins="two dense layers with no activation between them",
)
