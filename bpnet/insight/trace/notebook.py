"""Watches a training step and writes down every array of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from bpnet.insight.trace.record import LayerStep, LossStep, TensorStep
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.layers.dropout import Dropout
from bpnet.nn.vectors import views
from bpnet.nn.watching import shadowed, tensors_of
from bpnet.threads.team import Team
from bpnet.training.state import TrainingState


class Notebook:
    """Watches a step and writes down what happens.

    Attributes
    ----------
    layers, tensors, loss
        What was written down, by name.
    forward, backward
        The layers in the order in which they were done.
    constants
        The single numbers of the optimizer's state before the step.
    rate
        The learning rate of the step.
    """

    def __init__(self, state: TrainingState) -> None:
        self.state = state
        arena = state.network.arena
        self.layers: dict[str, LayerStep] = {}
        self.forward: list[str] = []
        self.backward: list[str] = []
        self.tensors = {
            param.name: TensorStep(
                param.name,
                param.name.rpartition(".")[2],
                param.frozen,
                param.decay,
                param.value.copy(),
            )
            for param in arena.params.values()
        }
        self.statistics = {name: param.value.copy() for name, param in arena.states.items()}
        self.constants = _constants(state)
        self.rate = 0.0
        self.loss: LossStep | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Watch layers, loss, penalties and optimizer for a while."""
        state = self.state
        with contextlib.ExitStack() as stack:
            for name, layer, _ in state.network.walk():
                stack.enter_context(shadowed(layer, **self._layer(name, layer)))
            stack.enter_context(shadowed(state.loss, **self._loss()))
            stack.enter_context(shadowed(state.regularization, **self._regularization()))
            stack.enter_context(shadowed(state.optimizer, step=self._optimizer()))
            yield

    def _layer(self, name: str, layer: Layer) -> dict[str, Callable[..., Any]]:
        forward, backward = layer.forward, layer.backward
        own = list(tensors_of(name, self.state.network.arena.params).values())

        def watched_forward(x: Array, step: Pass) -> Array:
            given = x.copy()  # now, as the layer may write over it
            y = forward(x, step)
            entry = LayerStep(name, layer, given, y.copy())
            entry.tensors = [self.tensors[param.name] for param in own]
            entry.statistics = tensors_of(name, self.statistics)
            if isinstance(layer, Dropout) and layer.drops:
                entry.factor = layer.factor.copy()
            self.layers[name] = entry
            self.forward.append(name)
            return y

        def watched_backward(dy: Array, *, need_dx: bool = True) -> Array | None:
            entry = self.layers[name]
            entry.dy = dy.copy()
            # A training leaves out the derivative by the input; here it is shown.
            dx = backward(dy, need_dx=True)
            assert dx is not None
            entry.dx = dx.copy()
            for param in own:
                if not param.frozen:
                    self.tensors[param.name].of_loss = param.grad.copy()
            self.backward.append(name)
            return dx if need_dx else None

        return {"forward": watched_forward, "backward": watched_backward}

    def _loss(self) -> dict[str, Callable[..., Any]]:
        loss = self.state.loss
        forward, backward = loss.forward, loss.backward

        def watched_forward(
            z: Array, target: Array, weight: Array | None = None, total: float | None = None
        ) -> float:
            value = forward(z, target, weight, total)
            divisor = loss.total(target, weight) if total is None else total
            self.loss = LossStep(
                loss,
                z.copy(),
                target.copy(),
                None if weight is None else weight.copy(),
                loss.predict(z.copy()),
                value,
                divisor,
                np.empty(0),
            )
            return value

        def watched_backward() -> Array:
            dz = backward()
            assert self.loss is not None
            self.loss.dz = dz.copy()
            return dz

        return {"forward": watched_forward, "backward": watched_backward}

    def _regularization(self) -> dict[str, Callable[..., Any]]:
        regularization = self.state.regularization
        add, constrain = regularization.add_gradient, regularization.constrain

        def watched_add(given: Any) -> None:
            add(given)
            self._note("gradient", self._gradients())

        def watched_constrain(given: Any) -> None:
            self._note("updated", self._values())
            constrain(given)
            self._note("after", self._values())

        return {"add_gradient": watched_add, "constrain": watched_constrain}

    def _optimizer(self) -> Callable[[float, Team | None], None]:
        step = self.state.optimizer.step

        def watched_step(lr: float, team: Team | None = None) -> None:
            self.rate = lr
            self._note("clipped", self._gradients())
            for name, moments in self._moments().items():
                self.tensors[name].moments = moments
            step(lr, team)
            for name, moments in self._moments().items():
                self.tensors[name].new_moments = moments

        return watched_step

    def _note(self, attribute: str, arrays: Mapping[str, Array]) -> None:
        for name, array in arrays.items():
            setattr(self.tensors[name], attribute, array)

    def _gradients(self) -> dict[str, Array]:
        params = self.state.network.arena.params
        return {name: param.grad.copy() for name, param in params.items() if not param.frozen}

    def _values(self) -> dict[str, Array]:
        return {n: param.value.copy() for n, param in self.state.network.arena.params.items()}

    def _moments(self) -> dict[str, dict[str, Array]]:
        """Return what the optimizer keeps of each trained tensor."""
        arena = self.state.network.arena
        trained = [(p.name, p.shape) for p in arena.params.values() if not p.frozen]
        found: dict[str, dict[str, Array]] = {name: {} for name, _ in trained}
        for kind, vector in self.state.optimizer.vectors.items():
            for name, view in views(vector, trained).items():
                found[name][kind] = view.copy()
        return found


def _constants(state: TrainingState) -> dict[str, float]:
    """Return the single numbers of an optimizer's state."""
    optimizer = state.optimizer
    named = {n: a for n, a in optimizer.state().items() if n not in optimizer.vectors}
    return {name: float(array[0]) for name, array in named.items()}
