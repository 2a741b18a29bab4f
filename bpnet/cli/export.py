"""``bpnet export``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpnet import threads
from bpnet.cli.arguments import RunOrModel
from bpnet.cli.console import Console, number
from bpnet.errors import CheckFailedError, UsageError, did_you_mean

if TYPE_CHECKING:
    from bpnet.exporting.comparison import Comparison
    from bpnet.exporting.exported import Exported
    from bpnet.model import Model


def export(
    console: Console,
    run: RunOrModel,
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help="onnx, safetensors or npz.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Default: named after the run, in this folder."
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="The largest difference from bpnet's own predictions; default: 1e-5 in float32, "
            "1e-10 in float64.",
        ),
    ] = None,
) -> None:
    """Write a trained network for other programs.

    ONNX holds the whole pipeline, from raw cells to labels, and is compared with bpnet on the test
    part; safetensors and NPZ hold the tensors.
    """
    from bpnet.exporting import FORMATS, facts_of

    if to not in FORMATS:
        near = did_you_mean(to, FORMATS) or f": expected {', '.join(FORMATS)}"
        raise UsageError(f"--to: no format '{to}'{near}")
    threads.choose()
    from bpnet import model
    from bpnet.runs import durable

    loaded = model.load(run)
    path = output or Path(f"{_name(run)}.{to}")
    _check_output(path, to)
    facts = facts_of(run, loaded)
    report: dict[str, Any] = {"file": str(path), "format": to}
    if to == "onnx":
        data = _onnx(loaded, facts, tolerance, console, report)
    else:
        from bpnet.exporting import plain

        data = (plain.to_safetensors if to == "safetensors" else plain.to_npz)(loaded, facts)
        report["tensors"] = {name: list(a.shape) for name, a in loaded.weights.items()}
        console.info(f"{len(loaded.weights)} tensors: {', '.join(loaded.weights)}")
    durable.write(path.resolve(), data)
    report["bytes"] = len(data)
    if console.as_json:
        console.json(report)
    else:
        console.info(f"wrote {path}: {len(data):,} bytes")
        console.out(str(path))


def _name(run: Path) -> str:
    return run.resolve().name if run.is_dir() else run.resolve().stem


def _check_output(path: Path, to: str) -> None:
    from bpnet.exporting import refuse_other

    if path.suffix != f".{to}":
        raise UsageError(f"-o {path}: expected a name that ends in .{to}")
    if path.is_dir():
        raise UsageError(f"-o {path}: a folder stands there; name a file")
    refuse_other(path, to)


def _onnx(
    model: Model,
    facts: dict[str, str],
    tolerance: float | None,
    console: Console,
    report: dict[str, Any],
) -> bytes:
    from bpnet.exporting import comparison, pipeline

    exported = pipeline.to_onnx(model, facts)
    if tolerance is None:
        tolerance = comparison.TOLERANCES[model.config.dtype]
    report |= {
        "opset": exported.opset,
        "inputs": [dataclasses.asdict(port) for port in exported.inputs],
        "outputs": [dataclasses.asdict(port) for port in exported.outputs],
    }
    found = comparison.compare(exported, model, tolerance)
    report["check"] = None
    if found is not None:
        report["check"] = {**dataclasses.asdict(found), "tolerance": tolerance}
    _say(exported, found, tolerance, console)
    if found is not None and not found.holds(tolerance):
        raise CheckFailedError(_failure(found, tolerance))
    return exported.data


def _say(exported: Exported, found: Comparison | None, tolerance: float, console: Console) -> None:
    for kind, ports in (("in", exported.inputs), ("out", exported.outputs)):
        for port in ports[:6]:
            shape = ", ".join(map(str, port.shape))
            console.info(f"{kind}: {port.name}  {port.type} ({shape})  {port.about}")
        if len(ports) > 6:
            console.info(f"{kind}: ... and {len(ports) - 6} more, one for each column")
    if found is None:
        console.warn(
            "not checked: onnxruntime is not installed; pip install 'bpnet[onnx]' and export again"
        )
        return
    if found.reason:
        console.warn(f"checked on made-up rows, as the data can't be read: {found.reason}")
    where = "made-up rows" if found.reason else f"rows of the {found.part} part"
    console.info(
        f"checked with onnxruntime {found.runtime} on {found.rows} {where}: largest difference "
        f"{number(found.difference)} (tolerance {tolerance:g})"
    )


def _failure(found: Comparison, tolerance: float) -> str:
    labels = f", and {found.labels} labels differ" if found.labels else ""
    return (
        f"the exported model differs from bpnet by {number(found.difference)}{labels}, above the "
        f"tolerance of {tolerance:g}; nothing was written (--tolerance allows more)"
    )
