"""Train neural networks from a YAML file, on a backpropagation engine written in NumPy.

>>> import bpnet
>>> run = bpnet.train("configs/iris.yaml", training__epochs=20)  # doctest: +SKIP
>>> model = bpnet.load(run.directory)                     # doctest: +SKIP
>>> model.predict([{"sepal_length": 5.1, ...}])           # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpnet.api import FinishedRun, resume, train
    from bpnet.model import Model, load

__version__ = "0.1.0"

__all__ = ["FinishedRun", "Model", "__version__", "load", "resume", "train"]

_HOMES = {
    "FinishedRun": "bpnet.api",
    "Model": "bpnet.model",
    "load": "bpnet.model",
    "resume": "bpnet.api",
    "train": "bpnet.api",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that `import bpnet` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bpnet' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
