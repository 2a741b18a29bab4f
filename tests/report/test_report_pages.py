"""The report of a run, of every kind of run: what it says is so, and nothing foreign gets in."""

import contextlib
import itertools
import json
import math
import re
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import bpnet
from bpnet.config.document import Document
from bpnet.errors import DataError, DivergedError, RunError
from bpnet.experiment import build
from bpnet.report.drawing import draw
from bpnet.runs import checkpoint, lock, manifest, rundir
from bpnet.scoring import score_split
from bpnet.session import begin

HOSTILE = "<script>alert('x')</script>&\"\x1b[31m"


def config(data, layers, loss, more=""):
    listed = "".join(f"    - {layer}\n" for layer in layers)
    return f"data: {data}\nmodel:\n  layers:\n{listed}loss: {loss}\n{more}"


DENSE = ["{type: dense, units: 8}", "{type: relu}", "{type: dense, units: auto}"]


def rows_of(*columns):
    return "\n".join(",".join(map(str, row)) for row in zip(*columns, strict=True)) + "\n"


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    return np.round(rng.normal(size=(240, 3)), 3)


@pytest.fixture(scope="module")
def binary(train, numbers):
    a, b, c = numbers.T
    said = np.where(a + b * b > 0.5, "yes", f'"{HOSTILE[:-5].replace(chr(34), chr(34) * 2)}"')
    weight = np.round(np.abs(c) + 0.1, 2)
    header = '"<b>a&""1",b,w,out\n'
    data = "{train: d.csv, target: out, weight: w, test: 0.3}"
    text = config(data, DENSE, "binary_cross_entropy", "training: {epochs: 6}\n")
    return train(text, "binary", d__csv=header + rows_of(a, b, weight, said))


@pytest.fixture(scope="module")
def labels(train, numbers):
    a, b, c = numbers.T
    columns = [a, b, c, *((x > 0).astype(int) for x in (a + b, b + c, a - c))]
    data = "{train: d.csv, target: [one, two, three], test: 0.3}"
    text = config(data, DENSE, "binary_cross_entropy", "training: {epochs: 8}\n")
    return train(text, "labels", d__csv="a,b,c,one,two,three\n" + rows_of(*columns))


@pytest.fixture(scope="module")
def amounts(train, numbers):
    a, b, c = numbers.T
    data = "{train: d.csv, target: [big, small], test: 0}"
    text = config(data, DENSE, "mse", "training: {epochs: 10}\n")
    columns = (a, b, c, 1e6 * a, 1e-5 * (b + c))
    return train(text, "amounts", d__csv="a,b,c,big,small\n" + rows_of(*columns))


@pytest.fixture(scope="module")
def pixels(train):
    data = "{train: builtin:digits, target: digit, test: 0.2}"
    return train(config(data, DENSE, "cross_entropy", "training: {epochs: 3}\n"), "pixels")


@pytest.fixture(scope="module")
def colored(train):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 70, 70, 3), np.uint8)
    y = np.arange(60) % 3
    images[y == 1, ..., 0] //= 4
    layers = ["{type: flatten}", *DENSE]
    text = config("{train: d.npz}", layers, "cross_entropy", "training: {epochs: 1}\n")
    return train(text, "colored", d__npz={"x": images, "y": y})


@pytest.fixture(scope="module")
def hundred(train):
    rng = np.random.default_rng(0)
    kind = np.repeat(np.arange(100), 12)
    x = np.round(rng.normal(size=(100, 4))[kind] + 0.5 * rng.normal(size=(1200, 4)), 3)
    names = [f"species number {k}" for k in kind]
    text = config(
        "{train: d.csv, target: kind, test: 0.3}",
        DENSE,
        "cross_entropy",
        "training: {epochs: 12}\noptimizer: {type: adam, learning_rate: 0.01}\n",
    )
    return train(text, "hundred", d__csv="a,b,c,d,kind\n" + rows_of(*x.T, names))


@pytest.fixture(scope="module")
def shallow(train):
    text = config(
        "{train: builtin:xor, validation: 0, test: 0}",
        DENSE,
        "binary_cross_entropy",
        "training: {epochs: 1}\n",
    )
    return train(text, "shallow")


