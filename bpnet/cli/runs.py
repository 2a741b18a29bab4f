"""``bpnet runs``: list, show, compare, best and rm."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpnet.cli.arguments import Run
from bpnet.cli.console import Console, number, seconds
from bpnet.errors import UsageError

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
    from bpnet.cli.runs_list import ordered, show_list
    from bpnet.collection.searches import is_search, read_search
    from bpnet.collection.summary import summarize_all

    if metric is None and is_search(root):
        metric = read_search(root).metric or None
    found = ordered(summarize_all(root), sort, reverse)
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
    show_list(shown, metric, console)
    if len(shown) < len(found):
        console.info(f"{len(found) - len(shown)} more; -n {len(found)} shows all")


def show(
    console: Console,
    run: Run,
) -> None:
    """Tell what a run was, how it went and what came of it; of a search, its best points."""
    from bpnet.collection.searches import is_search
    from bpnet.collection.summary import summarize
    from bpnet.errors import RunError
    from bpnet.runs import rundir

    if is_search(run):
        from bpnet.cli.runs_search import show_search

        show_search(run, console)
        return
    found = summarize(run)
    if found.kind == "damaged":
        raise RunError(f"{run}: {found.reason}; bpnet verify {run} looks at every file")
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
    from bpnet.cli.runs_list import local

    newest = facts["resumed"][-1] if facts.get("resumed") else facts
    versions, command = newest.get("versions") or {}, facts.get("command") or []
    rows = [
        ["status", f"{found.status}: {found.reason}" if found.reason else found.status],
        ["started", local(found.start)],
        ["trained", "-" if found.seconds is None else seconds(found.seconds)],
        ["epochs", number(found.epochs)],
    ]
    if found.best is not None:
        best = f"{found.monitor} {number(found.best)} in epoch {found.best_epoch}"
        rows.append(["best", best])
    rows += [
        ["parameters", _count(facts.get("parameters"))],
        ["seed", str(facts.get("seed"))],
        ["command", " ".join(map(str, command if isinstance(command, list) else [command]))],
    ]
    rows += [["data", f"{file['path']} ({file['rows']:,} rows)"] for file in facts.get("data", [])]
    if facts.get("parent"):
        rows.append(["started from", str(facts["parent"])])
    if facts.get("resumed"):
        times = len(facts["resumed"])
        rows.append(["resumed", "once" if times == 1 else f"{times} times"])
    rows.append(["versions", ", ".join(f"{name} {version}" for name, version in versions.items())])
    if facts.get("git_commit"):
        rows.append(["git commit", str(facts["git_commit"])[:12]])
    return rows


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "-"


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
        typer.Option(
            metavar="NAME",
            help="By what; default: what early stopping looked at, and of a search its own.",
        ),
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="Which is better; default: as is known of NAME.")
    ] = None,
) -> None:
    """Print the directory of the best finished run.

    In a script: RUN=$(bpnet runs best -q)
    """
    from bpnet.collection.choosing import choose, chosen_by_search
    from bpnet.collection.searches import is_search
    from bpnet.collection.summary import summarize_all

    if metric is None and is_search(root):
        found = chosen_by_search(root)
    else:
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """Remove runs with all their files; a search with all its trials."""
    from bpnet.collection import removing

    planned = removing.plan(runs)
    if dry_run:
        _show_plan(planned, console)
        return
    if not yes:
        _ask(planned, console)
    removed = []
    for removal in planned:
        removing.remove(removal)
        removed.append(str(removal.directory))
        console.info(f"removed {removal.directory}")
    if console.as_json:
        console.json({"removed": removed, "bytes": sum(removal.bytes for removal in planned)})


def _show_plan(planned: list[Removal], console: Console) -> None:
    """Say what would be removed."""
    size = sum(removal.bytes for removal in planned)
    if console.as_json:
        console.json({"would_remove": [str(r.directory) for r in planned], "bytes": size})
        return
    rows = [
        [str(r.directory), str(r.files), f"{r.bytes / 1e6:.1f} MB", str(r.trials or "-")]
        for r in planned
    ]
    console.table(
        ["would be removed", "files", "size", "trials"], rows, right=(1, 2, 3), whole=(0,)
    )
    console.info("nothing was removed")


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
