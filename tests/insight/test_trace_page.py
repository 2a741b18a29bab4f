"""The page of a trace: what it says, that it is safe, and that a browser does not complain."""

import json
import re

import pytest
import small_configs
from outline import Outline

from bpnet.config.document import Document
from bpnet.insight.exact import build_exact
from bpnet.insight.trace.page import page
from bpnet.insight.trace.recording import trace_step
from bpnet.insight.trace.typeset import formula, numbers, prose, text
from bpnet.nn.layers import LAYERS
from bpnet.optim.optimizers import OPTIMIZERS

XOR = f"name: exclusive or\n{small_configs.XOR}optimizer: {{type: adam, learning_rate: 0.1}}\n"

DEEP = """\
data: {train: builtin:digits, target: digit}
model:
  layers:
    - {type: reshape, shape: [8, 8]}
    - {type: layer_norm}
    - {type: flatten}
    - {type: dense, units: 12}
    - {type: batch_norm}
    - {type: residual, layers: [{type: dense, units: 12}, {type: relu}]}
    - type: residual
      layers: [{type: dense, units: 5}, {type: dropout}]
      projection: {type: dense, units: 5}
    - {type: softmax}
    - {type: dense, units: auto}
loss: {type: cross_entropy, label_smoothing: 0.1}
optimizer: {type: adamw, learning_rate: 0.01}
regularization: {l2: 0.01}
training: {clip_norm: 0.5}
"""


def made(config, rows=(), after=0):
    experiment, _ = build_exact(Document.parse(config))
    return page(trace_step(experiment, list(rows), after=after))


def test_all_four_phases_are_there_in_order():
    outline = Outline(made(XOR, [2]))
    phases = [article["data-phase"] for article in outline.all("article")]
    assert list(dict.fromkeys(phases)) == ["forward", "loss", "backward", "update"]
    assert len(phases) == 11  # input, 3 layers; loss; outputs, 3 layers; update, afterwards
    for said in ("Why is it so simple?", "What the letters mean", "Did it help?", "By differences"):
        assert said in outline.text


def test_numbers_are_put_into_the_formulas():
    said = Outline(made(XOR, [2])).text
    assert re.search(r"y0 = x0 W0,0 \+ x1 W1,0 \+ b0 = 1 · [−\d.()]+ \+ 0 · [−\d.()]+ \+ 0 =", said)
    assert re.search(r"∂L/∂z0 = p0 − t0 = 0\.\d+ − 1 = −0\.\d+", said)
    assert re.search(r"m̂ = m / \(1 − β₁n\) = [−\d.]+ / \(1 − 0\.91\)", said)


def test_every_circle_and_line_has_its_explanation():
    for config, rows in ((XOR, [1, 2]), (DEEP, [])):
        outline = Outline(made(config, rows))
        explained = {(t["data-detail"], t["data-row"]) for t in outline.all("template")}
        for picture in range(max(len(rows), 1)):
            drawn = [
                found["data-detail"]
                for name, found in outline.tags
                if "data-detail" in found and name == "g"
            ]
            assert drawn
            assert {(name, str(picture)) for name in drawn} <= explained


def test_several_rows_have_a_picture_each_up_to_four():
    outline = Outline(made(XOR, [0, 1, 2, 3]))
    assert len(outline.all("svg")) == 4
    assert len(outline.all("option")) == 4
    iris = XOR.replace("builtin:xor, target: y", "builtin:iris, target: species")
    iris = iris.replace("units: 1}", "units: 3}").replace("binary_", "").replace("test: 0, ", "")
    many = Outline(made(iris, range(9)))
    assert len(many.all("svg")) == 4
    assert "and 5 more in the batch" in many.text


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_page_for_every_optimizer(name):
    outline = Outline(made(f"{XOR}".replace("adam, learning_rate: 0.1", name), [1], after=3))
    assert f"Optimizer: {name}" in outline.text
    assert "new w" in outline.text
    assert "training step 4" in outline.text


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"dense", "residual", "reshape"}))
def test_a_page_for_every_layer(name):
    outline = Outline(made(XOR.replace("sigmoid", name), [1, 2]))
    assert f"Back through {name}_1" in outline.text


def test_a_page_for_a_deep_network_with_blocks():
    outline = Outline(made(DEEP, [], after=2))
    heads = [found for _, found in outline.tags if found.get("class") == "head"]
    assert len(heads) > 14
    for said in ("+ 57 more", "The sum of residual_1 hands its own derivative on as it is"):
        assert said in outline.text
    assert "The penalties of regularization add" in outline.text
    assert "the whole gradient is longer than clip_norm" in outline.text


def test_frozen_layers_are_said_to_be_frozen():
    outline = Outline(made(XOR.replace("model:", "model:\n  freeze: [dense_1]"), [1]))
    assert "dense_1.W is frozen and stays as it is" in outline.text
    assert "nothing is trained at or below this place" in outline.text


