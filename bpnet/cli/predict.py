"""``bpnet predict``."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

import typer

from bpnet import threads
from bpnet.cli.console import Console
from bpnet.errors import UsageError

if TYPE_CHECKING:
    from bpnet.data.table import Table, Tensor
    from bpnet.model import Model

FORMATS = ("csv", "jsonl")


def predict(
    console: Console,
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="A run directory, or a model.safetensors.", show_default=False
        ),
    ],
    source: Annotated[
        str,
        typer.Argument(metavar="INPUT", help="A file, or - for stdin.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="A file; default: stdout.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="csv or jsonl; default: by OUT's name, else as INPUT."),
    ] = None,
    input_format: Annotated[
        str | None, typer.Option(help="csv, tsv or jsonl, of stdin; default: what it looks like.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add the probability of every class.")
    ] = False,
) -> None:
    """Predict each row of a file or of stdin.

    The target column may be there or not.
    """
    if form is not None and form not in FORMATS:
        raise UsageError(f"--format: expected csv or jsonl, received '{form}'")
    if input_format not in (None, "csv", "tsv", "jsonl"):
        raise UsageError(f"--input-format: expected csv, tsv or jsonl, received '{input_format}'")
    threads.choose()
    from bpnet import model
    from bpnet.predictions import Writer

    loaded = model.load(run)
    if output is not None and output.name != "-" and (not output.exists() or output.is_file()):
        _check_ending(output)
    if output is not None and output.exists() and Path(source).exists() and output.samefile(source):
        raise UsageError(f"-o {output} is the input itself; choose another name")
    if probabilities and loaded.target.kind == "number":
        raise UsageError("--probabilities: this model predicts numbers, which have none")
    with _chunks(loaded, source, input_format) as (chunks, found):
        layout = "json" if console.as_json else _layout(form, output, found)
        with _sink(output) as sink:
            writer = Writer(loaded, sink, layout, probabilities=probabilities)
            for chunk in chunks:
                writer.write(chunk)
            writer.finish()
    if console.as_json and output is not None:
        console.json({"output": str(output), "rows": writer.rows, "dropped": writer.dropped})
    _report(console, writer.rows, writer.dropped, writer.unseen)


def _layout(form: str | None, output: Path | None, found: str) -> Literal["csv", "jsonl"]:
    """Return what the lines look like: as asked, as the output is named, or as the input is."""
    if form is None:
        form = "jsonl" if output is None and found == "jsonl" else "csv"
        if str(output or "").removesuffix(".gz").endswith((".jsonl", ".ndjson")):
            form = "jsonl"
    return "jsonl" if form == "jsonl" else "csv"


def _check_ending(output: Path) -> None:
    if output.suffix not in ("", ".csv", ".txt", ".jsonl", ".ndjson", ".json"):
        raise UsageError(
            f"-o {output}: expected a name that ends in .csv or .jsonl; other formats, and "
            "compression, are for other tools: `bpnet predict RUN INPUT | gzip > out.csv.gz`"
        )


@contextlib.contextmanager
def _chunks(
    model: Model, source: str, form: str | None
) -> Iterator[tuple[Iterator[Table | Tensor], str]]:
    """Open the input; yield its rows in chunks, and the format that it has."""
    from bpnet.data import sources
    from bpnet.predictions import Arriving

    kinds, header = model.features.columns, model.config.data.header
    # The writer divides blocks that are too large for it.
    stream_table = partial(sources.stream_table, header=header, rows=sys.maxsize)
    if source == "-":
        if sys.stdin is None:
            raise UsageError("INPUT is -, but standard input is closed")
        stream = Arriving(sys.stdin.buffer)
        form = form or ("jsonl" if stream.start().lstrip().startswith(b"{") else "csv")
        yield stream_table(stream, "<stdin>", kinds, form=form), form
        return
    found = sources.form_of(source) if not source.startswith("builtin:") else "builtin"
    if found in ("csv", "tsv", "txt", "jsonl") and kinds:
        with sources.open_stream(source, Path()) as (opened, found):
            yield stream_table(opened, source, kinds, form=found), found
        return
    whole = sources.read_source(
        source,
        Path(),
        kinds=kinds,
        features=model.config.data.features,
        target=model.config.data.target,
        target_required=False,
        header=header,
    )
    yield iter([whole]), found


@contextlib.contextmanager
def _sink(output: Path | None) -> Iterator[IO[str]]:
    """Open the output: stdout, or a file that gets its name when it is complete."""
    if output is None or str(output) == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    from bpnet.runs import durable

    with durable.growing(output) as file:
        yield file


def _report(console: Console, rows: int, dropped: int, unseen: dict[str, Counter[str]]) -> None:
    for column, levels in unseen.items():
        named = ", ".join(f"{level!r} ({count})" for level, count in levels.most_common(5))
        console.warn(f"column '{column}' has categories that training never saw: {named}")
    if dropped:
        console.warn(f"{dropped} of {rows} rows have missing cells and got no prediction")