EVERY = ["iris_once", *("binary", "labels", "amounts", "pixels", "colored", "hundred", "shallow")]
CURVES = {"learning_loss", "learning_rate", "gradient_norm"}
CURVES |= {"gradient_by_layer", "gradient_by_epoch"}
OF_CLASSES = {"confusion_matrix", "roc", "precision_recall", "calibration"}
PLOTS = {
    "iris_once": CURVES | OF_CLASSES | {"learning_accuracy", "learning_f1"},
    "binary": CURVES | OF_CLASSES | {"learning_accuracy", "learning_f1"},
    "labels": CURVES | OF_CLASSES - {"confusion_matrix"} | {"learning_accuracy", "learning_f1"},
    "amounts": CURVES
    | {"learning_rmse", "learning_mae", "learning_r2"}
    | {"predicted_1", "predicted_2", "residuals_1", "residuals_2"},
    "pixels": CURVES
    | OF_CLASSES
    | {"learning_accuracy", "learning_f1", "worst_examples", "first_layer"},
    "colored": CURVES
    | OF_CLASSES
    | {"learning_accuracy", "learning_f1", "worst_examples", "first_layer"},
    "hundred": CURVES | OF_CLASSES | {"learning_accuracy", "learning_f1"},
    "shallow": CURVES | OF_CLASSES,
}


@pytest.mark.parametrize("name", EVERY)
def test_every_kind_of_run_has_its_plots_on_the_page_and_as_files(name, request, page_of):
    run = request.getfixturevalue(name)
    drawn = draw(run)
    assert drawn.notes == []
    assert {path.stem for path in drawn.plots} == PLOTS[name]
    assert sorted((run / "plots").iterdir()) == drawn.plots
    page = page_of(run)
    assert len(page.all("svg")) == len(drawn.plots)
    for path in drawn.plots:
        ElementTree.parse(path)
    assert len(page.source) < 1_500_000
    for question, sentences in drawn.answers.items():
        assert question in page.text
        for sentence in sentences:
            assert " ".join(sentence.split()) in page.text


