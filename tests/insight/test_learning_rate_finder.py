"""The range test: its curve, its suggestion or the reason for none, and nothing changed by it."""

import math
import re

import numpy as np
import pytest

from bpnet.config.document import Document
from bpnet.config.write import dump
from bpnet.errors import UsageError
from bpnet.experiment import build
from bpnet.insight.curve_drawing import Curve, as_svg, in_characters
from bpnet.insight.learning_rate import find_learning_rate, smooth
from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.training.events import Stopped
from bpnet.training.fit import fit


def experiment(*overrides, train="builtin:digits", target="digit", loss="cross_entropy"):
    content = {
        "name": "t",
        "data": {"train": train, "target": target, "validation": 0.2, "test": 0},
        "model": {
            "layers": [
                {"type": "dense", "units": 32},
                {"type": "batch_norm"},
                {"type": "relu"},
                {"type": "dropout", "rate": 0.2},
                {"type": "dense", "units": "auto"},
            ]
        },
        "loss": loss,
        "training": {"epochs": 3, "batch_size": 32},
    }
    return build(Document.parse(dump(content)).override(overrides))


IRIS = {"train": "builtin:iris", "target": "species"}


def bytes_of(state):
    facts = state.facts()
    del facts["elapsed"]
    return {name: array.tobytes() for name, array in state.arrays().items()} | facts


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_afterwards_gives_the_same_bytes(kind):
    searched, plain = (experiment(f"optimizer={kind}", **IRIS) for _ in range(2))
    before = bytes_of(searched.state)
    find_learning_rate(searched.state)
    assert bytes_of(searched.state) == before
    for made in (searched, plain):
        assert isinstance(list(fit(made.state))[-1], Stopped)
    assert bytes_of(searched.state) == bytes_of(plain.state)


def test_also_in_the_middle_of_a_training_nothing_is_changed():
    searched, plain = (experiment("schedule=plateau", **IRIS) for _ in range(2))
    for made in (searched, plain):
        events = fit(made.state)
        for _ in range(7):
            next(events)
        events.close()
        if made is searched:
            find_learning_rate(made.state)
        list(fit(made.state))
    assert bytes_of(searched.state) == bytes_of(plain.state)


def test_the_same_test_gives_the_same_curve():
    made = experiment()
    first, second = (find_learning_rate(made.state) for _ in range(2))
    assert first.losses.tobytes() == second.losses.tobytes()
    assert first.suggestion == second.suggestion


def test_the_rate_grows_by_the_same_factor_with_every_step():
    test = find_learning_rate(experiment(**IRIS).state, low=1e-4, high=1e-2, steps=41)
    assert len(test.rates) == 41
    assert test.rates[[0, 20, 40]] == pytest.approx([1e-4, 1e-3, 1e-2])
    assert test.stopped == "end"


def test_data_with_fewer_batches_than_steps_is_gone_through_again():
    made = experiment("training.batch_size=full", **IRIS)
    assert made.state.batches.steps == 1
    assert len(find_learning_rate(made.state, steps=60, high=1e-2).rates) == 60


GOOD = {
    "sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.03, "rmsprop": 3e-3,
    "adam": 5e-3, "amsgrad": 5e-3, "nadam": 5e-3, "adamw": 5e-3,
}  # fmt: skip
"""Rates that people would choose for such a network."""


@pytest.mark.parametrize("kind", GOOD)
def test_the_suggestion_is_near_what_people_would_choose(kind):
    test = find_learning_rate(experiment(f"optimizer={kind}").state)
    assert test.stopped in ("exploded", "diverged", "end")
    assert GOOD[kind] / 6 < test.suggestion < GOOD[kind] * 6


def test_every_optimizer_is_tried():
    assert GOOD.keys() == OPTIMIZERS.keys()


def test_a_flat_loss_gives_no_suggestion():
    test = find_learning_rate(experiment("model.init=zeros", "model.layers.1.affine=false").state)
    assert test.suggestion is None
    assert "does not fall" in test.reason


