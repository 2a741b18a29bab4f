"""A search, checked and ready: its space, its method, and what each trial is told."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bpnet.config.document import Document
from bpnet.config.nodes import Plain
from bpnet.config.schema import Config, DataConfig, bind_config, emit_config, plain_config
from bpnet.config.searching import SearchConfig
from bpnet.data.splits import RandomSplit
from bpnet.errors import ConfigError, OptionError
from bpnet.experiment import Experiment, build, with_absolute_paths
from bpnet.runs import provenance
from bpnet.search import sharing
from bpnet.search.methods import CHECKS, PROPOSERS, Setting
from bpnet.search.reading import read_space
from bpnet.search.space import Point, Space
from bpnet.search.store import Trial
from bpnet.search.task import Task
from bpnet.threads import team

_UNIMPORTANT = ("name", "threads", "compute", "checkpoint", "logging", "search")
"""No number of a training depends on these."""


@dataclass(eq=False)
class Plan:
    """A search that nothing speaks against.

    Attributes
    ----------
    document, config, search
        The config with its search.
    experiment
        The training that the config describes without the search.
    space
        The parameters.
    mode
        Whether less (``min``) or more (``max``) of the metric is better.
    """

    document: Document
    config: Config
    search: SearchConfig
    experiment: Experiment
    space: Space
    mode: Literal["min", "max"]

    @property
    def setting(self) -> Setting:
        """What the method is told."""
        return Setting(self.space, self.config.seed, self.config.training.epochs)

    @property
    def units(self) -> list[tuple[int, int]]:
        """What one point is trained with: which seed, and which fold (-1: none)."""
        folds = range(self.search.folds) if self.search.folds else [-1]
        return [(repeat, fold) for repeat in range(self.search.seeds) for fold in folds]

    def proposals(self) -> Any:
        """Return the method's generator of rounds."""
        return PROPOSERS[self.search.method.type](self.search.method, self.setting)

    def seed_of(self, point: str, repeat: int) -> int:
        """Return the seed of a trial, from the digest of its point, which holds the search's."""
        return int(hashlib.sha256(f"{point}:{repeat}".encode()).hexdigest()[:15], 16)

    def loss(self, score: float | None) -> float | None:
        """Return a score turned so that less is better."""
        return score if score is None or self.mode == "min" else -score

    def assignments(self, values: dict[str, Plain], seed: int, fold: int) -> list[str]:
        """Return what a trial puts over the file."""
        point = Point(values, {}, "").assignments
        own = [*self.document.assignments, f"data.seed={self.split_seed}", *point, f"seed={seed}"]
        if fold >= 0:
            own.append(f"data.split={{type: folds, folds: {self.search.folds}, fold: {fold}}}")
        return own

    def task(self, values: dict[str, Plain], seed: int, fold: int, directory: Path) -> Task:
        """Return what a worker is told of a trial."""
        name = self.document.source.name
        limit = self.search.trial_time
        memory = self.search.trial_memory
        return Task(
            text=self.document.data.decode("utf-8"),
            name=name if name.startswith("<") else os.path.abspath(name),
            assignments=self.assignments(values, seed, fold),
            directory=os.path.abspath(directory),
            metric=self.search.metric,
            mode=self.mode,
            threads=provenance.threads(),
            as_team=team.size() > 1,
            time_limit=None if limit is None else limit.count,
            memory_limit=None if memory is None else memory << 20,
        )

    def resolved(self, trial: Trial) -> str:
        """Return the config of a trial with every default filled in, ready to train."""
        return emit_config(self._config_of(trial))

    def data_of(self, trial: Trial) -> DataConfig:
        """Return the data of a trial, with its paths as they are now."""
        return self._config_of(trial).data

    def _config_of(self, trial: Trial) -> Config:
        own = self.assignments(dict(trial.values), trial.seed, trial.fold)
        config = bind_config(_alone(self.document.override(own)))
        return with_absolute_paths(config, self.experiment.folder)

    @property
    def split_seed(self) -> int:
        """Where the random stream of the split starts, in all trials."""
        return self.config.seed if self.config.data.seed is None else self.config.data.seed

    def share_data(self) -> None:
        """Prepare the data of all folds, before workers are forked."""
        for fold in range(self.search.folds or 0):
            values = self.assignments({}, self.config.seed, fold)
            config = bind_config(_alone(self.document.override(values)))
            sharing.data_for(config, self.experiment.folder)


