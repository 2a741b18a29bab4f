"""Make golden_optim.npz: what PyTorch's losses, optimizers and schedulers give in float64.

    python tests/parity/make_golden_optim.py

The tests read the cases and, where torch is installed, the references from here; elsewhere the
saved arrays stand in for torch. Everything is a function of the step, nothing is drawn at random.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).with_name("golden_optim.npz")
STEPS = 100

# name: (table entry, its options, torch.optim class, its options)
OPTIMIZER_CASES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "sgd": ("sgd", {}, "SGD", {"lr": 0.01}),
    "sgd decay": ("sgd", {"weight_decay": 0.1}, "SGD", {"lr": 0.01, "weight_decay": 0.1}),
    "momentum": ("momentum", {}, "SGD", {"lr": 0.01, "momentum": 0.9}),
    "momentum damped": (
        "momentum",
        {"momentum": 0.8, "dampening": 0.3, "weight_decay": 0.05},
        "SGD",
        {"lr": 0.01, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.05},
    ),
    "nesterov": ("nesterov", {}, "SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    "nesterov decay": (
        "nesterov",
        {"momentum": 0.95, "weight_decay": 0.05},
        "SGD",
        {"lr": 0.01, "momentum": 0.95, "weight_decay": 0.05, "nesterov": True},
    ),
    "adagrad": ("adagrad", {}, "Adagrad", {}),
    "adagrad options": (
        "adagrad",
        {
            "learning_rate_decay": 0.05,
            "initial_accumulator_value": 0.2,
            "epsilon": 1e-4,
            "weight_decay": 0.1,
        },
        "Adagrad",
        {"lr_decay": 0.05, "initial_accumulator_value": 0.2, "eps": 1e-4, "weight_decay": 0.1},
    ),
    "rmsprop": ("rmsprop", {}, "RMSprop", {}),
    "rmsprop options": (
        "rmsprop",
        {"alpha": 0.9, "epsilon": 1e-3, "weight_decay": 0.1},
        "RMSprop",
        {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1},
    ),
    "rmsprop momentum": ("rmsprop", {"momentum": 0.7}, "RMSprop", {"momentum": 0.7}),
    "rmsprop centered": ("rmsprop", {"centered": True}, "RMSprop", {"centered": True}),
    "rmsprop centered momentum": (
        "rmsprop",
        {"centered": True, "momentum": 0.7, "weight_decay": 0.1},
        "RMSprop",
        {"centered": True, "momentum": 0.7, "weight_decay": 0.1},
    ),
    "adam": ("adam", {}, "Adam", {}),
    "adam options": (
        "adam",
        {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "weight_decay": 0.1},
        "Adam",
        {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1},
    ),
    "adam without memory": (
        "adam",
        {"beta1": 0.0, "beta2": 0.0},
        "Adam",
        {"betas": (0.0, 0.0)},
    ),
    "adam decoupled": (
        "adam",
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
        "Adam",
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "amsgrad": ("amsgrad", {}, "Adam", {"amsgrad": True}),
    "amsgrad options": (
        "amsgrad",
        {"beta2": 0.7, "weight_decay": 0.1},
        "Adam",
        {"betas": (0.9, 0.7), "weight_decay": 0.1, "amsgrad": True},
    ),
    "nadam": ("nadam", {}, "NAdam", {}),
    "nadam options": (
        "nadam",
        {"beta1": 0.8, "momentum_decay": 0.02, "weight_decay": 0.1},
        "NAdam",
        {"betas": (0.8, 0.999), "momentum_decay": 0.02, "weight_decay": 0.1},
    ),
    "nadam decoupled": (
        "nadam",
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
        "NAdam",
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "adamw": ("adamw", {}, "AdamW", {}),
    "adamw options": (
        "adamw",
        {"learning_rate": 0.05, "weight_decay": 0.3},
        "AdamW",
        {"lr": 0.05, "weight_decay": 0.3},
    ),
}

W_SHAPE, B_SHAPE = (5, 3), (3,)


def start() -> tuple[np.ndarray, np.ndarray]:
    """Return W and b at step 0."""
    return np.cos(np.arange(15.0)).reshape(W_SHAPE), np.sin(1 + np.arange(3.0))


def gradient(theta: np.ndarray, n: int) -> np.ndarray:
    """Return the gradient at step n, from 1: curvatures from 0.01 to 10, waves, and some zeros."""
    i = np.arange(theta.size).reshape(theta.shape)
    curvature = 10.0 ** (i % 4 - 2)
    waves = 0.5 * np.sin(0.7 * n * (1 + i % 5) + i)
    return np.where((i + n) % 6 == 0, 0.0, curvature * theta + waves * 10.0 ** -(i % 7))


def torch_optimizer(name: str) -> np.ndarray:
    """Return W and b in one row after every tenth step.

    PyTorch keeps NAdam's product of momenta in float64 only if that is the default type.
    """
    import torch

    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _torch_optimizer(name)
    finally:
        torch.set_default_dtype(default)


def _torch_optimizer(name: str) -> np.ndarray:
    import torch

    _, _, cls, options = OPTIMIZER_CASES[name]
    W, b = (torch.nn.Parameter(torch.from_numpy(x)) for x in start())
    groups = [{"params": [W]}, {"params": [b], "weight_decay": 0.0}]
    optimizer = getattr(torch.optim, cls)(groups, **options)
    rows = []
    for n in range(1, STEPS + 1):
        for p in (W, b):
            p.grad = torch.from_numpy(gradient(p.detach().numpy(), n))
        optimizer.step()
        rows.append(np.concatenate([p.detach().numpy().ravel() for p in (W, b)]))
    return np.array(rows)[9::10]


# name: (table entry, its options with lengths in steps, torch class, its options)
SCHEDULE_CASES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "constant": ("constant", {}, "ConstantLR", {"factor": 1.0}),
    "step": ("step", {"every": 7, "gamma": 0.3}, "StepLR", {"step_size": 7, "gamma": 0.3}),
    "step defaults": ("step", {"every": 30}, "StepLR", {"step_size": 30}),
    "multistep": (
        "multistep",
        {"milestones": [50, 10, 80], "gamma": 0.5},
        "MultiStepLR",
        {"milestones": [10, 50, 80], "gamma": 0.5},
    ),
    "exponential": ("exponential", {"gamma": 0.97, "every": 1}, "ExponentialLR", {"gamma": 0.97}),
    "polynomial": ("polynomial", {}, "PolynomialLR", {"total_iters": STEPS}),
    "polynomial square": (
        "polynomial",
        {"power": 2.0, "length": 60},
        "PolynomialLR",
        {"power": 2.0, "total_iters": 60},
    ),
    "linear": (
        "linear",
        {"start_factor": 0.25, "end_factor": 0.75, "length": 40},
        "LinearLR",
        {"start_factor": 0.25, "end_factor": 0.75, "total_iters": 40},
    ),
    "cosine": ("cosine", {}, "CosineAnnealingLR", {"T_max": STEPS}),
    "cosine minimum": (
        "cosine",
        {"minimum": 0.01},
        "CosineAnnealingLR",
        {"T_max": STEPS, "eta_min": 0.01},
    ),
    "cosine_restarts": (
        "cosine_restarts",
        {"period": 30},
        "CosineAnnealingWarmRestarts",
        {"T_0": 30},
    ),
    "cosine_restarts longer": (
        "cosine_restarts",
        {"period": 10, "multiplier": 2, "minimum": 0.02},
        "CosineAnnealingWarmRestarts",
        {"T_0": 10, "T_mult": 2, "eta_min": 0.02},
    ),
    "one_cycle": ("one_cycle", {}, "OneCycleLR", {"max_lr": 0.1, "total_steps": STEPS}),
    "one_cycle options": (
        "one_cycle",
        {
            "max_learning_rate": 0.7,
            "pct_start": 0.45,
            "div_factor": 10.0,
            "final_div_factor": 50.0,
            "anneal": "linear",
        },
        "OneCycleLR",
        {
            "max_lr": 0.7,
            "total_steps": STEPS,
            "pct_start": 0.45,
            "div_factor": 10.0,
            "final_div_factor": 50.0,
            "anneal_strategy": "linear",
        },
    ),
}
BASE_RATE = 0.1

PLATEAU_CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "defaults": ("min", {}, {}),
    "max": ("max", {"patience": 2}, {"patience": 2}),
    "options": (
        "min",
        {
            "factor": 0.5,
            "patience": 1,
            "threshold": 0.05,
            "threshold_mode": "absolute",
            "cooldown": 3,
            "minimum": 0.004,
        },
        {
            "factor": 0.5,
            "patience": 1,
            "threshold": 0.05,
            "threshold_mode": "abs",
            "cooldown": 3,
            "min_lr": 0.004,
        },
    ),
    "relative": (
        "min",
        {"patience": 0, "threshold": 0.02, "factor": 0.3},
        {"patience": 0, "threshold": 0.02, "factor": 0.3},
    ),
}


def metric(epoch: int) -> float:
    """Return a metric that falls, stalls and jumps, and is missing now and then."""
    return float("nan") if epoch % 23 == 5 else 1.5 + np.exp(-epoch / 9) + 0.1 * np.sin(epoch * 1.7)


def torch_schedule(name: str) -> np.ndarray:
    """Return the learning rate of each step."""
    import torch

    _, _, cls, options = SCHEDULE_CASES[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE_RATE)
    scheduler = getattr(torch.optim.lr_scheduler, cls)(optimizer, **options)
    rates = []
    for step in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < STEPS - 1:
            scheduler.step()
    return np.array(rates)


def torch_plateau(name: str) -> np.ndarray:
    """Return the learning rate after each epoch's metric."""
    import torch

    mode, _, options = PLATEAU_CASES[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE_RATE)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, **options)
    rates = []
    for epoch in range(STEPS):
        scheduler.step(metric(epoch))
        rates.append(optimizer.param_groups[0]["lr"])
    return np.array(rates)


