"""Several runs on one page: only what differs, the best of each metric, curves together."""

import json
import re
import shutil

import pytest

import bpnet
from bpnet.errors import RunError, UsageError
from bpnet.report.comparison import compare


@pytest.fixture(scope="module")
def three(train):
    """Return three runs of one data set with other networks and optimizers."""
    text = """\
data: {{train: builtin:iris, target: species, seed: 3}}
model: {{layers: [{{type: dense, units: {}}}, {{type: tanh}}, {{type: dense, units: auto}}]}}
loss: cross_entropy
optimizer: {}
training: {{epochs: {}}}
"""
    return [
        train(text.format(4, "{type: adam, learning_rate: 0.001}", 5), "slow"),
        train(text.format(16, "{type: adam, learning_rate: 0.05}", 9), "fast"),
        train(text.format(16, "{type: sgd, learning_rate: 0.05}", 9), "plain"),
    ]


def cells(page, caption):
    """Return a table by its caption, as rows of texts."""
    part = page.source.partition(f"<caption>{caption}</caption>")[2].partition("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)
    found = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return [[re.sub(r"<[^>]*>", "", cell) for cell in row] for row in found]


def test_only_what_differs_is_listed(three, tmp_path, page_of):
    compare(three, tmp_path / "c.html")
    header, *rows = cells(page_of(tmp_path / "c.html"), "What differs in their configs")
    assert header == ["option", "slow", "fast", "plain"]
    assert sorted(rows) == [
        ["model.layers.0.units", "4", "16", "16"],
        ["optimizer", "adam 0.001", "adam 0.05", "sgd 0.05"],
        ["training.epochs", "5", "9", "9"],
    ]


def test_two_of_one_type_differ_by_their_option_alone(three, tmp_path, page_of):
    compare(three[:2], tmp_path / "c.html")
    _, *rows = cells(page_of(tmp_path / "c.html"), "What differs in their configs")
    assert ["optimizer.learning_rate", "0.001", "0.05"] in rows


def test_metrics_are_those_of_the_results_and_the_best_stands_out(three, tmp_path, page_of):
    said = compare(three, tmp_path / "c.html")
    results = [json.loads((run / "result.json").read_text()) for run in three]
    page = page_of(tmp_path / "c.html")
    header, *rows = cells(page, "What came of it")
    assert [row[0] for row in rows] == ["slow", "fast", "plain"]
    column = header.index("test/loss")
    losses = [result["metrics"]["test/loss"] for result in results]
    assert [row[column] for row in rows] == [f"{v:.4g}" for v in losses]
    best = re.findall(r'<td class="best">([^<]*)</td>', page.source)
    assert f"{min(losses):.4g}" in best
    assert f"{max(losses):.4g}" not in best
    accuracies = [result["metrics"]["test/accuracy"] for result in results]
    assert f"test/accuracy, {max(accuracies):.4g}" in said.answer
    assert said.answer in page.text
    assert said.notes == []


def test_curves_of_all_runs_lie_together_with_a_key_of_colours(three, tmp_path, page_of):
    compare(three, tmp_path / "c.html")
    page = page_of(tmp_path / "c.html")
    lines = re.findall(r'aria-label="val/loss of each run.*?</svg>', page.source, re.DOTALL)[0]
    assert set(re.findall(r'class="line (l\d)"', lines)) == {"l0", "l1", "l2"}
    assert "epoch 9\nfast: " in lines.replace("&#x27;", "'")
    assert "slow" not in re.findall(r"epoch 9\n[^<]*", lines)[0]  # it had five epochs


def test_equal_configs_are_said_to_be_equal(iris, tmp_path, page_of):
    shutil.copytree(iris, tmp_path / "again")
    said = compare([iris, tmp_path / "again"], tmp_path / "c.html")
    assert "Their configs are the same." in page_of(tmp_path / "c.html").text
    assert said.answer.startswith("All of them have the same test/accuracy")


def test_other_data_and_other_losses_are_said(three, iris, tmp_path):
    assert "different data or splits" not in compare(three, tmp_path / "c.html").answer
    assert "different data or splits" in compare([three[0], iris], tmp_path / "c.html").answer


def test_runs_without_a_common_metric_have_no_best(three, tmp_path, train):
    numbers = train(
        "data: {train: builtin:concrete, target: compressive_strength, validation: 0, test: 0}\n"
        "model: {layers: [{type: dense, units: 1}]}\nloss: mse\ntraining: {epochs: 1}\n",
        "numbers",
    )
    rows = (three[0] / "metrics.jsonl").read_text().replace("train/loss", "train/other")
    run = tmp_path / "other"
    shutil.copytree(three[0], run)
    (run / "metrics.jsonl").write_text(rows)
    (run / "result.json").unlink()
    said = compare([run, numbers], tmp_path / "c.html").answer
    assert said == "No metric was measured in all of these runs, so none is the best."


def test_of_runs_with_different_losses_none_is_the_best_by_its_loss(
    three, tmp_path, train, page_of
):
    numbers = train(
        "data: {train: builtin:concrete, target: compressive_strength}\n"
        "model: {layers: [{type: dense, units: 1}]}\nloss: mse\ntraining: {epochs: 1}\n",
        "numbers",
    )
    said = compare([three[0], numbers], tmp_path / "c.html").answer
    assert said.endswith("so none is the best.")
    assert "can't be compared" in said
    best = [tag for tag in page_of(tmp_path / "c.html").all("td") if tag.get("class") == "best"]
    assert not best


def test_runs_of_the_same_name_are_told_apart_by_their_paths(iris, tmp_path, page_of):
    shutil.copytree(iris, tmp_path / "b" / "iris")
    compare([iris, tmp_path / "b" / "iris"], tmp_path / "c.html")
    assert str(tmp_path / "b" / "iris") in page_of(tmp_path / "c.html").text


def test_a_run_that_still_trains_is_compared_by_its_best_epoch(iris, three, tmp_path, page_of):
    (iris / "result.json").unlink()
    compare([iris, three[0]], tmp_path / "c.html")
    header, *rows = cells(page_of(tmp_path / "c.html"), "What came of it")
    metrics = [json.loads(line) for line in (iris / "metrics.jsonl").read_text().splitlines()]
    best = min(row["val/loss"] for row in metrics)
    assert rows[0][header.index("val/loss")] == f"{best:.4g}"


def test_a_page_of_its_own_is_replaced_and_nothing_else(three, tmp_path):
    compare(three, tmp_path / "c.html")
    compare(three[:2], tmp_path / "c.html")
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    for path in (tmp_path / "mine.html", tmp_path):
        with pytest.raises(RunError, match="no page of bpnet; choose another --output"):
            compare(three, path)
    assert (tmp_path / "mine.html").read_text() == "<p>mine</p>"


def test_one_run_twice_and_too_many_are_refused(three, tmp_path):
    with pytest.raises(UsageError, match="there twice"):
        compare([three[0], three[0].parent / "." / three[0].name], tmp_path / "c.html")
    with pytest.raises(UsageError, match="too many"):
        compare([tmp_path / str(i) for i in range(51)], tmp_path / "c.html")
    with pytest.raises(RunError, match="no such run"):
        compare([three[0], tmp_path / "gone"], tmp_path / "c.html")


def test_twenty_runs_stay_readable_and_small(iris, tmp_path, page_of):
    runs = []
    for i in range(20):
        shutil.copytree(iris, tmp_path / f"run-{i}")
        path = tmp_path / f"run-{i}" / "config.resolved.yaml"
        path.write_text(path.read_text().replace("learning_rate: 0.02", f"learning_rate: 0.0{i}1"))
        runs.append(tmp_path / f"run-{i}")
    said = compare(runs, tmp_path / "c.html")
    assert said.notes == []
    page = page_of(tmp_path / "c.html")
    assert len(page.source) < 1_500_000
    assert "The colours are those of the table at the top." in page.text
    keys = re.findall(r'class="key( dashed)?" style="border-color:var\(--(c\d)\)', page.source)
    assert len(keys) == 20
    assert len(set(keys)) == 16  # eight colours, plain and dashed
    header, *rows = cells(page, "What differs in their configs")
    assert [row[0] for row in rows] == ["optimizer.learning_rate"]
    assert len(header) == 21


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1240])
def test_in_a_browser_a_comparison_is_whole(three, tmp_path, browser, scheme, width):
    path = tmp_path / "c.html"
    compare(three, path)
    browser.open(path, scheme, width)
    assert browser.complaints == []
    assert browser.requests == [path.as_uri()]
    assert browser.run("document.documentElement.scrollWidth") <= width
    colors = browser.run(
        "[...document.querySelectorAll('.key')].map(k => getComputedStyle(k).borderTopColor)"
    )
    lines = browser.run(
        "[...document.querySelector('svg').querySelectorAll('.line')].slice(0, 3)"
        ".map(l => getComputedStyle(l).stroke)"
    )
    assert colors == lines
    assert len(set(colors)) == 3


def test_a_run_made_with_the_python_face_is_compared_too(tmp_path):
    runs = [
        bpnet.train(
            {
                "data": {"train": "builtin:xor", "validation": 0, "test": 0},
                "model": {"layers": [{"type": "dense", "units": 1}]},
                "loss": "binary_cross_entropy",
            },
            run_dir=tmp_path / name,
            training__epochs=epochs,
        ).directory
        for name, epochs in (("a", 1), ("b", 2))
    ]
    compare(runs, tmp_path / "c.html")
