"""What signals do to a training: they only set a flag that the loop reads after its step."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpnet.session import Session

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
_SAVING = "SIGUSR1"


@contextlib.contextmanager
def answered(session: Session) -> Iterator[list[int]]:
    """Let a signal end the training after its step, and a second one at once; SIGUSR1 saves.

    Yields the list into which the signal that ends the training is put. A signal that was
    ignored when bpnet started stays ignored (``nohup``, jobs in the background).
    """
    received: list[int] = []

    def end(number: int, frame: object) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)
        session.experiment.state.stop_request = f"{signal.Signals(number).name} received"

    def save(number: int, frame: object) -> None:
        session.save_requested = True

    handlers = dict.fromkeys(_ENDING, end) | {_SAVING: save}
    before = {}
    for name, handler in handlers.items():
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield received
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
