"""The start of a training from the weights of another one.

Layers are matched by their names, of which those that nobody gave are counted by type
(``dense_2``): a layer that is put in between shifts the ones after it, unless they are named.

A layer is taken as a whole, running statistics included: one whose tensors have other shapes there
keeps the start that it drew, biases too, as those belong to their weights. Only weights are taken
over: preprocessing, classes, optimizer and schedule are the new training's own. In particular its
inputs are scaled by its own data, not by the parent's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bpnet import model
from bpnet.data.features import Features, features_from_state
from bpnet.data.target import Target, target_from_state
from bpnet.errors import RunError
from bpnet.nn.arena import Array, Shape
from bpnet.nn.network import Network
from bpnet.nn.vectors import first_not_finite, views
from bpnet.runs import checkpoint, durable, rundir, tensors

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Misfit:
    """A tensor whose shape differs between two networks."""

    name: str
    here: Shape
    there: Shape

    def __str__(self) -> str:
        here, there = (" x ".join(map(str, shape)) for shape in (self.here, self.there))
        return f"{self.name} is {here} here, {there} there"


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a network took over from a file, tensor by tensor; all names are those of tensors.

    Attributes
    ----------
    source
        The file.
    taken
        What was taken over.
    unfitting
        What has another shape there; the rest of these layers was left, too.
    left
        That rest: of the same shape there, but in a layer that does not fit.
    missing
        What the file does not have; like all that is not taken, it keeps its own start.
    unused
        What only the file has.
    converted
        The type of the numbers there, where it is another one: ``float64``.
    warnings
        What is allowed, but hardly meant.
    """

    source: Path
    taken: tuple[str, ...]
    unfitting: tuple[Misfit, ...]
    left: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    converted: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def own(self) -> tuple[str, ...]:
        """The tensors that keep their own start."""
        return (*(misfit.name for misfit in self.unfitting), *self.left, *self.missing)

    def sentences(self) -> list[str]:
        """Say to people what was taken and what was not."""
        count = len(self.taken) + len(self.own)
        converted = f", converted from {self.converted}" if self.converted else ""
        said = [f"initialized {len(self.taken)} of {count} tensors from {self.source}{converted}"]
        for layer in _layers(misfit.name for misfit in self.unfitting):
            shapes = [str(misfit) for misfit in self.unfitting if _layer(misfit.name) == layer]
            said.append(f"{layer} keeps its own start: {'; '.join(shapes)}")
        if self.missing:
            said.append(f"with their own start, as they are not there: {_listed(self.missing)}")
        if self.unused:
            said.append(f"not used, as they are not here: {_listed(self.unused)}")
        return said


