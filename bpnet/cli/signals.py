"""What signals do to a training: they only set a flag that the loop reads after its step."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpnet.session import Session

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
_SAVING = "SIGUSR1"

_TWICE = 0.25
"""Seconds within which the same signal counts once: ``timeout`` sends its own to the process and to
the group of the process; who presses Ctrl-C again because it takes too long has waited longer."""


class Signals:
    """What was received, and what it does.

    Attributes
    ----------
    received
        The signal that ends the training, once there was one.
    session
        The training; as long as there is none, a signal ends the process, as nothing can be lost.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.session: Session | None = None
        self._at = 0.0

    def end(self, number: int, frame: FrameType | None) -> None:
        """End the training after its step; a second signal ends the process at once."""
        if self.session is None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            raise SystemExit(128 + number)
        if self.received is None:
            self.received, self._at = signal.Signals(number), time.monotonic()
            self.session.experiment.state.stop_request = f"{self.received.name} received"
        elif number != self.received or self._is_again():
            os._exit(128 + number)

    def _is_again(self) -> bool:
        """Say whether the same signal means more than the first time."""
        if self.received == signal.SIGXCPU:
            return False  # the system sends one every second
        return time.monotonic() - self._at > _TWICE

    def save(self, number: int, frame: FrameType | None) -> None:
        """Save after the step that runs, and go on."""
        if self.session is not None:
            self.session.save_requested = True


@contextlib.contextmanager
def answered() -> Iterator[Signals]:
    """Let a signal end the training after its step, and SIGUSR1 save it.

    A signal that was ignored when bpnet started stays ignored (``nohup``, jobs in the background).
    """
    signals = Signals()
    handlers = dict.fromkeys(_ENDING, signals.end) | {_SAVING: signals.save}
    before = {}
    for name, handler in handlers.items():
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield signals
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
