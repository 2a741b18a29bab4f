"""``bpnet reproduce``."""

from __future__ import annotations

from bpnet import threads
from bpnet.cli.arguments import Run
from bpnet.cli.console import Console
from bpnet.errors import CheckFailedError


def reproduce(
    console: Console,
    run: Run,
) -> None:
    """Train a run again from its directory alone, and compare every byte.

    Nothing in the directory changes. If the bytes differ, it says what has changed since.
    """
    from bpnet.config import of_run
    from bpnet.runs import rundir

    facts = rundir.open_run(run)
    threads.choose(of_run.original(run, facts), like=facts)
    from bpnet.reproducing import Reproduction
    from bpnet.training.events import EpochEnd

    again = Reproduction(run)
    console.info(f"{run}: training again up to {again.goal.name}")
    for event in again.events():
        if console.live and isinstance(event, EpochEnd):
            console.show_live(f"epoch {event.epoch} of {again.epoch}")
    if console.as_json:
        console.json(
            {
                "run": str(run),
                "same": not again.differences,
                "checkpoint": again.goal.name,
                "compared": again.compared,
                "differences": again.differences,
                "changed": again.reasons,
            }
        )
    elif not console.quiet:
        for line in again.differences:
            console.out(line)
        if not again.differences:
            console.out(f"the same to the byte: {', '.join(again.compared)}")
    if again.differences:
        why = "; ".join(again.reasons) or (
            "nothing that run.json knows has changed: verify the run, and the memory of the machine"
        )
        raise CheckFailedError(
            f"{run}: training it again gave other numbers ({len(again.differences)} differences); "
            f"{why}"
        )
