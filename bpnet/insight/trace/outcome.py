"""How the loss of one step comes about: what the losses say in `outcomes`.

Legend: n a row, k an output; s the weight of a row (1 without weights), S what the sum over the
rows is divided by, N the rows, K the outputs.
"""

from __future__ import annotations

from typing import Any

from bpnet.insight.trace.arithmetic import Derivation, Term, add_up, num, place, times
from bpnet.insight.trace.record import LossStep, Trace


class Outcome:
    """How the loss of one step comes about; this one knows nothing but the values."""

    def __init__(self, trace: Trace) -> None:
        self.rows = trace.rows
        self.step: LossStep = trace.loss
        self.loss: Any = trace.loss.loss
        self.z, self.target = self.step.z, self.step.target

    def weight(self, n: int) -> float:
        """Return s of row n."""
        return 1.0 if self.step.weight is None else float(self.step.weight[n])

    @property
    def as_written(self) -> bool:
        """Whether dz is just what the formula of the loss says, without weights and the like."""
        return self.step.weight is None

    @property
    def divisor(self) -> float:
        """What the sum over rows (and outputs) is divided by; 1 if it is 0."""
        return self.step.total or 1.0

    def meaning(self, n: int, k: int) -> Derivation | None:
        """Derive what output k means: a probability."""
        return None

    def of_row(self, n: int) -> Derivation | None:
        """Derive the loss of row n, before it is averaged."""
        return None

    def value(self) -> Derivation | None:
        """Derive the loss of the batch."""
        terms = []
        for n, row in enumerate(self.rows):
            found = self.of_row(n)
            if found is None:
                return None
            s = self.weight(n)
            letters = f"L of row {row}" if self.step.weight is None else f"s · L of row {row}"
            numbers = num(found.value) if self.step.weight is None else times(s, found.value)
            terms.append(Term(letters, numbers, s * found.value))
        whole = add_up("L", terms)
        if len(self.rows) == 1 and self.divisor == 1:
            return whole
        around = "({})" if len(self.rows) > 1 else "{}"
        return Derivation(
            "L",
            f"{around.format(whole.formula)} / {self._letters_of_divisor()}",
            f"{around.format(whole.numbers)} / {num(self.divisor)}",
            whole.value / self.divisor,
        )

    def _letters_of_divisor(self) -> str:
        return "N" if self.divisor == len(self.rows) else "sum of weights"

    def gradient(self, n: int, k: int) -> Derivation | None:
        """Derive dz[k] of row n."""
        return None

    def shared(
        self,
        n: int,
        k: int,
        slope: tuple[str, str, float],
        around: str = "{}",
        remark: str = "",
    ) -> Derivation:
        """Derive dz[k] of row n from the slope of its loss, of which a mean takes its share.

        Parameters
        ----------
        n, k
            The row and the output.
        slope
            The slope of the loss of that output alone, in letters, in numbers and as a result.
        around
            What is put around it where something stands before or behind it.
        remark
            What is to be said about it.
        """
        letters, numbers, value = slope
        s, divisor = self.weight(n), self.divisor * self.z.shape[1]
        if s == 1 and divisor == 1:
            return Derivation(f"dz{place(k)}", letters, numbers, value, remark)
        below = "N" if divisor == len(self.rows) and s == 1 else "(S K)"
        front = ("", "") if s == 1 else ("s · ", f"{num(s)} · ")
        return Derivation(
            f"dz{place(k)}",
            f"{front[0]}{around.format(letters)} / {below}",
            f"{front[1]}{around.format(numbers)} / {num(divisor)}",
            s * value / divisor,
            remark,
        )

    def chain(self, n: int) -> list[Derivation]:
        """Derive dz once more, factor by factor, as the chain rule has it."""
        return []
