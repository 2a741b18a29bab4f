"""What a worker is told of a trial, and what it answers: plain values, for any executor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

State = Literal["waiting", "asked", "paused", "done", "pruned", "failed", "interrupted", "refused"]


@dataclass
class Task:
    """What a worker needs to know of a trial.

    Attributes
    ----------
    text, name, assignments
        The config, its file, and the overrides: those given, and those of the trial.
    directory
        The run directory.
    metric, mode
        What is compared, and whether less (``min``) or more (``max``) is better.
    threads
        The same in every process: the last bit of a sum depends on it.
    as_team
        Whether they are a team's, or those of each matrix product.
    until
        The epoch after which the trial pauses; None trains to the end.
    bounds
        For each epoch the worst score so far that may go on; None: any.
    stalled
        Epochs without an improvement after which a trial worse than `to_beat` is given up.
    to_beat
        The best score of the trials that this one is compared with.
    time_limit, memory_limit
        Seconds and bytes; None: any.
    synchronized
        Whether whoever asks makes durable, before anybody is told, what the trial has written.
    """

    text: str
    name: str
    assignments: list[str]
    directory: str
    metric: str
    mode: Literal["min", "max"]
    threads: int = 1
    as_team: bool = False
    until: int | None = None
    bounds: list[float | None] = field(default_factory=list)
    stalled: int | None = None
    to_beat: float | None = None
    time_limit: float | None = None
    memory_limit: int | None = None
    synchronized: bool = False


@dataclass
class Outcome:
    """What became of a trial.

    Attributes
    ----------
    state, cause, reason
        How it ended; for a failure in one word, and what to tell the user.
    score
        The metric of its model; None if there is none.
    metrics
        All metrics of its model on training and validation rows.
    curve
        For each epoch the score of the model that would be kept if it ended there.
    epochs
        How many were trained.
    seconds
        How long that took.
    """

    state: State
    cause: str = ""
    reason: str = ""
    score: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    curve: list[float | None] = field(default_factory=list)
    epochs: int = 0
    seconds: float = 0.0
