"""Files that a command may write over: those that it has written itself."""

from __future__ import annotations

from pathlib import Path

from bpnet.errors import RunError, UsageError


def refuse_other_file(option: str, path: Path, beginning: str, what: str) -> None:
    """Refuse a file that is there already and does not begin as the command's own do.

    Parameters
    ----------
    option
        The option that named it, for messages.
    path
        Where a command is about to write.
    beginning
        What its files begin with.
    what
        What a file that begins otherwise is: ``no SVG picture``.

    Raises
    ------
    UsageError
        If it can't be a file.
    RunError
        If something else is there.
    RefusedError
        If the operating system refuses to read it.
    """
    from bpnet.runs import durable

    if not path.parent.is_dir():
        raise UsageError(f"{option}: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"{option}: {path} is a folder; name a file in it")
    if not path.is_file():
        return
    with durable.refusals("read", path), path.open("rb") as file:
        found = file.read(len(beginning.encode()))
    if found and found != beginning.encode():
        raise RunError(f"{path}: there already, and {what}; choose another name")