EXAMPLE = """search:
  metric: val/loss
  space:
    optimizer.learning_rate: [1e-2, 1e-3]"""


def make_plan(document: Document) -> Plan:
    """Check everything about a search that can be checked before it starts.

    Raises
    ------
    ConfigError
        With what is wrong, located in the file.
    DataError
        If the data is missing, unreadable or wrong.
    UsageError
        If the method needs a library that is not installed.
    """
    config = bind_config(document)
    search = config.search
    if search is None:
        message = f"{document.source.name}: error: no `search` block; write, say,\n\n{EXAMPLE}\n"
        raise ConfigError([message])
    dimensions = read_space(document, config)
    seed = config.seed if config.data.seed is None else config.data.seed
    alone = _alone(document)
    experiment = build(alone.override([f"data.seed={seed}"]), sharing.data_for)
    problems = [error.within("search") for error in _objections(config, search, experiment)]
    if problems:
        raise document.error(*problems)
    mode = _mode(search, experiment)
    plan = Plan(
        document, config, search, experiment, Space(dimensions, _base(config, experiment)), mode
    )
    check = CHECKS.get(search.method.type)
    if check is not None:
        try:
            check(search.method, plan.setting)
        except OptionError as error:
            raise document.error(error.within("search")) from None
    return plan


def _alone(document: Document) -> Document:
    """Return the config without its search."""
    return document.without({"search"})


def _objections(
    config: Config, search: SearchConfig, experiment: Experiment
) -> Iterator[OptionError]:
    """Yield what speaks against a search, its block alone being right."""
    measured = ["val/loss", *(f"val/{metric.key}" for metric in experiment.state.metrics)]
    if search.metric not in measured:
        known = ", ".join(measured)
        yield OptionError(f"'{search.metric}' is not measured here (measured: {known})", "metric")
    if config.data.validation == 0:
        yield OptionError(
            "there are no validation rows to compare trials by (data.validation is 0)", "metric"
        )
    if search.folds:
        if not isinstance(config.data.split, RandomSplit):
            yield OptionError(
                f"folds are drawn at random, but data.split is {config.data.split.type}", "folds"
            )
        if not isinstance(config.data.validation, int | float):
            yield OptionError(
                "folds take the validation rows from data.train, but data.validation is a file of "
                "its own; leave one of them out",
                "folds",
            )
    if search.pruning and search.method.type in ("halving", "hyperband"):
        yield OptionError(f"{search.method.type} gives trials up itself; leave it out", "pruning")


def _mode(search: SearchConfig, experiment: Experiment) -> Literal["min", "max"]:
    if search.mode != "auto":
        return search.mode
    natural = {f"val/{metric.key}": metric.mode for metric in experiment.state.metrics}
    return "max" if natural.get(search.metric) == "max" else "min"


def _base(config: Config, experiment: Experiment) -> dict[str, Plain]:
    """Return all that trainings depend on: the config, and the content of its data."""
    plain = {k: v for k, v in plain_config(config).items() if k not in _UNIMPORTANT}
    data = dict(plain["data"])
    for part in ("train", "validation", "test"):
        if not isinstance(data[part], int | float):
            data[part] = "by content"
    search = config.search
    assert search is not None
    plain["data"] = data
    plain["content"] = [file["sha256"] for file in experiment.data.sources]
    if search.folds:
        plain["folds"] = search.folds
    if search.pruning:  # what was given up under one rule says nothing under another
        rules = [{"type": rule.type, **vars(rule)} for rule in search.pruning]
        plain["pruning"] = [search.metric, search.mode, search.window, rules]
    return plain
