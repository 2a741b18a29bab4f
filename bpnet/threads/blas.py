"""The library behind NumPy's matrix products, asked and told while it is loaded.

That is OpenBLAS. Of other libraries nothing is known here; what variables of the environment say
when NumPy is imported holds for all.
"""

from __future__ import annotations

import os
import sys
from typing import Any

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""Where the libraries look, once, when they are loaded."""

_DECORATIONS = [(before, after) for before in ("scipy_", "") for after in ("64_", "")]
"""What builds of OpenBLAS put around the names of their functions."""


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
    """Return a function of NumPy's library by its name in the manual; None if there is none.

    It is looked up from NumPy's own module, so a library that another package has brought is never
    taken for it; and nothing is loaded that isn't there.
    """
    module = sys.modules.get("numpy._core._multiarray_umath")
    if module is None or module.__file__ is None or not hasattr(os, "RTLD_NOLOAD"):
        return None
    import ctypes

    try:
        library = ctypes.CDLL(module.__file__, mode=os.RTLD_NOLOAD)
    except OSError:
        return None
    for before, after in _DECORATIONS:
        if hasattr(library, found := f"{before}openblas_{name}{after}"):
            return getattr(library, found)
    return None
