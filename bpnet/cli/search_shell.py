"""``bpnet gridsearch ask`` and ``tell``: for scripts that carry out the trials themselves."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bpnet.cli.console import Console
from bpnet.errors import UsageError

if TYPE_CHECKING:
    from bpnet.search.study import Study


def ask(study: Study, console: Console, *, again: bool) -> None:
    """Print the next trial: its number, and what it puts over the config."""
    from bpnet.search import shell

    asked = shell.ask(study, again=again)
    trial = asked.trial
    if console.as_json:
        console.json(
            {
                "state": asked.state,
                "trial": None if trial is None else trial.number,
                "values": None if trial is None else dict(trial.values),
                "assignments": asked.assignments,
                "waits_for": asked.waits_for,
                "directory": str(study.directory),
            }
        )
    elif trial is not None:
        console.out(f"{trial.number} {shlex.join(asked.assignments)}")
    elif asked.state == "over":
        console.info("every trial is asked and told")
    else:
        numbers = ", ".join(map(str, asked.waits_for))
        console.info(f"nothing to ask until trials {numbers} are told (--again asks them again)")


def apart(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the overrides among the words behind ``tell CONFIG``, and what is told.

    ``3=-0.5`` is told as ``3 -0.5`` is, which a command line takes for an option.
    """
    overrides, said = [], list[str]()
    for word in words:
        key, sign, value = word.partition("=")
        if sign and not key.isdecimal():
            overrides.append(word)
        else:
            said += [key, value] if sign else [word]
    return overrides, said


def tell(study: Study, console: Console, said: list[str]) -> None:
    """Take the score of a trial, and write the leaderboard."""
    from bpnet.search import answer, shell

    if len(said) < 2 or not said[0].isdecimal():
        raise UsageError(
            "expected a trial's number and its score: bpnet gridsearch tell CONFIG 3=0.97, or "
            "3=failed [REASON]"
        )
    score: float | None = None
    if said[1] != "failed":
        try:
            score = float(said[1])
        except ValueError:
            raise UsageError(f"expected a score or `failed`, received {said[1]!r}") from None
    trial = shell.tell(study, int(said[0]), score, " ".join(said[2:]))
    shell.refresh(study)
    found = answer.write(study)
    if console.as_json:
        console.json(found.as_json())
    else:
        console.info(f"trial {trial.number}: {trial.outcome.state}")
