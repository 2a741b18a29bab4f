"""From a look at data to the text of a config."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bpnet.config.schema import DataConfig, ImageFiles, read_config
from bpnet.config.write import inline
from bpnet.data.columns import chosen_column, listing
from bpnet.data.sources import form_of, published_test_part
from bpnet.data.table import Column, Table, Tensor
from bpnet.drafting.columns import CLIP, Judgement, describe, judge, part_values
from bpnet.drafting.lines import Line, block, comment, entries, harmless, together
from bpnet.drafting.sampling import Look, look_at
from bpnet.drafting.sizing import Size, size_for, size_for_images
from bpnet.drafting.task import Task, judge_target
from bpnet.errors import BpnetError, DataError, OptionError, UsageError
from bpnet.preparation import prepare, read_part

SHOWN = 24
"""Columns that the head of the config describes."""

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
        _refuse_empty(look.source, judged, names)
        size = size_for(look.rows)
    else:
        size = size_for_images(look.rows)
    text = Draft(source, tuple(targets), look, chosen, task, judged, size, folder).text()
    _try(text, look, folder)
    return text


def _is_array(source: str) -> bool:
    return not source.startswith("builtin:") and form_of(source) in ("npz", "npy", "idx")


def _targets(found: Table | Tensor, source: str, targets: Sequence[str]) -> list[Column]:
    """Return the columns to predict."""
    arrays = isinstance(found, Tensor) or _is_array(source)
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


@dataclass(frozen=True, slots=True)
class Draft:
    """All that was decided, and how it is written.

    Attributes
    ----------
    source, named
        The data and the targets as the user named them.
    look
        What was seen of the data.
    targets, task
        The columns to predict, and what they ask for.
    judged
        What every other column is.
    size
        Of the network and its training.
    folder
        Where the config will stand.
    """

    source: str
    named: tuple[str, ...]
    look: Look
    targets: list[Column]
    task: Task
    judged: dict[str, Judgement]
    size: Size
    folder: Path

    def text(self) -> str:
        """Return the config."""
        blocks = map(block, (self._data(), self._model(), self._training()))
        return "\n\n".join(["\n".join(self._head()), *blocks]) + "\n"

    @property
    def _images(self) -> bool:
        return isinstance(self.look.source, Tensor)

    def _having(self, part: str) -> list[str]:
        """Return the columns that are this."""
        return [name for name, judgement in self.judged.items() if judgement.part == part]

    def _head(self) -> list[str]:
        """Say what was seen."""
        seen, look = self.look.source, self.look
        rows = f"About {look.rows:,} rows" if look.partial else f"{look.rows:,} rows"
        if isinstance(seen, Tensor):
            shape = " x ".join(map(str, seen.x.shape[1:]))
            lines = [f"# {look.rows:,} examples of {shape}, stored as {seen.x.dtype}:"]
        else:
            part = "; what follows was seen in pieces from all over the file" * look.partial
            lines = [f"# {rows} of {len(seen.columns)} columns{part}:"]
        told = [(column.name, f"the target: {self._holds(column)}") for column in self.targets]
        told += together([(name, judged.holds) for name, judged in self.judged.items()])
        if len(told) > SHOWN:
            told = [*told[:SHOWN], ("...", f"and {len(told) - SHOWN} more columns")]
        lines += entries(told)
        read = () if look.partial else seen.notes
        for note in (*self.task.notes, *read):
            lines += comment(f"{harmless(note)}.")
        return lines

    def _holds(self, target: Column) -> str:
        """Say what a target holds, as the task takes it."""
        if self.task.kind == "number" or target.kind == "category":
            return describe(target)
        _, counts = np.unique(target.values, return_counts=True)
        return f"{len(counts)} classes of {counts.min():,} to {counts.max():,} rows each"

    def _data(self) -> list[Line]:
        lines: list[Line] = [("data:", ""), (f"  train: {inline(self._path(self.source))}", "")]
        if self.named or not (self._images or _is_array(self.source)):
            names = list(self.named) or [column.name for column in self.targets]
            lines.append((f"  target: {inline(names[0] if len(names) == 1 else names)}", ""))
        excluded = [(name, self.judged[name].why) for name in self._having("excluded")]
        times, parts = self._having("time"), self._having("part")
        excluded += [(name, "dates beside the others") for name in (times if parts else times[1:])]
        excluded += [(name, "names parts of the data too") for name in parts[1:]]
        if excluded:
            lines.append(("  exclude:", ""))
            lines += [(f"    - {inline(name)}", harmless(why)) for name, why in excluded]
        return [*lines, *self._parts(times, parts), *self._preparation()]

    def _parts(self, times: list[str], parts: list[str]) -> list[Line]:
        """Return how the rows are divided."""
        size = self.size
        if not size.validation:
            return [
                ("  validation: 0", "too few rows to set some aside"),
                ("  test: 0", "so nothing tells how good it is on new rows"),
            ]
        validation = (f"  validation: {size.validation}", "chooses the best epoch")
        test = (f"  test: {size.test}", "looked at once, at the end")
        if parts:
            values = part_values(self.look.source.columns[parts[0]]) or {}
            other = {part: value for part, value in values.items() if value != part}
            rule = inline({"type": "column", "column": parts[0], **other})
            if "validation" in values:
                return [(f"  split: {rule}", "it names the rows of each part")]
            return [(f"  split: {rule}", "it names the rows of each part"), validation]
        if times:
            rule = inline({"type": "time", "column": times[0]})
            why = "trained on what was first, tested on what came last"
            return [(f"  split: {rule}", why), validation, test]
        beside = published_test_part(self.source) or self._beside()
        if beside is not None:
            test = (f"  test: {inline(self._path(beside))}", "lies beside the training data")
        return [validation, test]

    def _beside(self) -> str | None:
        """Return a test file that lies beside a training file, if it holds the target too."""
        folder, name = os.path.split(self.source)
        if self.look.partial or "train" not in name:
            return None
        for other in ("test", "t10k"):
            path = os.path.join(folder, name.replace("train", other))
            try:
                found = look_at(path).source
            except BpnetError:
                continue
            if all(column.name in found.columns for column in self.targets):
                return path
        return None

    def _preparation(self) -> list[Line]:
        """Return what is done to the columns of a table."""
        if self._images:
            return []
        inputs = [self.look.source.columns[name] for name in self._having("input")]
        numbers = [column for column in inputs if column.kind == "number"]
        lines: list[Line] = []
        if numbers:
            why = "one scale for all columns: learns faster"
            if any(column.missing.any() for column in numbers):
                why = "fills gaps; one scale for all columns"
            lines.append(("  numeric: {missing: median, scale: standard}", why))
        if len(numbers) < len(inputs):
            rule = "  categorical: {missing: category, encode: one_hot}"
            lines.append((rule, "an input for each category"))
        clipped = [name for name in self._having("input") if self.judged[name].clip]
        if clipped:
            rule = f"{{outliers: {{type: clip, threshold: {CLIP}}}}}"
            lines.append(("  columns:", ""))
            why = "a few numbers so far out that they would drown the others"
            lines += [(f"    {inline(name)}: {rule}", why) for name in clipped]
        return lines

    def _model(self) -> list[Line]:
        size, rows = self.size, self.look.rows
        lines: list[Line] = [("model:", ""), ("  init: he", "suits relu"), ("  layers:", "")]
        if self._images:
            lines.append(("    - {type: flatten}", "dense layers take one row of numbers"))
        for i, units in enumerate(size.units):
            first = i == 0
            why = f"small, as {rows:,} rows bear no more" if rows < 1000 else "grows with the rows"
            if self._images:
                why += "; batch_norm shifts in place of a bias"
                lines.append((f"    - {{type: dense, units: {units}, bias: false}}", why * first))
                lines.append(("    - {type: batch_norm}", "keeps deeper layers in range" * first))
            else:
                lines.append((f"    - {{type: dense, units: {units}}}", why * first))
            lines.append(("    - {type: relu}", ""))
            if size.dropout:
                why = "against learning rows by heart"
                lines.append((f"    - {{type: dropout, rate: {size.dropout}}}", why * first))
        outputs = {
            "class": "an output for each class; the loss has the softmax",
            "binary": "as many as the target needs; the loss has the sigmoid",
            "number": "as many as the target needs",
        }
        return [*lines, ("    - {type: dense, units: auto}", outputs[self.task.kind])]

    def _training(self) -> list[Line]:
        size, task = self.size, self.task
        rate = f"learning_rate: {_brief(size.learning_rate)}, weight_decay: {size.weight_decay}"
        batches = f"epochs: {size.epochs}, batch_size: {size.batch_size}, clip_norm: 5"
        lines = [
            (f"loss: {task.loss}", harmless(task.why)),
            (f"optimizer: {{type: adamw, {rate}}}", "small weights overfit less"),
        ]
        if size.validation:
            fewer = f"factor: 0.5, patience: {max(2, size.patience // 3)}"
            stopping = f"monitor: {task.monitor}, patience: {size.patience}"
            lines += [
                (f"schedule: {{type: plateau, {fewer}}}", "smaller steps once it stalls"),
                (f"training: {{{batches}}}", "a limit; it mostly ends sooner"),
                (f"early_stopping: {{{stopping}}}", "and the best epoch is kept"),
            ]
        else:
            lines.append((f"training: {{{batches}}}", ""))
        return [*lines, (f"metrics: {task.metrics}", "for people; the loss is trained")]

    def _path(self, source: str) -> str:
        if source.startswith("builtin:"):
            return source
        near = os.path.relpath(source, self.folder)
        # Whoever gives a whole path to somewhere else means that place.
        return source if os.path.isabs(source) and near.startswith("..") else near


def _brief(value: float) -> str:
    """Return ``3e-3``."""
    digit, _, exponent = f"{value:.0e}".partition("e")
    return f"{digit}e{int(exponent)}"
