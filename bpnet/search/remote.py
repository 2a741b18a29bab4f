"""The way into a worker process, which may not have loaded NumPy yet: threads come first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpnet.threads import team


def carry_out(task: Mapping[str, Any]) -> dict[str, Any]:
    """Train a trial with the threads that every trial has; see `bpnet.search.trial.carry_out`."""
    team.use(task["threads"], as_team=task["as_team"])
    from bpnet.search import trial

    return trial.carry_out(task)
