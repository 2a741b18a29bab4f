"""Where things stand in a config, as the keys of overrides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from bpnet.config.nodes import Plain
from bpnet.config.write import inline
from bpnet.experiment import Experiment
from bpnet.nn.layers.base import Layer


def layers(experiment: Experiment) -> dict[str, tuple[str, Layer]]:
    """Return the key (``model.layers.2``) and the layer of every dotted layer name."""
    return {name: (key, layer) for name, key, layer in _walk(experiment.config.model.layers)}


def _walk(
    chain: Sequence[Layer], key: str = "model.layers", prefix: str = ""
) -> Iterator[tuple[str, str, Layer]]:
    for i, layer in enumerate(chain):
        name, place = f"{prefix}{layer.name}", f"{key}.{i}"
        yield name, place, layer
        inner = getattr(layer, "layers", None)
        if isinstance(inner, list):
            yield from _walk(inner, f"{place}.layers", f"{name}.")
        projection = getattr(layer, "projection", None)
        if isinstance(projection, Layer):
            yield f"{name}.{projection.name}", f"{place}.projection", projection


def column(name: str, option: str) -> str:
    """Return the key of an option of one column."""
    plain = re.fullmatch(r"[\w-]+", name) and not name.isdecimal()
    return f"data.columns.{name if plain else _quoted(name)}.{option}"


def _quoted(name: str) -> str:
    return f"'{name}'" if '"' in name else f'"{name}"'


def written_layers(experiment: Experiment) -> list[Plain]:
    """Return the outermost layers as the config writes them."""
    written: Any = experiment.document.peek("model", "layers", default=[])
    return list(written) if isinstance(written, list) else []


def whole(layers: list[Any]) -> str:
    """Return the override that sets all layers."""
    return f"model.layers={inline(layers)}"


def rounded(value: float) -> float:
    """Return a number with two digits, as people write it."""
    return float(f"{value:.2g}")
