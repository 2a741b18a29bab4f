"""Points where the good ones are dense: optuna's sampler, asked and told.

Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011). Points are asked for in
rounds of a fixed size, so the search is the same for any number of workers; optuna keeps
nothing, the store is the truth.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator, Iterator
from functools import partial
from typing import Any

from bpnet.config.searching import Tpe
from bpnet.errors import UsageError
from bpnet.search.dimensions import Choices, Dimension
from bpnet.search.methods.base import Request, Result, Setting
from bpnet.search.space import Point

IDLE = 20
"""Rounds without a new point after which a small space counts as used up."""


def check(options: Tpe, setting: Setting) -> None:
    """Refuse where optuna is not installed.

    Raises
    ------
    UsageError
        With what installs it.
    """
    _optuna()


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError(
            "method tpe takes its sampler from optuna, which is not installed: "
            "pip install 'bpnet[tpe]'"
        ) from None
    return optuna


def propose(options: Tpe, setting: Setting) -> Generator[list[Request], list[Result], None]:
    """Yield rounds of `batch` points; equal points are not tried twice."""
    optuna = _optuna()
    with _quiet(optuna):
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(
                seed=setting.seed % (1 << 32), n_startup_trials=options.startup, constant_liar=True
            )
        )
    known: dict[str, float | None] = {}
    left, idle = options.points, 0
    while idle < IDLE:
        asked: list[tuple[Any, Point]] = []
        with _quiet(optuna):
            for _ in range(min(options.batch, left)):
                trial = study.ask()
                asked.append((trial, setting.space.point(partial(_suggest, trial))))
        new = {point.hash: point for _, point in asked if point.hash not in known}
        idle = 0 if new else idle + 1
        if new:
            results = yield [Request(point) for point in new.values()]
            known |= {result.point.hash: result.loss for result in results}
            left -= len(new)
        with _quiet(optuna):
            for trial, point in asked:
                loss = known[point.hash]
                state = optuna.trial.TrialState
                study.tell(trial, loss, state=state.FAIL if loss is None else state.COMPLETE)
        if left <= 0:
            return


def _suggest(trial: Any, dimension: Dimension) -> float:
    """Let a trial choose a parameter; numbers that are listed keep their order."""
    domain = dimension.domain
    if isinstance(domain, Choices):
        if domain.numeric and len(domain.options) > 2:
            order = sorted(range(len(domain.options)), key=lambda i: domain.options[i].value)
            place: int = order[trial.suggest_int(dimension.name, 0, len(order) - 1)]
            return place
        index: int = trial.suggest_categorical(dimension.name, range(len(domain.options)))
        return index
    if domain.whole:
        whole: int = trial.suggest_int(
            dimension.name, int(domain.low), int(domain.high), log=domain.log
        )
        return whole
    value = trial.suggest_float(dimension.name, domain.low, domain.high, log=domain.log)
    return domain.at(domain.part_of(value))


@contextlib.contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Keep optuna's notes from the user, to whom they say nothing."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
