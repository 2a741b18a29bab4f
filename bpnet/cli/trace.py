"""``bpnet trace``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bpnet.cli.console import Console, harmless
from bpnet.cli.subject import Overrides, Subject, Weights, load_exact
from bpnet.errors import RunError, UsageError


def trace(
    console: Console,
    subject: Subject,
    overrides: Overrides = None,
    row: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N",
            help="Row of the data, from 0; also 0-3, 0,2,5, or several times: one batch. "
            "By default the first training row.",
        ),
    ] = None,
    after: Annotated[
        int, typer.Option(min=0, metavar="STEPS", help="Take that many training steps before.")
    ] = 0,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page that shows it, which needs no network."),
    ] = None,
    weights: Weights = None,
) -> None:
    """Show one step of backpropagation with every number.

    Forward, loss, backward and update, layer by layer: formulas, the numbers put in, and every
    gradient beside its estimate by differences of the loss. Nothing is saved but the page.
    """
    from bpnet.insight.trace.rows import parse_rows

    rows = parse_rows(row) if row else []
    if html is not None:
        _refuse_other_file(html)
    experiment = load_exact(subject, overrides, weights, console)
    from bpnet.insight.trace.recording import trace_step

    found = trace_step(experiment, rows, after=after)
    if html is not None:
        from bpnet.insight.trace.page import page
        from bpnet.runs import durable

        durable.write(html, page(found).encode())
    if console.as_json:
        from bpnet.insight.trace.document import document

        console.json(document(found) | ({"html": str(html)} if html is not None else {}))
    elif html is not None:
        console.out(harmless(str(html)))
    elif not console.quiet:
        from bpnet.insight.trace.text import lines

        for line in lines(found):
            console.out(harmless(line))


_BEGINNING = b"<!doctype html>"


def _refuse_other_file(path: Path) -> None:
    """Refuse to write over something that is no page."""
    if not path.parent.is_dir():
        raise UsageError(f"--html: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"--html: {path} is a folder; name a file in it")
    if not path.exists():
        return
    with path.open("rb") as file:
        if file.read(len(_BEGINNING)).lower() != _BEGINNING:
            raise RunError(f"{path}: there already, and no HTML page; choose another name")
