"""The arguments and options that several commands share, each with one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    str,
    typer.Argument(metavar="CONFIG", help="The config, or - for stdin.", show_default=False),
]

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Values over the config's."),
]

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)]

RunOrModel = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="A run directory, or a model.safetensors.", show_default=False
    ),
]

Subject = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG|RUN",
        help="A config (- for stdin), or a run directory with its trained weights.",
        show_default=False,
    ),
]

Weights = Annotated[
    Path | None,
    typer.Option(metavar="RUN", help="Take the weights of this run, model or checkpoint."),
]
