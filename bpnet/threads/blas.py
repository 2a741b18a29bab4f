"""The library behind NumPy's matrix products, asked and told while it is loaded.

That is OpenBLAS on Linux. Of other libraries and systems nothing is known here; what variables of
the environment say when NumPy is imported holds for all.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""Where the libraries look, once, when they are loaded."""


def kernels() -> str:
    """Return for which processor the library multiplies, which is not always this one's name.

    The variable OPENBLAS_CORETYPE overrides its choice. Empty where it can't be asked.
    """
    ask = _function("get_corename")
    if ask is None:
        return ""
    from ctypes import c_char_p

    ask.restype = c_char_p
    return str(ask().decode())


def threads() -> int | None:
    """Return with how many threads it computes a product; None where it can't be asked."""
    ask = _function("get_num_threads")
    return None if ask is None else int(ask())


def set_threads(count: int) -> bool:
    """Let it compute with so many threads from now on; return whether it can be told."""
    tell = _function("set_num_threads")
    if tell is None:
        return False
    tell(count)
    return True


def _function(name: str) -> Any:
    """Return a function of the library that is loaded, by its name in the manual.

    None if there is no such library, or it has no such function. Where other packages have brought
    one of their own, NumPy's comes first.
    """
    import ctypes

    for path in sorted(_mapped("openblas"), key=lambda path: "numpy" not in path):
        with contextlib.suppress(OSError):  # of that name, but no library
            # What is loaded is asked, and nothing else is ever loaded.
            library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD)
            for found in (f"{before}openblas_{name}{after}" for before, after in _DECORATIONS):
                if hasattr(library, found):
                    return getattr(library, found)
    return None


_DECORATIONS = [(before, after) for before in ("scipy_", "") for after in ("64_", "")]
"""What builds of OpenBLAS put around the names of their functions."""


def _mapped(word: str) -> list[str]:
    """Return the files with this word in their paths that this process has mapped (on Linux)."""
    try:
        lines = Path("/proc/self/maps").read_bytes().splitlines()
    except OSError:
        return []
    # In front of the path stand five columns; it may have spaces itself.
    columns = [os.fsdecode(line).split(maxsplit=5) for line in lines]
    return list(dict.fromkeys(row[5] for row in columns if word in row[-1] and len(row) == 6))
