"""The way into a worker process, which may not have loaded NumPy yet: threads come first."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def carry_out(task: Mapping[str, Any]) -> dict[str, Any]:
    """Train a trial with the threads that every trial has; see `bpnet.search.trial.carry_out`."""
    if "numpy" not in sys.modules:
        os.environ.update(dict.fromkeys(_VARIABLES, str(task["threads"])))
    from bpnet.search import trial

    return trial.carry_out(task)
