from __future__ import annotations

import pytest

from bpnet.config.spelling import closest, same_word

OPTIONS = ["learning_rate", "beta1", "beta2", "epsilon", "weight_decay", "momentum"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("learning_rte", "learning_rate"),
        ("learningRate", "learning_rate"),
        ("Learning-Rate", "learning_rate"),
        ("LEARNING RATE", "learning_rate"),
        ("lr", "learning_rate"),
        ("LR", "learning_rate"),
        ("eps", "epsilon"),
        ("wd", "weight_decay"),
        ("beta_1", "beta1"),
        ("moment", "momentum"),
        ("xyz", None),
        ("", None),
        ("---", None),
        ("x" * 100_000, None),
    ],
)
def test_the_name_that_is_meant(name: str, meant: str | None) -> None:
    assert closest(name, OPTIONS) == meant


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("Linear", ["dense", "relu"], "dense"),
        ("BatchNorm", ["dense", "batch_norm"], "batch_norm"),
        ("LeakyReLU", ["relu", "leaky_relu"], "leaky_relu"),
        ("silu", ["swish", "sigmoid"], "swish"),
        ("categorical_crossentropy", ["mse", "cross_entropy"], "cross_entropy"),
        ("val_split", ["train", "validation", "test"], "validation"),
        ("glorot_uniform", ["xavier", "he"], "xavier"),
        ("random_state", ["seed", "name"], "seed"),
    ],
)
def test_names_from_other_tools_are_known(name: str, known: list[str], meant: str) -> None:
    assert same_word(name, known) == meant


def test_a_name_that_is_known_is_never_taken_for_an_alias() -> None:
    assert same_word("momentum", ["learning_rate", "momentum"]) == "momentum"
    assert same_word("mse", ["rmse", "mse"]) == "mse"
