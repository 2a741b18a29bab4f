"""How things are measured here: subjects as processes of their own, in turns, as ratios.

A machine is never quiet, so a figure alone says little. Every round runs each subject once, one
after the other, and a ratio compares the two figures of one round; what is printed is the median
over the rounds with the smallest and the largest. Standard library only, as workers run under
other interpreters too.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent


@dataclass
class Subject:
    """Something to measure.

    Attributes
    ----------
    name
        As the table shows it.
    command
        What to run; its last line of output is the figure, or JSON with figures.
    needs
        Modules without which the subject is skipped, by name.
    threads
        For the libraries that compute; None leaves them to choose.
    interpreter
        The Python that runs it and must have the modules.
    folder
        Where it runs.
    environment
        What it finds there besides what is there anyway.
    whole
        Whether the process itself is measured: its seconds and its largest memory.
    """

    name: str
    command: Sequence[str]
    needs: Sequence[str] = ()
    threads: int | None = None
    interpreter: str = sys.executable
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False

    def missing(self) -> list[str]:
        """Return the modules that its interpreter doesn't find."""
        if not self.needs:
            return []
        code = (
            "import importlib.util, sys\n"
            "print(*[m for m in sys.argv[1:] if importlib.util.find_spec(m) is None])"
        )
        found = subprocess.run(
            [self.interpreter, "-c", code, *self.needs], capture_output=True, text=True, check=False
        )
        return found.stdout.split() if found.returncode == 0 else list(self.needs)

    def run(self) -> dict[str, float]:
        """Run it once; return its figures by name."""
        environment = {**os.environ, **self.environment}
        environment["PYTHONPATH"] = str(HERE.parent)
        if self.threads is not None:
            for name in ("OPENBLAS", "MKL", "OMP"):
                environment[f"{name}_NUM_THREADS"] = str(self.threads)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            began = time.perf_counter()
            process = subprocess.Popen(
                self.command, stdout=out, stderr=errors, env=environment, cwd=self.folder
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            errors.seek(0)
            if process.returncode != 0:
                text = errors.read().decode()[-2000:]
                raise SystemExit(f"{self.name}: exit {process.returncode}\n{text}")
            if self.whole:
                return {"seconds": seconds, "peak_mb": usage.ru_maxrss / 1024}
            last = json.loads(out.read().decode().strip().splitlines()[-1])
        return last if isinstance(last, dict) else {"value": float(last)}


@dataclass(frozen=True)
class Spread:
    """The median of some figures, with the smallest and the largest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Summarize figures, at least one."""
        return cls(median(figures), min(figures), max(figures))

    def show(self, scale: float = 1.0) -> str:
        """Write it as ``12.3 (11.8-14.1)``."""
        numbers = (self.middle * scale, self.low * scale, self.high * scale)
        middle, low, high = (f"{number:,.{_decimals(number)}f}" for number in numbers)
        return f"{middle} ({low}-{high})"


def _decimals(number: float) -> int:
    return 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2


def in_turns(
    subjects: Sequence[Subject], rounds: int, *, say: Callable[[str], None]
) -> dict[str, list[dict[str, float]]]:
    """Run every subject once a round; return the figures of all rounds by subject.

    Subjects whose modules are absent are named by `say` and left out.
    """
    present = []
    for subject in subjects:
        absent = subject.missing()
        if absent:
            say(f"skipped: {subject.name} ({', '.join(absent)} not installed)")
        else:
            present.append(subject)
    figures: dict[str, list[dict[str, float]]] = {subject.name: [] for subject in present}
    for _ in range(rounds):
        for subject in present:
            figures[subject.name].append(subject.run())
    return figures


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Compare two subjects round by round: how many times ours theirs is."""
    return Spread.of([b / a for a, b in zip(ours, theirs, strict=True)])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    cells = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([cells[0], rule, *cells[1:]])


def machine() -> str:
    """Say on what this runs: processor, cores, Python."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def versions(interpreter: str, packages: Sequence[str]) -> str:
    """Return the packages that an interpreter has, with their versions."""
    code = (
        "import importlib.metadata as m, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: pass\n"
    )
    found = subprocess.run(
        [interpreter, "-c", code, *packages], capture_output=True, text=True, check=True
    )
    return ", ".join(found.stdout.split("\n")[:-1])
