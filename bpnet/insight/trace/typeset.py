"""Formulas, numbers and names as HTML. What comes from a config or from data is escaped here."""

from __future__ import annotations

import html
import re

from bpnet.config.places import printable
from bpnet.insight.trace.arithmetic import Derivation, num
from bpnet.insight.trace.record import Numeric

_INDEX = re.compile(r"\[(\d+(?:, ?\d+)*|k)\]")
_OF_LOSS = re.compile(r"(?<![\w/.])d(x|y|z|W|b|gamma|beta)\b(?!')")
_QUOTIENT = re.compile(r"\bd([Lpxyzw])((?:<sub>[\w,]+</sub>)?)/d([pxyzwW])")
_TRANSPOSED = re.compile(r"\b([Wx])&#x27;")
_POWER_OF_TEN = re.compile(r"(?<=\d)e([+-])0*(\d+)")
_GREEK = {"gamma": "γ", "beta": "β", "beta1": "β₁", "beta2": "β₂", "epsilon": "ε", "alpha": "α"}
_WORD = re.compile(r"\b(gamma|beta1|beta2|beta|epsilon|alpha)\b")


def text(value: str) -> str:
    """Return a text from anywhere as HTML, control characters made visible."""
    return html.escape(printable(value))


def formula(value: str) -> str:
    """Return a formula as HTML: derivatives, indices, transposes and powers as they are written."""
    marked = _TRANSPOSED.sub(r"\1ᵀ", _letters(value))
    return marked.replace("^n", "<sup>n</sup>").replace("-", "−")


def _letters(value: str) -> str:
    """Return a text with its indices, derivatives and Greek letters as they are written."""
    marked = _INDEX.sub(lambda m: f"<sub>{m[1].replace(' ', '')}</sub>", html.escape(value))
    marked = _OF_LOSS.sub(r"∂L/∂\1", _QUOTIENT.sub(r"∂\1\2/∂\3", marked))
    return _WORD.sub(lambda m: _GREEK[m[1]], marked)


def numbers(value: str) -> str:
    """Return an expression of numbers as HTML."""
    marked = _POWER_OF_TEN.sub(_power, html.escape(value))
    marked = re.sub(r"\^(\d+)", r"<sup>\1</sup>", marked)
    return marked.replace("-", "−")


def _power(match: re.Match[str]) -> str:
    sign = "-" if match[1] == "-" else ""
    return f"·10<sup>{sign}{match[2]}</sup>"


def number(value: float) -> str:
    """Return a number as HTML."""
    return numbers(num(value))


def prose(value: str) -> str:
    """Return a sentence about formulas as HTML."""
    marked = _letters(value)
    return marked.replace(" - ", " − ").replace("-1", "−1").replace("^n", "<sup>n</sup>")


def equation(line: Derivation) -> str:
    """Return a derivation as HTML: what it is, in letters, in numbers, the result."""
    result = number(line.value)
    parts = [f'<span class="letters">{formula(line.formula)}</span>']
    in_numbers = numbers(line.numbers)
    if in_numbers.strip("()") not in ("", result):
        parts.append(f'<span class="numbers">{in_numbers}</span>')
    parts.append(f'<b class="result">{result}</b>')
    remark = f'<small class="remark">{prose(line.remark)}</small>' if line.remark else ""
    name = formula(line.symbol)
    return (
        f'<p class="equation"><span class="symbol">{name}</span> '
        f"<span>= {' <wbr>= '.join(parts)}</span>{remark}</p>"
    )


def differences(numeric: Numeric | None, index: tuple[int, ...]) -> str:
    """Return an estimate by differences as HTML, with the two losses it comes from."""
    if numeric is None or numeric.values[index] != numeric.values[index]:
        return ""
    step, above, below = (float(a[index]) for a in (numeric.step, numeric.above, numeric.below))
    if numeric.kinks[index]:
        said = (
            "a kink lies exactly here: L grows by different amounts to the two sides, and any "
            "slope between them would do"
        )
        return f'<p class="check">By differences of L: {said}.</p>'
    return (
        f'<p class="check">By differences of L: move it by ±{numbers(f"{step:g}")} and compute the '
        f"loss again: ({numbers(f'{above:.12g}')} − {numbers(f'{below:.12g}')}) / "
        f"{numbers(f'{2 * step:g}')} = <b>{number(float(numeric.values[index]))}</b></p>"
    )
