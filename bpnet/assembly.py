"""From a checked config and its data to the parts of a training, which fit one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bpnet import compiled
from bpnet.combinations import choose_metrics, make_monitor
from bpnet.config.document import Document
from bpnet.config.schema import Config
from bpnet.data.batches import Batches
from bpnet.data.target import Target
from bpnet.errors import OptionError
from bpnet.nn.arena import Shape
from bpnet.nn.layers.base import sides
from bpnet.nn.losses import Loss
from bpnet.nn.network import Network
from bpnet.optim.optimizers import Optimizer
from bpnet.preparation import Prepared
from bpnet.threads import team
from bpnet.training.state import Control, TrainingState

T = TypeVar("T")


class Steps:
    """Runs the steps of building; their mistakes are reported together."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.errors: list[OptionError] = []

    def run(self, step: Callable[[], T], *path: str | int) -> T | None:
        """Run one step; its mistakes lie below `path`."""
        try:
            return step()
        except OptionError as error:
            self.errors.append(error.within(*path))
            return None

    def finish(self) -> None:
        """Report what was collected so far.

        Raises
        ------
        ConfigError
            If anything was.
        """
        if self.errors:
            raise self.document.error(*self.errors)


def assemble(config: Config, data: Prepared, steps: Steps) -> TrainingState:
    """Make the parts of the training and check that they fit one another.

    Raises
    ------
    ConfigError
        If they don't, with every mistake, and those that `steps` had collected before.
    """
    target, training = data.target, config.training
    batches = Batches(
        data.datasets["train"],
        training.batch_size,
        accumulate=training.accumulate,
        shuffle=training.shuffle,
        seed=config.seed,
    )
    if config.compute == "numba":
        steps.run(compiled.require, "compute")
        steps.finish()
    network = steps.run(
        lambda: build_network(config, data.features.shape, target, to_train=True), "model"
    )
    steps.run(lambda: build_loss(config, target), "loss")
    total = training.epochs * batches.steps
    steps.run(
        lambda: config.schedule.build(config.optimizer.learning_rate, total, batches.steps),
        "schedule",
    )
    metrics = steps.run(lambda: choose_metrics(config, target.kind, target.outputs), "metrics")
    monitor = None
    if metrics is not None:
        monitor = steps.run(
            lambda: make_monitor(config, metrics, "val" in data.datasets),
            "early_stopping",
        )
    steps.finish()
    assert network is not None
    assert metrics is not None
    if worth_sharing(network, batches.batch_size):
        batches.shards = team.size()
    assert monitor is not None
    early = config.early_stopping
    # Without a validation part the loss of an epoch, measured while its weights still moved,
    # is no reason to prefer an earlier epoch, unless the config asks for it.
    keep_best = early.restore_best if early is not None else "val" in data.datasets
    control = Control(
        epochs=training.epochs,
        seed=config.seed,
        clip_norm=training.clip_norm,
        clip_value=training.clip_value,
        time_limit=training.max_time.count if training.max_time else None,
        keep_best=keep_best,
    )
    loss, optimizer = trained_by(config)
    return TrainingState(
        network=network,
        loss=loss,
        optimizer=optimizer,
        schedule=config.schedule,
        batches=batches,
        control=control,
        monitor=monitor,
        target=target,
        regularization=config.regularization,
        validation=data.datasets.get("val"),
        metrics=metrics,
    )


def worth_sharing(network: Network, batch_size: int) -> bool:
    """Say whether the threads of this process's team should share a step.

    Examples must not depend on each other, as they do by running statistics.
    """
    arena, size = network.arena, team.size()
    enough = batch_size >= team.LEAST * size and batch_size * len(arena.theta) >= team.ENOUGH
    return size > 1 and not arena.states and enough


def build_network(
    config: Config, in_shape: Shape, target: Target, *, to_train: bool = False
) -> Network:
    """Build the config's network for inputs of this shape.

    Parameters
    ----------
    config, in_shape, target
        What it is made of and for.
    to_train
        Whether it computes as the config's ``compute`` says; a model does without numba.

    Raises
    ------
    OptionError
        If shapes do not connect, or the output is not what the target needs; the path starts
        below ``model``.
    """
    layers = config.model.layers
    if to_train and config.compute == "numba":
        layers = [compiled.compiled_layer(layer) for layer in layers]
    network = Network(
        layers,
        in_shape,
        dtype=config.dtype,
        seed=config.seed,
        init=config.model.init,
        bias_init=config.model.bias_init,
        output_size=target.outputs,
        freeze=config.model.freeze,
    )
    for layer, built in zip(config.model.layers, layers, strict=True):
        layer.take_names(built)
    if network.out_shape != (target.outputs,):
        last = len(config.model.layers) - 1
        units = ("units",) if hasattr(config.model.layers[last], "units") else ()
        raise OptionError(
            f"the last layer has {sides(network.out_shape)} outputs, but {_needs(target)}; "
            "end with {type: dense, units: auto}",
            "layers",
            last,
            *units,
        )
    return network


def build_loss(config: Config, target: Target) -> None:
    """Prepare the config's loss for a target.

    Raises
    ------
    OptionError
        If an option does not fit the target; the path starts below ``loss``.
    """
    config.loss.build(
        target.outputs,
        dtype=config.dtype,
        class_counts=target.class_counts,
        class_names=target.class_names,
    )


def trained_by(config: Config) -> tuple[Loss, Optimizer]:
    """Return the config's loss, after `build_loss`, and its optimizer, as ``compute`` says."""
    if config.compute == "numpy":
        return config.loss, config.optimizer
    return compiled.compiled_loss(config.loss), compiled.compiled_optimizer(config.optimizer)


def _needs(target: Target) -> str:
    names = target.class_names
    if target.kind == "class":
        return f"{target.columns[0]} has {len(names)} classes" + (
            f" ({', '.join(names)})" if len(names) <= 6 else ""
        )
    if target.outputs == 1:
        return f"{target.columns[0]} needs one"
    return f"there are {target.outputs} targets"
