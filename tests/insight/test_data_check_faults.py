"""Faults planted one by one into a healthy table: the right check finds each, at its rows."""

from pathlib import Path

import numpy as np
import pytest

from bpnet.config.document import Document
from bpnet.errors import ConfigError, DataError, UsageError
from bpnet.insight.data_check import CHECKS, check_data

ROWS = 400
CLASSES = ("red", "green", "blue")


def healthy(rows=ROWS, seed=0):
    """Return columns of a table without any fault: numbers, a category, three classes."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, rows)
    x = rng.normal(size=(3, rows))
    x[0] += 8.0 * (kind == 1)
    x[1] += 8.0 * (kind == 2)
    shape = np.array(["round", "square", "long", "flat"])[rng.integers(0, 4, rows)]
    return {
        "width": [f"{v:.4f}" for v in x[0]],
        "height": [f"{v:.4f}" for v in x[1]],
        "weight": [f"{v:.4f}" for v in x[2]],
        "shape": list(shape),
        "kind": [CLASSES[k] for k in kind],
    }


def lines(table):
    yield ",".join(table)
    for row in zip(*table.values(), strict=True):
        yield ",".join(map(str, row))


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Return a function that checks a table, and a function's choice of what to run."""
    monkeypatch.chdir(tmp_path)

    def run(table, *overrides, others=None, target="kind", loss="cross_entropy", **options):
        (tmp_path / "t.csv").write_text("\n".join(lines(table)) + "\n")
        for name, other in (others or {}).items():
            (tmp_path / name).write_text("\n".join(lines(other)) + "\n")
        text = (
            f"data: {{train: t.csv, target: {target}}}\n"
            f"model: {{layers: [{{type: dense, units: auto}}]}}\nloss: {loss}\n"
        )
        (tmp_path / "c.yaml").write_text(text)
        return check_data(Document.read("c.yaml").override(overrides), **options)

    return run


def found(report, check):
    return [finding for finding in report.findings if finding.check == check]


def only(report, check):
    """Return the one finding there is, which must be of that check."""
    (finding,) = report.findings
    assert finding.check == check
    assert finding.remedy
    return finding


def numbers(finding):
    (spots,) = finding.spots
    return list(spots.numbers)


@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_table_is_silent(check, seed):
    report = check(healthy(seed=seed))
    assert report.findings == []
    assert report.passed
    assert report.tally() == "nothing found"
    assert report.total == ROWS
    assert set(report.checks) == set(CHECKS)
    assert report.skipped == {}


def test_copies_are_found_with_their_lines(check):
    table = healthy()
    for column in table.values():
        column[20:23] = column[10:13]
    report = check(table, skip=["overlap"])
    finding = only(report, "duplicates")
    assert finding.level == "warning"
    assert numbers(finding) == [22, 23, 24]
    assert finding.details[0] == "line 12 = line 22"
    assert "3 rows are exact copies" in finding.message


def test_an_excluded_column_does_not_hide_copies(check):
    table = healthy()
    for column in table.values():
        column[20] = column[10]
    table["name"] = [f"n{i}" for i in range(ROWS)]
    report = check(table, "data.exclude=[name]", skip=["overlap"])
    assert numbers(only(report, "duplicates")) == [22]


def test_missing_cells_equal_one_another_and_minus_zero_equals_zero(check):
    table = healthy()
    for column in table.values():
        column[20] = column[10]
    table["width"][10] = table["width"][20] = ""
    table["height"][10], table["height"][20] = "0.0", "-0.0"
    report = check(table, only=["duplicates"])
    assert numbers(only(report, "duplicates")) == [22]


def test_copies_that_chance_makes_are_only_a_note(check):
    rng = np.random.default_rng(1)
    table = {name: list(rng.integers(0, 3, 60)) for name in "abc"}
    table["kind"] = [CLASSES[k] for k in rng.integers(0, 3, 60)]
    finding = only(check(table, only=["duplicates"]), "duplicates")
    assert finding.level == "note"
    assert "chance" in finding.message


def test_contradicting_labels_are_found_with_both_answers(check):
    table = healthy()
    for name, column in table.items():
        if name != "kind":
            column[30] = column[5]
    table["kind"][5], table["kind"][30] = "red", "blue"
    finding = found(check(table), "conflicts")[0]
    assert finding.level == "warning"
    assert numbers(finding) == [7, 32]
    assert finding.details == ("line 7 (red) / line 32 (blue)",)


