"""From a config to the `Material`: reading, and dividing as the training would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bpnet.config.schema import Config, DataConfig, ImageFiles
from bpnet.data.columns import Source, as_number
from bpnet.data.features import feature_names
from bpnet.data.table import Column, Table, Tensor
from bpnet.errors import DataError, OptionError
from bpnet.insight.data_check.finding import Finding, some
from bpnet.insight.data_check.material import LEFT_OUT, PARTS, Material, spots_in
from bpnet.nn.arena import Array
from bpnet.preparation import prepare, read_part
from bpnet.roles import target_names


def gather(config: Config, folder: Path) -> Material:
    """Read the data of a config and divide it as the training would.

    What the training would refuse is set aside, as far as the rest can be looked at.

    Parameters
    ----------
    config
        The config.
    folder
        Where its relative paths start.

    Raises
    ------
    OptionError
        If an option does not fit the data; the path starts at the top.
    DataError
        If a file is missing or unreadable.
    """
    data = config.data
    sources = {"train": read_part(data, data.train, folder)}
    for name, given in (("val", data.validation), ("test", data.test)):
        if not isinstance(given, float | int):
            sources[name] = read_part(data, given, folder)
    train = sources["train"]
    try:
        targets = target_names(data, train)
        names = _input_names(data, train, targets)
    except OptionError as error:
        raise error.within("data") from None
    odd = [name for name in names if _refused(train.columns[name], data)]
    inputs = [name for name in names if name not in odd]
    refusals: list[Finding] = []
    kept = {name: _with_target(source, targets, refusals) for name, source in sources.items()}
    if not len(kept["train"]):
        raise DataError(f"no row has a target ({some(targets)})", train.source)
    if inputs or isinstance(train, Tensor):
        part_of = _divide(_without(config, odd), folder, sources, kept, refusals)
    else:
        part_of = _undivided(sources, kept)
    return _side_by_side(config, sources, part_of, (inputs, odd, targets), refusals)


def _input_names(data: DataConfig, train: Source, targets: Sequence[str]) -> list[str]:
    if isinstance(train, Tensor):
        return []
    others = dict.fromkeys(targets, "the target")
    if data.weight is not None:
        others[data.weight] = "the weight"
    others |= dict.fromkeys(data.split.columns, "the column that splits")
    chosen = data.features
    if train.source.endswith(".npz") and not all(name in train.columns for name in chosen):
        chosen = "all"  # the option names an array, which the reader has found
    return feature_names(train, chosen, data.exclude, others)


def _refused(column: Column, data: DataConfig) -> bool:
    """Say whether the training takes a column for text or for names of the rows."""
    typed = column.name in data.columns and data.columns[column.name].type is not None
    return not typed and (column.is_text or column.is_identifier)


def _without(config: Config, columns: list[str]) -> Config:
    """Return the config without some of the input columns."""
    if not columns:
        return config
    data = config.data
    if data.features == "all":
        data = replace(data, exclude=[*data.exclude, *columns])
    else:
        data = replace(data, features=[name for name in data.features if name not in columns])
    return replace(config, data=data)


def _with_target(source: Source, targets: Sequence[str], refusals: list[Finding]) -> Array:
    """Return the rows of a source that have a target, ascending; take down that some have none."""
    there = np.ones(source.rows, bool)
    for target in targets:
        if target in source.columns:
            there &= ~source.columns[target].missing
    bad = np.flatnonzero(~there)
    if len(bad):
        plural = "s have" if len(bad) > 1 else " has"
        refusals.append(
            Finding(
                "error",
                f"{len(bad):,} row{plural} no target ({some(targets)}), which the training refuses",
                "fill in the target, or remove these rows",
                (spots_in(source, bad),),
                tuple(targets),
                check="missing",
            )
        )
    return np.flatnonzero(there)


def _divide(
    config: Config,
    folder: Path,
    sources: dict[str, Source],
    kept: dict[str, Array],
    refusals: list[Finding],
) -> dict[str, Array]:
    """Return the part of each row of each source, as the training divides them."""
    data = config.data
    given = {"train": data.train, "val": data.validation, "test": data.test}

    def read_already(_: DataConfig, part: str | ImageFiles, __: Path) -> Source:
        name = next(name for name in sources if given[name] is part)
        source = sources[name]
        return source if len(kept[name]) == source.rows else source.take(kept[name])

    try:
        made = prepare(
            data, config.loss, folder, seed=config.seed, dtype=config.dtype, reader=read_already
        )
    except DataError as error:
        remedy = "mend it first; until then all rows of a file are taken for one part"
        refusals.append(
            Finding("error", f"the training refuses the data: {error}", remedy, check="refused")
        )
        return _undivided(sources, kept)
    part_of = {name: np.full(source.rows, LEFT_OUT, np.int8) for name, source in sources.items()}
    for name, dataset in made.datasets.items():
        own = name if name in sources else "train"
        part_of[own][kept[own][dataset.rows]] = PARTS.index(name)
    return part_of


def _undivided(sources: dict[str, Source], kept: dict[str, Array]) -> dict[str, Array]:
    """Return the part of each row where each source is one part."""
    part_of = {name: np.full(source.rows, LEFT_OUT, np.int8) for name, source in sources.items()}
    for name, rows in kept.items():
        part_of[name][rows] = PARTS.index(name)
    return part_of


def _side_by_side(
    config: Config,
    sources: dict[str, Source],
    part_of: dict[str, Array],
    names: tuple[list[str], list[str], list[str]],
    refusals: list[Finding],
) -> Material:
    """Put the rows of all sources, as far as they are alike, under one another.

    `names` are those of the inputs, the identifiers and the targets.
    """
    train = sources["train"]
    inputs, odd, targets = names
    chosen: dict[str, Source] = {}
    for name, source in sources.items():
        problem = _unlike(train, source, [*inputs, *odd, *targets])
        if not problem:
            chosen[name] = source
        elif not any(finding.check == "refused" for finding in refusals):
            refusals.append(
                Finding("error", f"{source.source}: {problem}", "mend the file", check="refused")
            )
    alike = list(chosen.values())
    counts = [source.rows for source in alike]
    images = None
    if isinstance(train, Tensor):
        arrays = [source.x for source in alike if isinstance(source, Tensor)]
        images = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    columns = {
        name: _stacked([source.columns[name] for source in alike])
        for name in (*inputs, *odd, *targets)
    }
    return Material(
        config,
        {name: columns[name] for name in inputs},
        {name: columns[name] for name in targets},
        images,
        np.concatenate([part_of[name] for name in chosen]),
        np.repeat(np.arange(len(alike), dtype=np.int8), counts),
        np.concatenate([np.arange(count) for count in counts]),
        alike,
        [columns[name] for name in odd],
        refusals,
    )


def _unlike(train: Source, other: Source, names: Sequence[str]) -> str:
    """Say what keeps a source from being put beside the training's; nothing if nothing does."""
    if type(train) is not type(other):
        return "holds no such data as the training source"
    if isinstance(train, Tensor) and isinstance(other, Tensor):
        if train.x.shape[1:] != other.x.shape[1:]:
            return "its arrays have another shape than those of the training source"
        if train.x.dtype.kind != other.x.dtype.kind:
            return "its arrays are of another type than those of the training source"
    lacking = [name for name in names if name not in other.columns]
    if lacking:
        return f"has no column {some(lacking)}, which the training source has"
    for name in names:
        if train.columns[name].kind == "number" and other.columns[name].kind == "category":
            try:
                as_number(other.columns[name], other, "the training source has numbers there")
            except DataError as error:
                return error.message
    return ""


def _stacked(columns: list[Column]) -> Column:
    """Return columns under one another, as what the first one holds."""
    first = columns[0]
    if len(columns) == 1:
        return first
    if first.kind == "number":
        empty = Table({}, 0, "")
        values = [as_number(column, empty, "").values for column in columns]
        return replace(first, values=np.concatenate(values))
    texts = [column.as_category() for column in columns]
    levels = tuple(sorted({level for column in texts for level in column.levels}))
    place = {level: code for code, level in enumerate(levels)}
    codes = [
        np.array([*(place[level] for level in c.levels), -1], np.int32)[c.values] for c in texts
    ]
    return replace(first, values=np.concatenate(codes), levels=levels)
