import pytest

from bpnet.config.changes import differences

BEFORE = {
    "name": "a",
    "seed": 0,
    "threads": "auto",
    "data": {"train": "/a.csv", "validation": 0.15, "target": "y"},
    "model": {"layers": [{"type": "dense", "units": 64}, {"type": "relu"}]},
    "optimizer": {"type": "adam", "learning_rate": 1e-3},
    "schedule": {"type": "constant"},
    "training": {"epochs": 50, "batch_size": 32},
    "early_stopping": {"monitor": "val/loss", "patience": 10},
    "checkpoint": {"keep": 2},
}


def changed(path, value):
    """Return the config with one value set."""
    *steps, last = path
    after = {**BEFORE}
    inner = after
    for step in steps:
        inner[step] = inner[step].copy()
        inner = inner[step]
    inner[last] = value
    return after


@pytest.mark.parametrize(
    ("path", "value", "weight", "text"),
    [
        (("name",), "b", "free", "name: a -> b"),
        (("threads",), 2, "free", "threads: auto -> 2"),
        (("checkpoint", "keep"), 3, "free", "checkpoint.keep: 2 -> 3"),
        (("data", "train"), "/b.csv", "free", "data.train: /a.csv -> /b.csv"),
        (("data", "validation"), 0.2, "fixed", "data.validation: 0.15 -> 0.2"),
        (("data", "validation"), "/v.csv", "fixed", "data.validation: 0.15 -> /v.csv"),
        (("seed",), 1, "fixed", "seed: 0 -> 1"),
        (("model", "layers", 0, "units"), 3, "fixed", "model.layers[0].units: 64 -> 3"),
        (("training", "epochs"), 80, "adjustable", "training.epochs: 50 -> 80"),
        (("training", "batch_size"), 8, "fixed", "training.batch_size: 32 -> 8"),
        (
            ("optimizer", "learning_rate"),
            0.1,
            "adjustable",
            "optimizer.learning_rate: 0.001 -> 0.1",
        ),
        (("optimizer",), {"type": "sgd"}, "fixed", "optimizer: "),
        (("schedule",), {"type": "cosine"}, "adjustable", "schedule: "),
        (("early_stopping", "patience"), 3, "adjustable", "early_stopping.patience: 10 -> 3"),
        (("early_stopping",), None, "adjustable", "early_stopping: "),
        (("early_stopping", "monitor"), "train/loss", "fixed", "early_stopping.monitor: "),
    ],
)
def test_a_change_is_found_and_weighed(path, value, weight, text):
    (change,) = differences(BEFORE, changed(path, value))
    assert (change.path, change.after, change.weight) == (path, value, weight)
    assert str(change).startswith(text)


def test_equal_configs_have_no_difference():
    assert not list(differences(BEFORE, changed(("seed",), 0)))


def test_another_number_of_layers_differs_as_a_whole():
    (change,) = differences(BEFORE, changed(("model", "layers"), [{"type": "relu"}]))
    assert change.path == ("model", "layers")
    assert change.weight == "fixed"
