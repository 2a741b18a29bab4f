"""From the data that a config names to the arrays of every split.

Everything is fitted on the training rows alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bpnet.config.places import printable
from bpnet.config.schema import DataConfig, ImageFiles
from bpnet.data.columns import Source
from bpnet.data.dataset import Dataset, make_dataset
from bpnet.data.division import Parts
from bpnet.data.features import Features, fit_features
from bpnet.data.sources import read_source
from bpnet.data.table import Kind
from bpnet.data.target import Target, fit_target, strata
from bpnet.errors import OptionError
from bpnet.nn.arena import Array
from bpnet.nn.losses import Loss, TargetKind
from bpnet.roles import check_loss, input_names, target_names
from bpnet.streams import stream


@dataclass(eq=False)
class Prepared:
    """The data of a training.

    Attributes
    ----------
    datasets
        Arrays by split: ``train``, and ``val`` and ``test`` where there are such.
    features, target
        How rows became inputs, and what is predicted.
    sources
        The files, each with path, bytes, sha256 and rows.
    notes
        What was decided or noticed on the way, one sentence each.
    """

    datasets: dict[str, Dataset]
    features: Features
    target: Target
    sources: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    columns: list[dict[str, Any]] = field(default_factory=list)

    @property
    def inputs_text(self) -> str:
        """The inputs for people: ``4 columns, 4 inputs`` or ``images of 28 x 28 x 1``."""
        shape = " x ".join(map(str, self.features.shape))
        if not self.features.columns:
            return f"{shape} inputs"
        return f"{len(self.features.columns)} columns, {shape} inputs"

    @property
    def target_text(self) -> str:
        """The target for people: ``species: setosa, versicolor, virginica``."""
        target = self.target
        names = tuple(map(printable, target.class_names))
        columns = ", ".join(target.columns[:5]) + (", ..." if len(target.columns) > 5 else "")
        if target.kind == "number":
            return f"{columns} ({'numbers' if target.outputs > 1 else 'a number'})"
        if target.outputs > 1 and target.kind == "binary":
            return f"{columns} ({target.outputs} labels, yes or no each)"
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        return f"{columns} ({len(names)} classes: {shown})"


Reader = Callable[[DataConfig, str | ImageFiles, Path], Source]
"""Reads one part of the data: the data block, the part as it names it, where paths start."""


def prepare(
    config: DataConfig,
    loss: Loss,
    folder: Path,
    *,
    seed: int,
    dtype: str,
    reader: Reader | None = None,
) -> Prepared:
    """Read, split and prepare the data.

    Parameters
    ----------
    config
        The config's data block.
    loss
        Whose target is needed.
    folder
        Where relative paths start.
    seed
        Where the random stream of splits starts, if the data block does not say.
    dtype
        Type of all numbers.
    reader
        What reads each part, by default `read_part`; one that remembers saves reading again what
        several trainings share.

    Raises
    ------
    OptionError
        If an option does not fit the data; the path starts at the top: ``data``, ``loss``.
    DataError
        If the data is missing, unreadable or wrong.
    """
    try:
        return _prepare(config, loss, folder, seed, dtype, reader or read_part)
    except OptionError as error:
        raise error if error.path[:1] == ("loss",) else error.within("data") from None


def _prepare(
    config: DataConfig, loss: Loss, folder: Path, seed: int, dtype: str, reader: Reader
) -> Prepared:
    _refuse_overlap(config, folder)
    sources = {"train": reader(config, config.train, folder)}
    for split, given in (("val", config.validation), ("test", config.test)):
        if not isinstance(given, float | int):
            sources[split] = reader(config, given, folder)
    train = sources["train"]
    names = target_names(config, train)
    check_loss(loss, train, names)
    inputs = input_names(config, train, names)
    kind = loss.target
    parts = _divide(config, kind, train, names, seed if config.seed is None else config.seed)
    features = fit_features(
        train,
        inputs,
        parts.train,
        numeric=config.numeric,
        categorical=config.categorical,
        columns=config.columns,
        images=config.images,
    )
    kept = features.training_rows  # without those that `missing` or `outliers` drops
    assert kept is not None
    target = fit_target(train, names, kind, kept, scale=config.target_scale)
    rows: dict[str, tuple[Source, Array | None]] = {"train": (train, parts.train)}
    for split, part in (("val", parts.validation), ("test", parts.test)):
        if split in sources:
            rows[split] = (sources[split], None)
        elif len(part):
            rows[split] = (train, part)
    datasets = {
        split: make_dataset(
            source,
            features,
            target,
            chosen,
            weight=config.weight,
            dtype=dtype,
            training=split == "train",
        )
        for split, (source, chosen) in rows.items()
    }
    return Prepared(
        datasets,
        features,
        target,
        _files(sources),
        _notes(config, sources, datasets),
        _columns(train, features, names),
    )


def read_part(config: DataConfig, source: str | ImageFiles, folder: Path) -> Source:
    """Read one part of the data.

    Raises
    ------
    DataError
        If it is missing, unreadable or wrong.
    """
    kinds: dict[str, Kind] = {
        name: options.type for name, options in config.columns.items() if options.type is not None
    }
    return read_source(
        _from_here(source, folder),
        Path(),
        kinds=kinds,
        features=config.features,
        target=config.target,
        header=config.header,
    )


def _from_here(source: str | ImageFiles, folder: Path) -> str | ImageFiles:
    """Return a path of the config as one that leads there from the current folder."""
    if isinstance(source, ImageFiles):
        return ImageFiles(*(os.path.normpath(folder / p) for p in (source.images, source.labels)))
    return source if source.startswith("builtin:") else os.path.normpath(folder / source)


def _refuse_overlap(config: DataConfig, folder: Path) -> None:
    def place(source: object) -> str:
        named = source.images if isinstance(source, ImageFiles) else str(source)
        return named if named.startswith("builtin:") else str((folder / named).resolve())

    seen = {place(config.train): "train"}
    for name in ("validation", "test"):
        part = getattr(config, name)
        if isinstance(part, float | int):
            continue
        if place(part) in seen:
            raise OptionError(
                f"the same source as {seen[place(part)]}: its score would tell nothing; "
                "name another one, or give a fraction",
                name,
            )
        seen[place(part)] = name


def _divide(
    config: DataConfig, kind: TargetKind, train: Source, targets: list[str], seed: int
) -> Parts:
    stratify = config.stratify
    if stratify is True and not config.split.random:
        raise OptionError(
            f"a split by {config.split.type} takes its rows as they come; only a random one can "
            "keep the classes' shares",
            "stratify",
        )
    classes = None
    if stratify is True or (stratify == "auto" and config.split.random):
        classes = strata(train, targets, kind)
        if classes is None and stratify is True:
            raise OptionError("the target has no classes whose shares could be kept", "stratify")
    fractions = [
        part if isinstance(part, float | int) else 0.0 for part in (config.validation, config.test)
    ]
    return config.split.divide(train, fractions[0], fractions[1], stream(seed, "split"), classes)


def _columns(train: Source, features: Features, targets: list[str]) -> list[dict[str, Any]]:
    """Describe every column of the training source: what it holds and what became of it."""
    report = []
    for name, column in train.columns.items():
        if name in targets:
            part = "target"
        elif name in features.columns:
            part = "input"
        else:
            part = "not used"
        report.append(
            {
                "name": name,
                "kind": features.columns.get(name, column.kind),
                "part": part,
                "missing": int(column.missing.sum()),
                "values": len(column.levels) if column.kind == "category" else None,
            }
        )
    return report


def _files(sources: dict[str, Source]) -> list[dict[str, Any]]:
    return [
        {"path": file.path, "bytes": file.bytes, "sha256": file.sha256, "rows": source.rows}
        for source in sources.values()
        for file in source.files
    ]


def _notes(
    config: DataConfig, sources: dict[str, Source], datasets: dict[str, Dataset]
) -> list[str]:
    notes = list(dict.fromkeys(note for source in sources.values() for note in source.notes))
    for split, dataset in datasets.items():
        if dataset.filled:
            counts = ", ".join(f"{c} {n}" for c, n in list(dataset.filled.items())[:6])
            more = f" and {len(dataset.filled) - 6} more columns" if len(dataset.filled) > 6 else ""
            notes.append(f"{split}: missing cells were filled as the config says: {counts}{more}")
        for column, levels in dataset.unseen.items():
            named = ", ".join(f"{level!r} ({count})" for level, count in list(levels.items())[:5])
            notes.append(f"{split}: column '{column}' has categories not in training: {named}")
    dropped = np.sum([s.rows for s in sources.values()]) - sum(map(len, datasets.values()))
    if dropped:
        notes.append(f"{dropped} rows were left out, as the config says (missing or outliers)")
    return notes
