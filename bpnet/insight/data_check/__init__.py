"""What is wrong with the data of a config, found before a training spends time on it.

`CHECKS` is the closed table of checks: each is a function from the `Material` to findings.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from bpnet.config.document import Document
from bpnet.config.schema import bind_config
from bpnet.errors import OptionError, UsageError, did_you_mean
from bpnet.insight.data_check import (
    balance,
    drift,
    labels,
    leaks,
    outliers,
    repetition,
    values,
)
from bpnet.insight.data_check.finding import LEVELS, DataReport, Finding, named
from bpnet.insight.data_check.gathering import gather
from bpnet.insight.data_check.material import LEFT_OUT, Material

__all__ = ["CHECKS", "DataReport", "Finding", "Material", "check_data"]


def refused(material: Material) -> Iterator[Finding]:
    """Find what keeps the training from starting, in its own words."""
    yield from (finding for finding in material.refusals if finding.check == "refused")


CHECKS: dict[str, Callable[[Material], Iterable[Finding]]] = {
    "refused": refused,
    "overlap": repetition.overlap,
    "leaks": leaks.leaks,
    "conflicts": repetition.conflicts,
    "duplicates": repetition.duplicates,
    "identifiers": values.identifiers,
    "missing": values.missing,
    "constant": values.constant,
    "spellings": values.spellings,
    "outliers": outliers.outliers,
    "imbalance": balance.imbalance,
    "drift": drift.drift,
    "labels": labels.labels,
}
"""The checks by name."""


def check_data(
    document: Document,
    *,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> DataReport:
    """Check the data of a config.

    Everything is a function of the config, its seed included, and the files.

    Parameters
    ----------
    document
        The config.
    only, skip
        Names in `CHECKS`: which to run (by default all), and which of those to leave out.
    progress
        Is told what is done next.

    Raises
    ------
    ConfigError
        If the config is wrong, or does not fit the data.
    DataError
        If a file is missing or unreadable.
    UsageError
        If a check is unknown.
    """
    chosen = [name for name in CHECKS if (not only or name in only) and name not in skip]
    for name in (*only, *skip):
        if name not in CHECKS:
            hint = did_you_mean(name, CHECKS) or f"; there are {', '.join(CHECKS)}"
            raise UsageError(f"no check is named '{name}'{hint}")
    if not chosen:
        raise UsageError("--only and --skip together leave no check")
    config = bind_config(document)
    name = document.source.name
    folder = Path() if name.startswith("<") else Path(name).parent
    progress("reading")
    try:
        material = gather(config, folder)
    except OptionError as error:
        raise document.error(error) from None
    report = DataReport(
        rows={part: len(material.rows_of(part)) for part in material.parts},
        sources=[source.source for source in material.sources],
        checks=chosen,
    )
    if len(material.used) < len(material):
        report.rows["left out"] = int((material.part == LEFT_OUT).sum())
    for name in chosen:
        progress(name)
        report.findings += [named(finding, name) for finding in CHECKS[name](material)]
    report.findings.sort(key=lambda finding: LEVELS.index(finding.level))
    report.skipped = {name: why for name, why in material.skipped.items() if name in chosen}
    report.sampled = {name: rows for name, rows in material.sampled.items() if name in chosen}
    return report
