"""``bpnet data``: commands about data."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from bpnet.cli.arguments import Config, Overrides
from bpnet.cli.command import load_document
from bpnet.cli.console import Console, harmless
from bpnet.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from bpnet.insight.data_check import DataReport, Finding


def check(
    console: Console,
    config: Config,
    overrides: Overrides = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 6 if there is an error or a warning.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Run this check; may be repeated.")
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="Leave this check out; may be repeated."),
    ] = None,
    show: Annotated[
        int, typer.Option(metavar="N", help="How many row numbers to show for each finding.")
    ] = 5,
) -> None:
    """Look for faults in the data of a config.

    Copies, rows shared between parts, leaks, missing cells, outliers, labels that look wrong,
    drift and more, with row numbers and a remedy each. Trains nothing.
    """
    if show < 0:
        raise UsageError(f"--show: expected 0 or more, received {show}")
    document = load_document(config, list(overrides or []))
    from bpnet.insight.data_check import check_data

    def progress(what: str) -> None:
        if console.live:
            console.show_live(f"data check: {what} ...", force=True)

    report = check_data(document, only=only or (), skip=skip or (), progress=progress)
    console.clear_live()
    if console.as_json:
        console.json(report.as_json())
    elif not console.quiet:
        _show(report, console, show)
    if strict and not report.passed:
        raise CheckFailedError(f"the data check found {report.tally()}")


def _show(report: DataReport, console: Console, most: int) -> None:
    for finding in report.findings:
        _show_finding(finding, console, most, several=len(report.sources) > 1)
        console.out()
    for name, why in report.skipped.items():
        console.out(f"not checked: {name}, as {why}")
    if report.sampled:
        told = ", ".join(f"{name} {rows:,}" for name, rows in report.sampled.items())
        console.out(f"on rows drawn at random: {told}; all others on every row")
    done = len(report.checks) - len(report.skipped)
    rows = ", ".join(f"{name} {count:,}" for name, count in report.rows.items())
    checks, all_rows = _counted(done, "check"), _counted(report.total, "row")
    console.out(f"{report.tally()}: {checks} on {all_rows} ({rows})")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count != 1 else ''}"


def _show_finding(finding: Finding, console: Console, most: int, *, several: bool) -> None:
    console.out(harmless(f"{finding.level}: {finding.check}: {finding.message}"))
    for spots in finding.spots if most else ():
        of = f" of {spots.source}" if several else ""
        console.out(harmless(f"    {spots.text(most)}{of}"))
    for detail in finding.details[:most]:
        console.out(harmless(f"    {detail}"))
    remedy = textwrap.wrap(
        f"-> {finding.remedy}",
        96,
        initial_indent="    ",
        subsequent_indent="       ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in remedy:
        console.out(harmless(line))