@pytest.mark.parametrize("name", EVERY)
def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(name, request, page_of):
    run = request.getfixturevalue(name)
    draw(run)
    page = page_of(run)
    assert not page.all("script")
    for _, found in page.tags:
        for attribute in ("src", "srcset", "action", "poster", "xlink:href"):
            assert attribute not in found
        assert found.get("href", "data:,").startswith("data:")
        assert not any(attribute.startswith("on") for attribute in found)
    addresses = re.findall(r"https?://[^\s\"'<]*", page.source)
    assert set(addresses) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in page.source
    assert "url(" not in page.source
    (policy,) = (m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy


def test_names_from_data_and_config_stay_text(binary, page_of, tmp_path):
    run = tmp_path / "<img src=x onerror=alert(1)>"
    shutil.copytree(binary, run)
    draw(run)
    page = page_of(run)
    for tag in ("script", "img", "b", "i"):
        assert [t for t in page.all(tag) if t != {}] == []
    assert "<script>alert" in page.text
    assert "<b>a&" in page.text
    assert "<img src=x onerror" in page.text
    assert "\x1b" not in page.source


@pytest.mark.parametrize("name", ["iris_once", "colored"])
def test_a_report_is_the_same_to_the_byte_each_time(name, request):
    run = request.getfixturevalue(name)
    draw(run)
    files = [run / "report.html", *sorted((run / "plots").iterdir())]
    before = [path.read_bytes() for path in files]
    draw(run)
    assert [path.read_bytes() for path in files] == before


def test_with_the_data_still_in_memory_it_is_the_same(iris):
    draw(iris)
    before = (iris / "report.html").read_bytes()
    experiment = build(Document.read(str(iris / "config.resolved.yaml")))
    draw(iris, data=experiment.data)
    assert (iris / "report.html").read_bytes() == before


def test_drawing_changes_nothing_else(iris):
    before = {p: (iris / p).read_bytes() for p in manifest.files(iris)}
    draw(iris)
    assert {p: (iris / p).read_bytes() for p in manifest.files(iris)} == before


def test_drawings_are_no_part_of_the_manifest(iris):
    draw(iris)
    assert {verdict.state for verdict in manifest.verify(iris)} == {"ok"}
    (iris / "plots" / "mine.txt").write_text("beside the plots")
    (iris / "report.html").write_text("changed")
    assert {verdict.state for verdict in manifest.verify(iris)} == {"ok"}
    (iris / "deeper").mkdir()
    (iris / "deeper" / "report.html").write_text("somebody's")
    unlisted = [v.path for v in manifest.verify(iris) if v.state == "unlisted"]
    assert unlisted == ["deeper/report.html"]


def test_a_run_that_goes_on_after_its_report_stays_sound(iris):
    draw(iris)
    with pytest.warns(UserWarning, match="training.epochs"):
        bpnet.resume(iris, training__epochs=14)
    assert (iris / "report.html").exists()
    assert {verdict.state for verdict in manifest.verify(iris)} == {"ok"}
    draw(iris)
    assert {verdict.state for verdict in manifest.verify(iris)} == {"ok"}


def test_plots_of_an_earlier_report_that_are_no_more_are_removed_and_others_stay(iris):
    draw(iris)
    (iris / "plots" / "mine.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    rows = [json.loads(line) for line in (iris / "metrics.jsonl").read_text().splitlines()]
    kept = [{k: v for k, v in row.items() if k != "val/f1"} for row in rows]
    (iris / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    draw(iris)
    left = {path.stem for path in (iris / "plots").iterdir()}
    assert "learning_f1" not in left
    assert {"mine", "learning_accuracy"} <= left


def test_what_it_says_of_the_test_part_is_what_eval_says(iris_once, page_of):
    drawn = draw(iris_once)
    scored = score_split(bpnet.load(iris_once), None, iris_once)
    matrix = np.array(scored.confusion["matrix"])
    right, count = int(np.trace(matrix)), int(matrix.sum())
    good = drawn.answers["How good is it?"]
    assert good[0].startswith(f"{right} of {count} test rows are right: ")
    picture = ElementTree.parse(iris_once / "plots" / "confusion_matrix.svg")
    told = [t.text for t in picture.iter("{http://www.w3.org/2000/svg}title")]
    names = scored.confusion["classes"]
    for i, j in itertools.product(range(3), range(3)):
        line = f"{names[i]} taken for {names[j]}: {matrix[i, j]}, "
        assert any(t.startswith(line) for t in told) == bool(matrix[i, j])
    page = page_of(iris_once)
    for row in scored.class_scores:
        assert f"{row['name']} {row['precision']:.4g} {row['recall']:.4g}" in page.text


def test_another_part_of_the_data_can_be_looked_at(iris, shallow):
    drawn = draw(iris, "train")
    assert "training rows are right" in drawn.answers["How good is it?"][0]
    with pytest.raises(DataError, match="this run has no test part; there are train"):
        draw(shallow, "test")


def test_numbers_are_judged_in_their_own_units(amounts):
    said = draw(amounts).answers
    model = bpnet.load(amounts)
    scored = score_split(model, "val", amounts)
    errors = {row["name"]: row for row in scored.residuals}
    big = next(s for s in said["How good is it?"] if "predictions of big" in s)
    rmse = math.hypot(errors["big"]["mean"], errors["big"]["std"])
    assert f"(RMSE {rmse:,.0f})" in big
    assert "There is no test part" in " ".join(said["How good is it?"])
    data = build(Document.read(str(amounts / "config.resolved.yaml"))).data.datasets["val"]
    errors = np.abs(model.outputs(data.x).astype(float) - data.truth)
    scaled = (errors / data.truth.std(axis=0)).mean(axis=1)
    lines = [f"line {row + 2}" for row in data.rows]
    worst = [lines[i] for i in np.argsort(-scaled)[:3]]
    assert re.findall(r"line \d+", said["Where does it fail?"][0]) == worst
    for k, name in enumerate(("predicted_1", "predicted_2")):
        picture = (amounts / "plots" / f"{name}.svg").read_text()
        told = re.findall(r"<title>(line \d+): true", picture)
        assert told == [lines[i] for i in np.argsort(-errors[:, k])[:8]]


def test_the_worst_rows_are_those_with_the_least_likely_truth(binary, page_of):
    draw(binary)
    page = page_of(binary)
    model = bpnet.load(binary)
    data = build(Document.read(str(binary / "config.resolved.yaml"))).data.datasets["test"]
    chance = model.outputs(data.x)[:, 0].astype(float)
    truth = data.target[:, 0]
    given = np.where(truth > 0.5, chance, 1 - chance)
    worst = np.argsort(given, kind="stable")[:12]
    lines = re.findall(r'<th scope="row">line (\d+)</th>', page.source)
    assert lines == [str(int(data.rows[i]) + 2) for i in worst]
    first = (binary.parent / "d.csv").read_text().splitlines()[int(lines[0]) - 1].split(",")
    row = page.source.partition(f">line {lines[0]}</th>")[2].partition("</tr>")[0]
    shown = list(re.findall(r"<td[^>]*>(.*?)</td>", row))
    assert [float(v) for v in shown[2:]] == [float(v) for v in first[:3]]


def test_worst_images_are_their_pixels(pixels):
    draw(pixels)
    picture = (pixels / "plots" / "worst_examples.svg").read_text()
    assert picture.count("data:image/png;base64,") == 20
    assert re.search(r"is \d", picture)
    assert re.search(r"line \d+", picture)


def test_gradients_are_shown_for_every_layer_in_their_order(pixels):
    draw(pixels)
    picture = (pixels / "plots" / "gradient_by_layer.svg").read_text()
    told = re.findall(r"<title>(dense_\d) (at the start|of the model)", picture)
    assert {layer for layer, _ in told} == {"dense_1", "dense_2"}
    assert {moment for _, moment in told} == {"at the start", "of the model"}
    assert picture.index(">dense_1<") < picture.index(">dense_2<")


def test_the_gradient_shown_is_that_of_the_training_rows(shallow):
    """Of so few rows the first step's gradient is the one at the start."""
    draw(shallow)
    picture = (shallow / "plots" / "gradient_by_layer.svg").read_text()
    norms = [float(n) for n in re.findall(r"dense_\d at the start: ([\d.]+)<", picture)]
    row = json.loads((shallow / "metrics.jsonl").read_text())
    assert math.hypot(*norms) == pytest.approx(row["grad_norm"], rel=2e-3)


def test_ten_thousand_epochs_stay_small_and_keep_their_extremes(iris, page_of):
    row = json.loads((iris / "metrics.jsonl").read_text().splitlines()[0])
    rows = []
    for epoch in range(1, 10_001):
        loss = 1.0 + 0.1 * math.sin(epoch) + (7.0 if epoch == 6789 else 0.0)
        rows.append({**row, "epoch": epoch, "train/loss": loss, "val/loss": 1 / epoch})
    (iris / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    draw(iris)
    page = page_of(iris)
    assert len(page.source) < 400_000
    picture = (iris / "plots" / "learning_loss.svg").read_text()
    (path,) = re.findall(r'<path class="line l0" d="(M[^"h]*)"', picture)
    heights = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]
    assert sum(y < sorted(heights)[1] - 5 for y in heights) == 1  # the one leap is still there


def test_missing_numbers_are_gaps(iris):
    rows = [json.loads(line) for line in (iris / "metrics.jsonl").read_text().splitlines()]
    rows[3]["val/loss"] = None
    (iris / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    draw(iris)
    picture = (iris / "plots" / "learning_loss.svg").read_text()
    (path,) = re.findall(r'<path class="line l1" d="(M[^"h]*)"', picture)
    assert path.count("M") == 2
    assert "val/loss –" in picture


@pytest.fixture
def cut_off(tmp_path):
    """Return a function that trains some epochs and leaves the run as if that were all."""

    def leave(text, epochs, ending):
        (tmp_path / "c.yaml").write_text(text)
        experiment = build(Document.read(str(tmp_path / "c.yaml")))
        with begin(experiment, run_dir=tmp_path / "run") as session:
            events = session.events()
            with contextlib.suppress(DivergedError):
                for event in events:
                    if type(event).__name__ == "EpochEnd" and event.epoch == epochs:
                        if ending == "interrupted":
                            experiment.state.stop_request = "SIGINT received"
                            continue
                        break
            if ending == "running":
                shutil.copytree(tmp_path / "run", tmp_path / "left")
            events.close()
        return tmp_path / ("left" if ending == "running" else "run")

    return leave


LONG = config(
    "{train: builtin:iris, target: species}",
    DENSE,
    "cross_entropy",
    "training: {epochs: 30}\ncheckpoint: {every: 1 epoch, pause: 0 s}\n",
)


def test_an_interrupted_run_is_shown_with_its_newest_weights(cut_off, page_of):
    run = cut_off(LONG, 5, "interrupted")
    drawn = draw(run)
    assert drawn.notes == []
    assert (
        "interrupted after 5 of 30 epochs: SIGINT received" in drawn.answers["Why did it stop?"][0]
    )
    assert "train --resume" in drawn.answers["Why did it stop?"][1]
    assert "with the weights of the best epoch so far" in page_of(run).text
    assert "confusion_matrix" in {path.stem for path in drawn.plots}


def test_a_run_that_was_cut_off_and_one_that_runs_are_told_apart(cut_off):
    run = cut_off(LONG, 4, "running")
    said = draw(run).answers["Why did it stop?"][0]
    assert said.startswith("It was cut off without a word, after 4 of 30 epochs")
    with lock.hold(run):
        assert draw(run).answers["Why did it stop?"] == ["It has not: 4 of 30 epochs are done."]


def test_a_diverged_run_says_where_and_shows_what_there_was(cut_off):
    text = config(
        "{train: builtin:concrete, target: compressive_strength}",
        DENSE,
        "mse",
        "optimizer: {type: sgd, learning_rate: 0.9}\n",
    )
    run = cut_off(text, None, "diverged")
    drawn = draw(run)
    assert drawn.answers["Why did it stop?"][0].startswith("It diverged after 0 of 50 epochs: ")
    assert "bpnet replay" in drawn.answers["Why did it stop?"][1]
    assert drawn.notes == [
        "What needs data and weights is left out: no weights have been saved yet."
    ]
    assert drawn.plots == []


def test_without_its_data_the_rest_is_shown_and_it_is_said(amounts, tmp_path, page_of):
    run = tmp_path / "amounts"
    shutil.copytree(amounts, run)
    text = (run / "config.resolved.yaml").read_text()
    (run / "config.resolved.yaml").write_text(text.replace("d.csv", "gone.csv"))
    drawn = draw(run)
    (note,) = drawn.notes
    assert note.startswith("What needs data and weights is left out: ")
    assert "no such file" in note
    assert "learning_loss" in {path.stem for path in drawn.plots}
    assert "predicted_1" not in {path.stem for path in drawn.plots}
    assert "Measured at the end of the training" in drawn.answers["How good is it?"][0]
    assert note in page_of(run).text


def test_changed_data_is_not_taken_for_that_of_the_run(amounts, tmp_path):
    data, run = tmp_path / "d.csv", tmp_path / "amounts"
    shutil.copytree(amounts, run)
    lines = (amounts.parent / "d.csv").read_text().splitlines()
    data.write_text("\n".join([*lines[:-1], "1,2,3,4,5"]) + "\n")
    text = (run / "config.resolved.yaml").read_text()
    (run / "config.resolved.yaml").write_text(text.replace(str(amounts.parent), str(tmp_path)))
    (note,) = draw(run).notes
    assert note.endswith("d.csv: has changed since the training.")
    data.write_text("\n".join(lines) + "\n")
    assert draw(run).notes == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metrics.jsonl", b"{nonsense\n", "The curves are left out"),
        ("result.json", b"[]", "The result is left out"),
        ("config.resolved.yaml", b"data: [", "The config is left out"),
        ("events.jsonl", b"\xff\xfe{", None),
        ("model.safetensors", b"broken", "What needs data and weights is left out"),
    ],
)
def test_a_damaged_file_takes_only_its_own_part_away(iris, name, content, said):
    (iris / name).write_bytes(content)
    drawn = draw(iris)
    assert any(said in note for note in drawn.notes) if said else drawn.notes == []
    assert (iris / "report.html").exists()


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "result.json", "config.resolved.yaml", "events.jsonl"]
)
def test_a_missing_file_takes_only_its_own_part_away(iris, name):
    (iris / name).unlink()
    draw(iris)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="no such run directory"):
        draw(tmp_path / "nothing")
    with pytest.raises(RunError, match="not a run directory"):
        draw(tmp_path)


