"""The command that measures: what it is told wrong is said before anything is measured."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["speed"], "no benchmark is named speed; there are steps, "),
        (["--rounds", "0"], "argument --rounds: invalid rounds value: '0'"),
        (["--rounds", "-1"], "argument --rounds: invalid rounds value: '-1'"),
        (["--peers", "no/python"], "--peers no/python: no such program"),
        (["-o", "nowhere/page.md"], "-o nowhere/page.md: expected a file in a folder that is"),
        (["-o", "."], "-o .: expected a file in a folder that is there"),
    ],
)
def test_a_wrong_argument_is_told_at_once(tmp_path, arguments, said):
    done = subprocess.run(
        [sys.executable, BENCHMARKS, *arguments, "layers"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "layers ..." not in done.stderr


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_every_benchmark_finds_what_it_imports(path):
    subprocess.run([sys.executable, "-c", f"import {path.stem}"], cwd=BENCHMARKS, check=True)
