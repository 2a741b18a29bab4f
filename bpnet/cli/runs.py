"""``bpnet runs``: list, show, compare, best and rm."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpnet.cli.console import Console, number, seconds
from bpnet.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from bpnet.collection.comparing import Comparison
    from bpnet.collection.removing import Removal
    from bpnet.collection.summary import Summary

Root = Annotated[
    Path, typer.Argument(metavar="[ROOT]", help="The folder with the runs, or a search.")
]


class Mode(enum.StrEnum):
    """Whether more or less of a metric is better."""

    MIN = "min"
    MAX = "max"


class Form(enum.StrEnum):
    """How a comparison is written."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"


def list_(
    console: Console,
    root: Root = Path("runs"),
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show this metric: test/accuracy.")
    ] = None,
    sort: Annotated[
        str,
        typer.Option(metavar="KEY", help="start, name, status, epochs, duration or a metric."),
    ] = "start",
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="The other way round.")] = False,
    status: Annotated[
        str | None,
        typer.Option("--status", metavar="STATUS", help="Only runs of this status: done."),
    ] = None,
    most: Annotated[
        int | None, typer.Option("--number", "-n", min=1, help="Only the first so many.")
    ] = None,
) -> None:
    """List the runs of a folder, the newest first."""
    from bpnet.collection.summary import summarize_all

    found = _sorted(summarize_all(root), sort, reverse)
    if status is not None:
        found = [run for run in found if run.status == status]
    shown = found[:most]
    if console.as_json:
        console.json([run.as_json() for run in shown])
        return
    if console.quiet:
        for run in shown:
            console.out(str(run.directory))
        return
    if not shown:
        console.info(f"{root}: no runs" + (f" with status '{status}'" if status else ""))
        return
    header = ["run", "status", "epochs", "best (epoch)", "duration", "start"]
    rows = [_row(run) for run in shown]
    if metric is not None:
        header.insert(4, metric)
        for run, row in zip(shown, rows, strict=True):
            row.insert(4, number(run.metrics.get(metric)))
    console.table(header, rows, right=(2, 4, *((5,) if metric else ())))
    if len(shown) < len(found):
        console.info(f"{len(found) - len(shown)} more; -n {len(found)} shows all")


def _row(run: Summary) -> list[str]:
    duration = "-" if run.seconds is None else seconds(run.seconds)
    best = run.reason if run.kind != "run" else ""
    if run.best is not None:
        best = f"{run.monitor} {number(run.best)} ({run.best_epoch})"
    elif run.kind == "run" and run.metrics:
        name = next((name for name in run.metrics if name.startswith("val/")), None)
        name = name or next(iter(run.metrics))
        best = f"{name} {number(run.metrics[name])} ({run.best_epoch})"
    return [run.name, run.status, number(run.epochs), best, duration, _local(run.start)]


def _local(time: str) -> str:
    """Return a time as the clock on the wall shows it."""
    try:
        return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return time[:16] or "-"


def _sorted(runs: list[Summary], key: str, reverse: bool) -> list[Summary]:
    """Sort runs: times and metrics from the newest and best, names from A; the damaged last."""
    values: dict[str, Callable[[Summary], Any]] = {
        "start": lambda run: run.start,
        "name": lambda run: run.name,
        "status": lambda run: run.status,
        "epochs": lambda run: run.epochs,
        "duration": lambda run: run.seconds,
    }
    falling = key not in ("name", "status")
    if key not in values:
        if not any(key in run.metrics for run in runs):
            known = [*values, *sorted({name for run in runs for name in run.metrics})]
            raise UsageError(f"--sort: no run has '{key}'{did_you_mean(key, known)}")
        from bpnet.collection.choosing import mode_of

        values[key] = lambda run: run.metrics.get(key)
        falling = mode_of(key) == "max"
    value = values[key]
    having = [run for run in runs if value(run) not in (None, "")]
    others = [run for run in runs if value(run) in (None, "")]
    return [*sorted(having, key=value, reverse=falling != reverse), *others]


def show(
    console: Console,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
) -> None:
    """Tell what a run was, how it went and what came of it."""
    from bpnet.collection.summary import summarize
    from bpnet.errors import RunError
    from bpnet.runs import rundir

    found = summarize(run)
    if found.kind == "damaged":
        raise RunError(f"{run}: {found.reason}; bpnet verify {run} looks at every file")
    if found.kind == "search":
        raise UsageError(f"{run}: a search; bpnet runs list {run} shows its trials")
    facts = rundir.open_run(run)
    result = rundir.read_json(run / rundir.RESULT) if found.finished else None
    if console.as_json:
        console.json({**found.as_json(), "facts": facts, "result": result})
        return
    console.table(["run", str(run)], _told(found, facts))
    if found.metrics:
        console.out()
        _show_metrics(found, console)


