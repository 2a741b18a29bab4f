"""``bpnet trace``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bpnet.cli.arguments import Overrides, Subject, Weights
from bpnet.cli.console import Console, harmless
from bpnet.cli.overwriting import refuse_other_file
from bpnet.cli.subject import load_exact
from bpnet.errors import UsageError


def trace(
    console: Console,
    subject: Subject,
    overrides: Overrides = None,
    row: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N",
            help="Row of the file, from 0, whatever part it is in; also 0-3, 0,2,5, or several "
            "times: one batch. By default the first training row.",
        ),
    ] = None,
    after: Annotated[
        int, typer.Option(min=0, metavar="STEPS", help="Take that many training steps before.")
    ] = 0,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a page that shows it, which needs no network; - for stdout."
        ),
    ] = None,
    weights: Weights = None,
) -> None:
    """Show one step of backpropagation with every number.

    Forward, loss, backward and update, layer by layer: formulas, the numbers put in, and every
    gradient beside its estimate by differences of the loss. Nothing is saved but the page.
    """
    from bpnet.insight.trace.rows import parse_rows

    rows = parse_rows(row) if row else []
    if console.as_json and html is not None and str(html) == "-":
        raise UsageError("--html - and --json both want standard output; give one of them")
    if html is not None and str(html) != "-":
        from bpnet.insight.trace.page import BEGINNING

        refuse_other_file("--html", html, BEGINNING, "no page of bpnet trace")
    experiment = load_exact(subject, overrides, weights, console)
    from bpnet.insight.trace.recording import trace_step

    found = trace_step(experiment, rows, after=after)
    if weights is not None or Path(subject).is_dir():
        found.notes.append("the weights are trained ones; optimizer and schedule start anew")
    if html is not None:
        from bpnet.insight.trace.page import page
        from bpnet.runs import durable

        if str(html) == "-":
            console.out(page(found).rstrip("\n"))
            return
        with durable.growing(html) as file:  # a device or a pipe stays what it is
            file.write(page(found))
    if console.as_json:
        from bpnet.insight.trace.document import document

        console.json(document(found) | ({"html": str(html)} if html is not None else {}))
    elif html is not None:
        console.out(harmless(str(html)))
    elif not console.quiet:
        from bpnet.insight.trace.text import lines

        for line in lines(found):
            console.out(harmless(line))
