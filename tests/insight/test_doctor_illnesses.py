"""Planted illnesses are found by their own rules, and mended; their healthy twins are silent."""

import math

import numpy as np
import pytest

from bpnet.config.document import Document
from bpnet.config.write import dump
from bpnet.experiment import build
from bpnet.insight.doctor.examination import examine
from bpnet.insight.doctor.findings import Rule
from bpnet.insight.doctor.laboratory import Laboratory
from bpnet.insight.doctor.probe import Limits, observe
from bpnet.insight.doctor.rules import RULES

SECONDS = 1e6
"""Enough for every trial, so that nothing depends on the clock."""


def hidden(*units, act="relu", end=(), **dense):
    """Return dense layers with an activation behind each, and the output layer."""
    pairs = [({"type": "dense", "units": n, **dense}, {"type": act}) for n in units]
    return [*(part for pair in pairs for part in pair), {"type": "dense", "units": "auto"}, *end]


def config(train="builtin:iris", target="species", *, rate=0.02, kind="adam", **parts):
    """Return a small config; `parts` are laid over its blocks."""
    base = {
        "name": "t",
        "data": {"train": train, "target": target, "validation": 0.2, "test": 0},
        "model": {"layers": hidden(16)},
        "loss": "cross_entropy",
        "optimizer": {"type": kind, "learning_rate": rate},
        "training": {"epochs": 30, "batch_size": 16},
    }
    for key, value in parts.items():
        base[key] = base[key] | value if isinstance(base.get(key), dict) else value
    return base


DIGITS = ("builtin:digits", "digit")
CONCRETE = ("builtin:concrete", "compressive_strength")
SPIRALS = ("builtin:spirals", "y")
SHORT = {"epochs": 8, "batch_size": 32}


