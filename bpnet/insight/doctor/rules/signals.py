"""Illnesses of what flows through the network: activations forward, gradients back."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bpnet.insight.doctor import places
from bpnet.insight.doctor.evidence import Evidence, Look
from bpnet.insight.doctor.findings import Change, Finding, Rule
from bpnet.insight.doctor.looking import FLAT
from bpnet.insight.doctor.rules.start import fitting_start

DEAD = 0.5
"""Share of a layer's units that are 0 for every row."""

SATURATED = 0.5
"""Share of a layer's outputs that pass next to no gradient."""

VANISHING = 1e-3
"""Gradient at the first layer over that at the last."""

EXPLODING = 100.0
"""Gradient at the first layer over that at the last."""

LEARNED = 0.1
"""Training loss over that of a constant answer, below which saturation and small gradients at the
end are those of a network that has learned its rows."""

_STOPPERS = ("learning_rate_too_high", "unscaled_inputs", "initialization")


def _moments(seen: Evidence) -> Iterator[tuple[str, Look]]:
    """Yield the moments at which something wrong would harm, with their names."""
    if seen.start is not None:
        yield "start", seen.start
    if seen.end is not None and not seen.unlearned < LEARNED:
        yield "end", seen.end


def _worst(
    seen: Evidence, rule: str, what: str, threshold: float, attribute: str
) -> Iterator[Finding]:
    """Yield a finding for the layer that has most of something, and count the others."""
    for moment, look in _moments(seen):
        values = [(getattr(layer, attribute), layer) for layer in look.layers]
        over = [(v, layer) for v, layer in values if v > threshold]
        if over:
            share, layer = max(over, key=lambda entry: entry[0])
            more = "one other layer" if len(over) == 2 else f"{len(over) - 1} other layers"
            others = f" (and of {more})" if len(over) > 1 else ""
            yield Finding(
                rule,
                layer.name,
                share,
                threshold,
                f"{share:.0%} of {what.format(layer=layer)} at the {moment}{others}",
                moment=moment,
            )
            return


def _dead_relu(seen: Evidence) -> Iterator[Finding]:
    rows = seen.start.rows if seen.start is not None else 0
    what = f"the units of {{layer.name}} give 0 for each of {rows} rows"
    yield from _worst(seen, "dead_relu", what, DEAD, "dead")


