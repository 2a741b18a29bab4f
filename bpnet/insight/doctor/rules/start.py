"""Illnesses of how the weights start."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bpnet.insight.doctor import places
from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.findings import Change, Finding, Rule
from bpnet.nn.initializers import He, Zeros

FACTOR = 10.0
"""How much larger or smaller than the inputs a signal may be anywhere inside the network."""


def _initialization(seen: Evidence) -> Iterator[Finding]:
    if seen.start is None or seen.experiment is None:
        return
    if seen.start.twins:
        name = seen.start.twins[0]
        yield Finding(
            "initialization",
            name,
            len(seen.start.twins),
            1,
            f"all units of {name} start with the same weights, so they learn the same for ever",
            measure="layers whose units are all alike",
        )
        return
    layers, size = seen.start.weighted, seen.start.input_size
    if not size > 0:
        return
    # A last layer that starts small is a way to start from the constant answer, so it may.
    ratios = [(layer.size / size, layer) for layer in layers]
    last = layers[-1].name if layers else ""
    off = [
        (max(ratio, 1 / ratio) if ratio > 0 else math.inf, ratio, layer)
        for ratio, layer in ratios
        if ratio > FACTOR or (ratio < 1 / FACTOR and layer.name != last)
    ]
    if off:
        _, ratio, layer = max(off, key=lambda entry: entry[0])
        how = "larger" if ratio > 1 else "smaller"
        yield Finding(
            "initialization",
            layer.name,
            ratio,
            FACTOR if ratio > 1 else 1 / FACTOR,
            f"at the start the sums of {layer.name} are {max(ratio, 1 / max(ratio, 1e-30)):.3g} "
            f"times {how} than the inputs; weights that fit the activations keep the size",
        )


def fitting_start(seen: Evidence, finding: Finding) -> Iterator[Change]:
    """Yield the change to the initializers that fit each activation by themselves."""
    assert seen.experiment is not None
    config = seen.experiment.config
    overrides = []
    if config.model.init != He():
        overrides.append("model.init=he")
    if config.model.bias_init != Zeros():
        overrides.append("model.bias_init=zeros")
    for key, layer in places.layers(seen.experiment).values():
        if getattr(layer, "init", None) is not None:
            overrides.append(f"{key}.init=null")
        if getattr(layer, "bias_init", None) is not None:
            overrides.append(f"{key}.bias_init=null")
    if overrides:
        yield Change(tuple(overrides), "start with weights whose scale fits each activation")
    yield Change((), "put {type: layer_norm} or {type: batch_norm} before the activations")


INITIALIZATION = Rule(
    "initialization",
    "size of the sums over that of the inputs",
    "Glorot and Bengio (2010), He et al. (2015): the signal keeps its variance; 10 is lenient",
    _initialization,
    fitting_start,
    begins=f"a sum that starts {FACTOR:g} times larger or smaller than the inputs; units that all "
    "start alike",
)