def test_what_comes_from_data_and_config_is_escaped(tmp_path):
    rows = "".join(f"{i % 3},{i % 5},{'<b>no' if i % 2 else '&yes'}\x1b[31m\n" for i in range(40))
    header = '"<img src=x onerror=alert(1)>",b,t\n'
    source = tmp_path / "<i>d'&\".csv"
    source.write_text(header + rows)
    config = (
        f"data: {{train: {json.dumps(str(source))}, target: t}}\n"
        "model: {layers: [{type: dense, units: auto}]}\nloss: cross_entropy\n"
    )
    written = made(config, [])
    outline = Outline(written)
    assert not outline.all("img")
    assert not outline.all("i")
    assert len(outline.all("script")) == 1
    assert "\x1b" not in written
    assert "<b>no" not in written
    assert "&lt;b&gt;no" in written
    assert "␛[31m" in written


def test_it_needs_nothing_from_elsewhere():
    written = made(XOR, [2])
    outline = Outline(written)
    for _, found in outline.tags:
        for attribute in ("src", "srcset", "action", "poster", "xlink:href"):
            assert attribute not in found
        assert found.get("href", "data:,") == "data:,"
        assert not any(name.startswith("on") for name in found)
    assert "http" not in written.replace('http-equiv="Content-Security-Policy"', "")
    assert "@import" not in written
    assert "url(" not in written
    (policy,) = outline.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none';")
    assert "unsafe-inline'; script" in policy["content"]  # for styles, not for scripts


def test_formulas_are_typeset():
    assert formula("dx = dy W'") == "∂L/∂x = ∂L/∂y Wᵀ"
    assert formula("dW[0, 1]") == "∂L/∂W<sub>0,1</sub>"
    assert formula("dL/dp[1] · dp[1]/dz[0]") == (
        "∂L/∂p<sub>1</sub> · ∂p<sub>1</sub>/∂z<sub>0</sub>"
    )
    assert formula("m / (1 - beta1^n)") == "m / (1 − β₁<sup>n</sup>)"
    assert numbers("-1.5e-05 · 2e+10 / 0.9^3") == (
        "−1.5·10<sup>−5</sup> · 2·10<sup>10</sup> / 0.9<sup>3</sup>"
    )
    assert prose("an added address, p - q") == "an added address, p − q"
    assert text("a<b\x07") == "a&lt;b␇"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_in_a_browser_it_can_be_stepped_through_and_asked(browser, tmp_path, scheme, width):
    (tmp_path / "trace.html").write_text(made(XOR, [1, 2]), "utf-8")
    browser.open(tmp_path / "trace.html", scheme, width)
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(251, 250, 247)", "dark": "rgb(20, 23, 26)"}[scheme]
    shown = "document.querySelectorAll('article:not([hidden])').length"
    titles = []
    for _ in range(11):
        assert browser.run(shown) == 1
        titles.append(browser.run("document.querySelector('article:not([hidden]) h2').innerText"))
        assert browser.run("document.documentElement.scrollWidth") <= width
        browser.press("ArrowRight")
    assert len(set(titles)) == 11
    assert browser.run("document.getElementById('on').disabled") is True
    browser.press("Home")
    assert browser.run("document.getElementById('count').innerText") == "1 / 11"
    # at the start no derivative is known yet, and only the inputs have values
    hidden = (
        "[...document.querySelectorAll('svg .delta')]"
        ".filter(t => t.checkVisibility({visibilityProperty: true})).length"
    )
    assert browser.run(hidden) == 0
    browser.press("End")
    assert browser.run(hidden) > 0
    # with the keyboard alone: focus a circle, and ask
    browser.run("document.querySelector('[data-detail=\"u1-0\"]').focus()")
    browser.press("Enter")
    told = browser.run("document.getElementById('detail').innerText")
    assert "Forward: its value" in told
    assert "By differences of L" in told
    browser.run(
        "const s = document.getElementById('row'); s.value = '1';"
        "s.dispatchEvent(new Event('change'))"
    )
    other = browser.run("document.getElementById('detail').innerText")
    assert other != told
    browser.press("Escape")
    assert browser.run("document.getElementById('detail').hidden") is True
    assert browser.complaints == []
    assert browser.requests == [(tmp_path / "trace.html").as_uri()]


def test_a_script_that_is_not_its_own_does_not_run(browser, tmp_path):
    """The policy of the page holds, should something ever be escaped badly."""
    written = made(XOR, [1]).replace(
        "</main>", "</main><script>window.evil = 1</script><img src=x onerror='window.evil = 2'>"
    )
    (tmp_path / "trace.html").write_text(written, "utf-8")
    browser.open(tmp_path / "trace.html")
    assert browser.run("window.evil === undefined") is True
    assert any(event["method"] == "Log.entryAdded" for event in browser.events)
