"""Plots: what is drawn lies inside, gaps stay gaps, and foreign text stays text."""

import itertools
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from bpnet.report import matrix
from bpnet.report.chart import WIDTH, Chart, place, standalone, text_width
from bpnet.report.scales import Scale, epochs, fitting
from bpnet.report.styles import DARK, LIGHT

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>&\"'\x1b[31m]]>"


def drawn(points, log=False, **options):
    values = [y for _, y in points]
    chart = Chart("t", epochs([x for x, _ in points]), fitting(values, log=log), **options)
    chart.line(points)
    return chart


def path_of(chart):
    (path,) = re.findall(r'<path class="line l0" d="([^"]*)"', "".join(chart.parts))
    return path


def test_a_line_has_a_place_for_every_point():
    assert path_of(drawn([(1, 0.0), (2, 1.0), (3, 0.5)])).count("L") == 2


def test_what_is_not_finite_is_a_gap_and_a_lone_point_a_dot():
    chart = drawn([(1, 1.0), (2, 2.0), (3, math.nan), (4, 1.0), (5, math.inf), (6, 1.0), (7, 2.0)])
    assert path_of(chart).count("M") == 3
    dots = re.findall(r'stroke-linecap="round" d="([^"]*)"', "".join(chart.parts))
    assert dots == [f"M{place(chart.at_x(4))} {place(chart.at_y(1.0))}h0"]


def test_on_a_logarithmic_axis_0_lies_at_its_foot_and_less_is_a_gap():
    chart = drawn([(1, 1.0), (2, 0.0), (3, 0.1)], log=True)
    assert path_of(chart).count("M") == 1
    assert f"L{place(chart.at_x(2))} {place(chart.bottom)}L" in path_of(chart)
    assert path_of(drawn([(1, 1.0), (2, -1.0), (3, 0.1)], log=True)).count("M") == 2


def test_the_word_of_an_upright_line_stands_beside_the_numbers_of_the_axis():
    chart = drawn([(1, 0.9), (200_000, 1.0)], marks=True)
    chart.upright(8447, "model: 8,447")
    middle = float(re.search(r'x="([\d.]+)"[^>]*>model', chart.parts[-1])[1])
    assert middle - text_width("model: 8,447", 11) / 2 >= chart.left - 0.1


def test_one_epoch_is_a_dot():
    assert 'stroke-linecap="round" d="M' in "".join(drawn([(1, 0.5)]).parts)


def test_all_that_is_written_lies_inside_the_picture():
    chart = Chart(
        "x" * 200,
        Scale(1, 12345678),
        fitting([-1.23e-8, 1e-9]),
        x_name="epoch",
        y_name="loss",
        keys=[(i, "a long name of a run " * 3) for i in range(10)],
    )
    chart.upright(1, "model: 1")
    chart.upright(12345678, "model: 12345678")
    root = ElementTree.fromstring(chart.svg())
    for text in root.iter(f"{SVG}text"):
        size = 14 if "title" in text.get("class") else 11 if "small" in text.get("class") else 12
        width = text_width(text.text, size) * 0.88  # the estimate is generous
        x, anchor = float(text.get("x")), text.get("text-anchor", "start")
        start = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
        assert start >= -1, text.text
        assert start + width <= WIDTH + 1, text.text
        assert 0 < float(text.get("y")) <= chart.height


def test_numbers_below_an_axis_do_not_overlap():
    for scale in (Scale(-350000, 180000), Scale(1, 10000, whole=True), Scale(0.00011, 0.00018)):
        root = ElementTree.fromstring(Chart("t", scale, Scale(0, 1)).svg())
        found = [t for t in root.iter(f"{SVG}text") if t.get("text-anchor") == "middle"]
        ends = [
            (float(t.get("x")) - text_width(t.text) / 2, float(t.get("x")) + text_width(t.text) / 2)
            for t in found
        ]
        assert len(ends) >= 2
        assert all(b[0] > a[1] for a, b in itertools.pairwise(ends))


def test_the_pointer_reads_every_epoch_of_a_short_curve_and_some_of_a_long_one():
    chart = drawn([(float(i), 1.0 / i) for i in range(1, 11)])
    chart.bands([(float(i), f"epoch {i}") for i in range(1, 11)])
    assert "".join(chart.parts).count("<title>epoch ") == 10
    chart.bands([(float(i), f"step {i}") for i in range(1, 10001)])
    assert "".join(chart.parts).count("<title>step ") == 120


def test_foreign_text_stays_text():
    chart = Chart(HOSTILE, Scale(0, 1), Scale(0, 1), x_name=HOSTILE, keys=[(0, HOSTILE)])
    chart.dot(0.5, 0.5, HOSTILE)
    picture = standalone(chart.svg(HOSTILE))
    root = ElementTree.fromstring(picture)
    assert not list(root.iter(f"{SVG}script"))
    assert "\x1b" not in picture
    said = matrix.draw((HOSTILE, "b"), np.array([[1, 2], [3, 4]]), HOSTILE)
    assert not list(ElementTree.fromstring(said).iter(f"{SVG}script"))


def test_a_plot_is_a_file_of_its_own_with_both_themes():
    picture = standalone(drawn([(1, 0.5), (2, 0.4)]).svg())
    root = ElementTree.fromstring(picture)
    assert root.get("width") == str(WIDTH)
    assert float(root.get("height")) > 100
    style = root.find(f"{SVG}style").text
    assert "prefers-color-scheme:dark" in style
    assert LIGHT["c0"] in style
    assert DARK["c0"] in style
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in picture


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_have_enough_contrast(theme):
    for ground in ("paper", "ground"):
        assert contrast(theme["ink"], theme[ground]) > 7
        assert contrast(theme["quiet"], theme[ground]) > 4.5
    assert contrast(theme["ink"], theme["warn"]) > 7
    for i in range(8):
        assert contrast(theme[f"c{i}"], theme["paper"]) > 3, i


@pytest.mark.parametrize("classes", [2, 3, 10, 30, 31, 100])
def test_a_confusion_matrix_of_any_size_stays_small_and_readable(classes):
    counts = np.random.default_rng(0).integers(0, 40, (classes, classes))
    names = tuple(f"species number {i}" for i in range(classes))
    picture = matrix.draw(names, counts, "kind")
    root = ElementTree.fromstring(picture)
    assert len(picture) < 300_000
    _, _, width, height = map(float, root.get("viewBox").split())
    texts = [t for t in root.iter(f"{SVG}text") if t.get("text-anchor") == "end"]
    places = [float(t.get("y")) for t in texts]
    assert min(b - a for a, b in itertools.pairwise(places)) >= 11
    assert len(texts) >= min(classes, 25)
    for rect in (*root.iter(f"{SVG}rect"), *root.iter(f"{SVG}image")):
        assert float(rect.get("x")) + float(rect.get("width")) <= width
        assert float(rect.get("y")) + float(rect.get("height")) <= height
    numbers = [t.text for t in root.iter(f"{SVG}text") if t.get("pointer-events") == "none"]
    if classes <= matrix.NAMED:
        shown = [n for n in counts.ravel().tolist() if n]
        assert numbers == [str(n) for n in shown]
        strong = [float(r.get("fill-opacity")) for r in root.iter(f"{SVG}rect") if len(r)]
        shares = counts / counts.sum(axis=1, keepdims=True)
        expected = [0.12 + 0.88 * s for s in shares.ravel().tolist() if s]
        assert strong == pytest.approx(expected, abs=0.006)
    else:
        assert not numbers
