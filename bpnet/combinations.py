"""Parts of a config that are right by themselves and wrong, or hardly meant, together."""

from __future__ import annotations

from collections.abc import Iterator

from bpnet.config.schema import Config
from bpnet.errors import OptionError, Path, did_you_mean
from bpnet.nn.losses import TargetKind
from bpnet.training.early_stopping import EarlyStopping, Monitor
from bpnet.training.metrics import METRICS, Metric, build_metrics, default_metrics


def check_last_layer(config: Config) -> None:
    """Refuse a last layer that takes the loss's part.

    Raises
    ------
    OptionError
        The path starts below ``model``.
    """
    last = len(config.model.layers) - 1
    while last > 0 and config.model.layers[last].type in (
        "identity",
        "dropout",
        "flatten",
        "reshape",
    ):
        last -= 1
    activation = config.model.layers[last].type
    pairs = {"class": "softmax", "binary": "sigmoid"}
    if activation == pairs.get(config.loss.target):
        raise OptionError(
            f"{config.loss.type} contains the {activation} already and works from logits; "
            "drop this layer",
            "layers",
            last,
        )
    if activation == "softmax" and config.loss.target != "class":
        raise OptionError(
            f"softmax makes probabilities of classes, but {config.loss.type} compares "
            f"{'yes or no' if config.loss.target == 'binary' else 'numbers'}; drop this layer, or "
            "use cross_entropy without it",
            "layers",
            last,
        )


def choose_metrics(config: Config, kind: TargetKind, outputs: int) -> list[Metric]:
    """Return the config's metrics, or what suits the target, ready to compute.

    Raises
    ------
    OptionError
        If one does not suit the target; the path starts below ``metrics``.
    """
    if config.metrics == "auto":
        return default_metrics(kind, outputs)
    return build_metrics(config.metrics, kind, outputs)


def make_monitor(config: Config, metrics: list[Metric], validation: bool) -> Monitor:
    """Return the monitor; without early stopping it only chooses the best epoch.

    Raises
    ------
    OptionError
        If what it watches is not measured; the path starts below ``early_stopping``.
    """
    early, epochs = config.early_stopping, config.training.epochs
    modes = {"train/loss": "min"}
    if validation:
        modes |= {"val/loss": "min", **{f"val/{metric.key}": metric.mode for metric in metrics}}
    if early is None:
        return Monitor("val/loss" if validation else "train/loss", "min")
    if early.monitor not in modes:
        known = ", ".join(modes)
        if early.monitor.startswith("val/") and not validation:
            message = f"'{early.monitor}' needs a validation part, and data.validation is 0"
            raise OptionError(f"{message}; give it a fraction, or monitor train/loss", "monitor")
        if f"val/{early.monitor}" in modes:
            hint = f"; did you mean 'val/{early.monitor}'?"
        else:
            hint = did_you_mean(early.monitor, modes)
        raise OptionError(
            f"'{early.monitor}' is not measured here{hint or ''} (measured: {known})", "monitor"
        )
    if early.start_epoch > epochs:
        raise OptionError(
            f"the training has only {epochs} epochs, so none would count", "start_epoch"
        )
    mode = modes[early.monitor] if early.mode == "auto" else early.mode
    assert mode in ("min", "max")
    return Monitor(
        early.monitor,
        "max" if mode == "max" else "min",
        patience=early.patience,
        min_delta=early.min_delta,
        start_epoch=early.start_epoch,
    )


def doubts(config: Config) -> Iterator[tuple[Path, str]]:
    """Find what is allowed but hardly meant; yield its path and what to do."""
    for i, layer in enumerate(config.model.layers):
        if layer.type == "batch_norm" and config.training.batch_size == 1:
            yield (
                ("model", "layers", i),
                "a batch of one row has no spread to normalize by, so the running averages never "
                "move; raise training.batch_size or use layer_norm",
            )
    yield from _last_layer(config)
    early = config.early_stopping
    if early is not None and early.mode != "auto" and early.mode != _natural_mode(config, early):
        less = early.mode == "min"
        yield (
            ("early_stopping", "mode"),
            f"mode {early.mode} keeps the epoch with the {'least' if less else 'largest'} "
            f"{early.monitor}, which is the worst one; leave mode at auto",
        )


def _last_layer(config: Config) -> Iterator[tuple[Path, str]]:
    """Find a last layer that keeps the outputs from being what the loss works with."""
    last = len(config.model.layers) - 1
    kind = config.model.layers[last].type
    place = ("model", "layers", last)
    if kind == "dropout":
        yield place, "dropout as the last layer sets outputs themselves to 0; drop it"
    elif kind in _BOUNDED and config.loss.target != "number":
        yield place, f"{config.loss.type} works from logits, which {kind} bounds; drop this layer"
    elif kind in _BOUNDED and config.data.target_scale == "standard":
        yield (
            place,
            f"{kind} bounds the outputs, but the target is scaled to mean 0 and deviation 1, on "
            "both sides; drop this layer",
        )


_BOUNDED = ("relu", "sigmoid", "tanh", "softplus", "elu", "softmax")
"""Layers whose outputs are not all numbers."""


def _natural_mode(config: Config, early: EarlyStopping) -> str:
    name = early.monitor.partition("/")[2]
    if name == "loss" or config.metrics == "auto":
        modes = {"loss": "min", **{name: metric.mode for name, metric in METRICS.items()}}
    else:
        modes = {metric.key: metric.mode for metric in config.metrics}
    return modes.get(name, early.mode)
