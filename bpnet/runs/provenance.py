"""Where a run comes from: versions, machine, threads, code and data.

NumPy is imported only where it is asked about: the number of its threads is fixed by then.
"""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpnet import __version__
from bpnet.threads import blas as library
from bpnet.threads import team


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def environment() -> dict[str, Any]:
    """Return what exactness depends on besides config and data."""
    import numpy as np

    versions = {
        "bpnet": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    if "numba" in sys.modules:
        versions["numba"] = sys.modules["numba"].__version__
    return {
        "versions": versions,
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu(),
        "simd": simd(),
        "cores": cores(),
        "blas": blas(),
        "kernels": library.kernels(),
        "threads": threads(),
        "team": team.size(),
    }


_EXACT = ("cpu", "simd", "blas", "kernels", "threads", "team")
"""On what the last bit of a sum depends, besides the versions of NumPy and bpnet."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return in words in what two environments differ that exactness depends on."""
    known = [name for name in _EXACT if name in before]  # not all are in the first files
    pairs = [(name, before.get(name), after.get(name)) for name in known]
    old, new = before.get("versions") or {}, after.get("versions") or {}
    pairs += [(name, old.get(name), new.get(name)) for name in ("numpy", "numba", "bpnet")]
    return [f"{name} {a} -> {b}" for name, a, b in pairs if a != b]


def cpu() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine() or "unknown"


def simd() -> str:
    """Return the instruction sets that NumPy found; virtual machines hide some of a processor's."""
    import numpy as np

    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    return " ".join(found)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def blas() -> str:
    """Return name and version of the library behind matrix products."""
    import numpy as np

    config = getattr(np.__config__, "CONFIG", {})
    details = config.get("Build Dependencies", {}).get("blas", {})
    return f"{details.get('name', 'unknown')} {details.get('version', '')}".strip()


def threads() -> int:
    """Return how many threads compute: a team's, or those of each matrix product."""
    return max(team.size(), blas_threads())


def blas_threads() -> int:
    """Return how many threads each matrix product may use."""
    told = library.threads()
    if told is not None:
        return told
    for name in library.VARIABLES:
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    return cores()


def command_line() -> list[str]:
    """Return the command line, with the program's name in front."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv else []


def git_commit(folder: Path) -> str | None:
    """Return the commit that is checked out around `folder`, or None.

    Read from git's own files: starting a process would cost more than the rest of a short run.
    """
    try:
        for parent in [folder.resolve(), *folder.resolve().parents]:
            head = parent / ".git" / "HEAD"
            if not head.is_file():
                continue
            text = head.read_text().strip()
            if not text.startswith("ref: "):
                return text
            ref = text.removeprefix("ref: ")
            loose = parent / ".git" / ref
            if loose.is_file():
                return loose.read_text().strip()
            for line in (parent / ".git" / "packed-refs").read_text().splitlines():
                if line.endswith(f" {ref}"):
                    return line.split()[0]
            return None
    except (OSError, UnicodeDecodeError):
        pass
    return None
