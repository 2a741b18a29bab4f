"""What a YAML syntax error means, in the words of somebody who sees the line.

A parser stops where the text becomes impossible, which is often a line below the mistake, and
says so in its own terms ("did not find expected key"). Here its complaint only tells which kind
of mistake to look for; place and words come from looking at the lines again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from bpnet.config import layout
from bpnet.config.nodes import Scalar
from bpnet.config.places import printable, shown
from bpnet.config.trouble import LONG, Finding, Scene, Trouble


def explain(error: Any, lines: Sequence[str], last: Scalar | None) -> Finding:
    """Find out what is wrong with the text.

    Parameters
    ----------
    error
        PyYAML's complaint.
    lines
        The text.
    last
        The scalar that was read last, if any.
    """
    trouble = _trouble(error)
    scene = Scene(trouble, lines, last)
    line = scene.line(trouble.line)
    if re.match(r" *\t", line) and trouble.context != "while scanning a quoted scalar":
        tab = line.index("\t")
        stop = tab + len(line[tab:]) - len(line[tab:].lstrip("\t"))
        return scene.finding(trouble.line, tab, stop, "tabs do not indent in YAML; use spaces")
    for pattern, explanation in _EXPLANATIONS:
        if re.search(pattern, f"{trouble.context}: {trouble.problem}"):
            return explanation(scene)
    return scene.rest(trouble.line, trouble.column, f"this is no YAML: {trouble.problem}")


def _trouble(error: Any) -> Trouble:
    """Take what is useful from one of PyYAML's errors."""
    mark = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None)
    return Trouble(
        problem=getattr(error, "problem", None) or str(error),
        context=getattr(error, "context", None) or "",
        line=mark.line if mark else 0,
        column=mark.column if mark else 0,
        from_line=context.line if context else -1,
        from_column=context.column if context else -1,
    )


def _no_colon(scene: Scene) -> Finding:
    start = max(scene.trouble.from_line, 0)
    text = scene.line(start)[max(scene.trouble.from_column, 0) :]
    return scene.rest(start, max(scene.trouble.from_column, 0), layout.no_entry(text))


def _item_not_allowed(scene: Scene) -> Finding:
    at = scene.trouble
    key = scene.line(at.line)[: at.column].strip(" -").rstrip(": ")
    if not key or _unclosed(scene.lines[: at.line]):
        return scene.rest(
            at.line, at.column, "a list item can't stand here; in brackets, write [a, b]"
        )
    return scene.rest(
        at.line,
        at.column,
        f"a list cannot start on the line of '{key}:'; start it on the next line, indented, "
        "or write it as [a, b]",
    )


def _question_mark(scene: Scene) -> Finding:
    at = scene.trouble
    return scene.rest(at.line, at.column, "a text that starts with '?' needs quotes")


def _bad_start(scene: Scene) -> Finding:
    at = scene.trouble
    rest = scene.line(at.line)[at.column :][:LONG].rstrip()
    sign = rest[:1]
    if sign == "\t":
        return scene.finding(at.line, at.column, at.column, "a tab cannot stand here; use spaces")
    value = re.split(r"\s+#", rest)[0].rstrip(",]} ") or sign
    return scene.finding(
        at.line,
        at.column,
        at.column + len(value),
        f"a text that starts with '{sign}' needs quotes: {shown(value)}",
    )


def _open_quote(scene: Scene) -> Finding:
    at = scene.trouble
    quote = scene.line(at.from_line)[at.from_column : at.from_column + 1] or '"'
    what = "quote" if quote == "'" else "double quote"
    return scene.rest(
        at.from_line, at.from_column, f"this {what} is never closed; add the second {quote}"
    )


def _escape(scene: Scene) -> Finding:
    at = scene.trouble
    line = scene.line(at.line)
    column = max(line.rfind("\\", 0, at.column + 1), 0)
    sign = printable(line[column : column + 2])
    wrong = "is not the code of a character" if sign[1:] in ("x", "u", "U") else "has no meaning"
    return scene.finding(
        at.line,
        column,
        column + 2,
        f"'{sign}' {wrong} in double quotes; use single quotes, where a backslash is a backslash",
    )