ROWS, CLASSES = 7, 4
CLASS_WEIGHTS = [0.5, 2.0, 0.0, 1.25]

# name: (table entry, its options, what the target is, whether rows have weights)
LOSS_CASES: dict[str, tuple[str, dict[str, Any], str, bool]] = {
    "mse": ("mse", {}, "numbers", False),
    "mse weighted": ("mse", {}, "numbers", True),
    "mae": ("mae", {}, "numbers", False),
    "mae weighted": ("mae", {}, "numbers", True),
    "huber": ("huber", {}, "numbers", False),
    "huber options": ("huber", {"delta": 0.3}, "numbers", True),
    "cross_entropy": ("cross_entropy", {}, "labels", False),
    "cross_entropy rows": ("cross_entropy", {}, "labels", True),
    "cross_entropy smoothed": ("cross_entropy", {"label_smoothing": 0.2}, "labels", False),
    "cross_entropy classes": ("cross_entropy", {"class_weight": CLASS_WEIGHTS}, "labels", False),
    "cross_entropy all": (
        "cross_entropy",
        {"class_weight": CLASS_WEIGHTS, "label_smoothing": 0.2},
        "labels",
        True,
    ),
    "cross_entropy soft": ("cross_entropy", {}, "soft", False),
    "cross_entropy soft smoothed": ("cross_entropy", {"label_smoothing": 0.1}, "soft", True),
    "binary_cross_entropy": ("binary_cross_entropy", {}, "binary", False),
    "binary_cross_entropy rows": ("binary_cross_entropy", {}, "binary", True),
    "binary_cross_entropy weighted": (
        "binary_cross_entropy",
        {"class_weight": [3.0, 0.5, 1.0, 2.0]},
        "binary",
        False,
    ),
    "binary_cross_entropy number": ("binary_cross_entropy", {"class_weight": 3.0}, "soft", True),
}


