"""Which rows a command line names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bpnet.errors import UsageError

MOST = 64
"""Rows that one trace shows at most."""

_RANGE = re.compile(r"(\d{1,12})(?:-(\d{1,12}))?")


def parse_rows(texts: Sequence[str]) -> list[int]:
    """Return the rows that ``3``, ``0-3`` and ``0,2,5`` name, each once.

    Raises
    ------
    UsageError
        If a text is none of these, or they are too many.
    """
    rows: dict[int, None] = {}
    for text in ",".join(texts).split(","):
        match = _RANGE.fullmatch(text.strip())
        if match is None:
            raise UsageError(
                f"--row: expected numbers of rows, from 0, such as 3, 0-3 or 0,2,5, "
                f"received {text!r}"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last - first >= MOST or len(rows) + last - first >= MOST:
            raise UsageError(f"--row: expected at most {MOST} rows, received {text}")
        if last < first:
            raise UsageError(f"--row: {text} is no range; write {last}-{first}")
        rows |= dict.fromkeys(range(first, last + 1))
    return list(rows)
