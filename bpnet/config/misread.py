"""Numbers as people write them and YAML does not: ``15%``, ``1_000``, ``0,15``, ``1/255``."""

from __future__ import annotations

import re
from collections.abc import Callable

from bpnet.config.kinds import Number
from bpnet.config.nodes import resolve


def number_remedy(text: str, number: Number, *, quoted: bool = False) -> str | None:
    """Say how to write the number that a text seems to mean, or None if it means none.

    Parameters
    ----------
    text
        What was written: ``15%``, ``1_000``, ``0,15``, ``1/255``, ``012``, ``0x10``, ``64,``.
    number
        What is expected.
    quoted
        Whether it was written in quotes.
    """
    text = text.strip()
    if len(text) > 60 or not text:
        return None
    if isinstance(resolve(text), int | float) and not isinstance(resolve(text), bool):
        return "remove the quotes" if quoted else None
    if re.fullmatch(r"[-+]?\.?(inf|infinity|nan|∞)", text, re.IGNORECASE):
        return "it must be finite"
    if re.fullmatch(r"[-+.\deE]+#.*", text):
        return f"a comment needs a space before the '#': {text.replace('#', ' #', 1)}"
    value = _meant(text)
    if value is None:
        return None
    if "%" in text and number.whole:
        value *= 100
    if number.whole and value != int(value):
        return None
    if not number.bounds.allows(value):
        fraction = f"0.{text[1:]}"
        if text.startswith("0") and text.isdecimal() and number.bounds.allows(float(fraction)):
            return f"write {fraction}"
        return f"{value:g} is out of range"
    return f"write {int(value) if value == int(value) and abs(value) < 1e15 else repr(value)}"


def _meant(text: str) -> float | None:
    """Return the number that people mean by a text that YAML does not take for one."""
    text = text.translate({0x2212: "-", 0x2013: "-", 0x201C: None, 0x201D: None, 0xA0: " "})
    text = text.strip("\"'").rstrip(",;]})").strip().removeprefix("=").strip()
    for pattern, change in _NUMBERS:
        if match := re.fullmatch(pattern, text, re.ASCII):
            try:
                value = change(match)
            except (ValueError, OverflowError, ZeroDivisionError):
                return None
            return value if abs(value) < float("inf") else None
    return None


_PLAIN = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NUMBERS: list[tuple[str, Callable[[re.Match[str]], float]]] = [
    (_PLAIN, lambda m: float(m[0])),  # 012
    (r"([-+]?0[xXoObB][\da-fA-F]+)", lambda m: float(int(m[1], 0))),
    (r"[-+]?\d{1,3}(?:[,_ ']\d{3})+(?:\.\d*)?", lambda m: float(re.sub("[,_ ']", "", m[0]))),
    (r"[-+]?\d[\d_]*(?:\.[\d_]*)?(?:[eE][-+]?\d+)?", lambda m: float(m[0].replace("_", ""))),
    (r"([-+]?\d*),(\d+)", lambda m: float(f"{m[1]}.{m[2]}")),  # 0,15
    (rf"({_PLAIN})\s*%", lambda m: float(m[1]) / 100),
    (r"(\d+)\s*/\s*([1-9]\d*)", lambda m: int(m[1]) / int(m[2])),
    (r"(\d{1,3})\s*(?:\^|\*\*)\s*(-?\d{1,2})", lambda m: float(m[1]) ** int(m[2])),
    (
        r"(\d+(?:\.\d+)?)\s*[*x]\s*10\s*(?:\^|\*\*)\s*(-?\d{1,2})",
        lambda m: float(f"{m[1]}e{m[2]}"),
    ),
    (r"([-+]?\d+\.?\d*)\s*[eE]\s*([-+]?)\s*(\d+)", lambda m: float(f"{m[1]}e{m[2]}{m[3]}")),
    (r"(\d+(?:\.\d+)?)\s*[kK]", lambda m: float(m[1]) * 1000),
    (r"(\d+(?:\.\d+)?)\s*M", lambda m: float(m[1]) * 1_000_000),
    (rf"({_PLAIN})\s*[A-Za-z]+", lambda m: float(m[1])),  # 30s
]
"""Ways in which people write numbers that YAML does not know, and what they mean."""
