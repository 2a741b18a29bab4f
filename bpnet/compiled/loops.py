"""How loops are compiled.

Their arrays are C-ordered and of one type; nothing is allocated. Sums may be taken in any order, as
NumPy's are; NaN and infinities are what they are in NumPy, so that a training that diverges is
seen to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Number = Any
"""A scalar of the arrays' type."""

_Loop = TypeVar("_Loop", bound=Callable[..., Any])


def compiled(loop: _Loop) -> _Loop:
    """Compile a loop at its first call for each type, and keep it on the disk for the next start.

    It lets go of the interpreter's lock, so that a team's threads run side by side. Where numba
    finds no folder that it may write to, every start compiles anew.
    """
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract"}}
    try:
        return numba.njit(cache=True, **options)(loop)  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(**options)(loop)  # type: ignore[no-any-return]
