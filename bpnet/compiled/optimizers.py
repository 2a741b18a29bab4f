"""Optimizers with compiled loops: one pass over theta, gradient and moments."""

from __future__ import annotations

from bpnet.compiled import optimizer_loops as loops
from bpnet.nn.arena import Array
from bpnet.optim.optimizers.adam import Adam, AdamW, AmsGrad, NAdam
from bpnet.optim.optimizers.adaptive import Adagrad, RmsProp
from bpnet.optim.optimizers.base import Buffers, Optimizer
from bpnet.optim.optimizers.descent import Momentum, Nesterov, Sgd


def _check(doubt: float) -> None:
    """Say that a number overflowed, as NumPy would."""
    if doubt != 0:
        raise FloatingPointError("overflow encountered in a compiled loop")


class CompiledSgd(Sgd):
    """Plain descent."""

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        _check(loops.sgd(theta, g, self.rate[()]))


class CompiledMomentum(Momentum):
    """Descent with a velocity; its first step, which is another, is NumPy's."""

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        if self.count == 1:
            super().update(theta, g, buffers)
        else:
            v, _ = buffers
            _check(loops.momentum(theta, g, v, self.inertia[()], self.rate[()]))


class CompiledNesterov(Nesterov):
    """Descent with a velocity, looking ahead."""

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        v, _ = buffers
        _check(loops.nesterov(theta, g, v, self.inertia[()], self.rate[()]))


class CompiledAdagrad(Adagrad):
    """Adagrad."""

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        s, _ = buffers
        _check(loops.adagrad(theta, g, s, self.floor[()], self.rate[()]))


class CompiledRmsProp(RmsProp):
    """RMSprop; centered or with momentum it is NumPy's."""

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        if self.centered or self.momentum:
            super().update(theta, g, buffers)
        else:
            s, _ = buffers
            _check(loops.rmsprop(theta, g, s, self.keep[()], self.floor[()], self.rate[()]))


class _CompiledAdam(Adam):
    """What Adam and AdamW share."""

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        m, v, _ = buffers
        kept = (self.keep_m[()], self.keep_v[()])
        _check(loops.adam(theta, g, m, v, *kept, self.floor[()], self.rate[()]))


class CompiledAdam(_CompiledAdam):
    """Adam."""


class CompiledAdamW(_CompiledAdam, AdamW):
    """Adam with weight decay apart from the gradient."""


class CompiledAmsGrad(AmsGrad):
    """Adam whose rates never grow again."""

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        m, v, largest, _ = buffers
        kept = (self.keep_m[()], self.keep_v[()])
        _check(loops.amsgrad(theta, g, m, v, largest, *kept, self.floor[()], self.rate[()]))


class CompiledNAdam(NAdam):
    """Adam with a look ahead."""

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        m, v, *_ = buffers
        kept = (self.keep_m[()], self.keep_v[()], self.ratio[()])
        _check(loops.nadam(theta, g, m, v, *kept, self.floor[()], self.rate[()]))


COMPILED: dict[type[Optimizer], type[Optimizer]] = {
    Sgd: CompiledSgd,
    Momentum: CompiledMomentum,
    Nesterov: CompiledNesterov,
    Adagrad: CompiledAdagrad,
    RmsProp: CompiledRmsProp,
    Adam: CompiledAdam,
    AdamW: CompiledAdamW,
    AmsGrad: CompiledAmsGrad,
    NAdam: CompiledNAdam,
}
