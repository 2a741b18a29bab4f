"""Where the numbers of the cross-entropies come from.

Legend: n a row, k an output; s the weight of a row (1 without weights), S what the sum over the
rows is divided by, N the rows, K the outputs.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bpnet.insight.trace.arithmetic import Derivation, Term, add_up, arg, num, place, times
from bpnet.insight.trace.outcome import Outcome
from bpnet.insight.trace.record import Trace


class CrossEntropyOutcome(Outcome):
    """Of a cross-entropy over classes."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        n, k = self.z.shape
        q = np.zeros((n, k))
        if self.target.ndim == 1:
            q[np.arange(n), self.target] = 1.0
        else:
            q[:] = self.target
        self.q = (1 - self.loss.label_smoothing) * q + self.loss.label_smoothing / k
        weights = self.loss.weights
        self.c = np.ones(k) if weights is None else np.asarray(weights, np.float64)
        self.p = np.asarray(self.step.meaning)
        self.plain = bool((self.c == 1).all()) and self.step.weight is None
        shifted = self.z - self.z.max(axis=1, keepdims=True)
        self.log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    @property
    def as_written(self) -> bool:
        return self.plain and not self.loss.label_smoothing and self.step.weight is None

    def meaning(self, n: int, k: int) -> Derivation:
        peak = float(self.z[n].max())
        terms = [
            Term(f"exp(z{place(j)})", f"exp({num(z - peak)})", math.exp(z - peak))
            for j, z in enumerate(self.z[n].tolist())
        ]
        below = add_up("", terms)
        return Derivation(
            f"p{place(k)}",
            f"{terms[k].letters} / ({below.formula})",
            f"{terms[k].numbers} / ({below.numbers})",
            terms[k].value / below.value,
            f"the largest z of the row, {num(peak)}, is taken off all of them first, so that "
            "nothing overflows; it cancels",
        )

    def of_row(self, n: int) -> Derivation:
        parts = self.c * self.q[n]
        terms = [
            Term(
                f"{'' if self.plain else f'c{place(k)} '}q{place(k)} (-log p{place(k)})",
                f"{num(part)} · (-log({num(math.exp(log_p))}))" if part else "0",
                float(-part * log_p) if part else 0.0,
            )
            for k, (part, log_p) in enumerate(zip(parts, self.log_p[n], strict=True))
        ]
        hard = np.flatnonzero(parts)
        symbol = f"L of row {self.rows[n]}"
        if self.plain and len(hard) == 1 and parts[hard[0]] == 1:
            k = int(hard[0])
            log_p = float(self.log_p[n, k])
            numbers = f"-log({num(math.exp(log_p))})"
            return Derivation(symbol, f"-log p{place(k)}", numbers, -log_p)
        remark = "q is what the answer asks for: 1 for the right class, smoothed if the config says"
        if not self.plain:
            remark += "; c is the weight of the class"
        return replace(add_up(symbol, terms), remark=remark)

    def gradient(self, n: int, k: int) -> Derivation:
        p, q, s = float(self.p[n, k]), float(self.q[n, k]), self.weight(n)
        if self.plain:
            one = self.divisor == 1
            letters = f"p{place(k)} - q{place(k)}"
            numbers = f"{num(p)} - {num(q)}"
            return Derivation(
                f"dz{place(k)}",
                letters if one else f"({letters}) / N",
                numbers if one else f"({numbers}) / {num(self.divisor)}",
                (p - q) / self.divisor,
            )
        mass = float((self.c * self.q[n]).sum())
        own = float(self.c[k] * q)
        return Derivation(
            f"dz{place(k)}",
            f"s / S · (p{place(k)} · sum of c q - c{place(k)} q{place(k)})",
            f"{num(s)} / {num(self.divisor)} · ({times(p, mass)} - {arg(own)})",
            s / self.divisor * (p * mass - own),
            "c weighs the classes, s the row, S is the sum of all weights",
        )

    def chain(self, n: int) -> list[Derivation]:
        right = np.flatnonzero(self.q[n] == 1)
        if not self.plain or len(right) != 1:
            return []
        c = int(right[0])
        p = self.p[n]
        own = float(p[c])
        found = [Derivation(f"dL/dp{place(c)}", f"-1 / p{place(c)}", f"-1 / {num(own)}", -1 / own)]
        others = [k for k in range(len(p)) if k != c][:2]
        for k in [c, *others]:
            if k == c:
                letters, numbers = (
                    f"p{place(c)} (1 - p{place(c)})",
                    f"{num(own)} · (1 - {num(own)})",
                )
                slope = own * (1 - own)
            else:
                letters, numbers = f"-p{place(c)} p{place(k)}", f"-{times(own, float(p[k]))}"
                slope = -own * float(p[k])
            found.append(Derivation(f"dp{place(c)}/dz{place(k)}", letters, numbers, slope))
            product = -1 / own * slope
            end = f"p{place(k)} - 1" if k == c else f"p{place(k)}"
            found.append(
                Derivation(
                    f"dL/dz{place(k)}",
                    f"dL/dp{place(c)} · dp{place(c)}/dz{place(k)}",
                    times(-1 / own, slope),
                    product,
                    f"which is {end}",
                )
            )
        return found


