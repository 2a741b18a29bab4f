"""The steps of the page: input, each layer forwards, loss, each layer backwards, update."""

from __future__ import annotations

from collections.abc import Iterator

from bpnet.insight.trace.chapters.backward import backward
from bpnet.insight.trace.chapters.chapter import PHASES, Chapter, View
from bpnet.insight.trace.chapters.forward import forward
from bpnet.insight.trace.chapters.update import update
from bpnet.insight.trace.details import Details
from bpnet.insight.trace.plan import Plan
from bpnet.insight.trace.record import Trace

__all__ = ["PHASES", "Chapter", "chapters"]


def chapters(trace: Trace, plan: Plan, rows: range) -> Iterator[Chapter]:
    """Yield the steps of a trace."""
    view = View(trace, plan, Details(trace, plan), rows)
    yield from forward(view)
    yield from backward(view)
    yield from update(view)
