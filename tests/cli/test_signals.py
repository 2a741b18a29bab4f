"""What a second signal means."""

import signal
import sys
from types import SimpleNamespace

import pytest

from bpnet.__main__ import main
from bpnet.cli import signals


class Left(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(signals.time, "monotonic", lambda: clock.now)

    def leave(code):
        raise Left(code)

    monkeypatch.setattr(signals.os, "_exit", leave)
    return clock


@pytest.fixture
def running():
    state = SimpleNamespace(stop_request="")
    answer = signals.Signals()
    answer.session = SimpleNamespace(experiment=SimpleNamespace(state=state), save_requested=False)
    return answer


def test_the_same_signal_within_a_moment_counts_once(clock, running):
    running.end(signal.SIGTERM, None)
    clock.now += 0.1
    running.end(signal.SIGTERM, None)
    assert running.received == signal.SIGTERM
    assert running.session.experiment.state.stop_request == "SIGTERM received"


def test_the_same_signal_later_leaves_at_once(clock, running):
    running.end(signal.SIGINT, None)
    clock.now += 1
    with pytest.raises(Left, match="130"):
        running.end(signal.SIGINT, None)


def test_another_signal_leaves_at_once(clock, running):
    running.end(signal.SIGTERM, None)
    with pytest.raises(Left, match="130"):
        running.end(signal.SIGINT, None)


def test_the_time_limit_of_the_system_may_strike_every_second(clock, running):
    for _ in range(3):
        running.end(signal.SIGXCPU, None)
        clock.now += 1
    assert running.received == signal.SIGXCPU


def test_before_there_is_a_training_nothing_is_lost(clock):
    answer = signals.Signals()
    answer.save(signal.SIGUSR1, None)  # nothing to save, and no end either
    with pytest.raises(KeyboardInterrupt):
        answer.end(signal.SIGINT, None)
    with pytest.raises(SystemExit, match="143"):
        answer.end(signal.SIGTERM, None)


def test_an_interrupt_while_the_command_line_is_being_loaded_is_no_traceback(monkeypatch, capsys):
    class Impatient:
        def find_spec(self, name, path=None, target=None):
            if name == "bpnet.cli":
                raise KeyboardInterrupt

    for name in [name for name in sys.modules if name.split(".")[:2] == ["bpnet", "cli"]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("bpnet.cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Impatient(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "bpnet: error: interrupted\n"
