"""What a run directory holds, by checksum: ``manifest.sha256``, which sha256sum reads too."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bpnet.errors import BpnetError, RunError
from bpnet.runs import checkpoint, durable, metrics_log, rundir, tensors
from bpnet.runs.lock import LOCK

MANIFEST = "manifest.sha256"

_APART = (LOCK, MANIFEST, rundir.REPORT)
"""Files of a run directory that say nothing of their own about the run."""

_FOLDERS_APART = (rundir.PLOTS, "wandb")
"""Folders of that kind; into the second another program writes when it likes."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one file.

    Attributes
    ----------
    path
        Its path below the run directory.
    state
        ``ok``; ``changed`` (not what the manifest says), ``missing`` or ``damaged`` (by its own
        checksum); ``unlisted`` (made later, or by somebody else); ``unfinished`` (the last file of
        a run, listed before it is written: the end was cut off, and a resume completes it).
    detail
        What people should know beside.
    """

    path: str
    state: Literal["ok", "changed", "missing", "damaged", "unlisted", "unfinished"]
    detail: str = ""

    @property
    def sound(self) -> bool:
        """Whether there is nothing to worry about."""
        return self.state in ("ok", "unlisted", "unfinished")


def write(directory: Path, coming: Mapping[str, bytes]) -> None:
    """List every file of a run, and those that are `coming` right after it.

    Raises
    ------
    RefusedError
        If the operating system refuses.
    """
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in coming.items()}
    for name in files(directory):
        if name not in sums:
            with durable.refusals("read", directory / name):
                sums[name] = _checksum(directory / name)
    lines = [f"{sums[name]}  {name}\n" for name in sorted(sums)]
    durable.write(directory / MANIFEST, "".join(lines))


def files(directory: Path) -> Iterator[str]:
    """Yield every file of a run directory that says something about the run, by its path there.

    What `bpnet report` draws is left out: it is made of the other files, at any time and anew;
    and so is what wandb keeps for itself.
    """

    def refuse(error: OSError) -> None:
        with durable.refusals("read", directory):
            raise error

    for folder, folders, names in os.walk(directory, onerror=refuse):
        folders.sort()
        if folder == str(directory):
            folders[:] = [name for name in folders if name not in _FOLDERS_APART]
        for name in sorted(names):
            path = Path(folder, name)
            inside = path.relative_to(directory).as_posix()
            unfinished = name.startswith(durable.TEMPORARY)
            if not unfinished and inside not in _APART and _is_plain(path):
                yield inside


def _is_plain(path: Path) -> bool:
    """Say whether a manifest can list a file: a regular one, with a name that is one line."""
    try:
        str(path).encode()
        return "\n" not in path.name and stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, UnicodeEncodeError):  # an editor's that is gone again, or foreign
        return False


def verify(directory: Path) -> list[Verdict]:
    """Compare a run's files with its manifest, or, as long as there is none, with themselves.

    Raises
    ------
    RunError
        If `directory` is no run, or its manifest is damaged.
    RefusedError
        If the operating system refuses.
    """
    if not (directory / MANIFEST).is_file():
        rundir.open_run(directory)
        return [_by_itself(directory, name) for name in files(directory)]
    listed = _read(directory / MANIFEST)
    verdicts = [_as_listed(directory, name, digest) for name, digest in listed.items()]
    return verdicts + [Verdict(n, "unlisted") for n in files(directory) if n not in listed]


def _read(path: Path) -> dict[str, str]:
    listed: dict[str, str] = {}
    text = durable.read(path, limit=1 << 26).decode("utf-8", "replace").removesuffix("\n")
    for number, line in enumerate(text.split("\n"), 1):
        match = _LINE.fullmatch(line)
        inside = match is not None and ".." not in Path(match[2]).parts and match[2][0] != "/"
        if match is None or not inside or match[2] in listed:
            raise RunError(f"{path}:{number}: damaged: expected a checksum and a file's name")
        listed[match[2]] = match[1]
    return listed


def _as_listed(directory: Path, name: str, digest: str) -> Verdict:
    path = directory / name
    if name == rundir.RESULT and not os.path.lexists(path):
        return Verdict(name, "unfinished", "the end was cut off; train --resume completes it")
    if not path.is_file() or path.is_symlink():
        return Verdict(name, "missing")
    with durable.refusals("read", path):
        if _checksum(path) == digest:
            return Verdict(name, "ok")
    itself = _by_itself(directory, name)
    return itself if itself.state == "damaged" else Verdict(name, "changed")


def _by_itself(directory: Path, name: str) -> Verdict:
    """Judge a file by what it carries: a checksum of its own, or a form that it must have."""
    path = directory / name
    try:
        if path.is_symlink() or not path.is_file():
            return Verdict(name, "damaged", "not a regular file")
        if path.suffix == ".safetensors":
            tensors.read(path, *rundir.KINDS)
        elif name == rundir.METRICS:
            metrics_log.read(directory)
        elif path.suffix == ".json":
            rundir.read_json(path)
        elif name.endswith(checkpoint.DAMAGED):
            return Verdict(name, "unlisted", "set aside by a resume: it could not be used")
    except BpnetError as error:
        return Verdict(name, "damaged", str(error).removeprefix(f"{path}: "))
    return Verdict(name, "ok")


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
