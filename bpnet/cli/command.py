"""What all commands share: the four options, and how a failure becomes an exit code."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpnet import threads
from bpnet.cli.console import Console
from bpnet.errors import BpnetError, ConfigError, RefusedError

if TYPE_CHECKING:
    from bpnet.config.document import Document
    from bpnet.experiment import Experiment

_SHARED = {
    "as_json": Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")],
    "debug": Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")],
    "no_color": Annotated[bool, typer.Option("--no-color", help="Print without colours.")],
}

_FLAGS = ("--json", "--quiet", "-q", "--debug", "--no-color")


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared options; it receives the `Console` that they describe.

    The function's first parameter is the console, the others are its own arguments and options.
    """
    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in _SHARED.items()
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]

    def run(*, as_json: bool, quiet: bool, debug: bool, no_color: bool, **arguments: Any) -> None:
        console = Console(as_json=as_json, quiet=quiet, color=not no_color)
        try:
            function(console, **arguments)
        except (BpnetError, OSError, MemoryError, KeyboardInterrupt) as error:
            if debug:
                _print_traceback()
            raise typer.Exit(report(error, console)) from None

    run.__name__ = function.__name__
    run.__doc__ = function.__doc__
    run.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in [*own, *shared]}
    return run


def report(error: BaseException, console: Console) -> int:
    """Print what went wrong and return the exit code."""
    if isinstance(error, ConfigError):
        console.problems(str(error))
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        console.error("interrupted")
        return 130
    if isinstance(error, BrokenPipeError):  # as if SIGPIPE had ended the process
        console.close_stdout()
        return 141
    if isinstance(error, MemoryError):
        console.error("out of memory; use a smaller batch_size, network or data set")
        return BpnetError.exit_code
    if isinstance(error, OSError):
        console.error(f"the operating system refused: {error}")
        return RefusedError.exit_code
    assert isinstance(error, BpnetError)
    console.error(str(error))
    return error.exit_code


def run_app(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    flags = []
    while words and words[0] in _FLAGS:  # before the command is as good as behind it
        flags.append(words.pop(0))
    if words and words[0] in {group.name for group in app.registered_groups}:
        words[2:2] = flags if words[1:] else ["--help"]
    else:
        words[1:1] = flags
    try:
        code = app(words or ["--help"], "bpnet", standalone_mode=False)
    except OSError as error:  # typer's own output, its help
        console = Console()
        console.close_stdout()
        return report(error, console)
    except Exception as error:
        # click's usage errors, whichever copy of click typer brings along
        if not hasattr(error, "format_message"):
            if isinstance(error, typer.Abort):
                return 130
            if "--debug" in sys.argv:
                _print_traceback()
            Console().error(
                f"a bug in bpnet: {type(error).__name__}: {error}; "
                "run again with --debug for the traceback, and please report it"
            )
            return 1
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "bpnet"
        Console().error(f"{error.format_message().rstrip('.')}; see '{where} --help'")
        return 2
    return code if isinstance(code, int) else 0


def _print_traceback() -> None:
    import traceback

    sys.stderr.write(traceback.format_exc())


def load_document(config: str, overrides: Sequence[str]) -> Document:
    """Read a config and its overrides, and choose the threads that it asks for."""
    from bpnet.config.document import Document

    document = Document.read(config).override(overrides)
    threads.choose(document)
    return document


def load_experiment(document: Document, console: Console) -> Experiment:
    """Make the training that a config describes; say what was noticed on the way."""
    from bpnet.experiment import build

    experiment = build(document)
    for warning in experiment.warnings:
        console.info(warning)
    for note in experiment.data.notes:
        console.info(f"note: {note}")
    return experiment