def test_noise_without_a_signal_gives_no_suggestion(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)).round(3)
    rows = [f"{a},{b},{c},{k}" for (a, b, c), k in zip(x, rng.choice(["p", "q"], 400), strict=True)]
    (tmp_path / "d.csv").write_text("\n".join(["a,b,c,y", *rows]) + "\n")
    made = experiment("model.init={type: normal, std: 0.01}", train=str(tmp_path / "d.csv"),
                      target="y")  # fmt: skip
    test = find_learning_rate(made.state)
    assert test.suggestion is None
    assert re.search("does not fall|does not stand out", test.reason)


def test_a_loss_that_explodes_at_once_gives_no_suggestion():
    made = experiment(
        "data.target_scale=none",
        "optimizer=sgd",
        train="builtin:concrete",
        target="compressive_strength",
        loss="mse",
    )
    test = find_learning_rate(made.state, low=1e3, high=1e5)
    assert test.suggestion is None
    assert "begin with a lower rate" in test.reason
    assert len(test.rates) < 10


def test_a_loss_that_is_nan_at_once_gives_no_suggestion():
    made = experiment("model.init={type: constant, value: 1e+38}", "model.layers.1={type: tanh}",
                      train="builtin:concrete", target="compressive_strength",
                      loss="mse")  # fmt: skip
    before = bytes_of(made.state)
    test = find_learning_rate(made.state)
    assert test.suggestion is None
    assert len(test.rates) == 0
    assert bytes_of(made.state) == before
    assert made.state.divergence is None


def test_a_loss_that_still_falls_at_the_end_is_said():
    test = find_learning_rate(experiment("optimizer=sgd").state, low=1e-3, high=0.05)
    assert test.suggestion == pytest.approx(0.05 / 3, rel=0.2)
    assert "the range may go further" in test.notes[0]


@pytest.mark.parametrize(
    "bounds", [{"low": 0}, {"low": 1, "high": 0.1}, {"high": math.inf}, {"low": math.nan},
               {"steps": 3}]
)  # fmt: skip
def test_a_range_that_is_none_is_refused(bounds):
    with pytest.raises(UsageError, match="expected"):
        find_learning_rate(experiment(**IRIS).state, **bounds)


def test_smoothing_keeps_the_place_of_an_edge():
    rates = np.geomspace(1e-6, 1, 181)
    losses = np.where(rates < 1e-3, 2.0, 1.0)
    smoothed = smooth(rates, losses)
    middle = math.sqrt(2)  # halfway between the logarithms
    crossing = rates[int(np.argmax(smoothed < middle))]
    assert crossing == pytest.approx(1e-3, rel=0.1)
    assert smooth(rates, np.full(181, 3.0)) == pytest.approx(3.0)


def curve(mark=1e-3):
    x = np.geomspace(1e-6, 1, 60)
    y = 2 - np.clip(np.log10(x) + 4, 0, 3) / 2
    return Curve(x, y + 0.01, y, mark, "a <b> & c", "rate", "loss")


def test_the_plot_is_made_of_plain_characters():
    lines = in_characters(curve(), width=40, height=9)
    assert len(lines) == 11
    assert all(line.isascii() and len(line) <= 60 for line in lines)
    columns = [line.index("|", line.index("|") + 1) for line in lines[:9] if line.count("|") > 1]
    assert len(set(columns)) == 1
    assert columns[0] - lines[0].index("|") == 1 + round(39 / 2)  # 1e-3 is halfway
    assert "1e-3" in lines[-1]
    starts = [line.find("*") for line in lines[:9]]
    assert starts == sorted(starts, key=lambda at: (at < 0, at)) or starts[0] == -1


def test_a_flat_curve_and_one_of_two_points_can_be_drawn():
    for n in (2, 30):
        x = np.geomspace(1e-3, 1e-3 if n == 1 else 1, n)
        flat = Curve(x, np.ones(n), np.ones(n), None, "t", "x", "y")
        assert sum("*" in line for line in in_characters(flat)) == 1
        assert "<polyline" in as_svg(flat)


def test_the_picture_is_well_formed_and_escapes_names():
    from xml.etree import ElementTree

    root = ElementTree.fromstring(as_svg(curve()))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a <b> & c" in texts
    assert "0.001" in texts