def test_nonsense_in_the_metrics_does_no_harm(iris):
    rows = [json.loads(line) for line in (iris / "metrics.jsonl").read_text().splitlines()]
    rows[0] |= {"val/loss": "high", "lr": None, "val/accuracy": True, "grad_norm": 10**400}
    rows[1] = {"epoch": "two"}
    rows[2] = {"epoch": 3}
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (iris / "metrics.jsonl").write_text(text)
    draw(iris)


def test_a_result_of_other_types_does_no_harm(iris):
    (iris / rundir.RESULT).write_text(
        json.dumps({"metrics": {"test/loss": None, "x": "y"}, "model_epoch": "1", "monitor": 3})
    )
    draw(iris)


def test_the_newest_checkpoint_that_can_be_read_is_used(cut_off):
    run = cut_off(LONG.replace("target: species", "target: species, validation: 0"), 4, "running")
    assert not (run / rundir.BEST).exists()
    newest, before = checkpoint.all_of(run)[:2]
    newest.write_bytes(b"broken")
    draw(run)
    assert f"the weights of step {checkpoint.step_of(before)}" in (run / "report.html").read_text()


def test_frozen_layers_and_running_statistics_do_no_harm(train):
    layers = ["{type: dense, units: 8}", "{type: batch_norm}", *DENSE[1:]]
    text = config(
        "{train: builtin:iris, target: species}",
        layers,
        "cross_entropy",
        "training: {epochs: 2}\nregularization: {l2: 0.01}\n",
    ).replace("model:\n", "model:\n  freeze: [dense_1]\n")
    run = train(text)
    draw(run)
    picture = (run / "plots" / "gradient_by_layer.svg").read_text()
    assert ">dense_1<" not in picture
    assert ">dense_2<" in picture
    assert ">batch_norm_1<" in picture


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1240])
@pytest.mark.parametrize("name", ["pixels", "amounts", "hundred"])
def test_in_a_browser_it_is_whole_and_asks_for_nothing(name, scheme, width, request, browser):
    run = request.getfixturevalue(name)
    if not (run / "report.html").exists():
        draw(run)
    path = run / "report.html"
    browser.open(path, scheme, width)
    assert browser.complaints == []
    assert browser.requests == [path.as_uri()]
    assert browser.run("document.documentElement.scrollWidth") <= width
    color = browser.run("getComputedStyle(document.body).backgroundColor")
    assert color == {"light": "rgb(245, 246, 248)", "dark": "rgb(15, 19, 23)"}[scheme]
    line = browser.run("getComputedStyle(document.querySelector('.plot .line')).stroke")
    assert line == {"light": "rgb(0, 101, 173)", "dark": "rgb(94, 179, 245)"}[scheme]
    small = browser.run(_SMALLEST)
    assert small >= 8.5, f"a text of {small} px"
    assert browser.run(_OVERLAPS) == []
    images = browser.run("document.querySelectorAll('image').length")
    assert (images > 0) == (name != "amounts")


