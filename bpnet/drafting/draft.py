"""From a look at data to the text of a config."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from bpnet.config.schema import DataConfig, ImageFiles, read_config
from bpnet.data.columns import chosen_column, listing
from bpnet.data.table import Column, Table, Tensor
from bpnet.drafting.columns import Judgement, describe, judge
from bpnet.drafting.sampling import Look, look_at
from bpnet.drafting.sizing import size_for, size_for_images
from bpnet.drafting.task import Task, judge_target
from bpnet.drafting.writing import Draft, is_array
from bpnet.errors import BpnetError, DataError, OptionError, UsageError
from bpnet.preparation import prepare, read_part

LISTED = 60
"""Columns that are listed for who forgot to name the target."""


def draft_config(source: str, targets: Sequence[str], folder: Path) -> str:
    """Look at data and write a commented config that predicts a column, or several.

    Parameters
    ----------
    source
        A table, images or arrays: a path from here, or ``builtin:NAME``.
    targets
        The columns to predict; none where the source says it itself.
    folder
        Where the config will stand, for the paths in it.

    Raises
    ------
    DataError
        If the data is missing or wrong, or nothing can be learned from it.
    UsageError
        If it has no such column, or none is named where one must be.
    """
    look = look_at(source, targets)
    chosen = _targets(look.source, source, targets)
    task = judge_target(look.source, chosen)
    names = {column.name for column in chosen}
    judged: dict[str, Judgement] = {}
    if isinstance(look.source, Table):
        for name, column in look.source.columns.items():
            if name not in names:
                judged[name] = judge(column, chosen, partial=look.partial)
        task = _last_resort(task, judged)
        _refuse_empty(look.source, judged, names)
        size = size_for(look.rows)
    else:
        size = size_for_images(look.rows)
    text = Draft(source, tuple(targets), look, chosen, task, judged, size, folder).text()
    _try(text, look, folder)
    return text


def _targets(found: Table | Tensor, source: str, targets: Sequence[str]) -> list[Column]:
    """Return the columns to predict."""
    arrays = isinstance(found, Tensor) or is_array(source)
    names = list(found.target_names) if arrays or not targets else list(targets)
    if not names:
        lines = [f"  {name}: {describe(column)}" for name, column in found.columns.items()]
        more = [f"  and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
        shown = "\n".join([*lines[:LISTED], *more])
        raise UsageError(f"which column is to be predicted? --target COLUMN, one of:\n{shown}")
    try:
        return [chosen_column(found, name) for name in dict.fromkeys(names)]
    except OptionError as error:
        raise UsageError(f"--target: {error.message}") from None


def _last_resort(task: Task, judged: dict[str, Judgement]) -> Task:
    """Take columns that say the same as the target for inputs, if there is nothing else.

    A line through two columns is the first thing that people try.
    """
    if any(j.part == "input" for j in judged.values()):
        return task
    leaks = [name for name, j in judged.items() if j.leaks]
    for name in leaks:
        judged[name] = Judgement("input", judged[name].holds)
    if not leaks:
        return task
    verb = "tells" if len(leaks) == 1 else "tell"
    note = (
        f"{', '.join(leaks[:6])} {verb} the target exactly; be sure that this is known when "
        "something is to be predicted"
    )
    return dataclasses.replace(task, notes=[*task.notes, note])


def _refuse_empty(table: Table, judged: dict[str, Judgement], targets: set[str]) -> None:
    if any(j.part == "input" for j in judged.values()):
        return
    why = "; ".join(f"{name}: {j.why}" for name, j in list(judged.items())[:6])
    raise DataError(
        f"no column is left to predict {', '.join(sorted(targets))} from"
        + (f" ({why})" if why else f"; found {listing(table)} only")
        + "; add columns of numbers or categories",
        table.source,
    )


def _try(text: str, look: Look, folder: Path) -> None:
    """Prepare the data as the config says, to be sure that it can be.

    Raises
    ------
    DataError
        If it can't.
    """
    config = read_config(text, "the draft")

    def reader(data: DataConfig, part: str | ImageFiles, folder: Path) -> Table | Tensor:
        return look.source if part == data.train else read_part(data, part, folder)

    try:
        prepare(config.data, config.loss, folder, seed=0, dtype=config.dtype, reader=reader)
    except DataError:
        raise
    except BpnetError as error:
        raise DataError(f"can't be trained on as it is: {error}", look.source.source) from error