def test_contradicting_numbers_tell_what_is_the_best_that_can_be_had(check):
    table = numeric()
    for name in ("a", "b"):
        table[name][200:] = table[name][:200]
    report = check(table, target="y", loss="mse", only=["conflicts"])
    finding = only(report, "conflicts")
    assert finding.level == "warning"
    assert "R²" in finding.message
    assert 0.05 < finding.measured < 0.9


def test_rows_shared_between_files_are_found_in_both(check):
    table, test = healthy(), healthy(100, seed=9)
    for name, column in test.items():
        column[50:70] = table[name][5:25]
    report = check(table, "data.test=test.csv", "data.validation=0", others={"test.csv": test})
    finding = only(report, "overlap")
    assert finding.level == "error"
    assert finding.measured == 0.2
    (spots,) = finding.spots
    assert spots.source == "test.csv"
    assert list(spots.numbers) == list(range(52, 72))
    assert finding.details[0] == "test.csv line 52 = t.csv line 7"


def test_few_shared_rows_are_a_warning(check):
    table, test = healthy(), healthy(100, seed=9)
    for name, column in test.items():
        column[3] = table[name][5]
    report = check(table, "data.test=test.csv", others={"test.csv": test})
    assert only(report, "overlap").level == "warning"


@pytest.mark.parametrize(
    ("leak", "level"),
    [
        (lambda kind, rng: kind, "error"),
        (lambda kind, rng: [CLASSES.index(k) * 7 + 3 for k in kind], "error"),
        (lambda kind, rng: [CLASSES.index(k) + 0.3 * rng.random() for k in kind], "error"),
        (lambda kind, rng: [f"{k[0]}{rng.integers(5)}" for k in kind], "error"),
        (lambda kind, rng: [k if rng.random() > 0.012 else "red" for k in kind], "warning"),
        (lambda kind, rng: ["" if k == "red" else CLASSES.index(k) for k in kind], "error"),
    ],
    ids=["copy", "code", "noisy code", "categories", "a few wrong", "by its gaps"],
)
def test_a_column_that_gives_the_answer_away_is_found(check, leak, level):
    table = healthy()
    rng = np.random.default_rng(5)
    table = {"leak": leak(table["kind"], rng), **table}
    (finding,) = found(check(table, only=["leaks"]), "leaks")
    assert finding.columns == ("leak",)
    assert finding.level == level
    assert finding.measured >= finding.threshold


@pytest.mark.parametrize(
    "leak",
    [
        lambda y: 3 * y + 1,
        lambda y: np.exp(y),
        lambda y: np.round(y, 1),
        lambda y: np.where(y > 0, y, 10 - y),
    ],
    ids=["line", "curve", "rounded", "folded"],
)
def test_a_column_that_gives_a_number_away_is_found(check, leak):
    table = numeric(2000)
    table["leak"] = list(leak(np.array(table["y"], float)))
    (finding,) = found(check(table, target="y", loss="mse", only=["leaks"]), "leaks")
    assert finding.columns == ("leak",)
    assert finding.level == "error"


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_column_whose_gaps_give_the_answer_away_is_found(check, loss):
    table = numeric() if loss == "mse" else healthy()
    target = "y" if loss == "mse" else "kind"
    high = (
        [float(v) > np.median(np.array(table["y"], float)) for v in table["y"]]
        if loss == "mse"
        else [v == "red" for v in table["kind"]]
    )
    if loss == "mse":
        table["y"] = [f"{10 * h + i / 1e4:.4f}" for i, h in enumerate(high)]
    else:
        table["kind"] = ["red" if h else "green" for h in high]
    told = np.random.default_rng(5).normal(size=len(high))
    table["told"] = ["" if h else f"{v:.4f}" for h, v in zip(high, told, strict=True)]
    columns = [f.columns for f in found(check(table, target=target, loss=loss), "leaks")]
    assert ("told",) in columns


def test_many_categories_are_no_leak_by_themselves(check):
    table = healthy()
    table["town"] = [f"town {i // 2}" for i in range(ROWS)]
    assert found(check(table, only=["leaks"]), "leaks") == []


def numeric(rows=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=rows), rng.normal(size=rows)
    y = a + 0.5 * b + 0.3 * rng.normal(size=rows)
    return {"a": list(a.round(4)), "b": list(b.round(4)), "y": list(y.round(4))}


def test_a_healthy_regression_is_silent(check):
    assert check(numeric(), target="y", loss="mse").findings == []


