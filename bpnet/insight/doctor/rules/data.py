"""Illnesses that the data brings along: scales, and classes that are rare."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpnet.insight.doctor import places
from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.findings import Change, Finding, Rule
from bpnet.insight.doctor.probe import front
from bpnet.nn.arena import Array

LARGE = 20.0
"""Typical size (root mean square) of an input above which it is unscaled."""

SMALL = 0.01
"""Standard deviation below which a column of numbers is next to invisible."""

RARE = 10.0
"""Rows of the most frequent class over those of the rarest."""

FOUND = 0.8
"""Share of the rare class that should be recognized."""


def _unscaled_inputs(seen: Evidence) -> Iterator[Finding]:
    if seen.experiment is None or _normalizes(seen):
        return
    x = front(seen.experiment.state.batches.data).x.astype(np.float64)
    names = seen.experiment.data.features.names
    if x.ndim != 2:
        x = x.reshape(-1, x.shape[-1])
    size, spread = np.sqrt(np.square(x).mean(axis=0)), x.std(axis=0)
    names = names if len(names) == len(size) else tuple(f"input {i}" for i in range(len(size)))
    large = int(size.argmax())
    if size[large] > LARGE:
        others = int(np.count_nonzero(size > LARGE)) - 1
        yield Finding(
            "unscaled_inputs",
            names[large],
            float(size[large]),
            LARGE,
            f"{names[large]} enters the network with a typical size of {size[large]:.3g}"
            + (f", and {_counted(others)} above {LARGE:g} too" if others else ""),
        )
    small = (spread > 0) & (spread < SMALL) & ~_of_zeros_and_ones(x)
    if small.any() and not size[large] > LARGE:
        least = int(np.where(small, spread, np.inf).argmin())
        yield Finding(
            "unscaled_inputs",
            names[least],
            float(spread[least]),
            SMALL,
            f"{names[least]} varies by only {spread[least]:.3g} (its standard deviation) in the "
            "network's input, so weights would have to be huge to see it",
        )


def _counted(others: int) -> str:
    return "one other is" if others == 1 else f"{others} others are"


def _of_zeros_and_ones(x: Array) -> Array:
    both: Array = ((x == 0) | (x == 1)).all(axis=0)
    return both


def _normalizes(seen: Evidence) -> bool:
    """Say whether the network itself brings its inputs to one scale."""
    assert seen.experiment is not None
    kinds = [layer.type for layer in seen.experiment.config.model.layers]
    return next((k for k in kinds if k not in ("flatten", "reshape")), "") in (
        "batch_norm",
        "layer_norm",
    )


def _scale_inputs(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    config, features = seen.experiment.config.data, seen.experiment.data.features
    if not features.columns:
        yield Change(("data.images.scale=standard",), "bring every channel to mean 0, deviation 1")
        return
    overrides = []
    for name, options in config.columns.items():
        if options.scale not in (None, "standard") and features.columns.get(name) == "number":
            overrides.append(f"{places.column(name, 'scale')}=standard")
        if options.encode == "ordinal":
            overrides.append(f"{places.column(name, 'encode')}=one_hot")
    if config.numeric.scale != "standard":
        overrides.append("data.numeric.scale=standard")
    if config.categorical.encode == "ordinal":
        overrides.append("data.categorical.encode=one_hot")
    yield Change(tuple(overrides), "bring every column to mean 0 and standard deviation 1")


UNSCALED_INPUTS = Rule(
    "unscaled_inputs",
    "size of an input, or its deviation",
    "LeCun et al., Efficient BackProp (1998), 4.3: inputs of mean 0 and about the same variance",
    _unscaled_inputs,
    _scale_inputs,
    begins=f"a typical size above {LARGE:g}, or a standard deviation below {SMALL:g}",
)


def _unscaled_target(seen: Evidence) -> Iterator[Finding]:
    if seen.experiment is None or seen.experiment.state.target.kind != "number":
        return
    target = front(seen.experiment.state.batches.data).target.astype(np.float64)
    size = float(np.sqrt(np.square(target).mean(axis=0)).max())
    if size > LARGE:
        yield Finding(
            "unscaled_target",
            ", ".join(seen.experiment.state.target.columns[:3]),
            size,
            LARGE,
            f"the target has a typical size of {size:.3g} where outputs start around 1, so the "
            "first gradients are that much too large",
        )
    spread = float(target.std(axis=0).min())
    if 0 < spread < SMALL:
        yield Finding(
            "unscaled_target",
            ", ".join(seen.experiment.state.target.columns[:3]),
            spread,
            SMALL,
            f"the target varies by only {spread:.3g} (its standard deviation), so even a loss that "
            "looks small says nothing",
        )


def _scale_target(seen: Evidence, finding: Finding) -> Iterator[Change]:
    yield Change(("data.target_scale=standard",), "scale it inside; reports keep its own unit")


UNSCALED_TARGET = Rule(
    "unscaled_target",
    "size of the target, or its deviation",
    "Bishop, Neural Networks for Pattern Recognition (1995), 8.2: targets of order one",
    _unscaled_target,
    _scale_target,
    begins=f"a typical size above {LARGE:g}, or a standard deviation below {SMALL:g}",
)


def _class_imbalance(seen: Evidence) -> Iterator[Finding]:
    if seen.experiment is None or len(seen.recall) < 2:
        return
    if getattr(seen.experiment.config.loss, "class_weight", None) is not None:
        return
    rare = min(seen.recall, key=lambda name: seen.recall[name][1])
    share, rows = seen.recall[rare]
    most = max(count for _, count in seen.recall.values())
    ratio = most / max(rows, 1)
    if ratio >= RARE and share < FOUND:
        yield Finding(
            "class_imbalance",
            rare,
            ratio,
            RARE,
            f"class '{rare}' has {rows} training rows, {ratio:.3g} times fewer than the most "
            f"frequent class, and only {share:.0%} of them are recognized",
        )


def _balance(seen: Evidence, finding: Finding) -> Iterator[Change]:
    yield Change(("loss.class_weight=balanced",), "let every class count alike")


CLASS_IMBALANCE = Rule(
    "class_imbalance",
    "rows of the commonest class over those of the rarest",
    "King and Zeng, Logistic Regression in Rare Events Data (2001); 10 to 1: SageMaker Debugger",
    _class_imbalance,
    _balance,
    begins=f"a class {RARE:g} times rarer than another, of which less than {FOUND:g} is "
    "recognized, without `class_weight`",
    causes=(
        "unscaled_inputs",
        "output_does_not_suit_loss",
        "learning_rate_too_high",
        "learning_rate_too_low",
        "initialization",
        "dead_relu",
        "loss_explodes",
    ),
)