class BinaryOutcome(Outcome):
    """Of a binary cross-entropy."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        smoothing = self.loss.label_smoothing
        self.t = (1 - smoothing) * np.asarray(self.target) + smoothing / 2
        ones = np.ones(self.z.shape[1])
        self.yes = ones if self.loss.yes_weight is None else ones * self.loss.yes_weight
        self.no = ones if self.loss.no_weight is None else ones * self.loss.no_weight
        self.p = np.asarray(self.step.meaning)
        self.plain = bool((self.yes == 1).all() and (self.no == 1).all())

    @property
    def as_written(self) -> bool:
        return self.plain and not self.loss.label_smoothing and self.step.weight is None

    def meaning(self, n: int, k: int) -> Derivation:
        z = float(self.z[n, k])
        numbers = f"1 / (1 + exp(-{arg(z)}))"
        return Derivation(f"p{place(k)}", f"1 / (1 + exp(-z{place(k)}))", numbers, self.p[n, k])

    def of_row(self, n: int) -> Derivation:
        terms = []
        for k, z in enumerate(self.z[n].tolist()):
            t, p = float(self.t[n, k]), float(self.p[n, k])
            yes, no = float(self.yes[k] * t), float(self.no[k] * (1 - t))
            letters, numbers, value = [], [], 0.0
            if yes or not no:
                letters.append(f"{'' if self.plain else 'a '}t{place(k)} (-log p{place(k)})")
                numbers.append(f"{num(yes)} · (-log({num(p)}))")
                value += yes * math.log1p(math.exp(-abs(z))) + yes * max(-z, 0.0)
            if no:
                letters.append(
                    f"{'' if self.plain else 'b '}(1 - t{place(k)}) (-log(1 - p{place(k)}))"
                )
                numbers.append(f"{num(no)} · (-log({num(1 - p)}))")
                value += no * math.log1p(math.exp(-abs(z))) + no * max(z, 0.0)
            terms.append(Term(" + ".join(letters), " + ".join(numbers), value))
        whole = add_up(f"L of row {self.rows[n]}", terms)
        if not self.plain:
            whole = replace(whole, remark="a is the weight of yes, b that of no")
        if len(terms) == 1:
            return whole
        return Derivation(
            whole.symbol,
            f"({whole.formula}) / K",
            f"({whole.numbers}) / {len(terms)}",
            whole.value / len(terms),
            whole.remark,
        )

    def gradient(self, n: int, k: int) -> Derivation:
        p, t = float(self.p[n, k]), float(self.t[n, k])
        if self.plain:
            letters, numbers = f"p{place(k)} - t{place(k)}", f"{num(p)} - {num(t)}"
            value = p - t
        else:
            no, yes = float(self.no[k]) * (1 - t), float(self.yes[k]) * t
            letters = f"b (1 - t{place(k)}) p{place(k)} - a t{place(k)} (1 - p{place(k)})"
            numbers = f"{times(no, p)} - {num(yes)} · (1 - {num(p)})"
            value = no * p - yes * (1 - p)
        return self.shared(n, k, (letters, numbers, value), "({})")

    def chain(self, n: int) -> list[Derivation]:
        p, t = float(self.p[n, 0]), float(self.t[n, 0])
        if not self.plain or not 0 < p < 1:
            return []
        outer = (1 - t) / (1 - p) - t / p
        slope = p * (1 - p)
        return [
            Derivation(
                "dL/dp[0]",
                "(1 - t) / (1 - p) - t / p",
                f"(1 - {num(t)}) / (1 - {num(p)}) - {num(t)} / {num(p)}",
                outer,
            ),
            Derivation("dp[0]/dz[0]", "p (1 - p)", f"{num(p)} · (1 - {num(p)})", slope),
            Derivation(
                "dL/dz[0]",
                "dL/dp[0] · dp[0]/dz[0]",
                times(outer, slope),
                outer * slope,
                "which is p - t, before the mean over rows and outputs",
            ),
        ]
