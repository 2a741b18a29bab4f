"""A trained network in the formats of others: ONNX, safetensors and NPZ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bpnet.errors import RunError
from bpnet.runs import durable, rundir

if TYPE_CHECKING:
    from bpnet.model import Model

FORMATS = ("onnx", "safetensors", "npz")
"""What a model can be exported to; the endings of the files too."""

_MARKS = {
    "onnx": b"\x12\x05bpnet",
    "safetensors": b'{"__metadata__":{"layout":',
    "npz": b"about.npy",
}
"""What is found in the first bytes of every exported file of these formats."""


def refuse_other(path: Path, form: str) -> None:
    """Refuse to write over a file that is no earlier export.

    Raises
    ------
    RunError
        If there is one.
    RefusedError
        If the operating system refuses to read it.
    """
    if not path.is_file():
        return
    with durable.refusals("read", path), path.open("rb") as file:
        start = file.read(64)
    if start and _MARKS[form] not in start:
        raise RunError(f"{path}: there already, and no export of bpnet; choose another name")


def facts_of(run: Path, model: Model) -> dict[str, str]:
    """Return what an exported file says of where it comes from.

    Raises
    ------
    RunError
        If the run is damaged.
    """
    facts = {"name": model.config.name, "dtype": model.config.dtype}
    if run.is_dir():
        known = rundir.open_run(run)
        facts |= {"run": str(known.get("id", "")), "run_directory": run.resolve().name}
    return facts