@pytest.mark.parametrize(
    ("name", "column", "why"),
    [
        ("count", range(1, ROWS + 1), "only rise"),
        ("count", np.random.default_rng(0).permutation(ROWS), "each once"),
        ("customer_id", np.random.default_rng(0).permutation(ROWS * 100)[:ROWS], "its name"),
        ("count", range(5 * ROWS, 0, -5), "only fall"),
    ],
    ids=["counted", "shuffled", "named", "falling"],
)
def test_a_number_of_the_row_is_found(check, name, column, why):
    table = {name: list(column), **healthy()}
    (finding,) = found(check(table, only=["identifiers"]), "identifiers")
    assert finding.level == "warning"
    assert finding.columns == (name,)
    assert why in finding.message


def test_names_of_rows_and_texts_are_found_though_the_training_refuses_them(check):
    table = healthy()
    table["name"] = [f"n{i}" for i in range(ROWS)]
    table["remark"] = [f"this is remark number {i}" for i in range(ROWS)]
    report = check(table)
    assert [finding.columns for finding in report.findings] == [("name",), ("remark",)]
    assert {finding.level for finding in report.findings} == {"error"}
    assert "labels" in report.checks
    assert not report.skipped


@pytest.mark.parametrize("value", ["7", "same"])
def test_a_constant_column_is_found(check, value):
    table = healthy()
    table["fixed"] = [value] * ROWS
    finding = only(check(table), "constant")
    assert finding.level == "warning"
    assert finding.columns == ("fixed",)


def test_a_nearly_constant_column_is_a_note(check):
    table = healthy()
    table["flag"] = [int(i in (5, 300)) for i in range(ROWS)]
    finding = only(check(table), "constant")
    assert finding.level == "note"
    assert finding.columns == ("flag",)
    assert "99.5 %" in finding.message or "99.6 %" in finding.message


def test_missing_cells_are_counted_by_column_with_their_lines(check):
    table = healthy()
    table["width"][3] = table["shape"][8] = table["width"][9] = ""
    finding = only(check(table), "missing")
    assert finding.level == "note"
    assert numbers(finding) == [5, 10, 11]
    assert "width 2 (0.5 %), shape 1 (0.2 %)" in finding.message
    assert "`median`, `category`" in finding.remedy


def test_a_column_of_gaps_and_a_row_of_gaps_are_warnings(check):
    table = healthy()
    for i in range(0, ROWS, 10):
        table["weight"][i] = table["weight"][i]
    for i in range(ROWS):
        if i % 10 > 3:
            table["weight"][i] = ""
    for name in ("width", "height", "weight", "shape"):
        table[name][4] = ""
    report = check(table, only=["missing"])
    messages = [f.message for f in report.findings if f.level == "warning"]
    assert any("'weight' has no value in 240 of 400 rows (60 %)" in m for m in messages)
    assert any("1 row has no input at all" in m for m in messages)


def test_missing_targets_are_an_error_and_the_rest_is_still_checked(check):
    table = healthy()
    table["kind"][6] = table["kind"][7] = ""
    table["fixed"] = [1] * ROWS
    report = check(table)
    assert [f.check for f in report.findings] == ["missing", "constant"]
    assert report.findings[0].level == "error"
    assert numbers(report.findings[0]) == [8, 9]
    assert report.rows["left out"] == 2
    assert set(report.rows) == {"train", "val", "test", "left out"}


def test_what_the_config_refuses_is_an_error(check):
    table = healthy()
    table["width"][3] = ""
    report = check(table, "data.numeric.missing=error")
    levels = {finding.check: finding.level for finding in report.findings}
    assert levels == {"refused": "error", "missing": "error"}


def test_a_label_that_only_the_test_file_has_is_an_error(check):
    test = healthy(50, seed=3)
    test["kind"][7] = "purple"
    report = check(healthy(), "data.test=test.csv", others={"test.csv": test}, only=["refused"])
    assert "test.csv:9" in only(report, "refused").message
    assert "purple" in only(report, "refused").message


@pytest.mark.parametrize("value", ["999", "-999", "40", "1e6"])
def test_a_number_far_from_the_others_is_found(check, value):
    table = healthy()
    table["weight"][17] = value
    finding = only(check(table), "outliers")
    assert finding.level == "warning"
    assert finding.columns == ("weight",)
    assert numbers(finding) == [19]


def test_a_number_that_stands_for_missing_cells_is_named(check):
    table = healthy()
    for i in range(0, ROWS, 20):
        table["weight"][i] = "-999"
    finding = only(check(table, only=["outliers"]), "outliers")
    assert len(numbers(finding)) == 20
    assert "if -999 stands for a missing cell, leave those cells empty" in finding.remedy


