"""The page of a run: one file, without a script, that asks the network for nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from bpnet import __version__
from bpnet.report.record import Record
from bpnet.report.section import Section, table
from bpnet.report.styles import page_rules
from bpnet.report.wording import cut, duration, escaped, figure, listing, number
from bpnet.runs.rundir import latest_session

_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
MARK = '<meta name="generator" content="bpnet report">'


def page(title: str, body: str) -> str:
    """Return a page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n{MARK}\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{escaped(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>\n{page_rules()}</style>\n</head>\n<body>\n{body}"
        f"<footer><p>Drawn by bpnet {__version__} from the files of the run; it holds nothing that "
        "they do not.</p></footer>\n</body>\n</html>\n"
    )


def run_page(
    record: Record,
    answers: Sequence[tuple[str, Sequence[str]]],
    sections: Sequence[Section],
    notes: Sequence[str],
    data_text: str,
) -> str:
    """Return the page of one run.

    Parameters
    ----------
    record
        The run.
    answers
        Questions with the sentences that answer them.
    sections
        What follows.
    notes
        What was left out, and why.
    data_text
        What is predicted from what; empty if unknown.
    """
    said = "".join(f'<p class="note">{escaped(note)}</p>\n' for note in notes)
    asked = "".join(
        f'<div class="answer"><h3>{escaped(question)}</h3>'
        f"{''.join(f'<p>{escaped(sentence)}</p>' for sentence in sentences)}</div>\n"
        for question, sentences in answers
    )
    about = f'<p class="quiet">{escaped(data_text)}</p>\n' if data_text else ""
    body = (
        f"<header>\n<h1>{escaped(record.name)}</h1>\n{about}</header>\n<main>\n"
        f'{said}<div class="cards">{_cards(record)}</div>\n<div class="answers">\n{asked}</div>\n'
        f"{_metrics(record)}{''.join(part.html() for part in sections)}{_facts(record)}</main>\n"
    )
    return page(f"{record.name} · bpnet", body)


def _cards(record: Record) -> str:
    cards: list[tuple[str, str]] = []
    metrics = record.result.get("metrics")
    if isinstance(metrics, dict):
        parts = [key.partition("/")[0] for key in metrics]
        part = next((p for p in ("test", "val", "train") if p in parts), "")
        chosen = [k for k in metrics if k.startswith(f"{part}/")][:3]
        cards += [(figure(number(metrics[k])), k) for k in chosen]
    else:
        for name in [record.monitor, "train/loss"]:
            values = record.values(name)
            if values and (figure(values[-1]), f"last {name}") not in cards:
                cards.append((figure(values[-1]), f"last {name}"))
    of = f" of {record.planned:,}" if record.planned else ""
    cards.append((f"{len(record.rows):,}", f"epochs{of}"))
    cards.append((record.status, "status"))
    if isinstance(record.facts.get("parameters"), int):
        cards.append((figure(record.facts["parameters"]), "parameters"))
    seconds = number(record.result.get("training_s"))
    if seconds == seconds:
        cards.append((duration(seconds), "training"))
    return "".join(
        f'<div class="card"><b>{escaped(value)}</b><span>{escaped(name)}</span></div>'
        for value, name in cards
    )


def _metrics(record: Record) -> str:
    """Show all metrics by part."""
    metrics = record.result.get("metrics")
    if not isinstance(metrics, dict) or not metrics:
        return ""
    parts = list(dict.fromkeys(key.partition("/")[0] for key in metrics))
    names = list(dict.fromkeys(key.partition("/")[2] for key in metrics))
    body = [[n, *(figure(number(metrics.get(f"{p}/{n}"))) for p in parts)] for n in names]
    return table(["metric", *parts], body, caption="The model's metrics")


def _facts(record: Record) -> str:
    """Show where the run comes from."""
    facts, session = record.facts, latest_session(record.facts)
    versions = session.get("versions") or facts.get("versions") or {}
    rows: list[list[object]] = [
        ["directory", record.name],
        ["command", _command(facts.get("command"))],
        ["from, to", f"{facts.get('start')}, {facts.get('end') or '–'}"],
        ["seed", facts.get("seed", "–")],
        ["versions", ", ".join(f"{k} {v}" for k, v in versions.items())],
        ["machine", f"{facts.get('cpu', '–')}, {_threads(facts)}"],
    ]
    if facts.get("git_commit"):
        rows.append(["commit", facts["git_commit"]])
    if facts.get("parent"):
        rows.append(["weights from", facts["parent"]])
    for file in session.get("data") or facts.get("data") or []:
        said = f"{file['path']}, {figure(file['rows'])} rows, SHA-256 {file['sha256'][:16]}…"
        rows.append(["data", said])
    for entry in facts.get("resumed") or []:
        changed = [f"{key}: {before} to {after}" for key, before, after in _triples(entry)]
        what = f"; {listing(changed)}" if changed else ""
        rows.append(["resumed", f"at step {entry.get('step'):,}{what}"])
    heading = '<section id="the-run">\n<h2>The run</h2>\n'
    shown = table(
        ["", ""], [[cut(str(name), 40), cut(str(value), 300)] for name, value in rows], left=(1,)
    ).replace('<td class="left">', '<td class="words">')
    config = ""
    if record.document is not None:
        config = (
            "<details><summary>config.resolved.yaml, every option of it</summary>"
            f"<pre>{_lines(record.document.source.lines)}</pre></details>\n"
        )
    return f"{heading}{shown}{config}</section>\n"


def _command(words: object) -> str:
    """Return the command line as it was typed; how bpnet itself was started says nothing."""
    if not isinstance(words, list) or not words:
        return "–"
    return shlex.join(["bpnet", *map(str, words[1:])])


def _threads(facts: Mapping[str, object]) -> str:
    count = facts.get("threads", "–")
    return f"{count} thread{'' if count == 1 else 's'}"


def _triples(entry: dict[str, object]) -> list[tuple[str, object, object]]:
    changes = entry.get("changes")
    found = changes if isinstance(changes, list) else []
    return [tuple(c) for c in found if isinstance(c, list) and len(c) == 3]


def _lines(lines: Sequence[str]) -> str:
    """Return the lines of a text, the first of them where there are very many."""
    return "\n".join(escaped(line[:1000]) for line in lines[:2000])
