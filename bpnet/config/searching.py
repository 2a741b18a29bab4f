"""The `search` block: what a search tries, how it chooses, and when it gives up a trial.

Only the options; `bpnet.search` does what they say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from bpnet.errors import OptionError
from bpnet.options import Choice, Fraction, PositiveInt, Range, Span

LIMIT = 10_000
"""Points of one search; what has more is no search but a mistake, or needs a sampling method."""

Points = Annotated[int, Range(ge=1, le=LIMIT)]


@dataclass
class SearchMethod:
    """A way to choose points; its fields are its YAML options."""

    type: ClassVar[str]
    """The name in `METHODS`, which sets it."""


@dataclass
class Grid(SearchMethod):
    """Try every combination."""


@dataclass
class RandomPoints(SearchMethod):
    """Draw points at random, each value by itself."""

    points: Annotated[Points, "how many points are drawn"] = 20


@dataclass
class SobolPoints(SearchMethod):
    """Spread points evenly over all parameters at once (a shifted Sobol sequence)."""

    points: Annotated[Points, "how many points; powers of 2 spread best"] = 32


@dataclass
class Tpe(SearchMethod):
    """Propose points where the good ones are dense (tree-structured Parzen estimator, optuna)."""

    points: Annotated[Points, "how many points are tried"] = 40
    startup: Annotated[PositiveInt, "points drawn at random before the first proposal"] = 10
    batch: Annotated[
        PositiveInt, "points proposed at a time; it, not the number of workers, shapes the search"
    ] = 4


@dataclass
class Halving(SearchMethod):
    """Train many points briefly, the best of them longer, few to the end."""

    points: Annotated[Points, "how many points start"] = 27
    reduction: Annotated[int, Range(ge=2), "one of so many goes on, for so many times as long"] = 3
    first: Annotated[
        PositiveInt | None,
        "epochs before the first choice; null: so many that one point or a few reach the end",
    ] = None


@dataclass
class Hyperband(SearchMethod):
    """Halve several times, from many points trained briefly to a few trained to the end."""

    reduction: Annotated[int, Range(ge=2), "one of so many goes on, for so many times as long"] = 3
    first: Annotated[PositiveInt, "epochs before the first choice"] = 1


METHODS: dict[str, type[SearchMethod]] = {
    "grid": Grid,
    "random": RandomPoints,
    "sobol": SobolPoints,
    "tpe": Tpe,
    "halving": Halving,
    "hyperband": Hyperband,
}

for _name, _method in METHODS.items():
    _method.type = _name


@dataclass
class PruningRule:
    """A way to see that a trial is hopeless; its fields are its YAML options."""

    type: ClassVar[str]
    """The name in `PRUNING`, which sets it."""


@dataclass
class MedianRule(PruningRule):
    """Give a trial up that is worse than most earlier ones were in the same epoch."""

    warmup: Annotated[int, Range(ge=0), "epochs in which nothing is given up"] = 5
    trials: Annotated[PositiveInt, "earlier trials there must be to compare with"] = 5
    share: Annotated[
        Fraction, "of the earlier trials, those that it must beat; 0.5: the median"
    ] = 0.5


@dataclass
class PatienceRule(PruningRule):
    """Give a trial up that no longer improves and is worse than the best earlier one."""

    epochs: Annotated[PositiveInt, "epochs without an improvement"] = 10


PRUNING: dict[str, type[PruningRule]] = {"median": MedianRule, "patience": PatienceRule}

for _name, _rule in PRUNING.items():
    _rule.type = _name


@dataclass(kw_only=True)
class SearchConfig:
    """What `bpnet gridsearch` tries, and what it calls good."""

    space: Annotated[
        dict[str, Any],
        "by key (optimizer.learning_rate): a list of values or blocks, or {uniform: [LOW, HIGH]}, "
        "{log_uniform: ...}, {integers: ...}, {log_integers: ...}, {steps: [LOW, HIGH, STEP]}; "
        "beside a range `count: N`, the values that a grid takes of it",
    ]
    method: Annotated[SearchMethod, Choice("search method"), "how points are chosen"] = field(
        default_factory=Grid
    )
    metric: Annotated[str, "what is compared: val/loss or val/METRIC"] = "val/loss"
    mode: Annotated[
        Literal["auto", "min", "max"], "whether less or more is better; auto: by the metric"
    ] = "auto"
    seeds: Annotated[int, Range(ge=1, le=1000), "trainings of each point, a seed each"] = 1
    folds: Annotated[
        Annotated[int, Range(ge=2, le=1000)] | None,
        "cross-validation: each part of the rows validates once; null: data.validation does",
    ] = None
    pruning: Annotated[
        list[Annotated[PruningRule, Choice("pruning rule")]], "when a trial is given up early"
    ] = field(default_factory=list)
    window: Annotated[
        PositiveInt,
        "with pruning, a trial is compared with those at least so many before it, which must have "
        "ended: so many run at once at most",
    ] = 8
    trial_time: Annotated[Span | None, "longest time of one trial: 90 s, 10 min; null: any"] = None
    trial_memory: Annotated[
        Annotated[int, Range(ge=64)] | None, "most memory of one trial, in MiB; null: any"
    ] = None

    def __post_init__(self) -> None:
        if self.trial_time is not None and (
            self.trial_time.unit != "seconds" or not self.trial_time.count
        ):
            raise OptionError(
                f"expected a time such as '90 s' or '10 min', received {self.trial_time.to_yaml()}",
                "trial_time",
            )
        if not self.space:
            raise OptionError(
                "empty, so there is nothing to try; name a key and its values, such as "
                "`optimizer.learning_rate: [1e-2, 1e-3]`",
                "space",
            )
        if not self.metric.startswith("val/"):
            raise OptionError(
                f"'{self.metric}' can't choose: only rows that were not trained on, and are not "
                "kept for the end, can; name val/loss or val/METRIC",
                "metric",
            )
