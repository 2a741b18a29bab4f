"""Numbers, names and amounts as people read them, and as HTML."""

from __future__ import annotations

import html
import math

from bpnet.config.places import printable

MINUS = "−"


def escaped(value: object) -> str:
    """Return anything as text for HTML and SVG, with control characters made visible."""
    return html.escape(printable(str(value)))


def number(value: object) -> float:
    """Return a number of a file, NaN for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.nan
    return math.nan


def is_epoch(value: object) -> bool:
    """Say whether a value of a file can be the number of an epoch."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 53


def figure(value: object) -> str:
    """Return a number with four significant digits, or more where it is large; ``–`` for none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if abs(value) >= 1e4 and abs(value) < 1e9:
        return f"{value:,.0f}".replace("-", MINUS)
    return power(f"{value:.4g}")


def power(text: str) -> str:
    """Return ``1.2e-05`` as ``1.2·10⁻⁵``, and other numbers with a minus sign of their length."""
    mantissa, found, exponent = text.partition("e")
    if not found:
        return text.replace("-", MINUS)
    raised = str(int(exponent)).translate(_RAISED)
    ten = f"10{raised}"
    if mantissa in ("1", "-1"):
        return ten if mantissa == "1" else f"{MINUS}{ten}"
    return f"{mantissa.replace('-', MINUS)}·{ten}"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def share(part: float) -> str:
    """Return a part of a whole in percent: ``98.1 %``; never 100 % of what isn't all."""
    if not math.isfinite(part):
        return "–"
    percent = 100 * part
    digits = 1 if 1 <= percent <= 99 else 2
    text = f"{percent:.{digits}f}".rstrip("0").rstrip(".")
    if text in ("100", "0") and part not in (0.0, 1.0):
        text = "> 99.99" if part > 0.5 else "< 0.01"
    return f"{text}\u00a0%"


def rows(count: float) -> str:
    """Return ``1 row`` or ``1,234 rows``."""
    return f"{figure(int(count))} row{'' if count == 1 else 's'}"


def cut(text: str, most: int) -> str:
    """Return a text, at most `most` characters of it."""
    text = printable(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def cut_inside(text: str, most: int) -> str:
    """Return a text with its start and its end, at most `most` characters: names differ at both."""
    text = printable(text)
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[head + 1 - most :]}"


def duration(seconds: float) -> str:
    """Return a time for people: ``0.84 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 59.5:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def listing(names: list[str], most: int = 6) -> str:
    """Return ``a, b and c``; of many the first, and how many more there are."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
