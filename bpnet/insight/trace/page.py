"""A trace as one HTML page: no network, no other file, and readable without its script."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from importlib.resources import files

from bpnet.insight.trace.chapters import PHASES, Chapter, chapters
from bpnet.insight.trace.details import Details
from bpnet.insight.trace.drawing import draw
from bpnet.insight.trace.plan import make_plan
from bpnet.insight.trace.record import Trace
from bpnet.insight.trace.typeset import text

BEGINNING = '<!doctype html>\n<html lang="en" data-made-by="bpnet trace">'
"""What every page begins with: so a command knows one that may be written over."""

ROWS = 4
"""Rows of the batch that have a picture."""


def page(trace: Trace) -> str:
    """Return a trace as an HTML page."""
    plan = make_plan(trace)
    rows = range(min(len(trace.rows), ROWS))
    found = list(chapters(trace, plan, rows))
    details = Details(trace, plan)
    folder = files("bpnet.insight.trace")
    style = (folder / "page.css").read_text("utf-8")
    script = (folder / "page.js").read_text("utf-8")
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    title = f"Backpropagation, step {trace.rule.step}: {trace.name}"
    templates = "".join(
        f'<template data-detail="{name}" data-row="{row}">{body}</template>'
        for row in rows
        for name, body in details.all(row)
    )
    return (
        f'{BEGINNING}\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{text(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n"
        f"{_head(trace)}"
        '<main>\n<section id="picture" aria-label="The network">\n'
        f"{_row_choice(trace, rows)}"
        '<div class="scroll" tabindex="0" role="region" aria-label="Drawing of the network">\n'
        f"{''.join(draw(trace, plan, row) for row in rows)}\n</div>\n"
        f"{_controls(found)}"
        '<div id="detail" aria-live="polite" hidden></div>\n</section>\n'
        '<section id="chapters">\n'
        f"{''.join(_chapter(i, chapter) for i, chapter in enumerate(found))}</section>\n"
        f"</main>\n{templates}\n<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _hash(script: str) -> str:
    """Allow this very script and no other."""
    digest = hashlib.sha256(f"\n{script}".encode()).digest()
    return f"'sha256-{b64encode(digest).decode()}'"


def _head(trace: Trace) -> str:
    several = len(trace.rows) > 1
    listed = ", ".join(map(str, trace.rows[:12])) + (", …" if len(trace.rows) > 12 else "")
    notes = "".join(f"<p class='note'>{text(note)}</p>" for note in trace.notes)
    return (
        "<header>\n<h1>One step of backpropagation</h1>\n"
        f"<p>{text(trace.name)}: training step {trace.rule.step} on row{'s' if several else ''} "
        f"{listed} of {text(trace.source)}, in float64.</p>\n{notes}"
        "</header>\n"
    )


def _row_choice(trace: Trace, rows: range) -> str:
    if len(rows) < 2:
        return ""
    options = "".join(
        f'<option value="{row}">row {trace.rows[row]} (target {text(trace.answers[row])})</option>'
        for row in rows
    )
    more = len(trace.rows) - len(rows)
    note = f" <small>and {more} more in the batch</small>" if more else ""
    return (
        f'<p class="rows"><label>Show the numbers of <select id="row">{options}</select></label>'
        f"{note}</p>\n"
    )


def _controls(found: list[Chapter]) -> str:
    first = {phase: next(i for i, c in enumerate(found) if c.phase == phase) for phase in PHASES}
    phases = "".join(
        f'<button type="button" class="phase {phase}" data-step="{first[phase]}">{i + 1} '
        f"{phase}</button>"
        for i, phase in enumerate(PHASES)
    )
    return (
        '<nav id="controls" aria-label="Steps" hidden>'
        '<button type="button" id="back" aria-label="Step back">◀</button>'
        f'<span class="phases">{phases}</span>'
        '<button type="button" id="on" aria-label="Step on">▶</button>'
        f'<span id="count" aria-live="polite">1 / {len(found)}</span>'
        '<span class="hint">The arrow keys step; a click on a circle or a line explains it. '
        "Blue is above 0, orange below; thick lines are large weights; "
        "∂ is the derivative of the loss by the number above it.</span>"
        "</nav>\n"
    )


def _chapter(i: int, chapter: Chapter) -> str:
    bodies = chapter.body
    if len(set(bodies)) == 1:
        inner = bodies[0]
    else:
        inner = "".join(
            f'<div class="of-row" data-row="{row}">{body}</div>' for row, body in enumerate(bodies)
        )
    lists = {
        "known": " ".join(map(str, chapter.known)),
        "now": " ".join(map(str, chapter.now)),
    }
    data = "".join(f' data-{name}="{value}"' for name, value in lists.items())
    return (
        f'<article class="{chapter.phase}" id="step-{i}" data-phase="{chapter.phase}" '
        f'data-seen="{chapter.seen}" data-flow="{chapter.flow}"{data} tabindex="-1">'
        f'<h2><span class="tag">{chapter.phase}</span> {text(chapter.title)}</h2>'
        f"{inner}</article>\n"
    )
