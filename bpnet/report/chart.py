"""Plots as SVG: axes, lines, points, and what is said when the pointer rests on them."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Sequence

from bpnet.report.scales import Scale
from bpnet.report.styles import COLORS, plot_rules, variables
from bpnet.report.thinning import Point, spread, thin
from bpnet.report.wording import cut, escaped

WIDTH = 380
_LINE = 18
"""Height of a line of text."""
BANDS = 120
"""Places along a curve that tell their numbers."""


def text_width(text: str, size: float = 12) -> float:
    """Return about how wide a text is drawn; wide letters, as Japanese ones, count as such."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return size * (0.62 * (len(text) - wide) + 1.0 * wide)


def place(value: float) -> str:
    """Return a coordinate, to a tenth."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def svg(parts: Sequence[str], width: float, height: float, label: str, *, least: int = 0) -> str:
    """Return a picture for a page; `label` says what it shows to those who don't see it.

    Parameters
    ----------
    parts
        What is in it.
    width, height
        Its size.
    label
        What it shows.
    least
        Pixels below which it isn't made narrower, but scrolled.
    """
    style = f' style="max-width:{width * 1.3:.0f}px' + (f";min-width:{least}px" if least else "")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" '
        f'viewBox="0 0 {place(width)} {place(height)}" aria-label="{escaped(label)}"{style}">'
        f"{''.join(parts)}</svg>"
    )


MARK = "<!-- drawn by bpnet report -->"


def standalone(picture: str) -> str:
    """Return a picture as a file of its own, light or dark as its reader likes."""
    head, _, rest = picture.partition(">")
    before, _, _ = head.partition(' style="')
    width, height = head.partition('viewBox="0 0 ')[2].partition('"')[0].split(" ")
    size = f' width="{width}" height="{height}"'
    rules = f"<style>{variables('.plot')}{plot_rules()}</style>"
    ground = f'<rect class="ground" width="{width}" height="{height}"/>'
    return f"{before}{size}>{MARK}{rules}{ground}{rest}\n"


class Chart:
    """One plot with two axes.

    Parameters
    ----------
    title
        What it shows.
    x, y
        Its axes.
    x_name, y_name
        What they measure, with the unit where there is one.
    keys
        What its lines are, each with the number of its colour.
    height
        Of the area with the axes.
    square
        Whether that area is as high as it is wide.
    marks
        Whether there is to be room above it for the words of upright lines.
    """

    def __init__(
        self,
        title: str,
        x: Scale,
        y: Scale,
        *,
        x_name: str = "",
        y_name: str = "",
        keys: Sequence[tuple[int, str]] = (),
        height: float = 190,
        square: bool = False,
        marks: bool = False,
    ) -> None:
        self.title, self.x, self.y = title, x, y
        ticks = y.ticks(5 if height < 250 else 8)
        widest = max((text_width(text) for _, text in ticks), default=0)
        self.left = max(30.0, widest + 12)
        self.right = WIDTH - 14.0
        self.parts = [f'<text class="title ink" x="8" y="18">{escaped(cut(title, 44))}</text>']
        top = self._legend(keys, 26.0)
        if y_name:
            top += _LINE
            self.parts.append(
                f'<text class="quiet small" x="8" y="{place(top - 5)}">{escaped(y_name)}</text>'
            )
        self.top = top + (18 if marks else 10 if y_name or keys else 4)
        if square:
            height = self.right - self.left
        self.bottom = self.top + height
        self.height = self.bottom + (40 if x_name else 24)
        self._axes(ticks, x_name)

    def _legend(self, keys: Sequence[tuple[int, str]], top: float) -> float:
        """Write what the lines are; return where the space below starts."""
        if not keys:
            return top
        at, y = 8.0, top + 13
        for color, name in keys:
            shown = cut(name, 40)
            width = 30 + text_width(shown)
            if at > 8 and at + width > WIDTH:
                at, y = 8.0, y + _LINE
            self.parts.append(
                f'<path class="line {line_class(color)}" d="M{place(at)} {place(y - 4)}h18"/>'
                f'<text class="ink" x="{place(at + 23)}" y="{place(y)}">{escaped(shown)}</text>'
            )
            at += width + 14
        return y + 5

    def _axes(self, ticks: Sequence[tuple[float, str]], x_name: str) -> None:
        for value, text in ticks:
            y = self.at_y(value)
            self.parts.append(
                f'<path class="grid" d="M{place(self.left)} {place(y)}H{place(self.right)}"/>'
                f'<text class="quiet" x="{place(self.left - 6)}" y="{place(y + 4)}" '
                f'text-anchor="end">{escaped(text)}</text>'
            )
        end = -math.inf
        for value, text in self.x.ticks(6):
            x, half = self.at_x(value), text_width(text) / 2
            x_text = min(max(x, half + 1), WIDTH - half - 1)
            self.parts.append(
                f'<path class="axis" d="M{place(x)} {place(self.bottom)}v4"/>'
                if x_text - half < end + 6
                else f'<path class="axis" d="M{place(x)} {place(self.bottom)}v4"/>'
                f'<text class="quiet" x="{place(x_text)}" y="{place(self.bottom + 17)}" '
                f'text-anchor="middle">{escaped(text)}</text>'
            )
            end = x_text + half if x_text - half >= end + 6 else end
        self.parts.append(
            f'<path class="axis" d="M{place(self.left)} {place(self.bottom)}H{place(self.right)}"/>'
        )
        if x_name:
            middle = (self.left + self.right) / 2
            self.parts.append(
                f'<text class="quiet small" x="{place(middle)}" y="{place(self.bottom + 34)}" '
                f'text-anchor="middle">{escaped(x_name)}</text>'
            )

    def at_x(self, value: float) -> float:
        """Return where a number lies from left to right, not outside of the axes."""
        part = min(1.0, max(0.0, self.x.part(value)))
        return self.left + part * (self.right - self.left)

    def at_y(self, value: float) -> float:
        """Return where a number lies from the top down, not outside of the axes."""
        part = min(1.0, max(0.0, self.y.part(value)))
        return self.bottom - part * (self.bottom - self.top)

    def line(
        self, points: Sequence[Point], color: int = 0, more: str = "", most: int = 300
    ) -> None:
        """Draw a curve; it is broken where a number isn't finite, and a single point is a dot."""
        path, piece, dots = [], 0, []
        kept = thin(points, most)
        for i, (x, y) in enumerate(kept):
            if not math.isfinite(y) or (self.y.log and y < 0):
                piece = 0
                continue
            here = f"{place(self.at_x(x))} {place(self.at_y(y))}"
            path.append(f"{'L' if piece else 'M'}{here}")
            piece += 1
            following = kept[i + 1][1] if i + 1 < len(kept) else math.nan
            if piece == 1 and not (math.isfinite(following) and (following >= 0 or not self.y.log)):
                dots.append(f"M{here}h0")
        style = f"{line_class(color)}{f' {more}' if more else ''}"
        self.parts.append(f'<path class="line {style}" d="{"".join(path)}"/>')
        if dots:
            self.parts.append(
                f'<path class="{style}" fill="none" stroke-width="6" stroke-linecap="round" '
                f'd="{"".join(dots)}"/>'
            )

    def upright(self, x: float, text: str = "") -> None:
        """Draw a dashed line at a place of the x axis, with a word above it."""
        at, half = self.at_x(x), text_width(text, 11) / 2
        middle = min(max(at, self.left + half), WIDTH - half - 2)  # beside the topmost number
        self.parts.append(
            f'<path class="aim" d="M{place(at)} {place(self.top)}V{place(self.bottom)}"/>'
        )
        if text:
            self.parts.append(
                f'<text class="quiet small" x="{place(middle)}" y="{place(self.top - 4)}" '
                f'text-anchor="middle">{escaped(text)}</text>'
            )

    def aim(self, start: Point, stop: Point) -> None:
        """Draw a dashed line to compare with."""
        (a, b), (c, d) = start, stop
        self.parts.append(
            f'<path class="aim" d="M{place(self.at_x(a))} {place(self.at_y(b))}'
            f'L{place(self.at_x(c))} {place(self.at_y(d))}"/>'
        )

    def cloud(self, points: Sequence[Point], color: int = 0) -> None:
        """Draw many points at once."""
        path = "".join(f"M{place(self.at_x(x))} {place(self.at_y(y))}h0" for x, y in points)
        self.parts.append(f'<path class="points {line_class(color)}" d="{path}"/>')

    def dot(self, x: float, y: float, said: str, color: int = 0, radius: float = 4) -> None:
        """Draw one point that says something."""
        self.parts.append(
            f'<circle class="f{color % COLORS}" cx="{place(self.at_x(x))}" '
            f'cy="{place(self.at_y(y))}" r="{radius:g}"><title>{escaped(said)}</title></circle>'
        )

    def bar(
        self, low: float, high: float, top: float, said: str, color: int = 0, ink: float = 0.75
    ) -> None:
        """Draw a bar from the bottom up; `ink` says how opaque."""
        left, right, y = self.at_x(low), self.at_x(high), self.at_y(top)
        self.parts.append(
            f'<rect class="f{color % COLORS}" fill-opacity="{ink:g}" x="{place(left + 0.5)}" '
            f'y="{place(y)}" width="{place(max(right - left - 1, 0.6))}" '
            f'height="{place(self.bottom - y)}"><title>{escaped(said)}</title></rect>'
        )

    def whisker(self, x: float, low: float, high: float, color: int = 0) -> None:
        """Draw how far a point may be off."""
        at, a, b = self.at_x(x), self.at_y(low), self.at_y(high)
        self.parts.append(
            f'<path class="{line_class(color)}" fill="none" stroke-opacity=".6" '
            f'd="M{place(at - 3)} {place(b)}h6M{place(at)} {place(b)}V{place(a)}m-3 0h6"/>'
        )

    def bands(self, said: Sequence[tuple[float, str]]) -> None:
        """Let places along the x axis tell their numbers when the pointer rests there."""
        chosen = [said[i] for i in spread(len(said), BANDS)]
        middles = [self.at_x(x) for x, _ in chosen]
        edges = [
            self.left,
            *((a + b) / 2 for a, b in itertools.pairwise(middles)),
            self.right,
        ]
        for i, (_, text) in enumerate(chosen):
            lines = "\n".join(map(escaped, text.split("\n")))
            self.parts.append(
                f'<rect class="band f7" x="{place(edges[i])}" y="{place(self.top)}" '
                f'width="{place(edges[i + 1] - edges[i])}" '
                f'height="{place(self.bottom - self.top)}"><title>{lines}</title></rect>'
            )

    def svg(self, label: str = "") -> str:
        """Return the plot."""
        return svg(self.parts, WIDTH, self.height, label or self.title)


def line_class(color: int) -> str:
    """Return the classes of a line: beyond the colours there are, they come again dashed."""
    return f"l{color % COLORS}" + (" dashed" if color // COLORS % 2 else "")
