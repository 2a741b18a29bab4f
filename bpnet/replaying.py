"""The step at which a run diverged, in a file of its own, and that step taken again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bpnet import compiled, model
from bpnet.assembly import build_loss, build_network, trained_by
from bpnet.errors import BpnetError, RunError
from bpnet.experiment import Experiment
from bpnet.runs import provenance, rundir, tensors
from bpnet.training.divergence import Divergence, read_divergence
from bpnet.training.examination import Observation
from bpnet.training.repetition import repeat

KIND = "divergence"


def save(experiment: Experiment, directory: Path) -> Path | None:
    """Write the step at which a training diverged into its run directory; return the file.

    It holds the weights, the batch, the random stream and whatever else the step was made of,
    so that neither data nor checkpoint is needed to take it again. Without a divergence, or if its
    update failed in a way that left nothing to take again, there is no file.

    Raises
    ------
    RefusedError
        If the operating system refuses.
    """
    found = experiment.state.divergence
    if found is None:
        return None
    arrays, facts = model.preparation(experiment)
    arrays |= found.arrays()
    facts |= found.facts() | {
        "layout": experiment.state.network.arena.layout(),
        "environment": provenance.environment(),
    }
    path = directory / rundir.DIVERGED
    tensors.write(path, KIND, arrays, facts)
    return path


@dataclass
class Replay:
    """A step that was taken again.

    Attributes
    ----------
    path
        The file that it came from.
    found
        The divergence as it was.
    seen
        What every tensor of the step looks like now, in the order of computation; empty if the
        step does not diverge any more.
    differences
        What is not as it was, down to the last bit.
    changed
        What is different about machine and software, as far as the last bit depends on it.
    """

    path: Path
    found: Divergence
    seen: list[Observation]
    differences: list[str]
    changed: list[str]

    @property
    def began(self) -> Observation | None:
        """The first tensor that is not finite."""
        return next((seen for seen in self.seen if not seen.finite), None)


def replay(run_or_file: Path) -> Replay:
    """Take the step again at which a run diverged.

    Parameters
    ----------
    run_or_file
        A run directory, or the file that `save` wrote.

    Raises
    ------
    RunError
        If there is none, or it is damaged or foreign.
    RefusedError
        If the operating system refuses.
    """
    path = find(run_or_file)
    file = tensors.read(path, KIND)
    try:
        found = read_divergence(file.arrays, file.facts)
        again = _repeat(file, found)
        changed = provenance.differences(file.facts["environment"], provenance.environment())
    except RunError as error:
        raise RunError(f"{path}: {error}") from error
    except (
        BpnetError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        ArithmeticError,
    ) as error:
        raise RunError(f"{path}: not a step that this bpnet can take again: {error}") from error
    if again is None:
        return Replay(path, found, [], ["loss, gradient and update are finite now"], changed)
    return Replay(path, found, again.seen, found.differences(again), changed)


def find(run_or_file: Path) -> Path:
    """Return the file of a run directory, or the file itself.

    Raises
    ------
    RunError
        If the run has none.
    """
    if not run_or_file.is_dir():
        return run_or_file
    facts = rundir.open_run(run_or_file)
    path = run_or_file / rundir.DIVERGED
    if not path.is_file():
        raise RunError(
            f"{run_or_file}: it has no divergence to replay: its status is {facts.get('status')}"
        )
    return path


def _repeat(file: tensors.TensorFile, found: Divergence) -> Divergence | None:
    config, features, target = model.read_preparation(file)
    if config.compute == "numba":
        compiled.require()
    network = build_network(config, features.shape, target, to_train=True)
    if file.facts["layout"] != network.arena.layout():
        raise RunError("its tensors are not those of its network")
    build_loss(config, target)
    loss, optimizer = trained_by(config)
    return repeat(
        found,
        network=network,
        loss=loss,
        optimizer=optimizer,
        regularization=config.regularization,
        target=target,
        clip_norm=config.training.clip_norm,
        clip_value=config.training.clip_value,
    )
