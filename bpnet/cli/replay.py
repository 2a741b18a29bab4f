"""``bpnet replay``."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpnet import threads
from bpnet.cli.console import Console
from bpnet.errors import CheckFailedError

if TYPE_CHECKING:
    from bpnet.replaying import Replay
    from bpnet.training.examination import Observation

_HEADER = 1 << 24
"""Bytes; the header of such a file has a few thousand."""

_PARTS = {
    "weights": "weights",
    "input": "inputs",
    "target": "targets",
    "weight": "row weights",
    "output": "output",
    "state": "running statistics",
    "loss": "loss",
    "dz": "derivative of the loss",
    "dx": "gradient handed down",
    "gradient": "gradient",
    "sum": "gradient",
}

_SUM = "gradient, all batches and penalties added up"
_TABLES: dict[str, tuple[str, ...]] = {
    "weights": ("weights",),
    "forward": ("input", "target", "weight", "output", "state", "loss"),
    "backward": ("dz", "gradient", "dx"),
    _SUM: ("sum",),
}


def replay(
    console: Console,
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="A run directory, or a diverged.safetensors.", show_default=False
        ),
    ],
) -> None:
    """Take the step at which a run diverged again.

    Shows every tensor of it, names the first that isn't finite, and compares loss and gradient
    with those of the run to the last bit. The data isn't needed.
    """
    threads.choose(like=_environment(run))
    from bpnet import replaying

    done = replaying.replay(run)
    if console.as_json:
        console.json(_as_json(done))
    elif not console.quiet:
        _show(done, console)
    if done.differences:
        why = "; ".join(done.changed) or "nothing that bpnet knows of has changed since"
        raise CheckFailedError(
            f"{done.path}: the step is not what it was: {'; '.join(done.differences)}; {why}"
        )


def _environment(run: Path) -> dict[str, Any]:
    """Return where the run took place; nothing if its file doesn't say so.

    The file gets checked once NumPy is there, which must not be imported before this is known.
    """
    from bpnet.runs.rundir import DIVERGED

    path = run / DIVERGED if run.is_dir() else run
    try:
        if not path.is_file():
            return {}
        with path.open("rb") as file:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), _HEADER)))
        environment = json.loads(header["__metadata__"]["bpnet"])["facts"]["environment"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return environment if isinstance(environment, dict) else {}


def _show(done: Replay, console: Console) -> None:
    found, began = done.found, done.began
    console.out(found.message)
    batch = began.batch if began is not None else 0
    if len(found.batches) > 1:
        console.out(f"shown is batch {batch + 1} of the {len(found.batches)} of the step")
    for title, parts in _TABLES.items():
        seen = [s for s in done.seen if s.part in parts and s.batch in (batch, -1)]
        if title == _SUM and len(found.batches) == 1 and (began is None or began.part != "sum"):
            continue
        if seen:
            console.out()
            console.table(
                ["tensor", "", "shape", "least", "largest", "mean size", "NaN", "Inf", ""],
                [_row(s, s is began) for s in seen],
                title=title,
                right=range(3, 8),
            )
    console.out()
    if began is not None:
        console.out(f"it began in {_place(began)}")
    elif found.reason:
        console.out(f"it began in the update: {found.reason}")
    for difference in done.differences:
        console.out(difference)
    if not done.differences:
        console.out(
            f"reproduced bit for bit: loss {found.loss:g}, gradient norm {found.norm:g} and all "
            f"{found.gradient.size:,} numbers of the gradient"
        )


def _row(seen: Observation, began: bool) -> list[str]:
    sizes = [f"{v + 0:.4g}" if math.isfinite(v) else "-" for v in (seen.low, seen.high, seen.size)]
    shape = "x".join(map(str, seen.shape)) or "1"
    mark = "<- it began here" if began else ""
    return [seen.name, _PARTS[seen.part], shape, *sizes, str(seen.nans), str(seen.infs), mark]


def _place(seen: Observation) -> str:
    return f"{seen.name} ({_PARTS[seen.part]})" if seen.name else f"the {_PARTS[seen.part]}"


def _as_json(done: Replay) -> dict[str, Any]:
    found, began = done.found, done.began
    return {
        "file": str(done.path),
        "reproduced": not done.differences,
        "differences": done.differences,
        "changed": done.changed,
        "message": found.message,
        "stage": found.stage,
        "step": found.step,
        "epoch": found.epoch,
        "rows": [rows.tolist() for rows in found.rows],
        "loss": found.loss,
        "grad_norm": found.norm,
        "lr": found.lr,
        "began": None if began is None else dataclasses.asdict(began),
        "tensors": [dataclasses.asdict(seen) for seen in done.seen],
    }
