"""``bpnet init``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bpnet import threads
from bpnet.cli.console import Console
from bpnet.errors import RunError, UsageError, did_you_mean

SCHEMA = "bpnet.schema.json"
TEMPLATES = ("xor", "iris", "penguins", "concrete", "digits", "fashion")


def init(
    console: Console,
    output: Annotated[
        Path | None,
        typer.Argument(metavar="[OUTPUT]", help="The file to write, or - for stdout."),
    ] = None,
    template: Annotated[
        str | None, typer.Option(help=f"Start from an example: {', '.join(TEMPLATES)}.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="DATA", help="Look at this data and write a config for it."),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="The column of DATA to predict; again for more."),
    ] = None,
    named: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The same as OUTPUT."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there already.")
    ] = False,
) -> None:
    """Write a commented starting config.

    Beside it, the schema with which editors complete and check it.
    """
    if output is not None and named is not None:
        raise UsageError("give either OUTPUT or -o FILE, not both")
    output = output or named
    if (template is None) == (source is None):
        raise UsageError("give either --template NAME or --from DATA --target COLUMN")
    if source is not None:
        threads.choose()
        from bpnet.drafting import draft_config

        text = draft_config(source, target or [], output.parent if output else Path())
        name = Path(source.removeprefix("builtin:")).name.partition(".")[0] or "config"
    else:
        if target:
            raise UsageError("--target goes with --from DATA; a template has its own")
        assert template is not None
        text, name = read_template(template), template
    if output == Path("-"):
        if console.as_json:
            console.json({"config": text})
        else:
            console.out(text.rstrip())
        return
    path = output or Path(f"{name}.yaml")
    if path.is_dir():
        raise UsageError(f"{path}: a folder stands there; name a file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: not a file; name one, or - for stdout")
    if os.path.lexists(path) and not force:
        raise RunError(f"{path}: there already; name another OUTPUT, or --force replaces it")
    _write(path, f"# yaml-language-server: $schema={SCHEMA}\n{text}")
    _write_schema(path.parent / SCHEMA)
    if console.as_json:
        console.json({"config": str(path), "schema": str(path.parent / SCHEMA)})
    else:
        console.info(f"wrote {path} and {path.parent / SCHEMA}; next: bpnet train {path}")
        console.out(str(path))


def read_template(name: str) -> str:
    """Return the text of an example config.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in TEMPLATES:
        known = ", ".join(TEMPLATES)
        raise UsageError(
            f"there is no template '{name}'{did_you_mean(name, TEMPLATES)}; known: {known}"
        )
    package = Path(__file__).parent.parent
    # Installed, the examples stand in the package; in a checkout, beside it.
    folder = package / "configs" if (package / "configs").is_dir() else package.parent / "configs"
    return (folder / f"{name}.yaml").read_text()


def _write_schema(path: Path) -> None:
    import json

    from bpnet.config.schema import config_schema

    _write(path, json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> None:
    from bpnet.runs import durable

    with durable.refusals("make the folder", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    durable.write(path, text)