def _told(found: Summary, facts: dict[str, Any]) -> list[list[str]]:
    newest = facts["resumed"][-1] if facts.get("resumed") else facts
    versions = newest.get("versions") or {}
    rows = [
        ["status", f"{found.status}: {found.reason}" if found.reason else found.status],
        ["started", _local(found.start)],
        ["trained", "-" if found.seconds is None else seconds(found.seconds)],
        ["epochs", number(found.epochs)],
    ]
    if found.best is not None:
        best = f"{found.monitor} {number(found.best)} in epoch {found.best_epoch}"
        rows.append(["best", best])
    rows += [
        ["parameters", f"{facts.get('parameters') or 0:,}"],
        ["seed", str(facts.get("seed"))],
        ["command", " ".join(map(str, facts.get("command") or []))],
    ]
    rows += [["data", f"{file['path']} ({file['rows']:,} rows)"] for file in facts.get("data", [])]
    if facts.get("parent"):
        rows.append(["started from", str(facts["parent"])])
    if facts.get("resumed"):
        rows.append(["resumed", f"{len(facts['resumed'])} times"])
    rows.append(["versions", ", ".join(f"{name} {version}" for name, version in versions.items())])
    if facts.get("git_commit"):
        rows.append(["git commit", str(facts["git_commit"])[:12]])
    return rows


def _show_metrics(found: Summary, console: Console) -> None:
    """Show the metrics as a table: a row for each, a column for each part of the data."""
    parts = list(dict.fromkeys(name.partition("/")[0] for name in found.metrics))
    names = list(dict.fromkeys(name.partition("/")[2] for name in found.metrics))
    rows = [
        [name, *(number(found.metrics.get(f"{part}/{name}")) for part in parts)] for name in names
    ]
    console.table(["metric", *parts], rows, right=range(1, len(parts) + 1))


def compare(
    console: Console,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="Run directories.")],
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.TABLE,
) -> None:
    """Compare runs: options that differ, and metrics.

    Behind each metric stands its distance from that of the first run.
    """
    from bpnet.collection import comparing

    found = comparing.compare(runs)
    if console.as_json or form == Form.JSON:
        console.json(found.as_json())
    elif form == Form.CSV:
        console.out(found.as_csv().rstrip("\n"))
    elif form == Form.MARKDOWN:
        console.out(found.as_markdown().rstrip("\n"))
    elif not console.quiet:
        _show_comparison(found, console)


def _show_comparison(found: Comparison, console: Console) -> None:
    from bpnet.collection.comparing import shown

    titles = {"config": "options that differ", "run": "runs", "metric": "metrics"}
    first = True
    for part, title in titles.items():
        rows = [[row.name, *shown(row)] for row in found.rows if row.part == part]
        if rows:
            if not first:
                console.out()
            first = False
            right = range(1, len(found.names) + 1) if part == "metric" else ()
            console.table([title, *found.names], rows, right=right)
    if not any(row.part == "config" for row in found.rows):
        console.info("the configs are the same")


def best(
    console: Console,
    root: Root = Path("runs"),
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="By what; default: what early stopping looked at."),
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="Which is better; default: as is known of NAME.")
    ] = None,
) -> None:
    """Print the directory of the best finished run.

    In a script: RUN=$(bpnet runs best -q)
    """
    from bpnet.collection.choosing import choose
    from bpnet.collection.summary import summarize_all

    found = choose(summarize_all(root), metric, None if mode is None else mode.value)
    if found.metric.startswith("test/") and found.among > 1:
        console.warn(
            f"chosen by {found.metric}, so that score is no longer one on rows that nothing was "
            "chosen by; val/ metrics are for choosing"
        )
    if console.as_json:
        told = {"metric": found.metric, "mode": found.mode, "value": found.value}
        console.json({**told, "among": found.among, **found.run.as_json()})
        return
    console.info(
        f"{found.metric} {number(found.value)}: the best of {found.among} runs that have it"
    )
    console.out(str(found.run.directory))


def rm(
    console: Console,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs, or searches.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Remove runs with all their files; a search with all its trials."""
    from bpnet.collection import removing

    planned = removing.plan(runs)
    if not yes:
        _ask(planned, console)
    removed = []
    for removal in planned:
        removing.remove(removal)
        removed.append(str(removal.directory))
        console.info(f"removed {removal.directory}")
    if console.as_json:
        console.json({"removed": removed, "bytes": sum(removal.bytes for removal in planned)})


def _ask(planned: list[Removal], console: Console) -> None:
    """Ask on a terminal; refuse where there is nobody to ask."""
    if console.as_json or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nobody to ask whether to remove them; --yes removes them without asking")
    for removal in planned:
        trials = f", {removal.trials} trials" if removal.trials else ""
        size = removal.bytes / 1e6
        console.info(f"{removal.directory}: {removal.files} files, {size:.1f} MB{trials}")
    noun = "this run" if len(planned) == 1 else f"these {len(planned)} runs"
    if not typer.confirm(f"remove {noun} for good?", err=True):
        console.info("nothing was removed")
        raise typer.Exit(0)
