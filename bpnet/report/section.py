"""What a page consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bpnet.report.wording import escaped


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture of a page, a file in ``plots/`` as well.

    Attributes
    ----------
    name
        Of the file, without its ending.
    svg
        The picture.
    caption
        How it is read, and what it says here; plain text.
    wide
        Whether it takes the whole width of the page.
    """

    name: str
    svg: str
    caption: str
    wide: bool = False

    def html(self) -> str:
        """Return the picture with its caption."""
        kind = ' class="wide"' if self.wide else ""
        inner = f'<div class="scroll">{self.svg}</div>' if self.wide else self.svg
        return f"<figure{kind}>{inner}<figcaption>{escaped(self.caption)}</figcaption></figure>\n"


@dataclass(slots=True)
class Section:
    """A part of a page under one heading.

    Attributes
    ----------
    title, intro
        Its heading, and what is said below; plain text.
    plots
        Its pictures.
    tables
        Its tables, as HTML.
    """

    title: str
    intro: str = ""
    plots: list[Plot] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def html(self) -> str:
        """Return the section, or nothing if nothing is in it."""
        if not (self.plots or self.tables):
            return ""
        name = self.title.lower().replace(" ", "-")
        intro = f"<p>{escaped(self.intro)}</p>\n" if self.intro else ""
        small = "".join(plot.html() for plot in self.plots)
        plots = f'<div class="plots">\n{small}</div>\n' if self.plots else ""
        return (
            f'<section id="{escaped(name)}">\n<h2>{escaped(self.title)}</h2>\n{intro}'
            f"{plots}{''.join(self.tables)}</section>\n"
        )


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    caption: str = "",
    best: Sequence[tuple[int, int]] = (),
    left: Sequence[int] = (),
) -> str:
    """Return a table as HTML; the first cell of a row is its name.

    Parameters
    ----------
    header, rows
        Its texts.
    caption
        What it shows.
    best
        Row and column of cells that stand out.
    left
        Columns of words, which are aligned left; the first always is.
    """
    title = f"<caption>{escaped(caption)}</caption>" if caption else ""
    heads = "".join(
        f'<th scope="col"{_LEFT if i in left else ""}>{escaped(name)}</th>'
        for i, name in enumerate(header)
    )
    top = f"<thead><tr>{heads}</tr></thead>\n" if any(header) else ""
    body = []
    for r, row in enumerate(rows):
        cells = [f'<th scope="row">{_cell(row[0])}</th>'] if row else []
        for c, value in enumerate(row[1:], 1):
            kind = _LEFT if c in left else ' class="best"' if (r, c) in best else ""
            cells.append(f"<td{kind}>{_cell(value)}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>\n")
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="{escaped(caption or "table")}">'
        f"<table>{title}{top}<tbody>\n{''.join(body)}</tbody></table></div>\n"
    )


class Markup(str):
    """HTML that is safe as it is, for a cell of a table."""

    __slots__ = ()


def _cell(value: object) -> str:
    return value if isinstance(value, Markup) else escaped(value)


_LEFT = ' class="left"'
