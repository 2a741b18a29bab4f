"""Parity with PyTorch in float64: always with saved arrays, and live where torch is installed."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from bpnet.nn.losses import LOSSES
from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.optim.schedules import SCHEDULES, Plateau
from bpnet.options import Span

WITHOUT_TORCH = {"inverse_sqrt"}  # PyTorch has no such scheduler
LENGTHS = ("every", "length", "period")


# How the references were made, the cases included: see there.
MADE = runpy.run_path(str(Path(__file__).parents[1] / "parity" / "make_golden_optim.py"))


@pytest.fixture(scope="session")
def golden():
    with np.load(MADE["GOLDEN"]) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def trajectory(name, make_arena):
    entry, options, _, _ = MADE["OPTIMIZER_CASES"][name]
    arena = make_arena()
    W, b = arena.params["layer.W"], arena.params["layer.b"]
    W.value[...], b.value[...] = MADE["start"]()
    optimizer = OPTIMIZERS[entry](**options)
    optimizer.bind(arena)
    rows = []
    for n in range(1, MADE["STEPS"] + 1):
        for param in (W, b):
            param.grad[...] = MADE["gradient"](param.value, n)
        optimizer.step(optimizer.learning_rate)
        rows.append(np.concatenate([W.value.ravel(), b.value]))
    return np.array(rows)[9::10]


def rates(name):
    entry, options, _, _ = MADE["SCHEDULE_CASES"][name]
    options = {k: Span(v, "steps") if k in LENGTHS else v for k, v in options.items()}
    if "milestones" in options:
        options["milestones"] = [Span(m, "steps") for m in options["milestones"]]
    schedule = SCHEDULES[entry](**options)
    schedule.build(MADE["BASE_RATE"], MADE["STEPS"], 10)
    return np.array([schedule.lr(step) for step in range(MADE["STEPS"])])


def plateau_rates(name):
    mode, options, _ = MADE["PLATEAU_CASES"][name]
    schedule = Plateau(**options)
    schedule.build(MADE["BASE_RATE"], MADE["STEPS"], 1)
    rows = []
    for epoch in range(MADE["STEPS"]):
        schedule.observe(MADE["metric"](epoch), mode)
        rows.append(schedule.lr(epoch))
    return np.array(rows)


def loss_and_gradient(name):
    entry, options, kind, weighted = MADE["LOSS_CASES"][name]
    z, target, weight = MADE["loss_data"](kind)
    loss = LOSSES[entry](**options)
    loss.build(z.shape[1], dtype="float64")
    value = loss.forward(z, target, weight if weighted else None)
    return value, loss.backward()


def test_every_table_entry_is_compared(golden):
    def entries(table):
        return {case[0] for case in MADE[table].values()}

    assert entries("OPTIMIZER_CASES") == OPTIMIZERS.keys()
    assert entries("SCHEDULE_CASES") | {"plateau"} | WITHOUT_TORCH == SCHEDULES.keys()
    assert entries("LOSS_CASES") == LOSSES.keys()
    saved = {name.split("/", 1)[1] for name in golden}
    assert saved == {
        *MADE["OPTIMIZER_CASES"],
        *MADE["SCHEDULE_CASES"],
        *MADE["PLATEAU_CASES"],
        *MADE["LOSS_CASES"],
    }


@pytest.mark.parametrize("name", MADE["OPTIMIZER_CASES"])
def test_an_optimizer_equals_the_saved_one(name, golden, make_arena):
    got = trajectory(name, make_arena)
    np.testing.assert_allclose(got, golden[f"optimizer/{name}"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", MADE["OPTIMIZER_CASES"])
def test_an_optimizer_equals_pytorchs_over_a_hundred_steps(name, torch, make_arena):
    want = MADE["torch_optimizer"](name)
    np.testing.assert_allclose(trajectory(name, make_arena), want, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", MADE["OPTIMIZER_CASES"])
def test_the_default_options_are_pytorchs(name, torch):
    entry, options, cls, given = MADE["OPTIMIZER_CASES"][name]
    if set(options) | set(given) - {"lr", "momentum", "nesterov", "amsgrad"}:
        return
    ours = OPTIMIZERS[entry]()
    theirs = getattr(torch.optim, cls)([torch.nn.Parameter(torch.zeros(1))], **given).defaults
    beta1, beta2 = theirs.get("betas", (None, None))
    names = {
        "learning_rate": theirs["lr"],
        "weight_decay": theirs["weight_decay"],
        "epsilon": theirs.get("eps"),
        "alpha": theirs.get("alpha"),
        "beta1": beta1,
        "beta2": beta2,
        "momentum_decay": theirs.get("momentum_decay"),
        "initial_accumulator_value": theirs.get("initial_accumulator_value"),
        "learning_rate_decay": theirs.get("lr_decay"),
    }
    for option, value in names.items():
        assert getattr(ours, option, None) == value, option


@pytest.mark.parametrize("name", MADE["SCHEDULE_CASES"])
def test_a_schedule_equals_the_saved_one(name, golden):
    np.testing.assert_allclose(rates(name), golden[f"schedule/{name}"], atol=1e-12)


# PyTorch warns that a scheduler was stepped before the optimizer if the gradient is empty.
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*:UserWarning")
@pytest.mark.parametrize("name", MADE["SCHEDULE_CASES"])
def test_a_schedule_equals_pytorchs_at_every_step(name, torch):
    want = MADE["torch_schedule"](name)
    np.testing.assert_allclose(rates(name), want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MADE["PLATEAU_CASES"])
def test_plateau_equals_the_saved_one(name, golden):
    got = plateau_rates(name)
    assert len(set(got)) > 2, "the metric should make it drop more than once"
    np.testing.assert_allclose(got, golden[f"plateau/{name}"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MADE["PLATEAU_CASES"])
def test_plateau_equals_pytorchs_after_every_epoch(name, torch):
    want = MADE["torch_plateau"](name)
    np.testing.assert_allclose(plateau_rates(name), want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MADE["LOSS_CASES"])
def test_a_loss_equals_the_saved_one(name, golden):
    value, gradient = loss_and_gradient(name)
    assert value == pytest.approx(float(golden[f"loss/{name}"]), rel=1e-13)
    np.testing.assert_allclose(gradient, golden[f"loss gradient/{name}"], rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", MADE["LOSS_CASES"])
def test_a_loss_equals_pytorchs(name, torch):
    want, slope = MADE["torch_loss"](name)
    value, gradient = loss_and_gradient(name)
    assert value == pytest.approx(want, rel=1e-13)
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-15)
