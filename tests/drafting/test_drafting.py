"""Drafts of configs: what is seen in data, what is made of it, and that it trains."""

import gzip

import numpy as np
import pytest

from bpnet.config.document import Document
from bpnet.config.schema import read_config
from bpnet.drafting import draft_config, sampling
from bpnet.errors import DataError, UsageError
from bpnet.experiment import build

N = 120
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal(N).round(3).tolist()
CLASSES = ["abc"[i % 3] for i in range(N)]


@pytest.mark.parametrize(
    ("cells", "loss"),
    [
        (CLASSES, "cross_entropy"),
        ([i % 5 for i in range(N)], "cross_entropy"),
        (["yes" if i % 2 else "no" for i in range(N)], "binary_cross_entropy"),
        ([i % 2 for i in range(N)], "binary_cross_entropy"),
        ([i * 0.37 for i in range(N)], "mse"),
        ([i * 7 for i in range(N)], "mse"),
        ([*range(N - 1), 1e6], "huber"),
    ],
    ids=["texts", "codes", "two texts", "0 and 1", "numbers", "whole numbers", "far out"],
)
def test_the_target_decides_the_loss(draft, cells, loss):
    text, config = draft(x=X, y=cells)
    assert config.loss.type == loss
    assert build(Document.parse(text, "c.yaml")).rehearse()


def test_several_targets_are_numbers_or_yes_and_no(draft):
    _, config = draft(["a", "b"], x=X, a=X[::-1], b=[v * 2 for v in X[::-1]])
    assert config.loss.type == "mse"
    _, config = draft(["a", "b"], x=X, a=[i % 2 for i in range(N)], b=CLASSES[:1] * 60 + ["b"] * 60)
    assert config.loss.type == "binary_cross_entropy"
    with pytest.raises(DataError, match="all numbers, or all yes or no"):
        draft(["a", "b"], x=X, a=X, b=CLASSES)


def test_rare_classes_get_weights_and_even_ones_none(draft):
    _, config = draft(x=X, y=["a"] * 100 + ["b"] * 20)
    assert config.loss.class_weight == "balanced"
    _, config = draft(x=X, y=["a"] * 70 + ["b"] * 50)
    assert config.loss.class_weight is None


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (range(N), "only counts the rows"),
        ([i // 3 for i in range(N)], "only counts the rows"),
        (["same"] * N, "the same in every row"),
        ([""] * N, "it is empty"),
        (["", *[""] * (N - 3), "a", "b"], "nearly all cells are missing"),
        ([f"name {i}" for i in range(N)], "a value of its own"),
        ([f"v{i % 50}" for i in range(N)], "50 categories, with too few rows of each"),
        ([f"a long text of words {i}" for i in range(N)], "text, which needs layers"),
        (["uvw"["abc".index(c)] for c in CLASSES], "says the same as y"),
        ([f"{1 + i % 28:02d}/{1 + i % 12:02d}/2024" for i in range(N)], "dates"),
    ],
)
def test_columns_that_help_nobody_are_left_out_with_the_reason(draft, cells, why):
    text, config = draft(x=X, other=cells, y=CLASSES)
    assert config.data.exclude == ["other"]
    line = next(line for line in text.splitlines() if "- other" in line)
    assert f"# {why}" in line


def test_a_number_of_its_own_in_each_row_is_left_out_by_its_name(draft):
    cells = RANDOM.permutation(10_000)[:N].tolist()
    assert draft(x=X, customer_id=cells, y=CLASSES)[1].data.exclude == ["customer_id"]
    assert draft(x=X, population=cells, y=CLASSES)[1].data.exclude == []


def test_a_target_in_another_unit_gives_the_answer_away(draft):
    _, config = draft(x=X, cm=[2.54 * v + 1 for v in range(N)], y=[v + 0.5 for v in range(N)])
    assert config.data.exclude == ["cm"]


def test_rows_in_order_of_a_date_are_split_by_time(draft):
    days = [f"2024-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(N)]
    _, config = draft(x=X, day=days, y=CLASSES)
    assert config.data.split.column == "day"
    assert config.data.split.type == "time"
    _, config = draft(x=X, day=days[::-1], y=CLASSES)
    assert config.data.exclude == ["day"]


def test_a_column_that_names_the_parts_is_used_as_such(draft):
    parts = ["training"] * 80 + ["test"] * 40
    text, config = draft(x=X, fold=parts, y=CLASSES)
    split = config.data.split
    assert (split.type, split.column, split.train, split.test) == (
        *("column", "fold", "training", "test"),
    )
    assert len(build(Document.parse(text, "c.yaml")).data.datasets["test"]) == 40


def test_numbers_far_out_are_clipped(draft):
    _, config = draft(x=X, wild=[*X[:-2], 1e9, -1e7], y=CLASSES)
    assert list(config.data.columns) == ["wild"]
    assert config.data.columns["wild"].outliers.type == "clip"


def test_a_handful_of_rows_is_all_trained_on(draft):
    text, config = draft(x=X[:8], y=[0, 1] * 4)
    assert (config.data.validation, config.data.test) == (0, 0)
    assert config.early_stopping is None
    assert build(Document.parse(text, "c.yaml")).rehearse()


def test_what_a_file_says_cannot_leave_its_comment(draft):
    names = {"x": X, "a: [b]  # c": X[::-1], "y": ["p\x85q: {", "{r", "#"] * 40}
    text, config = draft(**names)
    assert config.data.train == "d.csv"
    assert "\x85" not in text


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["", *CLASSES[1:]], "'y' has no value in 1 of 120 rows; remove these rows"),
        (["a"] * N, "the same in all rows"),
        ([f"n{i}" for i in range(N)], "120 different values in 120 rows, too many for classes"),
    ],
)
def test_a_target_that_nothing_can_be_learned_from_is_refused(draft, cells, message):
    with pytest.raises(DataError, match=message):
        draft(x=X, y=cells)


