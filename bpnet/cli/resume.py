"""``bpnet train --resume``."""

from __future__ import annotations

from pathlib import Path

from bpnet import threads
from bpnet.cli.console import Console
from bpnet.cli.progress import carry_out
from bpnet.cli.signals import Signals
from bpnet.cli.subject import from_here


def resume(
    run: Path,
    config: str | None,
    values: list[str],
    console: Console,
    *,
    signals: Signals,
    wait: bool,
    strict: bool,
    allow_changed_data: bool,
) -> None:
    """Go on with a run; a finished one stays as it is, to the byte."""
    from bpnet.runs import lock, rundir

    facts = rundir.open_run(run)
    if config is None and not values and (run / rundir.RESULT).is_file():
        _tell_finished(run, console)
        return
    if wait and lock.is_held(run):
        console.info(f"{run}: waiting until the other bpnet there has ended")
    with lock.hold(run, wait=wait) as doubt:
        from bpnet.config import of_run
        from bpnet.config.document import Document

        facts = rundir.open_run(run)
        document = of_run.current(run, facts) if config is None else Document.read(config)
        document = document.override(map(from_here, values) if config is None else values)
        threads.choose(document, like=rundir.latest_session(facts))
        from bpnet import resuming

        session = resuming.prepare(
            run, document, strict=strict, allow_changed_data=allow_changed_data, doubt=doubt
        )
        if session is not None:
            carry_out(session, console, signals)
            return
    _tell_finished(run, console)


_MORE = {
    "finished": "training.epochs=N, above {epochs}, goes on",
    "early_stopping": "a larger early_stopping.patience (and training.epochs) goes on",
    "time_limit": "a longer training.max_time goes on",
}
"""How a run that is over is given more to do, by what ended it."""


def _tell_finished(run: Path, console: Console) -> None:
    from bpnet.runs import rundir

    result = rundir.read_json(run / rundir.RESULT)
    if console.as_json:
        console.json({"run": str(run), **result})
        return
    more = _MORE.get(str(result.get("stop_reason")), "").format(epochs=result.get("epochs"))
    console.info(
        f"{run}: finished already ({result.get('stop_message')}), so nothing was done; {more}"
    )
    console.out(str(run))
