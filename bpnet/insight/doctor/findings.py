"""What the doctor says, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from bpnet.insight.doctor.evidence import Evidence

BETTER = 0.7
"""What a change must leave of the loss, at most, to prove a suspicion."""

SOMETHING = 0.8
"""Loss over that of a constant answer, below which something has been learned beyond doubt: the
best of several trials may come a little below 1 by chance."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change to the config.

    Attributes
    ----------
    overrides
        ``KEY=VALUE`` each, to be given together; empty if no override can express it.
    advice
        What it does, in words.
    """

    overrides: tuple[str, ...]
    advice: str


@dataclass(slots=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    rule
        The name of the rule that found it.
    where
        The layer, column, class or moment concerned; empty for the training as a whole.
    number, threshold
        What was measured, and from where on it is a finding.
    text
        One sentence for people, with the number.
    change
        What to do about it.
    tried
        None if the change has not been tried; else whether the finding was gone with it.
    effect
        What trying it did to the loss, in words.
    measure
        What the number is, in words, where it isn't what the rule says.
    moment
        ``start`` or ``end``, where a finding is of one of the two.
    follows
        Other findings that explain this one: those should be mended first.
    """

    rule: str
    where: str
    number: float
    threshold: float
    text: str
    change: Change | None = None
    tried: bool | None = None
    effect: str = ""
    moment: str = ""
    measure: str = ""
    follows: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of illness is found.

    Attributes
    ----------
    name
        What findings are called.
    measure
        What its number is, in words.
    source
        Where the threshold comes from.
    find
        Yields the findings in some evidence.
    changes
        Yields what may help, the likeliest first.
    causes
        Rules whose findings explain one of this rule.
    proof
        Whether it is only a suspicion until a change has made the training much better.
    begins
        From where on it is a finding, in words, for people who look it up.
    """

    name: str
    measure: str
    source: str
    find: Callable[[Evidence], Iterable[Finding]]
    changes: Callable[[Evidence, Finding], Iterator[Change]]
    causes: tuple[str, ...] = ()
    proof: bool = False
    begins: str = field(kw_only=True)
