"""A trace on a terminal."""

import re

import pytest
import small_configs

from bpnet.config.document import Document
from bpnet.errors import UsageError
from bpnet.insight.exact import build_exact
from bpnet.insight.trace.arithmetic import num
from bpnet.insight.trace.recording import trace_step
from bpnet.insight.trace.rows import parse_rows
from bpnet.insight.trace.text import lines
from bpnet.nn.layers import LAYERS
from bpnet.optim.optimizers import OPTIMIZERS

XOR = f"{small_configs.XOR}optimizer: {{type: sgd, learning_rate: 0.5}}\n"

DIGITS = """\
data: {train: builtin:digits, target: digit}
model:
  layers: [{type: dense, units: 64}, {type: relu}, {type: dense, units: auto}]
loss: cross_entropy
"""


def traced(config, rows=(), *overrides, after=0):
    experiment, _ = build_exact(Document.parse(config).override(overrides))
    return trace_step(experiment, list(rows), after=after)


def told(*given, **options):
    return list(lines(traced(*given, **options)))


@pytest.mark.parametrize("row", range(4))
def test_the_2_2_1_network_of_xor_fits_on_a_screen_of_120_by_40(row):
    said = told(XOR, [row])
    assert len(said) <= 38
    assert max(map(len, said)) <= 100


def test_the_four_phases_come_in_order():
    said = told(XOR, [2])
    heads = [line.split("  ")[0] for line in said if re.match(r"\d [A-Z]", line)]
    assert heads == ["1 FORWARD", "2 LOSS", "3 BACKWARD", "4 UPDATE"]


def test_every_weight_of_a_small_network_has_its_gradient_beside_the_estimate():
    found = traced(XOR, [2])
    said = list(lines(found))
    for tensor in found.tensors:
        rows = [line.split() for line in said if line.startswith(f"  {tensor.name}[")]
        listed = [row for row in rows if len(row) == 6]
        assert len(listed) == tensor.before.size
        for row, before, gradient, after in zip(
            listed, tensor.before.flat, tensor.gradient.flat, tensor.after.flat, strict=True
        ):
            assert float(row[1]) == pytest.approx(before, rel=1e-4)
            assert float(row[2]) == pytest.approx(gradient, rel=1e-4)
            assert float(row[3]) == pytest.approx(gradient, rel=1e-4, abs=1e-9)
            assert float(row[5]) == pytest.approx(after, rel=1e-4)


def test_the_numbers_of_each_layer_are_there():
    found = traced(XOR, [2])
    said = "\n".join(lines(found))
    for step in found.layers.values():
        for value in [*step.y.flat, *step.dx.flat]:
            assert f"{value:.5g}" in said


def test_a_large_network_is_summed_up():
    said = told(DIGITS)
    assert len(said) <= 40
    assert max(map(len, said)) <= 120
    tensors = [line for line in said if line.startswith("  dense_1.W ")]
    assert len(tensors) == 1
    assert "64x64" in tensors[0]
    assert re.search(r" [1-9]e-1\d", tensors[0])  # how far gradient and estimate are apart
    assert any("also by differences of L: at most" in line for line in said)


def test_several_rows_are_shown_one_below_the_other():
    said = told(XOR, [1, 2, 3])
    start = next(i for i, line in enumerate(said) if line.startswith("  sigmoid_1"))
    assert all(re.match(r" +-?[\d.]", said[start + i]) for i in (1, 2))
    assert any("3 rows" in line or "rows 1, 2, 3" in line for line in said)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_shows_its_formula_and_one_weight_step_by_step(name):
    said = told(XOR, [2], f"optimizer={{type: {name}, learning_rate: 0.1}}")
    head = next(line for line in said if line.startswith("4 UPDATE"))
    assert name in head
    assert any("w = w - lr" in line for line in said)
    assert sum("new w = " in line for line in said) == 1


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"dense", "residual", "reshape"}))
def test_every_layer_is_told(name):
    said = told(XOR, [1, 2], f"model.layers.1={{type: {name}}}")
    assert sum(f"{name}_1" in line for line in said) >= 2


def test_kinks_penalties_clipping_and_frozen_layers_are_said():
    relu = told(XOR, [0], "model.layers.1={type: relu}")
    assert any(re.match(r"  dense_1\.b\[0\] .* kink ", line) for line in relu)
    more = told(XOR, [2], "regularization={l2: 0.1}", "training={clip_norm: 0.1}")
    assert any("penalties of" in line for line in more)
    assert any("clip_norm 0.1: shrunk" in line for line in more)
    frozen = told(XOR, [2], "model.freeze=[dense_1]")
    assert any("frozen" in line for line in frozen)
    assert any("nothing is trained there: dense_1" in line for line in frozen)