def loss_data(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return logits, targets and row weights."""
    i = np.arange(ROWS * CLASSES, dtype=np.float64).reshape(ROWS, CLASSES)
    z = 4 * np.sin(1.3 * i + 0.2)
    soft = np.exp(np.cos(2.1 * i))
    target = {
        "numbers": 2 * np.cos(0.9 * i),
        "labels": np.array([1, 0, 3, 2, 3, 0, 1]),
        "soft": soft / soft.sum(axis=1, keepdims=True),
        "binary": (np.sin(3.3 * i) > 0).astype(np.float64),
    }[kind]
    return z, target, np.array([1.0, 0.5, 2.0, 3.0, 0.0, 0.25, 1.5])


def torch_loss(name: str) -> tuple[float, np.ndarray]:
    """Return the loss and its gradient by the logits."""
    import torch
    from torch.nn import functional as F

    entry, options, kind, weighted = LOSS_CASES[name]
    logits, target, weight = loss_data(kind)
    z, t = torch.from_numpy(logits).requires_grad_(), torch.from_numpy(target)
    s = torch.from_numpy(weight if weighted else np.ones(ROWS))
    divisor = s.sum()
    if entry == "cross_entropy":
        c = options.get("class_weight")
        c = None if c is None else torch.tensor(c, dtype=torch.float64)
        smoothing = options.get("label_smoothing", 0.0)
        rows = F.cross_entropy(z, t, c, reduction="none", label_smoothing=smoothing)
        if c is not None:
            divisor = (s * c[t]).sum()
        if not weighted:  # then all of it is PyTorch's own
            value = F.cross_entropy(z, t, c, label_smoothing=smoothing)
        else:
            value = (s * rows).sum() / divisor
    else:
        if entry == "binary_cross_entropy":
            p = torch.tensor(options.get("class_weight", 1.0), dtype=torch.float64)
            cells = F.binary_cross_entropy_with_logits(z, t, pos_weight=p, reduction="none")
        elif entry == "huber":
            cells = F.huber_loss(z, t, delta=options.get("delta", 1.0), reduction="none")
        else:
            cells = {"mse": F.mse_loss, "mae": F.l1_loss}[entry](z, t, reduction="none")
        value = (s * cells.mean(dim=1)).sum() / divisor
    value.backward()
    return float(value.detach()), z.grad.numpy()


def references() -> dict[str, np.ndarray]:
    """Return everything that the tests compare with, by name."""
    arrays: dict[str, np.ndarray] = {}
    for name in OPTIMIZER_CASES:
        arrays[f"optimizer/{name}"] = torch_optimizer(name)
    for name in SCHEDULE_CASES:
        arrays[f"schedule/{name}"] = torch_schedule(name)
    for name in PLATEAU_CASES:
        arrays[f"plateau/{name}"] = torch_plateau(name)
    for name in LOSS_CASES:
        value, gradient = torch_loss(name)
        arrays[f"loss/{name}"] = np.array(value)
        arrays[f"loss gradient/{name}"] = gradient
    return arrays


if __name__ == "__main__":
    np.savez_compressed(GOLDEN, **references())
    print(f"{GOLDEN}: {GOLDEN.stat().st_size} bytes")
