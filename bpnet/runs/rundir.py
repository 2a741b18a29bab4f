"""The directory of one run: made exclusively, never overwritten."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from bpnet.errors import RunError
from bpnet.runs import durable

CONFIG = "config.yaml"
RESOLVED = "config.resolved.yaml"
RUN = "run.json"
METRICS = "metrics.jsonl"
METRICS_CSV = "metrics.csv"
EVENTS = "events.jsonl"
LOG = "log.txt"
CHECKPOINTS = "checkpoints"
BEST = "checkpoints/best.safetensors"
MODEL = "model.safetensors"
RESULT = "result.json"


def create(root: Path, name: str) -> Path:
    """Make ``root/name-001``, or the first free number after it, and return it.

    Raises
    ------
    RefusedError
        If the operating system refuses.
    """
    with durable.refusals("make a run directory in", root):
        root.mkdir(parents=True, exist_ok=True)
        number = _highest_number(root, name) + 1
        while True:
            directory = root / f"{name}-{number:03d}"
            try:
                directory.mkdir()
            except FileExistsError:  # another process took the number
                number += 1
                continue
            (directory / CHECKPOINTS).mkdir()
            return directory


def create_exactly(directory: Path) -> Path:
    """Make `directory` itself, which must not exist yet or be empty.

    Raises
    ------
    RunError
        If something is there already.
    RefusedError
        If the operating system refuses.
    """
    with durable.refusals("make the run directory", directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            directory.mkdir()
        except FileExistsError:
            if directory.is_symlink() or not directory.is_dir() or any(directory.iterdir()):
                raise RunError(
                    f"{directory}: there already, and never overwritten; "
                    "choose another --run-dir or remove it first"
                ) from None
        (directory / CHECKPOINTS).mkdir(exist_ok=True)
    return directory


def _highest_number(root: Path, name: str) -> int:
    pattern = re.compile(re.escape(name) + r"-(\d{3,})")
    matches = (pattern.fullmatch(entry.name) for entry in root.iterdir())
    return max((int(match[1]) for match in matches if match), default=0)


def to_json(value: object) -> str:
    """Return indented JSON for people and scripts; a number that JSON lacks becomes null."""
    return json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_json_line(value: object) -> str:
    """Return one line of JSON; a number that JSON lacks becomes null."""
    return json.dumps(finite(value), ensure_ascii=False, allow_nan=False)


def finite(value: object) -> object:
    """Return `value` with None for every NaN and infinity in it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    RunError
        If the file is missing or holds none.
    """
    try:
        value = json.loads(durable.read(path, limit=1 << 26))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"{path}: expected a JSON object")
    return value


def open_run(directory: Path) -> dict[str, Any]:
    """Check that `directory` is a run and return its ``run.json``.

    Raises
    ------
    RunError
        If it is none.
    """
    if not directory.is_dir():
        raise RunError(f"{directory}: no such run directory; `ls runs` shows those there are")
    if not (directory / RUN).is_file():
        raise RunError(f"{directory}: not a run directory of bpnet ({RUN} is missing)")
    return read_json(directory / RUN)
