"""Metrics: `METRICS` is the one table of their names."""

from __future__ import annotations

from collections.abc import Sequence

from bpnet.errors import OptionError, did_you_mean
from bpnet.nn.losses import TargetKind
from bpnet.training.metrics.base import Metric
from bpnet.training.metrics.classes import F1, Accuracy, Precision, Recall, TopK
from bpnet.training.metrics.numbers import MAE, MAPE, R2, RMSE
from bpnet.training.metrics.probabilities import Brier, LogLoss, RocAuc

__all__ = ["DEFAULTS", "METRICS", "Metric", "build_metrics", "default_metrics"]

METRICS: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "top_k": TopK,
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "roc_auc": RocAuc,
    "log_loss": LogLoss,
    "brier": Brier,
    "rmse": RMSE,
    "mae": MAE,
    "r2": R2,
    "mape": MAPE,
}

for _name, _metric in METRICS.items():
    _metric.type = _name

DEFAULTS: dict[TargetKind, tuple[str, ...]] = {
    "class": ("accuracy", "f1"),
    "binary": ("accuracy", "f1"),
    "number": ("rmse", "mae", "r2"),
}
"""What is measured where a config names no metrics."""

_TARGETS: dict[TargetKind, str] = {
    "class": "a class of several",
    "binary": "yes or no",
    "number": "a number",
}


def default_metrics(kind: TargetKind, outputs: int) -> list[Metric]:
    """Return the default metrics for such a target, ready to compute."""
    return build_metrics(DEFAULTS[kind], kind, outputs)


def build_metrics(metrics: Sequence[Metric | str], kind: TargetKind, outputs: int) -> list[Metric]:
    """Return the metrics, ready to compute for such a target.

    Parameters
    ----------
    metrics
        Metrics, or their names in `METRICS`.
    kind, outputs
        What the target is, and its K.

    Raises
    ------
    OptionError
        If a name is unknown, a metric does not suit the target, an option does not fit it, or
        two metrics have the same key; the path starts with the metric's index.
    """
    built: list[Metric] = []
    for i, entry in enumerate(metrics):
        if isinstance(entry, str) and entry not in METRICS:
            known = ", ".join(METRICS)
            raise OptionError(
                f"unknown metric '{entry}'{did_you_mean(entry, METRICS) or f'; known: {known}'}", i
            )
        metric = METRICS[entry]() if isinstance(entry, str) else entry
        if kind not in metric.kinds:
            suited = ", ".join(name for name, known in METRICS.items() if kind in known.kinds)
            raise OptionError(
                f"{metric.type} does not suit a target that is {_TARGETS[kind]}; "
                f"expected one of {suited}",
                i,
            )
        if metric.key in {other.key for other in built}:
            raise OptionError(f"{metric.key} is there twice; drop one", i)
        try:
            metric.build(kind, outputs)
        except OptionError as error:
            raise error.within(i) from None
        built.append(metric)
    return built
