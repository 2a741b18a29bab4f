"""A trained model: from rows as users have them to classes, probabilities or numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bpnet.assembly import build_network
from bpnet.config.schema import Config, DataConfig, read_config
from bpnet.data.features import Features, Transformed, features_from_state
from bpnet.data.table import Table, Tensor
from bpnet.data.target import Target, target_from_state
from bpnet.errors import BpnetError, RunError
from bpnet.experiment import Experiment
from bpnet.nn.arena import Array
from bpnet.nn.losses import Loss
from bpnet.nn.network import EVALUATED, Network
from bpnet.runs import checkpoint, rundir, tensors

KIND = "model"


def save(path: Path, experiment: Experiment) -> None:
    """Write what prediction needs into one file."""
    tensors.write(path, KIND, *_content(experiment))


def encode(experiment: Experiment) -> bytes:
    """Return the model as the bytes of a file: weights, config, preprocessing, classes."""
    return tensors.encode(KIND, *_content(experiment))


def _content(experiment: Experiment) -> tuple[dict[str, Array], dict[str, Any]]:
    arrays, facts = preparation(experiment)
    return experiment.state.network.weights() | arrays, facts


def preparation(experiment: Experiment) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return arrays and facts of what surrounds the weights: config, features and target."""
    features, feature_arrays = experiment.data.features.to_state()
    target, target_arrays = experiment.data.target.to_state()
    arrays = {f"features/{name}": array for name, array in feature_arrays.items()}
    arrays |= {f"target/{name}": array for name, array in target_arrays.items()}
    return arrays, {"config": experiment.resolved(), "features": features, "target": target}


def read_preparation(file: tensors.TensorFile) -> tuple[Config, Features, Target]:
    """Read back what `preparation` returned.

    Raises
    ------
    BpnetError, ValueError, KeyError, TypeError, AttributeError
        If the file holds something else.
    """

    def below(prefix: str) -> dict[str, Array]:
        found = {n: a for n, a in file.arrays.items() if n.startswith(prefix)}
        return {name.removeprefix(prefix): array for name, array in found.items()}

    config = read_config(file.facts["config"], "config of the model")
    features = features_from_state(file.facts["features"], below("features/"))
    target = target_from_state(file.facts["target"], below("target/"))
    return config, features, target


def load(run_or_model: str | Path) -> Model:
    """Load the model of a run directory, or a ``model.safetensors`` file.

    Raises
    ------
    RunError
        If there is none, or it is damaged or foreign.
    RefusedError
        If the operating system refuses.
    """
    path = Path(run_or_model)
    if path.is_dir():
        facts = rundir.open_run(path)
        if not (path / rundir.MODEL).is_file():
            raise RunError(
                f"{path}: no model there yet: the training is {rundir.standing(path, facts)}; "
                f"bpnet train --resume {path} goes on with it"
            )
        path = path / rundir.MODEL
    file = tensors.read(path, KIND)
    try:
        return _restore(file)
    except RunError as error:
        raise RunError(f"{path}: {error}") from error
    except (BpnetError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not a model that this bpnet can use: {error}") from error


def _restore(file: tensors.TensorFile) -> Model:
    config, features, target = read_preparation(file)
    network = build_network(config, features.shape, target)
    weights = network.weights()
    stored = {name: array for name, array in file.arrays.items() if "/" not in name}
    if stored.keys() != weights.keys():
        raise RunError("its tensors are not those of its network")
    for name, array in stored.items():
        if array.shape != weights[name].shape or array.dtype != weights[name].dtype:
            raise RunError(f"tensor {name} does not fit its network")
        weights[name][...] = array
    return Model(config, network, config.loss, features, target)


class Model:
    """A trained network with the preparation of its inputs and the meaning of its outputs.

    Attributes
    ----------
    config
        The resolved config that it was trained with.
    network
        The network itself; `weights` are its tensors.
    features, target
        How rows become inputs, and outputs become answers.
    """

    def __init__(
        self, config: Config, network: Network, loss: Loss, features: Features, target: Target
    ) -> None:
        self.config = config
        self.network = network
        self.loss = loss
        self.features = features
        self.target = target

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities; empty for numbers."""
        return self.target.class_names

    @property
    def weights(self) -> dict[str, Array]:
        """All tensors by name (``dense_1.W``), as views: changing them changes the model."""
        return self.network.weights()

    def use_checkpoint(self, path: Path) -> None:
        """Take the weights of a checkpoint of the same run instead.

        Raises
        ------
        RunError
            If the file is damaged or belongs to another network.
        """
        checkpoint.load_weights(self.network, path)

    def predict(self, rows: Any) -> Array:
        """Return the answer for each row: class names, or numbers in the target's own units.

        Parameters
        ----------
        rows
            A list of dictionaries (one a row), a dictionary of columns or a data frame, an array
            ``(N, columns)`` in the order of the training columns, images ``(N, H, W, C)``, or
            the path of a file.

        Returns
        -------
        ndarray
            ``(N,)``, or ``(N, K)`` for several targets. Rows that the config's ``missing:
            drop`` leaves out get None or NaN.

        Raises
        ------
        DataError
            If columns are missing or cells are wrong.
        """
        transformed, count = self._transform(rows)
        return _spread(self.target.labels(self.outputs(transformed.x)), transformed.kept, count)

    def predict_proba(self, rows: Any) -> Array:
        """Return the probability of each class, ``(N, classes)``, or of each label.

        Raises
        ------
        TypeError
            If the model predicts numbers.
        """
        if self.target.kind == "number":
            raise TypeError("a model that predicts numbers has no probabilities; use predict")
        transformed, count = self._transform(rows)
        chances = self.target.probabilities(self.outputs(transformed.x))
        return _spread(chances, transformed.kept, count)

    def outputs(self, x: Array, batch_size: int = EVALUATED) -> Array:
        """Return what the network says of prepared inputs: probabilities, or numbers in units."""
        with np.errstate(all="ignore"):
            return self.target.to_units(self.loss.predict(self.network.predict(x, batch_size)))

    def _transform(self, rows: Any) -> tuple[Transformed, int]:
        source = as_source(rows, self.features, self.config.data)
        return self.features.transform(source, dtype=self.config.dtype), source.rows


def as_source(rows: Any, features: Features, data: DataConfig) -> Table | Tensor:
    """Return rows, in any of the forms that `Model.predict` takes, as a table or tensor."""
    from bpnet.data import memory, sources

    if isinstance(rows, Table | Tensor):
        return rows
    if isinstance(rows, str | Path):
        return sources.read_source(
            str(rows),
            Path(),
            kinds=features.columns,
            features=data.features,
            target=data.target,
            target_required=False,
            header=data.header,
        )
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # a data frame
        rows = rows.to_dict("list")
    if isinstance(rows, Mapping):
        return memory.from_columns(rows, features.columns)
    if isinstance(rows, np.ndarray):
        return memory.from_array(rows, features.columns)
    return memory.from_rows(list(rows), features.columns)


def _spread(values: Array, kept: Array | None, count: int) -> Array:
    """Put the answers of the rows that were kept where the rows stood."""
    if kept is None or len(kept) == count:
        return values
    empty = np.nan if values.dtype.kind == "f" else None
    dtype = values.dtype if values.dtype.kind == "f" else object
    spread = np.full((count, *values.shape[1:]), empty, dtype)
    spread[kept] = values
    return spread
