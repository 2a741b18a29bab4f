"""The command line; this file only assembles it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import Typer


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: the process's own) and return the exit code."""
    from bpnet.cli.command import run_app

    return run_app(build(), arguments)


def build() -> Typer:
    """Return the typer application with all commands."""
    import typer

    from bpnet.cli import (
        check,
        env,
        evaluate,
        init,
        predict,
        replay,
        reproduce,
        schema,
        train,
        verify,
    )
    from bpnet.cli.command import command

    app = typer.Typer(
        name="bpnet",
        help="Train neural networks from a YAML file, on backpropagation written in NumPy.",
        epilog="Start with: bpnet init --template digits",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    commands: dict[str, Callable[..., None]] = {
        "train": train.train,
        "eval": evaluate.evaluate,
        "predict": predict.predict,
        "check": check.check,
        "init": init.init,
        "schema": schema.schema,
        "replay": replay.replay,
        "verify": verify.verify,
        "reproduce": reproduce.reproduce,
        "env": env.env,
    }
    for name, function in commands.items():
        app.command(name)(command(function))

    def version(value: bool) -> None:
        if value:
            from bpnet import __version__

            typer.echo(f"bpnet {__version__}")
            raise typer.Exit

    @app.callback()
    def root(
        show_version: bool = typer.Option(
            False, "--version", callback=version, is_eager=True, help="Print the version."
        ),
    ) -> None:
        pass

    return app