def _revive(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    keys = places.layers(seen.experiment)
    if finding.moment == "start":
        yield from (c for c in fitting_start(seen, finding) if c.overrides)
    else:
        rate = places.rounded(seen.experiment.config.optimizer.learning_rate / 10)
        yield Change((f"optimizer.learning_rate={rate:g}",), "take smaller steps")
    leaky = tuple(f"{key}.type=leaky_relu" for key, layer in keys.values() if layer.type == "relu")
    yield Change(leaky, "let a little pass below 0")


DEAD_RELU = Rule(
    "dead_relu",
    "share of units that are 0 for every row",
    "Maas et al. (2013), Lu et al., Dying ReLU (2019); half a layer as in SageMaker Debugger",
    _dead_relu,
    _revive,
    begins=f"more than {DEAD:g} of a layer's units are 0 for every row",
    causes=_STOPPERS,
)


def _saturated(seen: Evidence) -> Iterator[Finding]:
    what = "the outputs of {layer.name} are so near its bounds that no gradient passes"
    yield from _worst(seen, "saturated_activation", what, SATURATED, "saturated")


def _desaturate(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    if seen.experiment.data.features.columns and (
        seen.experiment.config.data.numeric.scale == "none"
    ):
        yield Change(("data.numeric.scale=standard",), "bring the inputs to a usual size")
    if finding.moment == "start":
        yield from (c for c in fitting_start(seen, finding) if c.overrides)
    else:
        rate = places.rounded(seen.experiment.config.optimizer.learning_rate / 10)
        yield Change((f"optimizer.learning_rate={rate:g}",), "take smaller steps")
    yield from with_relus(seen)


def with_relus(seen: Evidence) -> Iterator[Change]:
    """Yield the change from sigmoids and tanhs to relus."""
    assert seen.experiment is not None
    bounded = [
        f"{key}.type=relu"
        for key, layer in places.layers(seen.experiment).values()
        if layer.type in ("sigmoid", "tanh")
    ]
    if bounded:
        relus = (*bounded, "model.init=he")
        yield Change(relus, "use relus, which don't saturate above 0")
        rate = places.rounded(seen.experiment.config.optimizer.learning_rate / 10)
        slower = f"optimizer.learning_rate={rate:g}"
        yield Change((*relus, slower), "use relus, and take smaller steps")


SATURATED_ACTIVATION = Rule(
    "saturated_activation",
    "share of outputs that pass no gradient",
    "Glorot and Bengio (2010), 3; half a layer as in SageMaker Debugger",
    _saturated,
    _desaturate,
    begins=f"more than {SATURATED:g} of the outputs of a sigmoid or tanh pass less than {FLAT:g} "
    "of the gradient",
    causes=_STOPPERS,
)


def _vanishing(seen: Evidence) -> Iterator[Finding]:
    for moment, look in _moments(seen):
        ratio = look.gradient_ratio
        if ratio < VANISHING:
            first, last = look.weighted[0].name, look.weighted[-1].name
            yield Finding(
                "vanishing_gradient",
                first,
                ratio,
                VANISHING,
                f"the gradient at {first} is {ratio:.2g} of that at {last} at the {moment}, so the "
                "lower layers hardly learn",
                moment=moment,
            )
            return


def _strengthen(seen: Evidence, finding: Finding) -> Iterator[Change]:
    yield from (c for c in fitting_start(seen, finding) if c.overrides)
    yield from with_relus(seen)
    yield from _leaky(seen)


def _leaky(seen: Evidence) -> Iterator[Change]:
    assert seen.experiment is not None
    keys = places.layers(seen.experiment).values()
    relus = tuple(f"{key}.type=leaky_relu" for key, layer in keys if layer.type == "relu")
    if relus:
        yield Change(relus, "let a little pass below 0")


VANISHING_GRADIENT = Rule(
    "vanishing_gradient",
    "gradient at the first layer over that at the last",
    "Hochreiter (1991), Glorot and Bengio (2010): gradients keep their size from layer to layer",
    _vanishing,
    _strengthen,
    begins=f"the gradient at the first layer is below {VANISHING:g} of that at the last",
    causes=("initialization", "dead_relu", "saturated_activation", "unscaled_inputs"),
)


def _exploding(seen: Evidence) -> Iterator[Finding]:
    for moment, look in _moments(seen):
        ratio = look.gradient_ratio
        if math.isfinite(ratio) and ratio > EXPLODING:
            first, last = look.weighted[0].name, look.weighted[-1].name
            yield Finding(
                "exploding_gradient",
                first,
                ratio,
                EXPLODING,
                f"the gradient at {first} is {ratio:.3g} times that at {last} at the {moment}, so "
                "a step that suits one layer is far too large for the other",
                moment=moment,
            )
            return


def _calm(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    yield from (c for c in fitting_start(seen, finding) if c.overrides)
    rate = places.rounded(seen.experiment.config.optimizer.learning_rate / 10)
    yield Change((f"optimizer.learning_rate={rate:g}",), "take smaller steps")
    yield Change(("training.clip_norm=1",), "cap the gradient")


EXPLODING_GRADIENT = Rule(
    "exploding_gradient",
    "gradient at the first layer over that at the last",
    "Pascanu et al. (2013), Glorot and Bengio (2010)",
    _exploding,
    _calm,
    begins=f"the gradient at the first layer is above {EXPLODING:g} times that at the last",
    causes=("initialization", "unscaled_inputs", "learning_rate_too_high"),
)
