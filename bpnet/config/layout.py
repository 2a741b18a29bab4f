"""What is wrong with lines that do not fit the lines above them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bpnet.config.places import printable, shown
from bpnet.config.trouble import LONG, Finding, Scene, indentation


def no_entry(text: str) -> str:
    """Say what is wrong with a line that should read ``key: value``."""
    text = re.sub(r"\s+#.*", "", text[:LONG]).strip()
    if match := re.match(r"([\w./-]+)\s*[:=]?=\s*(.*)", text):
        return f"write {shown(f'{match[1]}: {match[2]}'.strip())} instead of {shown(text)}"
    if text.startswith("--"):
        return "a list item starts with one '-' and a space"
    if match := re.match(r"-([^\s-].*)", text):
        return f"a space is missing after '-'; write {shown('- ' + match[1])}"
    if match := re.match(r"([A-Za-z_][\w.-]*):(\S.*)", text):
        return f"a space is missing after ':'; write {shown(match[1] + ': ' + match[2])}"
    if match := re.match(r"([\w.-]+)\s*\N{FULLWIDTH COLON}\s*(.*)", text):
        return "write a plain ':' instead of '\N{FULLWIDTH COLON}'"
    if match := re.match(r"([\w.-]+)\s+(\S.*)", text):
        return f"expected 'key: value'; is a ':' missing after '{match[1]}'?"
    if re.fullmatch(r"[\w.-]+", text):
        return f"expected 'key: value'; is a ':' missing after '{text}'?"
    return f"expected 'key: value', received {shown(text)}"


def joined(parts: Sequence[str], last: str = "or") -> str:
    """Return ``a, b or c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def _spaces(count: int) -> str:
    return "1 space" if count == 1 else f"{count} spaces"


def value_not_allowed(scene: Scene) -> Finding:
    """Explain a ``:`` where no mapping can be: after a value, on its line or on the next."""
    at, last = scene.trouble, scene.last
    line = scene.line(at.line)
    if last is None or last.place.line - 1 == at.line or last.quoted:
        if at.column > 1024:
            return scene.finding(at.line, at.column, at.column, "a key is longer than 1024 signs")
        return _second_colon(scene)
    start = last.place.line - 1
    first = scene.line(start)
    head = first[: last.place.column - 1].strip()
    if not head:
        return scene.content(start, no_entry(first))
    key = line[: at.column].strip()
    if head == "-":
        value = first[last.place.column - 1 :].strip()
        if no_entry(value).startswith("a space"):
            return scene.rest(start, last.place.column - 1, no_entry(value))
        return scene.content(
            at.line,
            f"'{key}' can't follow '- {value}'; write '- type: {value}', and '{key}' below 'type'",
        )
    above = head.lstrip("- ").rstrip(": ")
    if key.startswith("-"):
        return scene.content(
            at.line, f"a list item can't follow {shown(first.strip())}; is a key missing above it?"
        )
    column = first.index(above) if above in first else indentation(first)
    return scene.content(
        at.line,
        f"{shown(key)} is indented by {_spaces(indentation(line))}, but {shown(above)} above it "
        f"has a value already; indent both by {column}, or remove the value after '{above}:'",
    )


def _second_colon(scene: Scene) -> Finding:
    """Explain ``model: init: he``."""
    at = scene.trouble
    line = scene.line(at.line)[: 10 * LONG]
    before = line[: at.column].lstrip(" -")
    if ": " not in before:
        return scene.finding(at.line, at.column, at.column, "no ':' can stand here")
    if glued := re.match(r"\s*(?:- +)*([\w.-]+|-)(:?)\s*[{\[]", line):
        missing = "a space" if glued[2] or glued[1] == "-" else "a ':'"
        return scene.content(at.line, f"{missing} is missing after '{glued[1]}{glued[2]}'")
    key, value = line.lstrip(" -").split(": ", 1)
    value = re.split(r"\s#", value)[0].strip()
    for opening, closing in ("{}", "[]"):
        if value.count(closing) > value.count(opening):
            start = line.index(": ") + 2
            return scene.rest(at.line, start, f"a '{opening}' is missing before {shown(value)}")
    between = before.split(": ", 1)[1]
    if "," in between and ":" not in between.split(",")[0]:
        advice = f"options go in braces: {shown(f'{key}: {{type: {value}}}')}"
    elif "," in between:
        advice = f"several options in one line go in braces: {shown(f'{key}: {{{value}}}')}"
    elif " " in between.strip():
        advice = f"start a new line before {shown(between.split()[-1])}"
    else:
        advice = (
            f"options of {shown(key)} go in braces ({{{printable(value)}}}) or on lines of their "
            "own, and a text with ': ' goes in quotes"
        )
    return scene.finding(at.line, at.column, at.column, f"a second ':' in one line; {advice}")