def initialize_from(
    network: Network,
    path: Path,
    *,
    features: Features | None = None,
    target: Target | None = None,
) -> Transfer:
    """Put the weights of another training into a network, as far as they fit it.

    Parameters
    ----------
    network
        The network, as it would start otherwise. It stays so if nothing can be taken.
    path
        A run directory (then its model, or before there is one its best or else its newest
        checkpoint), or such a file.
    features, target
        The new training's inputs and target; where the file has the old ones, too, they are
        compared.

    Raises
    ------
    RunError
        If there are no weights, they are damaged, foreign or not finite, or none of them fits.
    RefusedError
        If the operating system refuses.
    """
    source = _file(path)
    file = tensors.read(source, model.KIND, checkpoint.KIND, checkpoint.WEIGHTS)
    try:
        transfer, taken = _match(network, _weights(file), source)
        doubts = [
            *_frozen_at_random(network, taken),
            *_other_data(network, taken, file, features, target),
        ]
        network.take(taken)
    except RunError as error:
        raise RunError(f"{source}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise RunError(f"{source}: not weights to start from: {error}") from error
    return replace(transfer, warnings=tuple(doubts))


def _file(path: Path) -> Path:
    """Return the file with the weights of a run, or the file itself."""
    with durable.refusals("read", path):
        if not path.exists():
            raise RunError(f"{path}: no such run directory or file; `ls runs` shows the runs")
        if not path.is_dir():
            return path
    facts = rundir.open_run(path)
    for name in (rundir.MODEL, rundir.BEST):
        if (path / name).is_file():
            return path / name
    found = checkpoint.all_of(path)
    if not found:
        standing = rundir.standing(path, facts)
        raise RunError(f"{path}: no weights there yet: the training is {standing}")
    return found[0]


def _weights(file: tensors.TensorFile) -> dict[str, Array]:
    """Return the tensors of a network by name, from any file that has them."""
    if file.kind == model.KIND:
        found = {name: array for name, array in file.arrays.items() if "/" not in name}
    else:
        layout = file.facts["layout"]
        theta = views(file.arrays["theta"], layout["theta"])
        found = theta | views(file.arrays["state"], layout["state"])
    for name, array in found.items():
        if array.dtype.kind != "f":
            raise ValueError(f"{name} does not hold floating-point numbers")
    bad = first_not_finite(found)
    if bad is not None:
        raise ValueError(f"{bad} holds NaN or Inf")
    return found


def _match(
    network: Network, there: Mapping[str, Array], source: Path
) -> tuple[Transfer, dict[str, Array]]:
    """Compare two networks, in the order of this one's layers; return what can be taken, too."""
    here = {name: network.weights()[name] for name in _in_order(network)}
    common = [name for name in here if name in there]
    unfitting = tuple(
        Misfit(name, here[name].shape, there[name].shape)
        for name in common
        if here[name].shape != there[name].shape
    )
    apart = {_layer(misfit.name) for misfit in unfitting}
    taken = {name: there[name] for name in common if _layer(name) not in apart}
    if not taken:
        why = "; ".join(map(str, unfitting[:_SHOWN])) or (
            f"here the layers are {_listed(_layers(here))}, there {_listed(_layers(there))}"
        )
        raise RunError(f"no layer of it fits this network: {why}")
    types = {str(array.dtype) for array in taken.values()} - {str(network.arena.dtype)}
    names = {misfit.name for misfit in unfitting}
    transfer = Transfer(
        source=source,
        taken=tuple(taken),
        unfitting=unfitting,
        left=tuple(n for n in common if _layer(n) in apart and n not in names),
        missing=tuple(name for name in here if name not in there),
        unused=tuple(name for name in there if name not in here),
        converted=", ".join(sorted(types)),
    )
    return transfer, taken


def _frozen_at_random(network: Network, taken: Mapping[str, Array]) -> Iterator[str]:
    """Find frozen layers that nothing was taken for."""
    frozen = {name for name, layer, _ in network.walk() if layer.frozen}
    own = [n for n in _in_order(network) if n not in taken and _layer(n) in frozen]
    for layer in _layers(own):
        yield (
            f"{layer} is frozen with the start that it drew, as it was not taken over; "
            "drop it from model.freeze"
        )


def _other_data(
    network: Network,
    taken: Mapping[str, Array],
    file: tensors.TensorFile,
    features: Features | None,
    target: Target | None,
) -> Iterator[str]:
    """Find a first and a last layer that were trained for something else."""
    if file.kind != model.KIND:
        return

    def below(prefix: str) -> dict[str, Array]:
        found = {n: a for n, a in file.arrays.items() if n.startswith(prefix)}
        return {name.removeprefix(prefix): array for name, array in found.items()}

    blocks = [name.partition(".")[0] for name in _in_order(network)]
    kept = {name.partition(".")[0] for name in taken}
    if features is not None and blocks[0] in kept:
        old = features_from_state(file.facts["features"], below("features/")).names
        new = features.names
        if old != new:
            what = "these inputs in another order" if sorted(old) == sorted(new) else "other inputs"
            yield (
                f"{blocks[0]} was trained on {what}: {_listed(old) or 'arrays'}; "
                f"here they are {_listed(new) or 'arrays'}"
            )
    if target is not None and blocks[-1] in kept:
        old = target_from_state(file.facts["target"], below("target/")).class_names
        new = target.class_names
        if old != new:
            yield (
                f"{blocks[-1]} was trained for other outputs: {_listed(old) or 'numbers'}; "
                f"here they are {_listed(new) or 'numbers'}"
            )


def _in_order(network: Network) -> Iterator[str]:
    """Yield the names of all tensors, layer by layer."""
    names = list(network.weights())
    for layer, _, _ in network.walk():
        yield from (name for name in names if _layer(name) == layer)


def _layer(tensor: str) -> str:
    return tensor.rpartition(".")[0]


def _layers(names: Iterable[str]) -> list[str]:
    """Return the layers of tensors, each once."""
    return list(dict.fromkeys(map(_layer, names)))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