def test_without_an_input_left_each_reason_is_told(draft):
    with pytest.raises(DataError, match=r"no column is left to predict y from \(n: only counts"):
        draft(n=range(N), y=CLASSES)


def test_without_a_target_the_columns_are_listed(draft):
    with pytest.raises(UsageError, match=r"(?s)which column.*\n  x: numbers .*\n  y: a 40, b 40"):
        draft([], x=X, y=CLASSES)
    with pytest.raises(UsageError, match="no column 'yy'; did you mean 'y'"):
        draft(["yy"], x=X, y=CLASSES)


def test_a_test_file_beside_the_training_file_is_used_if_it_has_the_target(draft, tmp_path):
    (tmp_path / "test.csv").write_text("x,y\n1,a\n2,b\n")
    assert draft(name="train.csv", x=X, y=CLASSES)[1].data.test == "test.csv"
    (tmp_path / "test.csv").write_text("x\n1\n2\n")
    assert draft(name="train.csv", x=X, y=CLASSES)[1].data.test == 0.2


def test_arrays_and_images_say_their_target_themselves(tmp_path):
    for shape in ((60, 5), (60, 4, 4, 1)):
        np.savez(tmp_path / "a.npz", x=RANDOM.random(shape), y=np.arange(60) % 3)
        text = draft_config(str(tmp_path / "a.npz"), [], tmp_path)
        assert read_config(text, "c").data.target is None
        assert ("flatten" in text) == (len(shape) == 4)
        (tmp_path / "c.yaml").write_text(text)
        assert build(Document.read(str(tmp_path / "c.yaml"))).rehearse()


def test_json_lines_are_read_too(tmp_path):
    lines = [f'{{"x": {v}, "y": "{c}"}}' for v, c in zip(X, CLASSES, strict=True)]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    assert "cross_entropy" in draft_config(str(tmp_path / "d.jsonl"), ["y"], tmp_path)


def test_builtin_images_bring_their_published_test_part(tmp_path):
    config = read_config(draft_config("builtin:fashion", [], tmp_path), "c")
    assert config.data.test == "builtin:fashion_test"


@pytest.mark.parametrize("form", ["csv", "jsonl", "csv.gz"])
def test_of_a_large_file_pieces_from_all_over_are_read(tmp_path, monkeypatch, form):
    monkeypatch.setattr(sampling, "WHOLE", 1 << 12)
    monkeypatch.setattr(sampling, "PIECE", 1 << 9)
    rows = 40_000
    path = tmp_path / f"d.{form}"
    with gzip.open(path, "wt") if form.endswith("gz") else path.open("w") as file:
        if "csv" in form:
            file.write("x,y\n")
        for i in range(rows):  # sorted by class: the start alone would show only one
            x, y = i % 97 / 10, "abcd"[4 * i // rows]
            file.write(f"{x},{y}\n" if "csv" in form else f'{{"x": {x}, "y": "{y}"}}\n')
    seen = sampling.look_at(str(path))
    assert seen.partial
    assert seen.source.rows < rows / 3
    assert abs(seen.rows - rows) < 0.05 * rows
    assert len(seen.source.columns["y"].levels) == 4
    assert "# About " in draft_config(str(path), ["y"], tmp_path)


def test_a_large_file_with_cells_over_several_lines_is_read_from_its_start(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "WHOLE", 1 << 15)
    monkeypatch.setattr(sampling, "PIECE", 1 << 9)
    cell = '"a\nlong, long cell\nof many lines\n"'
    rows = "".join(f"{i % 50},{cell},{'ab'[i % 2]}\n" for i in range(20_000))
    (tmp_path / "d.csv").write_text(f"x,t,y\n{rows}")
    seen = sampling.look_at(str(tmp_path / "d.csv"))
    assert seen.partial
    assert seen.source.columns["y"].levels == ("a", "b")


def test_any_small_table_gives_a_config_that_trains_or_a_reason(draft):
    """A hundred tables of odd columns: nothing but a working config, or one of our errors."""
    random = np.random.default_rng(1)
    kinds = (
        lambda n: random.integers(0, random.integers(1, 30), n).tolist(),
        lambda n: random.standard_normal(n).tolist(),
        lambda n: (10.0 ** random.integers(-200, 200, n)).tolist(),
        lambda n: random.choice(["a", "b", "", "NA", "no", "1e3", "x y"], n).tolist(),
        lambda n: [f"v{i}" for i in random.permutation(n)],
        lambda n: ["c"] * n,
        lambda n: random.choice(["train", "test"], n).tolist(),
        lambda n: [f"2024-01-{1 + i * 27 // n:02d}" for i in range(n)],
        lambda n: [*[0] * (n - 1), 5e300],
    )
    worked = 0
    for _ in range(100):
        n = int(random.choice([2, 3, 7, 25, 40, 90, 310]))
        picks = random.integers(0, len(kinds), random.integers(2, 6))
        columns = {f"k{i}": kinds[pick](n) for i, pick in enumerate(picks)}
        target = f"k{random.integers(0, len(picks))}"
        try:
            text, _ = draft([target], **columns)
        except DataError:
            continue
        build(Document.parse(text, "c.yaml")).rehearse()
        worked += 1
    assert worked > 30