def test_outliers_that_the_config_handles_are_a_note(check):
    table = healthy()
    table["weight"][17] = "999"
    report = check(table, "data.numeric.outliers=clip", only=["outliers"])
    assert only(report, "outliers").level == "note"


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: rng.random(n),
        lambda rng, n: rng.exponential(size=n),
        lambda rng, n: rng.poisson(0.3, n),
        lambda rng, n: rng.integers(0, 2, n),
        lambda rng, n: (rng.random(n) < 0.03).astype(float),
        lambda rng, n: np.where(rng.random(n) < 0.6, 0, rng.exponential(50, n)),
        lambda rng, n: rng.normal(size=n) + 50 * rng.integers(0, 2, n),
    ],
    ids=["normal", "even", "exponential", "counts", "yes or no", "rare", "zeros", "two modes"],
)
def test_honest_distributions_have_no_outliers(check, draw):
    rng = np.random.default_rng(0)
    table = {f"c{i}": list(draw(rng, ROWS)) for i in range(10)}
    table["kind"] = healthy()["kind"]
    assert check(table, only=["outliers"]).findings == []


def test_one_category_spelled_in_several_ways_is_found(check):
    table = healthy()
    table["shape"][5], table["shape"][6], table["shape"][7] = "Round", "SQUARE", "round."
    finding = only(check(table, only=["spellings"]), "spellings")
    assert finding.columns == ("shape",)
    assert numbers(finding) == [7, 8, 9]
    assert "'round'" in finding.message


def imbalanced(share):
    table = healthy()
    rare = np.random.default_rng(0).random(ROWS) < share
    table["kind"] = ["blue" if r else "red" for r in rare]
    return table


@pytest.mark.parametrize(("share", "level"), [(0.06, "warning"), (0.14, "note"), (0.4, None)])
def test_uneven_classes_are_found(check, share, level):
    findings = check(imbalanced(share), only=["imbalance"]).findings
    assert [finding.level for finding in findings] == ([] if level is None else [level])


def test_uneven_classes_that_the_loss_weighs_are_a_note(check):
    report = check(
        imbalanced(0.06), "loss={type: cross_entropy, class_weight: balanced}", only=["imbalance"]
    )
    assert only(report, "imbalance").level == "note"


def test_a_class_with_few_rows_and_one_that_a_part_lacks_are_found(check):
    table, test = healthy(), healthy(60, seed=3)
    table["kind"][3] = table["kind"][4] = table["kind"][200] = "purple"
    test["kind"] = ["red" if k == "green" else k for k in test["kind"]]
    report = check(table, "data.test=test.csv", "data.validation=0", others={"test.csv": test})
    messages = [finding.message for finding in found(report, "imbalance")]
    assert any("1 class of 'kind' has fewer than 10 training rows: purple" in m for m in messages)
    assert any("test has no row of 2 of the 4 classes" in m for m in messages)


def test_drift_of_numbers_categories_gaps_and_answers_is_found(check):
    table, test = healthy(2000), healthy(1000, seed=3)
    test["width"] = [f"{float(v) + 1.5:.4f}" for v in test["width"]]
    test["shape"] = ["round" if i % 2 else s for i, s in enumerate(test["shape"])]
    test["weight"] = ["" if i % 3 == 0 else v for i, v in enumerate(test["weight"])]
    report = check(table, "data.test=test.csv", others={"test.csv": test}, only=["drift"])
    columns = {name for finding in report.findings for name in finding.columns}
    assert columns == {"width", "shape", "weight"}
    assert "missing in 0%, here 33%" in " ".join(f.message for f in report.findings)
    assert report.findings[0].level == "warning"


def test_categories_that_only_the_test_part_has_are_named_with_their_lines(check):
    test = healthy(100, seed=3)
    test["shape"][10] = test["shape"][11] = "oval"
    report = check(healthy(), "data.test=test.csv", others={"test.csv": test}, only=["drift"])
    finding = only(report, "drift")
    assert "'oval'" in finding.message
    assert numbers(finding) == [12, 13]


def test_random_splits_show_no_drift(check):
    rng = np.random.default_rng(2)
    table = {f"c{i}": list(rng.normal(size=300).round(3)) for i in range(40)}
    table["kind"] = [CLASSES[k] for k in rng.integers(0, 3, 300)]
    for seed in range(5):
        assert check(table, f"seed={seed}", only=["drift"]).findings == []


