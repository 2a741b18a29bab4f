"""Only the tensors, under plain names, for programs that bring their own network.

``dense_1.W`` and so on, exactly as bpnet computes with them: a dense layer is ``x @ W + b``, with W
``(inputs, units)``; a normalization multiplies by ``gamma`` and adds ``beta``. What surrounds the
network comes along: figures of the preprocessing as ``features/center``, and facts as JSON.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping

import numpy as np

from bpnet import __version__
from bpnet.model import Model
from bpnet.nn.arena import Array

LAYOUT = (
    "a dense layer is x @ W + b, W of shape (inputs, units); images are (N, H, W, C); "
    "inputs of the network are (cell - features/center) / features/scale, then the categories; "
    "a number predicted is output * target/scale + target/center"
)

_ABOUT = "about"
"""The NPZ array with the facts, a text of JSON."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time that a zip archive gives its files here: equal models make equal bytes."""


def contents(model: Model, facts: Mapping[str, str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the tensors of a model by name, and texts that say what they are."""
    features, feature_arrays = model.features.to_state()
    target, target_arrays = model.target.to_state()
    arrays = dict(model.weights)
    arrays |= {f"features/{name}": array for name, array in feature_arrays.items()}
    arrays |= {f"target/{name}": array for name, array in target_arrays.items()}
    layers = [
        {"name": name, "type": layer.type, "output": list(shape)}
        for name, layer, shape in model.network.walk()
    ]
    told = {
        "layout": LAYOUT,
        "bpnet": __version__,
        **facts,
        "classes": _json(list(model.classes)),
        "layers": _json(layers),
        "features": _json(features),
        "target": _json(target),
    }
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}, told


def to_safetensors(model: Model, facts: Mapping[str, str]) -> bytes:
    """Return a model as a safetensors file with the facts in its metadata."""
    arrays, told = contents(model, facts)
    # The widest types first, as the format asks for: so every array is aligned.
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    table: dict[str, object] = {"__metadata__": told}
    place = 0
    for name in order:
        array = arrays[name]
        offsets = [place, place + array.nbytes]
        kind = _NAMES[array.dtype.name]
        table[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
        place += array.nbytes
    header = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    data = [_little(arrays[name]).tobytes() for name in order]
    return b"".join([len(header).to_bytes(8, "little"), header, *data])


_NAMES = {"float64": "F64", "float32": "F32"}


def _little(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def to_npz(model: Model, facts: Mapping[str, str]) -> bytes:
    """Return a model as an NPZ file; its array ``about`` is a text of JSON with the facts."""
    arrays, told = contents(model, facts)
    arrays = {_ABOUT: np.array(_json(told)), **arrays}
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return into.getvalue()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
