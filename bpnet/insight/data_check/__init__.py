"""What is wrong with the data of a config, found before a training spends time on it.

`CHECKS` is the closed table of checks: each looks at the `Material` and yields findings.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from bpnet.config.document import Document
from bpnet.config.schema import bind_config
from bpnet.errors import OptionError, UsageError, did_you_mean
from bpnet.insight.data_check import (
    balance,
    drift,
    folds,
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


@dataclass(frozen=True, slots=True)
class Check:
    """One way of looking at the data.

    Attributes
    ----------
    run
        Yields the findings in some data.
    finds
        What it finds, in words.
    begins
        From where on that is a finding, and how grave; empty where there is no more to say.
    """

    run: Callable[[Material], Iterable[Finding]]
    finds: str
    begins: str = ""


CHECKS: dict[str, Check] = {
    "refused": Check(refused, "what keeps the training from starting"),
    "overlap": Check(
        repetition.overlap,
        "rows of val or test that are in train, too (inputs and target)",
        f"an error from {repetition.GRAVE:.0%} of the part",
    ),
    "leaks": Check(
        leaks.leaks,
        "a column that tells the target by itself, be it by its gaps, on rows not learned from",
        f"a note from {leaks.STRONG:g} of the way from guessing to certainty (of numbers: R²), a "
        f"warning from {leaks.LIKELY:g}, an error from {leaks.SURE:g}",
    ),
    "conflicts": Check(
        repetition.conflicts,
        "equal inputs with different answers",
        f"of numbers: a warning from {repetition.SCATTER:.0%} of their variance",
    ),
    "duplicates": Check(
        repetition.duplicates,
        "rows that equal an earlier one",
        f"up to {repetition.CHANCE:g} times what chance makes, a note",
    ),
    "identifiers": Check(
        values.identifiers,
        "names and numbers of the rows, texts",
        "whole numbers that only rise, or fill a range, or are "
        f"{values.UNIQUE:.0%} different and named like an id",
    ),
    "missing": Check(
        values.missing,
        "cells and targets that are missing, with the rule that fills them",
        f"a warning from {values.GAPS:.0%} of a column",
    ),
    "constant": Check(
        values.constant,
        "columns with one value in training, or nearly",
        f"nearly: {values.NEARLY:.0%}, a note",
    ),
    "spellings": Check(
        values.spellings,
        "one category written in several ways: `male`, `Male`",
        "equal but for case, blanks and signs",
    ),
    "outliers": Check(
        outliers.outliers,
        "numbers far from all others",
        f"{outliers.FAR:g} robust deviations (MAD of their own side), and {outliers.APART:g} times "
        f"as far as the next, a note; a warning from {outliers.CLEARLY:g} times",
    ),
    "imbalance": Check(
        balance.imbalance,
        "rare classes, and classes that val or test lack",
        f"a note from {balance.SLIGHT:g} to 1, a warning from {balance.RATIO:g} to 1 or with fewer "
        f"than {balance.FEW} rows",
    ),
    "drift": Check(
        drift.drift,
        "columns that are distributed otherwise in val or test",
        f"p below {drift.ALPHA:g} for all columns together (Kolmogorov-Smirnov, chi-square), and a "
        f"distance or PSI of {drift.SHIFT:g}; a warning from {drift.LARGE:g}",
    ),
    "labels": Check(
        labels.labels,
        "answers that networks which have not seen the row contradict (confident learning, "
        f"{folds.FOLDS} folds, {folds.REPEATS} times)",
        f"surer of another class by {labels.MARGIN:g} in the mean, and of it every time; of "
        "numbers: an error that stands apart like an outlier, of a row with usual inputs",
    ),
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
    progress("reading")
    try:
        material = gather(config, document.folder)
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
        report.findings += [named(finding, name) for finding in CHECKS[name].run(material)]
    report.findings.sort(key=lambda finding: LEVELS.index(finding.level))
    report.skipped = {name: why for name, why in material.skipped.items() if name in chosen}
    report.sampled = {name: rows for name, rows in material.sampled.items() if name in chosen}
    return report