def _after_the_value(scene: Scene) -> Finding | None:
    """Explain text that goes on behind a value that is complete: behind a quote or bracket."""
    at = scene.trouble
    line = scene.line(at.line)
    before = line[: at.column].rstrip()
    if not before.strip(" -"):
        return None
    sign = line[at.column : at.column + 1]
    if sign and sign in "]}":
        return scene.finding(
            at.line, at.column, at.column, f"this '{sign}' closes nothing; remove it"
        )
    if before[-1] == "'":
        message = "text after the closing quote; a quote inside single quotes is doubled: 'it''s'"
    elif before[-1] == '"':
        message = 'text after the closing quote; a quote inside double quotes is written \\"'
    elif before[-1] in "]}":
        message = f"text after the closing '{before[-1]}'; remove it, or put it inside"
    else:
        message = "this does not belong here; is a ':' or a quote missing?"
    return scene.rest(at.line, at.column, message)


def outside_all_blocks(scene: Scene) -> Finding:
    """Explain a line that belongs to none of the blocks above it."""
    if finding := _after_the_value(scene):
        return finding
    at = scene.trouble
    line = scene.line(at.line)
    text, indent = line.strip(), indentation(line)
    if text.startswith(":"):
        return scene.finding(at.line, indent, indent, "a key is missing before ':'")
    if text[:1] in ("]", "}"):
        return scene.finding(at.line, indent, indent, f"this '{text[0]}' closes nothing; remove it")
    if re.match(r"-[^\s-]", text) and _item_above(scene, at.line) == indent:
        return scene.content(at.line, no_entry(text))
    outer = _indents_above(scene, at.line)
    if text.startswith("-"):
        above = _item_above(scene, at.line)
        if above is not None and above != indent:
            return scene.content(
                at.line,
                f"this list item is indented by {_spaces(indent)}, the items above it by "
                f"{above}; indent all alike",
            )
        return scene.content(
            at.line, "a list item between 'key: value' lines; indent the list below its own key"
        )
    key = shown(text.split(":")[0], 40)
    if text[0] in ",;":
        return scene.finding(at.line, indent, indent, f"a '{text[0]}' can't start a line here")
    if indent not in outer:
        levels = joined([str(level) for level in sorted(outer)])
        return scene.content(
            at.line,
            f"{key} is indented by {_spaces(indent)}, but the lines above by {levels}; "
            "lines of one block start in the same column",
        )
    if _item_above(scene, at.line) == indent:
        item = next(
            scene.line(i)
            for i in range(at.line - 1, -1, -1)
            if scene.line(i).lstrip().startswith("-") and indentation(scene.line(i)) == indent
        )
        inner = len(item) - len(item.lstrip(" -"))
        return scene.content(
            at.line,
            f"{key} stands between list items; "
            + (
                f"indent it by {_spaces(inner)} to belong to the item above"
                if re.match(r" *- +[\w.-]+:(\s|$)", item)
                else "start it with '- ' to be one"
            ),
        )
    if re.search(r"[}\]]\s*(#.*)?$", _line_above(scene, at.line)[:LONG]):
        return scene.content(
            at.line, f"{key} can't be added to the line above, which ends with its bracket"
        )
    return scene.content(at.line, f"{key} does not fit the lines above; check the indentation")


def _line_above(scene: Scene, index: int) -> str:
    return next((scene.line(i) for i in range(index - 1, -1, -1) if scene.line(i).strip()), "")


def _indents_above(scene: Scene, index: int) -> set[int]:
    """Return the indentations of the blocks that are open above a line, and just closed."""
    levels: set[int] = set()
    lowest = None
    for i in range(index - 1, -1, -1):
        line = scene.line(i)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        indent = indentation(line)
        if lowest is None or indent < lowest:
            lowest = indent
            levels.add(indent)
            if item := re.match(r" *(- +)+(?=\S+:\s)", line):
                levels.add(item.end())
    return levels


def _item_above(scene: Scene, index: int) -> int | None:
    """Return the indentation of the nearest list item above a line."""
    for i in range(index - 1, -1, -1):
        line = scene.line(i)
        if re.match(r" *-(\s|$)", line):
            return indentation(line)
    return None


def behind_the_end(scene: Scene) -> Finding:
    """Explain text behind the end of the document: behind ``...``, or left of its first line."""
    at = scene.trouble
    if any(line.startswith("%") for line in scene.lines[: at.line]):
        return directive(scene)
    for i in range(at.line):
        if scene.line(i).startswith("..."):
            return scene.content(
                at.line, "text after '...', which ends the config; remove the '...'"
            )
    if finding := _after_the_value(scene):
        return finding
    first = next((i for i in range(at.line) if scene.line(i).strip()), 0)
    while scene.line(first).lstrip().startswith("#") or not scene.line(first).strip():
        first += 1
    indent = indentation(scene.line(first))
    if indent > indentation(scene.line(at.line)):
        return scene.content(
            first,
            f"this line is indented by {_spaces(indent)}, but not the lines below; align them",
        )
    return scene.content(at.line, "this does not belong to the value above; check the brackets")


def directive(scene: Scene) -> Finding:
    """Explain a line that starts with ``%``."""
    index = next(
        (i for i, line in enumerate(scene.lines) if line.startswith("%")), scene.trouble.line
    )
    return scene.content(index, "directives (%...) are not supported; remove this line")
