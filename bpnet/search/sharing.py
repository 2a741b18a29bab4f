"""Data that trials share: read once, prepared once for each way of preparing it.

What the parent process has prepared when it forks its workers is theirs without a copy. A worker
that was not forked (on another machine) reads and prepares once for all its trials.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from bpnet.config.schema import Config, DataConfig, ImageFiles, plain_config
from bpnet.data.columns import Source
from bpnet.preparation import Prepared, prepare, read_part
from bpnet.search.space import digest

KEPT = 16
"""Ways of preparing the data that are kept at a time."""

_prepared: dict[str, Prepared] = {}
_read: dict[str, Source] = {}
_lock = threading.Lock()


def data_for(config: Config, folder: Path) -> Prepared:
    """Return the prepared data of a config, whose relative paths start at `folder`.

    Raises
    ------
    OptionError
        If an option does not fit the data.
    DataError
        If the data is missing, unreadable or wrong.
    """
    key = _key(config, folder)
    with _lock:  # threads of one worker don't prepare the same data side by side
        if key not in _prepared:
            while len(_prepared) >= KEPT:
                del _prepared[next(iter(_prepared))]
            _prepared[key] = _frozen(
                prepare(
                    config.data,
                    config.loss,
                    folder,
                    seed=config.seed,
                    dtype=config.dtype,
                    reader=_remembered,
                )
            )
        return _prepared[key]


def forget() -> None:
    """Let go of all data, so that it is read again."""
    _prepared.clear()
    _read.clear()


def _remembered(config: DataConfig, source: str | ImageFiles, folder: Path) -> Source:
    """Read one part of the data, once for all ways of preparing it."""
    kinds = {name: options.type for name, options in config.columns.items()}
    chosen: list[Any] = [str(source), str(folder), kinds, config.features, config.target]
    key = digest([*chosen, config.header])
    if key not in _read:
        _read[key] = read_part(config, source, folder)
    return _read[key]


def _key(config: Config, folder: Path) -> str:
    """Return what prepared data depends on."""
    plain = plain_config(config)
    seed = config.seed if config.data.seed is None else config.data.seed
    loss = (config.loss.type, config.loss.target)
    return digest([plain["data"] | {"seed": seed}, loss, config.dtype, str(folder.resolve())])


def _frozen(data: Prepared) -> Prepared:
    """Let no trial change what the others use."""
    for dataset in data.datasets.values():
        for array in (dataset.x, dataset.target, dataset.weight, dataset.truth, dataset.rows):
            if array is not None:
                array.flags.writeable = False
    return data
