"""Colours and styles of plots and pages, light and dark.

The colours of lines keep apart for people who see few colours (after Okabe & Ito, 2008), with a
contrast of 4.5 for text and 3 for lines against their ground. A plot is a file of its own as well:
what can't follow variables (many viewers of pictures) gets the light colours.
"""

from __future__ import annotations

LIGHT = {
    "ground": "#f5f6f8",
    "paper": "#ffffff",
    "ink": "#1b1f24",
    "quiet": "#59636e",
    "edge": "#d5dae0",
    "grid": "#e6e9ed",
    "c0": "#0065ad",
    "c1": "#c24a00",
    "c2": "#007a5a",
    "c3": "#9440a8",
    "c4": "#806000",
    "c5": "#2f8fcf",
    "c6": "#b3325f",
    "c7": "#59636e",
    "warn": "#fff4e0",
}
DARK = {
    "ground": "#0f1317",
    "paper": "#171c22",
    "ink": "#e8ebee",
    "quiet": "#a1abb6",
    "edge": "#343c45",
    "grid": "#272e36",
    "c0": "#5eb3f5",
    "c1": "#ff9a5c",
    "c2": "#3fcf9f",
    "c3": "#d79ae8",
    "c4": "#e6c34f",
    "c5": "#9fd2ff",
    "c6": "#ff94b8",
    "c7": "#a1abb6",
    "warn": "#33291a",
}
COLORS = 8
"""Lines that have a colour of their own; then they come again, dashed."""


def variables(place: str) -> str:
    """Return the colours of both themes as variables of an element, the reader's choice in force.

    Paper is white.
    """
    light, dark = ("".join(f"--{k}:{v};" for k, v in theme.items()) for theme in (LIGHT, DARK))
    return (
        f"{place}{{{light}color-scheme:light dark}}\n"
        f"@media screen and (prefers-color-scheme:dark){{{place}{{{dark}}}}}\n"
    )


def _colored(selector: str, attribute: str, name: str, more: str = "") -> str:
    return f"{selector}{{{attribute}:{LIGHT[name]};{attribute}:var(--{name}){more}}}"


def plot_rules() -> str:
    """Return the rules for what plots are made of."""
    lines = "".join(
        _colored(f".l{i}", "stroke", f"c{i}") + _colored(f".f{i}", "fill", f"c{i}")
        for i in range(COLORS)
    )
    return (
        ".plot text{font:12px system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}"
        + _colored(".plot .ink", "fill", "ink")
        + _colored(".plot .quiet", "fill", "quiet")
        + _colored(".plot .ground", "fill", "paper")
        + _colored(".plot .grid", "stroke", "grid")
        + _colored(".plot .axis", "stroke", "quiet", ";fill:none")
        + _colored(".plot .cell", "stroke", "edge", ";fill:none")
        + _colored(".plot .aim", "stroke", "quiet", ";stroke-dasharray:3 4;fill:none")
        + ".plot text.title{font-size:14px;font-weight:600}"
        + ".plot .small{font-size:11px}"
        + ".plot .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}"
        + ".plot .faint{opacity:.35;stroke-width:1.2}"
        + ".plot .dashed{stroke-dasharray:6 4}"
        + ".plot .points{fill:none;stroke-width:4;stroke-linecap:round;stroke-opacity:.5}"
        + ".plot .band{fill-opacity:0}"
        + ".plot .band:hover{fill-opacity:.12}"
        + lines
    )


def page_rules() -> str:
    """Return the rules of a page around its plots."""
    return variables(":root") + plot_rules() + _PAGE


_PAGE = """
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.55 system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
main,header{max-width:1180px;margin:0 auto;padding:0 20px}
header{padding-top:28px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .2em;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.2em 0 .3em}
h3{font-size:1rem;margin:0 0 .2em}
p{margin:.35em 0 .7em;max-width:78ch;overflow-wrap:anywhere}
.quiet,figcaption,small{color:var(--quiet)}
.card,figure,.table,.answer,details{background:var(--paper);border:1px solid var(--edge);
border-radius:10px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:12px;margin:18px 0}
.card{padding:10px 14px}
.card b{display:block;font-size:1.4rem;line-height:1.25;font-variant-numeric:tabular-nums}
.card span{color:var(--quiet);font-size:.86rem}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,310px),1fr));gap:14px}
.answer{padding:14px 18px}
.answer p{margin:.3em 0;font-size:.96rem}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,350px),1fr));gap:14px;
align-items:start;margin:10px 0}
figure{margin:0;padding:12px;min-width:0}
figure.wide{grid-column:1/-1}
figure svg{display:block;width:100%;height:auto;max-height:80vh}
.scroll{overflow-x:auto}
.scroll svg{margin:0 auto}
figcaption{font-size:.87rem;line-height:1.45;margin-top:6px;max-width:82ch}
.table{overflow-x:auto;margin:10px 0;width:fit-content;max-width:100%}
.named{white-space:nowrap}
.path{display:inline-block;min-width:min(15em,34vw)}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;
min-width:min(100%,36rem)}
caption{text-align:left;padding:10px 12px 4px;font-weight:600}
th,td{padding:5px 12px;text-align:right;white-space:nowrap;border-top:1px solid var(--grid)}
thead th{color:var(--quiet);font-weight:500;border-top:0;vertical-align:bottom}
th:first-child,td:first-child,.left{text-align:left}
td.words{white-space:normal;min-width:14em;text-align:left}
tbody th{font-weight:500;white-space:normal;overflow-wrap:break-word;max-width:20em}
td.best{font-weight:700}
.key{display:inline-block;width:1.6em;height:0;border-top:3px solid;vertical-align:middle;
margin-right:.5em}
.key.dashed{border-top-style:dashed}
.note{background:var(--warn);border:1px solid var(--edge);border-radius:10px;padding:8px 14px;
max-width:none}
details{padding:8px 14px;margin:10px 0}
summary{cursor:pointer;font-weight:600}
pre{overflow-x:auto;font:13px/1.45 ui-monospace,'DejaVu Sans Mono',monospace}
footer{max-width:1180px;margin:30px auto;padding:0 20px;color:var(--quiet);font-size:.85rem}
@media (max-width:520px){body{font-size:15px}main,header,footer{padding-left:12px;
padding-right:12px}figure{padding:8px}.cards{grid-template-columns:repeat(2,1fr)}}
@media print{figure,.table,.answer{break-inside:avoid}}
"""