def _flow(scene: Scene) -> Finding:
    """Explain what is wrong between brackets: never closed, closed by the wrong one, a comma."""
    at = scene.trouble
    opening = scene.line(at.from_line)[at.from_column : at.from_column + 1]
    closing = {"[": "]", "{": "}"}.get(opening, "}")
    end = _matching(scene.lines, at.from_line, at.from_column)
    if end is None:
        return scene.rest(
            at.from_line, at.from_column, f"this '{opening}' is never closed; add '{closing}'"
        )
    line, column, found = end
    if found != closing:
        return scene.finding(
            line,
            column,
            column,
            f"expected '{closing}' to close the '{opening}', received '{found}'",
        )
    text = scene.line(at.line)
    if text[at.column : at.column + 1] == ":":
        skip = max(0, at.column - LONG)
        word = re.search(r"[^\s,;{}\[\]]+\s*$", text[skip : at.column])
        start = skip + word.start() if word else at.column
        name = word[0].strip() if word else ":"
        if text[:start].rstrip().endswith(";"):
            semicolon = text.rindex(";", 0, start)
            return scene.finding(at.line, semicolon, semicolon, "write ',' instead of ';'")
        return scene.finding(at.line, start, at.column, f"a ',' is missing before '{name}'")
    word = re.match(r"[^\s,;{}\[\]:]+|.", text[at.column :])
    name = word[0] if word else text[at.column : at.column + 1]
    return scene.finding(
        at.line,
        at.column,
        at.column + len(name),
        f"a ',' is missing before '{printable(name)}'",
    )


def _unclosed(lines: Sequence[str]) -> tuple[int, int] | None:
    """Return where the last bracket opens that is not closed."""
    opened: list[tuple[int, int]] = []
    for i, line in enumerate(lines):
        for match in _SIGNS.finditer(line[: 10 * LONG]):
            if match[0] in ("[", "{"):
                opened.append((i, match.start()))
            elif match[0] in ("]", "}") and opened:
                opened.pop()
    return opened[-1] if opened else None


_SIGNS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|(?<!\S)#.*|[\[\]{}]""")


def _matching(lines: Sequence[str], line: int, column: int) -> tuple[int, int, str] | None:
    """Return where the bracket that opens at a place is closed, and by which sign."""
    depth: list[str] = []
    pairs = {"[": "]", "{": "}"}
    for i in range(line, len(lines)):
        start = column if i == line else 0
        for match in _SIGNS.finditer(lines[i][start : start + 10 * LONG]):
            sign = match[0]
            if sign in pairs:
                depth.append(pairs[sign])
            elif sign in ("]", "}"):
                if sign != depth[-1] or len(depth) == 1:
                    return i, start + match.start(), sign
                depth.pop()
    return None


def _no_content(scene: Scene) -> Finding:
    at = scene.trouble
    sign = scene.line(at.line)[at.column : at.column + 1]
    if not sign and (opening := _unclosed(scene.lines)):
        return scene.rest(*opening, f"this '{scene.line(opening[0])[opening[1]]}' is never closed")
    if sign == "-":
        return scene.rest(
            at.line, at.column, "a list item can't stand here; in brackets, write [a, b]"
        )
    if "flow" in at.context:
        return scene.finding(at.line, at.column, at.column, f"a value is missing before '{sign}'")
    return scene.rest(at.line, at.column, f"a value cannot start with '{sign}'; put it in quotes")


def _tag(scene: Scene) -> Finding:
    at = scene.trouble
    index, column = (at.from_line, at.from_column) if at.from_line >= 0 else (at.line, at.column)
    return scene.rest(
        index,
        column,
        "tags (!name) are not supported; remove it, or put a text that starts with '!' in quotes",
    )


def _anchor(scene: Scene) -> Finding:
    at = scene.trouble
    return _bad_start(
        Scene(
            Trouble(at.problem, at.context, at.from_line, at.from_column, -1, -1),
            scene.lines,
            scene.last,
        )
    )


def _tight_colon(scene: Scene) -> Finding:
    """Explain ``units:[1, 2]``, where the colon seems to be part of a text."""
    at = scene.trouble
    word = re.search(r"\S*$", scene.line(at.line)[max(0, at.column - LONG) : at.column])
    name = word[0].lstrip("{[,") if word else ""
    message = f"a space is missing after '{name}:'" if name else "a value can't start with ':'"
    return scene.rest(at.line, at.column - len(name), message)


_EXPLANATIONS: list[tuple[str, Callable[[Scene], Finding]]] = [
    (r"directive|incompatible YAML", layout.directive),
    (r"<document start>", layout.behind_the_end),
    (r"mapping values are not allowed", layout.value_not_allowed),
    (r"could not find expected ':'", _no_colon),
    (r"found unexpected ':'", _tight_colon),
    (r"sequence entries are not allowed", _item_not_allowed),
    (r"mapping keys are not allowed", _question_mark),
    (r"scanning an (alias|anchor)", _anchor),
    (r"scanning a block scalar", _anchor),
    (r"tag", _tag),
    (r"cannot start any token|tab character", _bad_start),
    (r"quoted scalar.*(end of stream|document (indicator|separator))", _open_quote),
    (r"quoted scalar.*(escape|hexdecimal|hexadecimal)", _escape),
    (r"flow (sequence|mapping).*expected ',' or", _flow),
    (r"(block|flow) node.*node content", _no_content),
    (r"block (mapping|collection)", layout.outside_all_blocks),
]