def test_a_row_that_training_never_sees_is_said_to_be_one():
    experiment, _ = build_exact(Document.parse(DIGITS))
    row = int(experiment.data.datasets["test"].rows[0])
    said = told(DIGITS, [row])
    assert f"note: row {row} is in the test part: the training itself never sees it" in said


def test_without_a_row_it_is_the_first_training_row():
    experiment, _ = build_exact(Document.parse(DIGITS))
    first = int(experiment.data.datasets["train"].rows.min())
    assert f"on row {first} of builtin:digits" in told(DIGITS)[0]


def test_a_row_that_was_dropped_can_not_be_traced(tmp_path):
    rows = "".join(f"{'' if i == 3 else i},{i % 2}\n" for i in range(30))
    (tmp_path / "d.csv").write_text(f"a,y\n{rows}")
    config = (
        f"data: {{train: {tmp_path}/d.csv, target: y, numeric: {{missing: drop}}}}\n"
        "model: {layers: [{type: dense, units: auto}]}\nloss: cross_entropy\n"
    )
    with pytest.raises(UsageError, match="no row 3: it is left out"):
        traced(config, [3])
    with pytest.raises(UsageError, match="no row 30: the rows go from 0 to 29"):
        traced(config, [30])


def test_after_some_steps_the_step_is_the_next_one():
    first = traced(XOR, [2])
    later = traced(XOR, [2], after=3)
    assert (first.rule.step, later.rule.step) == (1, 4)
    before = {tensor.name: tensor.before for tensor in later.tensors}
    for tensor in traced(XOR, [0, 1, 2, 3], after=2).tensors:  # its third step is on all rows
        assert (tensor.after == before[tensor.name]).all()
    with pytest.raises(UsageError, match="the training ends after 2 steps"):
        traced(XOR, [2], "training={epochs: 2}", after=3)


@pytest.mark.parametrize(
    ("texts", "rows"),
    [(["3"], [3]), (["0-3"], [0, 1, 2, 3]), (["5,1", "1-2"], [5, 1, 2]), ([" 7 "], [7])],
)
def test_rows_are_named_by_numbers_and_ranges(texts, rows):
    assert parse_rows(texts) == rows


@pytest.mark.parametrize(
    "text", ["x", "-1", "1-", "3-1", "0-64", "1.5", "", "9" * 13, "0-999999999"]
)
def test_other_rows_are_refused(text):
    with pytest.raises(UsageError, match=r"--row: "):
        parse_rows([text])


WEIGHTED = XOR.replace("binary_cross_entropy", "{type: binary_cross_entropy, label_smoothing: 0.2}")


def test_where_weights_or_smoothing_count_the_first_derivative_is_written_out():
    found = traced(WEIGHTED, [1])
    said = list(lines(found))
    place = said.index("  with weights or smoothing dz[0] = p[0] - t[0]")
    assert said[place + 1].split(" = ")[-1] == num(found.loss.dz[0, 0])
    assert not any("smoothing" in line for line in told(XOR, [1]))


def test_the_loss_is_divided_by_the_weights_before_the_eyes_of_the_reader():
    config = DIGITS.replace("cross_entropy", "{type: cross_entropy, class_weight: balanced}")
    found = traced(config, [0])
    (line,) = [line for line in lines(found) if line.startswith("  L = ")]
    row, total, value = re.fullmatch(r"  L = (\S+) / (\S+) = (\S+)", line).groups()
    assert float(row) / float(total) == pytest.approx(float(value), rel=1e-3)
    assert float(value) == pytest.approx(found.loss.value, rel=1e-3)


def test_a_formula_that_its_column_cuts_short_stands_below_in_full():
    said = told(XOR.replace("sigmoid", "layer_norm"), [1])
    assert any("..." in line and "layer_norm_1  1x2" in line for line in said)
    full = (
        "  layer_norm_1: y = gamma x̂ + beta, x̂ = (x - mean) / √(variance + epsilon), over each row"
    )
    assert full in said


def test_rows_that_the_training_never_sees_are_named_together():
    config = DIGITS.replace("target: digit", "target: digit, validation: 0.3")
    experiment, _ = build_exact(Document.parse(config))
    unseen = sorted(experiment.data.datasets["val"].rows.tolist())[:3]
    (note,) = traced(config, unseen).notes
    first, second, third = unseen
    assert note == (
        f"rows {first}, {second} and {third} are in the validation part: the training itself "
        "never sees them"
    )


def test_a_batch_norm_that_sees_one_row_is_said_to_use_its_running_averages():
    config = XOR.replace("sigmoid", "batch_norm")
    (note,) = traced(config, [1]).notes
    assert "batch_norm_1 normalizes by its running averages" in note
    assert traced(config, [1, 2]).notes == []
