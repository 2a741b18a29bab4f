"""``bpnet train --overfit N``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from bpnet.cli.console import Console
from bpnet.errors import CheckFailedError

if TYPE_CHECKING:
    from bpnet.experiment import Experiment


def prove(experiment: Experiment, count: int, console: Console) -> None:
    """Train on a few rows until they are known by heart, and say whether that worked."""
    from bpnet.insight.overfitting import overfit

    if console.live:
        console.show_live(f"learning {count} rows", force=True)
    found = overfit(experiment, count)
    console.clear_live()
    rows = "1 row" if count == 1 else f"{count} rows"
    steps = "1 step" if found.steps == 1 else f"{found.steps} steps"
    constant = found.constant if found.constant > 1e-9 else 0.0
    said = (
        f"{rows} in {steps}: loss {found.start:.4g} -> {found.loss:.4g} "
        f"(a constant answer has {constant:.4g}, the least possible is {found.floor:.4g})"
    )
    if console.as_json:
        rate = {"learning_rate": found.rate}
        console.json({"overfit": count, **dataclasses.asdict(found), **rate})
    elif not console.quiet:
        if found.switched_off:
            console.info(f"switched off for this: {', '.join(found.switched_off)}")
        console.out(f"{'learned' if found.learned else 'did not learn'} {said}")
        for hint in found.hints:
            console.out(f"  {hint}")
        if found.rate is not None:
            console.out(f"  with another learning rate it does: {_key(experiment)}={found.rate:g}")
    if not found.learned:
        at = "" if found.rate is None else " with this learning rate"
        raise CheckFailedError(
            f"{experiment.config.name}: {rows} could not be learned by heart{at}"
        )


def _key(experiment: Experiment) -> str:
    peak = getattr(experiment.config.schedule, "max_learning_rate", None)
    return "optimizer.learning_rate" if peak is None else "schedule.max_learning_rate"
