"""``bpnet inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bpnet import threads
from bpnet.cli.arguments import RunOrModel
from bpnet.cli.console import Console
from bpnet.cli.evaluate import SPLITS
from bpnet.cli.importance import show_importance
from bpnet.cli.tensors import show_activations, show_weights
from bpnet.errors import UsageError

METHODS = ("permutation", "gradient")


def inspect(
    console: Console,
    run: RunOrModel,
    layer: Annotated[
        str | None,
        typer.Argument(
            metavar="[LAYER]",
            help="A layer as `bpnet check` names it, input, or a tensor such as dense_1.W; "
            "by default all.",
        ),
    ] = None,
    what: Annotated[
        str | None,
        typer.Option(
            metavar="weights|activations",
            help="By default activations if rows are chosen, else weights.",
        ),
    ] = None,
    checkpoint: Annotated[
        str,
        typer.Option(
            metavar="best|last|PATH", help="Which weights; best are those of the run's model."
        ),
    ] = "best",
    split: Annotated[
        str | None, typer.Option(help="Rows: train, val or test; by default test, or else val.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="PATH", help="Rows: those of a file instead.")
    ] = None,
    row: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Only this row of the file, from 0, whatever part it is in."
        ),
    ] = None,
    importance: Annotated[
        str | None,
        typer.Option(
            metavar="permutation|gradient", help="Show instead how much each column matters."
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="With permutation: what gets worse; by default the config's first."),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(metavar="N", help="With permutation: shuffles of each column. [default: 10]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="With permutation: another draw. [default: 0]")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="Write the numbers: .npy, .npz, .csv, or -."
        ),
    ] = None,
) -> None:
    """Look at the numbers inside a trained network.

    Weights and activations of its layers, as statistics or arrays; or the importance of each
    input column.
    """
    _check_options(layer, what, split, data, row, importance, metric, repeats, seed)
    threads.choose()
    from bpnet.insight import run_models
    from bpnet.insight.array_files import check_name

    if output is not None:
        check_name(output)
    if run.suffix in (".yaml", ".yml"):
        raise UsageError(
            f"{run}: a config has no trained weights to look at; name a run (bpnet check shows "
            "the layers of a config, bpnet trace their numbers)"
        )
    loaded, note = run_models.load(run, checkpoint)
    if note:
        console.info(note)
    if importance is not None:
        show_importance(console, loaded, importance, split, data, metric, repeats, seed, output)
        return
    from bpnet.insight import chosen_rows, inspection

    activations = what == "activations" or (
        what is None and (split, data, row) != (None, None, None)
    )
    if not activations:
        tensors = {} if layer == inspection.INPUT else inspection.weights(loaded, layer)
        if tensors or (what == "weights" and layer is None):
            show_weights(console, loaded, layer, tensors, output)
            return
        if what == "weights":
            raise UsageError(f"{layer} has no weights; --what activations shows what it gives")
        console.info(f"{layer or 'the network'} has no weights; these are its activations")
    if data is not None:
        rows = chosen_rows.rows_of_file(loaded, data)
        rows = rows if row is None else rows.only(row)
    elif row is not None:
        rows = chosen_rows.row_of_data(loaded, row, split)
    else:
        rows = chosen_rows.rows_of_split(loaded, split)
    show_activations(console, loaded, layer, rows, row, output)


def _check_options(
    layer: str | None,
    what: str | None,
    split: str | None,
    data: str | None,
    row: int | None,
    importance: str | None,
    metric: str | None,
    repeats: int | None,
    seed: int | None,
) -> None:
    if what not in (None, "weights", "activations"):
        raise UsageError(f"--what: expected weights or activations, received '{what}'")
    if split is not None and data is not None:
        raise UsageError("give either --split or --data, not both")
    if split is not None and split not in SPLITS:
        raise UsageError(f"--split: expected train, val or test, received '{split}'")
    if importance is None:
        for name, value in (("--metric", metric), ("--repeats", repeats), ("--seed", seed)):
            if value is not None:
                raise UsageError(f"{name} goes with --importance permutation")
        if what == "weights" and (split, data, row) != (None, None, None):
            raise UsageError("weights are the same for all rows; leave out --split, --data, --row")
        return
    if importance not in METHODS:
        raise UsageError(f"--importance: expected permutation or gradient, received '{importance}'")
    for name, given in (("LAYER", layer), ("--what", what)):
        if given is not None:
            raise UsageError(f"--importance is of input columns; leave out {name}")
    if row is not None:
        raise UsageError("--importance is an average over rows; leave out --row")
    if importance == "gradient":
        for name, value in (("--metric", metric), ("--repeats", repeats), ("--seed", seed)):
            if value is not None:
                raise UsageError(f"{name} goes with --importance permutation")
    if repeats is not None and repeats < 1:
        raise UsageError(f"--repeats: expected 1 or more, received {repeats}")
    if seed is not None and seed < 0:
        raise UsageError(f"--seed: expected 0 or more, received {seed}")
