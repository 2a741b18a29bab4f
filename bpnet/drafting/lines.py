"""Lines of a config, each with the reason for it, in comments that stand below each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

WIDTH = 100
"""Characters of a line."""

Line = tuple[str, str]
"""A line and its reason; an empty reason where there is nothing to say."""


def block(lines: Sequence[Line]) -> str:
    """Return lines with their reasons; above a line where it is too long to have it behind."""
    short = [len(text) for text, why in lines if why and len(text) + len(why) + 4 <= WIDTH]
    start, done = max(short, default=0), []
    for text, why in lines:
        if not why:
            done.append(text)
        elif start + len(why) + 4 <= WIDTH and len(text) <= start:
            done.append(f"{text:<{start}}  # {why}")
        elif len(text) + len(why) + 4 <= WIDTH:
            done.append(f"{text}  # {why}")
        else:
            indent = " " * (len(text) - len(text.lstrip()))
            done += [*comment(why, indent), text]
    return "\n".join(done)


def comment(text: str, indent: str = "") -> list[str]:
    """Return a text as lines of a comment, broken between words."""
    lines, line = [], f"{indent}#"
    for word in text.split(" "):
        if len(line) + 1 + len(word) > WIDTH and line != f"{indent}#":
            lines.append(line)
            line = f"{indent}#"
        line += f" {word}"
    return [*lines, line]


def entries(named: Iterable[tuple[str, str]]) -> list[str]:
    """Return names with what is to be said of each, as lines of a comment."""
    pairs = [(harmless(name), harmless(said)) for name, said in named]
    width = min(30, max((len(name) for name, _ in pairs), default=0))
    lines = [f"#   {name:<{width}}  {said}" for name, said in pairs]
    return [line if len(line) <= WIDTH else f"{line[: WIDTH - 4]} ..." for line in lines]


def together(named: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return runs of columns that are numbered, such as pixels, as one entry each."""
    runs: list[list[tuple[str, str]]] = []
    for name, said in named:
        stem = name.rstrip("0123456789")
        follows = stem != name and runs and runs[-1][0][0].rstrip("0123456789") == stem
        if follows and "number" in said and "number" in runs[-1][0][1]:
            runs[-1].append((name, said))
        else:
            runs.append([(name, said)])
    found = []
    for run in runs:
        if len(run) > 8:
            found.append((f"{run[0][0]} ... {run[-1][0]}", f"{len(run)} columns of numbers"))
        else:
            found += run
    return found


def harmless(text: str) -> str:
    """Return a text from a file without anything that could end a comment."""
    return "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in text)
