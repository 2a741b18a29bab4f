"""``bpnet gridsearch``."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bpnet import threads
from bpnet.cli import search_answer, search_shell
from bpnet.cli.arguments import Overrides
from bpnet.cli.console import Console, seconds
from bpnet.cli.search_progress import SearchProgress, counted, short
from bpnet.errors import UsageError

if TYPE_CHECKING:
    from bpnet.config.document import Document
    from bpnet.search.plan import Plan
    from bpnet.search.running import Crew
    from bpnet.search.study import Study


def gridsearch(
    console: Console,
    config: Annotated[
        str,
        typer.Argument(
            metavar="[ask|tell] CONFIG",
            help="A config with a `search` block, or - for stdin. `ask CONFIG` prints a trial for "
            "a script to carry out, `tell CONFIG TRIAL=SCORE` takes its score (or `failed`).",
            show_default=False,
        ),
    ],
    overrides: Overrides = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Trials at a time; default, and at most: as many as the cores have room for.",
        ),
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="The search's directory itself, new or to go on with.")
    ] = None,
    runs_root: Annotated[
        Path | None,
        typer.Option(help="Where NAME-NNN, the search's directory, is.  [default: runs]"),
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Start a new search, though there is one to go on with.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the points and the time they take; no more.")
    ] = False,
    show_all: Annotated[
        bool,
        typer.Option("--all", help=f"Show all points, not only the best {search_answer.SHOWN}."),
    ] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="End the search when a trial fails.")
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Try failed trials again, except those that diverged."),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="With ask: also what was asked before and not told.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set a damaged search.sqlite aside; keep the trials.")
    ] = False,
    dask: Annotated[
        str | None,
        typer.Option(metavar="SCHEDULER", help="Use a Dask cluster: its address or file."),
    ] = None,
    mpi: Annotated[
        bool, typer.Option("--mpi", help="Use the processes started by mpiexec.")
    ] = False,
) -> None:
    """Try what the config's `search` describes; say what is best.

    The same command again goes on where it stopped: each point is finished exactly once.
    """
    words = list(overrides or [])
    verb = config if config in ("ask", "tell") else None
    if verb is not None:
        if not words:
            raise UsageError(f"expected a CONFIG: bpnet gridsearch {verb} CONFIG")
        config = words.pop(0)
    if run_dir is not None and (runs_root is not None or new):
        raise UsageError("--run-dir names the directory itself; leave out --runs-root and --new")
    if again and verb != "ask":
        raise UsageError("--again belongs to ask: bpnet gridsearch ask CONFIG --again")
    if (dask is not None) + mpi + (jobs is not None) > 1:
        raise UsageError("--dask, --mpi and -j say where trials run; give one of them")
    words, said = (words, None) if verb != "tell" else search_shell.apart(words)
    carries_out = new or dry_run or show_all or fail_fast or retry_failed or jobs or dask or mpi
    if verb is not None and carries_out:
        raise UsageError(
            f"{verb} carries out no trials; beside it go --run-dir, --runs-root, --repair"
            + (" and --again" if verb == "ask" else "")
        )
    document = _read(config, words)
    from bpnet.search import directories, shell
    from bpnet.search.plan import make_plan

    plan = make_plan(document)
    if verb is None:
        for warning in plan.experiment.warnings:
            console.info(warning)
        for note in plan.experiment.data.notes:
            console.info(f"note: {note}")
    else:
        shell.check(plan)
    if dry_run:
        _preview(plan, _width(jobs, console), console)
        return
    directory = _directory(plan, run_dir, runs_root or Path("runs"), new, verb)
    with directories.opened(plan, directory, repair=repair, wait=verb is not None) as study:
        for note in study.notes:
            console.warn(note)
        if verb == "ask":
            search_shell.ask(study, console, again=again)
            return
        if said is not None:
            search_shell.tell(study, console, said)
            return
        if retry_failed:
            count = study.forget_failures()
            console.info(f"failed trials that are tried again: {count}")
        with _crew(plan, jobs, dask, mpi, console) as crew:
            received = _carry_out(study, crew, console, fail_fast)
        search_answer.show(study, console, received, show_all)


@contextlib.contextmanager
def _crew(
    plan: Plan, jobs: int | None, dask: str | None, mpi: bool, console: Console
) -> Iterator[Crew]:
    """Bring those together who carry out the trials."""
    from bpnet.search import crews

    if dask is not None:
        with crews.dask(dask) as crew:
            yield crew
    elif mpi:
        with crews.mpi() as crew:
            yield crew
    else:
        width = _width(jobs, console)
        plan.share_data()  # before the workers are forked: then it is theirs without a copy
        with crews.processes(width) as crew:
            yield crew


def _preview(plan: Plan, width: int, console: Console) -> None:
    """List the points and say about how long they take."""
    from bpnet.search.probe import preview

    found = preview(plan)
    if console.as_json:
        points = [dict(point.values) for point in found.points]
        left = None if found.seconds is None else found.seconds / width
        console.json(
            {
                "points": points,
                "total": found.total,
                "trainings": found.total * found.trainings,
                "epochs": found.epochs,
                "workers": width,
                "seconds": left,
            }
        )
        return
    keys = plan.space.keys
    rows = [[i, *(p.labels.get(k, "") for k in keys)] for i, p in enumerate(found.points, 1)]
    console.table(["point", *short(keys)], rows, right=[0])
    if found.total > len(found.points):
        more = found.total - len(found.points)
        console.out(f"... and {more} more points, which depend on the first ones or on their order")
    trainings = counted(found.total * found.trainings, "training")
    epochs = counted(found.epochs, "epoch")
    console.out(f"{counted(found.total, 'point')}, {trainings}, {epochs} at most")
    if found.seconds is None:
        console.out("none of the points that were tried for a moment could be trained")
    else:
        each = "1 worker" if width == 1 else f"{width} workers"
        console.out(f"about {seconds(found.seconds / width)} with {each}")


def _read(config: str, overrides: list[str]) -> Document:
    """Read the config; `auto` threads are one for each trial, as many trials run at once."""
    from bpnet.config.document import Document

    document = Document.read(config).override(overrides)
    asked = document.peek("threads", default="auto")
    threads.choose(document if isinstance(asked, int) else None)
    return document


def _width(jobs: int | None, console: Console) -> int:
    """Return how many trials run at a time: trials times threads never exceed the cores."""
    from bpnet.runs import provenance

    cores, each = provenance.cores(), provenance.threads()
    room = max(1, cores // each)
    if jobs is not None and jobs > room:
        console.info(
            f"-j {jobs}: {room} at a time, as there are {cores} cores and each trial uses {each}"
        )
    return min(jobs or room, room)


def _directory(plan: Plan, run_dir: Path | None, root: Path, new: bool, verb: str | None) -> Path:
    """Return the directory of the search; a new one, unless a script tells what it was never asked.

    Raises
    ------
    UsageError
        If there is no search to tell something.
    """
    from bpnet.search import directories

    if verb == "tell" and run_dir is not None and not run_dir.exists():
        raise UsageError(f"{run_dir}: no such search; 'bpnet gridsearch ask' starts one")
    if run_dir is not None:
        return directories.create_exactly(run_dir)
    found = None if new else directories.find(plan, root)
    if verb == "tell" and found is None:
        raise UsageError(f"{root}: no search of this config; 'bpnet gridsearch ask' starts one")
    return found or directories.create(plan, root)


_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")


def _carry_out(study: Study, crew: Crew, console: Console, fail_fast: bool) -> int | None:
    """Run the search and show it; return the signal that ended it, if one did."""
    received: list[int] = []

    def end(number: int, frame: object) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)
        study.progress.stop = True
        if crew.ask_to_stop is not None:
            crew.ask_to_stop()

    before = {}
    for name in _ENDING:
        which = getattr(signal, name)
        if signal.getsignal(which) is not signal.SIG_IGN:
            before[which] = signal.signal(which, end)
    try:
        progress = SearchProgress(console, study)
        for step in study.run(crew, fail_fast=fail_fast):
            progress.show(step)
    finally:
        console.clear_live()
        for which, earlier in before.items():
            signal.signal(which, earlier)
    return received[0] if received else None