def table(folder, name, columns, rows):
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the tables that the configs name."""
    path = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(7)
    x = rng.normal(size=(800, 4)).round(4)
    names = [*"abcd", "y"]
    for name, share in (("rare", 0.04), ("even", 0.5)):
        rare = rng.random(len(x)) < share
        shifted = x + np.outer(rare, [1.2, -0.6, 0, 0]).round(4)
        kinds = np.where(rare, "yes", "no")
        table(
            path, f"{name}.csv", names, [[*row, k] for row, k in zip(shifted, kinds, strict=True)]
        )
    y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] / 2
    coded = np.digitize(y, [-0.7, 0, 0.7])
    table(path, "codes.csv", names, [[*row, k] for row, k in zip(x, coded, strict=True)])
    amounts = (300 * y + 2000).round(3)
    table(path, "large.csv", names, [[*row, v] for row, v in zip(x, amounts, strict=True)])
    noise = rng.normal(size=(120, 15)).round(4)
    coins = rng.choice(["up", "down"], len(noise))
    columns = [*(f"x{i}" for i in range(15)), "y"]
    table(path, "noise.csv", columns, [[*row, c] for row, c in zip(noise, coins, strict=True)])
    return path


MSE = {"loss": "mse"}
BINARY = {"loss": "binary_cross_entropy"}
UNSCALED = {"numeric": {"scale": "none"}}


def layers(*args, **kwargs):
    return {"layers": hidden(*args, **kwargs)}


PLANTED = {
    "unscaled_inputs": (
        config(*CONCRETE, rate=0.005, data=UNSCALED, **MSE),
        config(*CONCRETE, rate=0.005, **MSE),
    ),
    "unscaled_target": (
        config("large.csv", "y", data={"target_scale": "none"}, training=SHORT, **MSE),
        config("large.csv", "y", **MSE),
    ),
    "output_does_not_suit_loss": (
        config(*DIGITS, model=layers(32, end=[{"type": "relu"}]), training=SHORT, rate=0.005),
        config(*DIGITS, model=layers(32), training=SHORT, rate=0.005),
    ),
    "loss_does_not_suit_target": (
        config("codes.csv", "y", **MSE),
        config("codes.csv", "y", rate=0.02, kind="adam"),
    ),
    "no_activation": (
        config(*SPIRALS, model={"layers": [{"type": "dense", "units": n} for n in (8, 8, 1)]},
               **BINARY),
        config(*SPIRALS, model=layers(32, 32, act="tanh"), training={"epochs": 120}, **BINARY),
    ),
    "initialization": (
        config(*DIGITS, model={**layers(32, 32), "init": {"type": "normal", "std": 0.002}},
               training=SHORT, rate=0.005),
        config(*DIGITS, model={**layers(32, 32), "init": {"type": "normal", "std": 0.1}},
               training=SHORT, rate=0.005),
    ),
    "dead_relu": (
        config(*DIGITS, model=layers(32, bias_init={"type": "constant", "value": -20}),
               training=SHORT, rate=0.005),
        config(*DIGITS, model=layers(32, bias_init={"type": "constant", "value": -0.1}),
               training=SHORT, rate=0.005),
    ),
    "saturated_activation": (
        config(*DIGITS, model={**layers(32, act="tanh"), "init": {"type": "normal", "std": 3}},
               training=SHORT, rate=0.005),
        config(*DIGITS, model={**layers(32, act="tanh"), "init": "xavier"}, training=SHORT,
               rate=0.005),
    ),
    "vanishing_gradient": (
        config(*DIGITS, model=layers(*[24] * 6, act="sigmoid"), training=SHORT, rate=0.005),
        config(*DIGITS, model=layers(*[24] * 6), training=SHORT, rate=0.005),
    ),
    "exploding_gradient": (
        config(*DIGITS, model={**layers(*[48] * 5), "init": {"type": "he", "gain": 6}},
               training=SHORT, rate=0.002),
        config(*DIGITS, model=layers(*[48] * 5), training=SHORT, rate=0.002),
    ),
    "learning_rate_too_high": (config(rate=20, kind="sgd"), config(rate=0.1, kind="sgd")),
    "learning_rate_too_low": (config(rate=1e-6), config(rate=0.01)),
    "update_ratio": (
        config(rate=0.1, kind="sgd", training={"clip_norm": 1e-7}),
        config(rate=0.1, kind="sgd", training={"clip_norm": 5}),
    ),
    "loss_explodes": (
        config(*CONCRETE, rate=5, kind="sgd", training=SHORT, **MSE),
        config(*CONCRETE, rate=0.05, kind="sgd", **MSE),
    ),
    "loss_does_not_fall": (
        config(*DIGITS, regularization={"l2": 30}, training=SHORT, rate=0.003),
        config(*DIGITS, regularization={"l2": 1e-4}, training=SHORT, rate=0.003),
    ),
    "class_imbalance": (
        config("rare.csv", "y", training=SHORT, rate=0.003, **BINARY),
        config("even.csv", "y", training=SHORT, rate=0.003, **BINARY),
    ),
    "overfitting": (
        config("noise.csv", "y", model=layers(64), training={"epochs": 80}, rate=0.01,
               data={"validation": 0.3}),
        config(*DIGITS, model=layers(64), training={"epochs": 20}, rate=0.005),
    ),
    "underfitting": (
        config(*DIGITS, model=layers(1), training=SHORT, rate=0.02),
        config(*DIGITS, model=layers(32), training=SHORT, rate=0.005),
    ),
}  # fmt: skip
"""By rule: a config with the illness, and its healthy twin."""


def visit(content, folder):
    """Return what was seen and found of a config."""
    document = Document.parse(dump(content), str(folder / "c.yaml"))
    seen = observe(build(document), Limits(seconds=SECONDS))
    return seen, examine(seen, Laboratory(document, SECONDS)), document


def test_every_rule_has_its_planted_illness():
    assert PLANTED.keys() == RULES.keys()


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_illness_is_found_and_mended_by_its_change(name, folder):
    _, findings, document = visit(PLANTED[name][0], folder)
    own = [finding for finding in findings if finding.rule == name]
    assert own, [finding.rule for finding in findings]
    finding = own[0]
    assert finding.tried, f"{finding.text}: {finding.change}"
    assert finding.change.overrides
    mended = document.override(finding.change.overrides)
    seen = observe(build(mended), Limits(seconds=SECONDS))
    if RULES[name].proof:
        findings = examine(seen, Laboratory(mended, SECONDS))
        assert name not in [other.rule for other in findings]
    else:
        assert list(RULES[name].find(seen)) == []


@pytest.mark.parametrize("name", PLANTED)
def test_the_healthy_twin_is_silent(name, folder):
    _, findings, _ = visit(PLANTED[name][1], folder)
    assert [(finding.rule, finding.text) for finding in findings] == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_finding_is_beyond_its_threshold(name, folder):
    # No trials: only what the rule itself measured.
    seen = observe(build(Document.parse(dump(PLANTED[name][0]), str(folder / "c.yaml"))), Limits())
    findings = examine(seen, None)
    if RULES[name].proof:
        assert name not in [finding.rule for finding in findings]
        return
    finding = next(finding for finding in findings if finding.rule == name)
    assert not math.isnan(finding.number)
    small = name in ("vanishing_gradient", "update_ratio") or "varies by only" in finding.text
    small = small or (name == "initialization" and finding.threshold < 1)
    small = small or name == "loss_does_not_suit_target"
    assert finding.number <= finding.threshold if small else finding.number >= finding.threshold
    assert finding.tried is None


def test_causes_are_rules_and_are_told_first(folder):
    for rule in RULES.values():
        assert isinstance(rule, Rule)
        assert set(rule.causes) < set(RULES)
        assert rule.source
        assert rule.measure
    _, findings, _ = visit(PLANTED["saturated_activation"][0], folder)
    assert findings[0].rule == "initialization"
    assert not findings[0].follows
    assert all(finding.follows for finding in findings[1:])


@pytest.mark.parametrize("name", ["iris", "xor", "penguins", "digits"])
def test_an_example_is_silent(name, request):
    path = request.config.rootpath / "configs" / f"{name}.yaml"
    document = Document.read(str(path))
    seen = observe(build(document), Limits(seconds=SECONDS))
    assert examine(seen, Laboratory(document, SECONDS)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["concrete", "fashion"])
def test_a_larger_example_is_silent(name, request):
    test_an_example_is_silent(name, request)


def test_noise_that_nothing_can_be_learned_from_is_no_fault_of_the_rate(folder):
    # Trying several rates, the best of them may look a little better by chance.
    noise = config("noise.csv", "y", data={"validation": 0.3}, training={"epochs": 4}, rate=1e-3)
    _, findings, _ = visit(noise, folder)
    assert {finding.rule for finding in findings} <= {"loss_does_not_fall"}


def test_every_rule_is_in_the_readme(request):
    text = (request.config.rootpath / "README.md").read_text()
    assert [name for name in RULES if f"`{name}`" not in text] == []


def test_a_trial_that_does_not_fit_the_config_is_left_out():
    document = Document.parse(dump(config()), "c.yaml")
    laboratory = Laboratory(document, SECONDS)
    assert laboratory.try_out(["optimizer.learning_rate=-1"], 10) is None
    assert laboratory.try_out(["optimizer.learning_rate=0.1"], 10).steps == 10
    assert laboratory.trials == 1
    assert Laboratory(document, 0).try_out([], 10) is None


def test_a_training_that_is_cut_off_is_not_judged_by_its_end():
    document = Document.parse(dump(config(rate=0.01)), "c.yaml")
    seen = observe(build(document), Limits(steps=20, seconds=SECONDS))
    assert seen.steps == 20
    assert not seen.complete
    assert len(seen.rows) == 3  # eight steps an epoch: the last one is half done
    assert examine(seen, Laboratory(document, SECONDS)) == []


HEALTHY = {
    **{
        f"digits {kind}": config(*DIGITS, model=layers(48), training=SHORT, kind=kind, rate=rate)
        for kind, rate in {
            "sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.03, "rmsprop": 2e-3,
            "adam": 3e-3, "amsgrad": 3e-3, "nadam": 3e-3, "adamw": 3e-3,
        }.items()
    },
    **{
        f"concrete {act}": config(*CONCRETE, model=layers(32, 32, act=act), rate=5e-3, **MSE)
        for act in ("relu", "leaky_relu", "elu", "gelu", "swish", "tanh", "softplus")
    },
    **{
        f"digits {name}": config(*DIGITS, training=SHORT, rate=5e-3, model={"layers": [
            {"type": "dense", "units": 48}, *extra, {"type": "relu"},
            {"type": "dense", "units": "auto"},
        ]})
        for name, extra in {
            "batch norm": [{"type": "batch_norm"}],
            "layer norm": [{"type": "layer_norm"}],
            "dropout": [{"type": "dropout", "rate": 0.3}],
        }.items()
    },
    **{
        f"digits {init}": config(*DIGITS, model={**layers(32, 32), "init": init}, training=SHORT,
                                 rate=5e-3)
        for init in ("he", "xavier", "lecun", "orthogonal", "he_uniform")
    },
    "digits full batch": config(*DIGITS, training={"epochs": 120, "batch_size": "full"}, rate=0.01),
    "digits single rows": config(*DIGITS, training={"epochs": 2, "batch_size": 1}, kind="sgd",
                                 rate=0.01),
    "digits smoothed": config(*DIGITS, training=SHORT, rate=5e-3,
                              loss={"type": "cross_entropy", "label_smoothing": 0.1}),
    "digits cosine": config(*DIGITS, training=SHORT, rate=5e-3,
                            schedule={"type": "cosine", "warmup": "1 epoch"}),
    "iris linear": config(model=layers(), rate=0.05),
    "penguins": config("builtin:penguins"),
    "concrete mae": config(*CONCRETE, model=layers(32), rate=5e-3, loss="mae"),
    "concrete huber": config(*CONCRETE, model=layers(32), rate=5e-3, loss="huber"),
    "large scaled": config("large.csv", "y", rate=0.01, **MSE),
    "spirals": config(*SPIRALS, model=layers(48, 48), training={"epochs": 120}, rate=0.01,
                      **BINARY),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_more_healthy_trainings_are_silent(name, folder):
    _, findings, _ = visit(HEALTHY[name], folder)
    assert [(finding.rule, finding.text) for finding in findings] == []


def test_inputs_that_are_not_scaled_are_scaled_first_where_they_saturate():
    document = Document.parse(
        dump(
            config(
                *DIGITS,
                rate=0.003,
                data=UNSCALED,
                model={"init": "he", **layers(32, act="tanh")},
                training=SHORT,
            )
        )
    )
    seen = observe(build(document), Limits(10_000, SECONDS))
    found = examine(seen, Laboratory(document, SECONDS))
    saturated = next(f for f in found if f.rule == "saturated_activation")
    assert saturated.change.overrides == ("data.numeric.scale=standard",)
    assert saturated.tried
