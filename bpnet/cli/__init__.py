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
        data,
        doctor,
        env,
        evaluate,
        export,
        gradcheck,
        gridsearch,
        init,
        inspection,
        lrfind,
        predict,
        replay,
        report,
        reproduce,
        runs,
        schema,
        trace,
        train,
        verify,
        watch,
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
        "gridsearch": gridsearch.gridsearch,
        "check": check.check,
        "init": init.init,
        "schema": schema.schema,
        "replay": replay.replay,
        "gradcheck": gradcheck.gradcheck,
        "doctor": doctor.doctor,
        "lrfind": lrfind.lrfind,
        "inspect": inspection.inspect,
        "trace": trace.trace,
        "report": report.report,
        "watch": watch.watch,
        "verify": verify.verify,
        "reproduce": reproduce.reproduce,
        "export": export.export,
        "env": env.env,
    }
    for name, function in commands.items():
        app.command(name)(command(function))
    groups: dict[str, tuple[str, dict[str, Callable[..., None]]]] = {
        "data": ("Look at the data of a config.", {"check": data.check}),
        "runs": (
            "Look at and manage runs.",
            {
                "list": runs.list_,
                "show": runs.show,
                "compare": runs.compare,
                "best": runs.best,
                "rm": runs.rm,
            },
        ),
    }
    for name, (about, inner) in groups.items():
        group = typer.Typer(help=about, rich_markup_mode=None)
        for inner_name, function in inner.items():
            group.command(inner_name)(command(function))
        group.callback()(lambda: None)
        app.add_typer(group, name=name)

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