_SMALLEST = """
Math.min(...[...document.querySelectorAll('svg text')].map(t =>
    parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().d || 99).map(Math.abs)
    .filter(s => s > 0.01))
"""
_OVERLAPS = """
(() => {
  const found = [];
  for (const svg of document.querySelectorAll('svg')) {
    const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent,
        t.getBoundingClientRect()]);
    for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
      const [a, p] = boxes[i], [b, q] = boxes[j];
      const x = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const y = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (x > 1 && y > 0.35 * Math.min(p.height, q.height)) found.push(a + ' | ' + b);
    }
    const own = svg.getBoundingClientRect();
    for (const [text, box] of boxes)
      if (box.right > own.right + 2 || box.left < own.left - 2) found.push('outside: ' + text);
  }
  return found;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_plot_opened_by_itself_follows_the_theme(iris_once, scheme, browser):
    draw(iris_once)
    browser.open(iris_once / "plots" / "learning_loss.svg", scheme)
    assert browser.complaints == []
    color = browser.run("getComputedStyle(document.querySelector('.ground')).fill")
    assert color == {"light": "rgb(255, 255, 255)", "dark": "rgb(23, 28, 34)"}[scheme]


def test_what_was_escaped_badly_would_not_run(iris, browser):
    draw(iris)
    text = (iris / "report.html").read_text()
    bad = "</main><script>window.evil = 1</script><img src=x onerror='window.evil = 2'>"
    (iris / "report.html").write_text(text.replace("</main>", bad))
    browser.open(iris / "report.html")
    assert browser.run("window.evil === undefined") is True
    assert browser.complaints


def test_probabilities_as_target_are_judged_by_the_likeliest(train, numbers):
    share = np.round(np.abs(numbers) / np.abs(numbers).sum(axis=1, keepdims=True), 3)
    share[:, 0] += 1 - share.sum(axis=1)
    text = config(
        "{train: d.csv, target: [p, q, r], test: 0.3}",
        DENSE,
        "cross_entropy",
        "training: {epochs: 2}\n",
    )
    rows = rows_of(*numbers.T, *np.round(share, 3).T)
    run = train(text, "shares", d__csv="a,b,c,p,q,r\n" + rows)
    drawn = draw(run)
    assert drawn.notes == []
    assert "72 test rows are right" in drawn.answers["How good is it?"][0]
    assert "of the classes" in (run / "plots" / "confusion_matrix.svg").read_text()


@pytest.mark.parametrize("name", ["val/../../../evil", "val/\x00", "val/" + "n" * 300, "val/a b"])
def test_names_of_metrics_do_not_lead_out_of_the_folder(iris, name):
    rows = [json.loads(line) for line in (iris / "metrics.jsonl").read_text().splitlines()]
    text = "".join(json.dumps({**row, name: 1.0}) + "\n" for row in rows)
    (iris / "metrics.jsonl").write_text(text)
    drawn = draw(iris)
    assert len(drawn.plots) == len(PLOTS["iris_once"]) + 1
    assert all(path.parent == iris / "plots" for path in drawn.plots)
    assert not list(iris.parent.rglob("evil*"))


@pytest.mark.parametrize("epoch", [10**400, 0, -3, True, 1 << 60])
def test_epochs_that_are_none_are_left_out(iris, epoch):
    line = (iris / "metrics.jsonl").read_text().splitlines()[0]
    with (iris / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({**json.loads(line), "epoch": epoch}) + "\n")
    draw(iris)
    picture = (iris / "plots" / "learning_loss.svg").read_text()
    assert len(set(re.findall(r"<title>epoch ([\d,]+)", picture))) == 12


def test_a_fine_tuned_run_starts_where_it_was_given_its_weights(iris, tmp_path):
    bpnet.train(
        iris / "config.yaml", run_dir=tmp_path / "tuned", init_from=iris, training__epochs=1
    )
    draw(iris)
    draw(tmp_path / "tuned")

    def norms(run, moment):
        picture = (run / "plots" / "gradient_by_layer.svg").read_text()
        return re.findall(rf"dense_\d {moment}: ([^<]*)<", picture)

    assert norms(tmp_path / "tuned", "at the start") == norms(iris, "of the model")
    assert norms(iris, "at the start") != norms(iris, "of the model")


def test_outputs_that_are_not_finite_do_no_harm(iris, monkeypatch):
    from bpnet.report import drawing, outcome

    def broken(*arguments):
        found = outcome.examine(*arguments)
        found.output[0] = np.nan
        return found

    monkeypatch.setattr(drawing, "examine", broken)
    said = draw(iris).answers
    assert "not finite numbers" in said["Where does it fail?"][0]
    assert "Measured at the end of the training" in said["How good is it?"][0]


def test_of_yes_and_no_the_curves_are_those_of_yes(binary):
    draw(binary)
    for name, word in (("roc", "AUC"), ("precision_recall", "AP")):
        picture = (binary / "plots" / f"{name}.svg").read_text()
        assert re.findall(rf">([^<>]*) \({word} [\d.]+\)<", picture) == ["yes"]