def test_wrong_labels_are_found_the_most_doubtful_first(check):
    table = healthy(600)
    wrong = np.random.default_rng(1).choice(600, 30, replace=False)
    clear = []
    for i in wrong.tolist():
        old = table["kind"][i]
        table["kind"][i] = CLASSES[(CLASSES.index(old) + 1) % 3]
        clear.append(i + 2)
    (finding,) = found(check(table, only=["labels"]), "labels")
    lines_found = numbers(finding)
    hits = set(lines_found) & set(clear)
    assert len(hits) >= 0.8 * len(clear)
    assert set(lines_found[:10]) <= set(clear)


def test_a_wrong_number_to_predict_is_found_by_what_the_inputs_say(check):
    table = numeric(600)
    row = int(np.argmin(table["a"]))
    table["y"][row] = 3.0  # not far from other targets, but far from what the inputs say
    report = check(table, target="y", loss="mse", only=["labels", "outliers"])
    finding = only(report, "labels")
    assert numbers(finding) == [row + 2]


@pytest.mark.parametrize("seed", range(4))
def test_honest_amounts_with_long_tails_are_not_doubted(check, seed):
    rng = np.random.default_rng(seed)
    size, rooms = rng.lognormal(size=400), rng.integers(1, 6, 400)
    price = np.exp(0.6 * np.log(size) + 0.2 * rooms + 0.2 * rng.normal(size=400))
    table = {
        "size": [f"{v:.4f}" for v in size],
        "rooms": list(rooms),
        "price": [f"{v:.4f}" for v in price],
    }
    report = check(table, target="price", loss="mse", only=["labels"])
    assert report.findings == []
    assert report.skipped == {}
    row = int(np.argsort(price)[200])
    table["price"][row] = f"{10 * price[row]:.4f}"
    (finding,) = check(table, target="price", loss="mse", only=["labels"]).findings
    assert numbers(finding)[0] == row + 2


def test_labels_that_nothing_tells_are_not_doubted(check):
    rng = np.random.default_rng(99)
    table = healthy()
    table["kind"] = [CLASSES[k] for k in rng.integers(0, 3, ROWS)]
    report = check(table, only=["labels"])
    assert report.findings == []
    assert "tell too little" in report.skipped["labels"]


def test_every_check_has_a_test_that_plants_its_fault():
    source = Path(__file__).read_text()
    for name in CHECKS:
        assert f'"{name}"' in source


def test_the_same_data_gives_the_same_report(check):
    table = healthy(600)
    for i in range(0, 600, 15):
        table["kind"][i] = "red"
    assert check(table).as_json() == check(table).as_json()


def test_unknown_checks_are_refused_with_the_nearest_name(check):
    with pytest.raises(UsageError, match="did you mean 'labels'"):
        check(healthy(), only=["label"])


def test_a_choice_that_leaves_no_check_is_refused(check):
    with pytest.raises(UsageError, match="leave no check"):
        check(healthy(), only=["labels"], skip=["labels"])


def test_a_config_that_does_not_fit_the_data_is_an_error_with_its_place(check):
    with pytest.raises(ConfigError, match="has no column 'colour'"):
        check(healthy(), target="colour")
    with pytest.raises(ConfigError, match="compares numbers"):
        check(healthy(), loss="mse")


def test_a_table_without_any_target_is_refused(check):
    table = healthy()
    table["kind"] = [""] * ROWS
    with pytest.raises(DataError, match="no row has a target"):
        check(table)


def test_large_tables_are_sampled_and_the_report_says_so(check, monkeypatch):
    monkeypatch.setattr("bpnet.insight.data_check.labels.SAMPLED", 200)
    monkeypatch.setattr("bpnet.insight.data_check.leaks.SAMPLED", 100)
    report = check(healthy())
    assert report.sampled == {"leaks": 100, "labels": 200}


@pytest.mark.parametrize("name", ["iris", "penguins", "concrete", "digits", "spirals", "xor"])
def test_builtin_sets_have_no_error(name, tmp_path):
    loss = "mse" if name == "concrete" else "cross_entropy"
    text = (
        f"data: {{train: 'builtin:{name}', exclude: [{'island' if name == 'penguins' else ''}]"
        f"{', validation: 0, test: 0' if name == 'xor' else ''}}}\n"
        f"model: {{layers: [{{type: dense, units: auto}}]}}\nloss: {loss}\n"
    )
    report = check_data(Document.parse(text))
    assert report.count("error") == 0
    warned = {finding.check for finding in report.findings if finding.level == "warning"}
    assert warned == {
        "penguins": {"missing"},  # two birds were never measured
        "concrete": {"duplicates", "overlap"},  # 25 mixtures are there twice or more
        "digits": {"constant"},  # pixels at the border
    }.get(name, set())
