"""How all that was decided about data is written as a commented config."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bpnet.config.write import inline
from bpnet.data.sources import form_of, published_test_part
from bpnet.data.table import Column, Tensor
from bpnet.drafting.columns import CLIP, Judgement, describe, part_values
from bpnet.drafting.lines import Line, block, comment, entries, harmless, together
from bpnet.drafting.sampling import Look, look_at
from bpnet.drafting.sizing import Size
from bpnet.drafting.stand_ins import NO_OPTION, StandIn, stand_ins
from bpnet.drafting.task import Task
from bpnet.errors import BpnetError

SHOWN = 24
"""Columns that the head of the config describes."""


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
        read = [] if look.partial else list(seen.notes)
        marked = self._marked()
        for name in marked:  # said below, with what to do
            read = [note for note in read if f" {-(1 << 31)} (" not in note or name not in note]
        for note in (*self.task.notes, *read):
            lines += comment(f"{harmless(note)}.")
        if marked:
            named = [f"{name} {', '.join(map(str, marks))}" for name, marks in marked.items()]
            seen_marks = harmless("; ".join(named[:SHOWN]))
            lines += comment(f"Marks for missing values, by their look: {seen_marks}. {NO_OPTION}.")
        return lines

    def _marked(self) -> dict[str, Sequence[StandIn]]:
        """Return what seems to stand for missing values, by column."""
        found: dict[str, Sequence[StandIn]] = {}
        if self.task.kind == "number" and not self._images:
            for target in self.targets:
                found[target.name] = stand_ins(target.values)[0]
        found |= {name: judged.marks for name, judged in self.judged.items()}
        return {name: marks for name, marks in found.items() if marks}

    def _holds(self, target: Column) -> str:
        """Say what a target holds, as the task takes it."""
        if self.task.kind == "number" or target.kind == "category":
            return describe(target)
        _, counts = np.unique(target.values, return_counts=True)
        return f"{len(counts)} classes of {counts.min():,} to {counts.max():,} rows each"

    def _data(self) -> list[Line]:
        lines: list[Line] = [("data:", ""), (f"  train: {inline(self._path(self.source))}", "")]
        if self.named or not (self._images or is_array(self.source)):
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
            for name in clipped:
                marks = ", ".join(map(str, self.judged[name].marks))
                why = f"{marks or 'a few numbers'} so far out that they would drown the others"
                lines.append((f"    {inline(name)}: {rule}", why))
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


def is_array(source: str) -> bool:
    """Say whether a source is a file of arrays, not of columns with names."""
    return not source.startswith("builtin:") and form_of(source) in ("npz", "npy", "idx")


def _brief(value: float) -> str:
    """Return ``3e-3``."""
    digit, _, exponent = f"{value:.0e}".partition("e")
    return f"{digit}e{int(exponent)}"
