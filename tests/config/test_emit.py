from __future__ import annotations

import math
import os
import random
import string
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from bpnet.config.bind import bind
from bpnet.config.document import Document
from bpnet.config.emit import emit, to_plain
from bpnet.config.write import dump, inline
from bpnet.errors import ConfigError
from bpnet.options import Span

Read = Callable[..., Any]


def test_every_default_is_filled_in_and_the_layers_have_a_line_each(
    read: Read, sample: SimpleNamespace
) -> None:
    text = sample.VALID + "training: {max_time: 90 min}\nname: 'no'\n"
    assert (
        emit(read(text), sample.TABLES)
        == """\
name: 'no'
seed: 0
dtype: float32
threads: auto
data:
  train: a.csv
  validation: 0.15
  target: null
  features: all
  stratify: auto
  numeric: {missing: median, fill: null}
  columns: {}
model:
  layers:
    - {type: dense, units: 8, bias: true, init: null}
    - {type: relu}
    - {type: dense, units: auto, bias: true, init: null}
  init: {type: he, gain: auto}
loss: {type: mse}
optimizer:
  type: adam
  learning_rate: 0.005
  beta1: 0.9
  beta2: 0.999
  epsilon: 1.0e-08
  weight_decay: 0.0
training: {epochs: 50, batch_size: 32, clip_norm: null, shuffle: true, max_time: 5400 s, warmup: 0}
early_stopping: null
metrics: auto
search: null
"""
    )


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "name: a b\nseed: 7\nthreads: 2\n",
        "optimizer: {type: sgd, learning_rate: 1e-300, momentum: 0.30000000000000004}\n",
        "training: {batch_size: full, max_time: 1.5 h, clip_norm: 1e22, warmup: 1 epoch}\n",
        "training: {max_time: 0.000123 s, clip_norm: 3}\nearly_stopping: {monitor: val/f1}\n",
        "metrics: [accuracy, {type: top_k, k: 2}]\n",
        "search: {a: [1, 2.5, null, no], b: {c: ['1', {d: 1e-7}]}, '1e5': .5}\n",
    ],
)
def test_what_is_written_reads_back_equal_and_is_written_the_same(
    read: Read, sample: SimpleNamespace, lines: str
) -> None:
    config = read(sample.VALID + lines)
    text = emit(config, sample.TABLES)
    again = bind(Document.parse(text), sample.Config, sample.TABLES)
    assert again == config
    assert emit(again, sample.TABLES) == text
    assert yaml.safe_load(text) == to_plain(config, sample.TABLES)


def test_blocks_that_nest_layers_are_written_as_blocks(read: Read, sample: SimpleNamespace) -> None:
    text = sample.VALID.replace("- relu", "- {type: residual, layers: [relu, {type: dropout}]}")
    lines = emit(read(text), sample.TABLES).split("\n")
    start = lines.index("    - type: residual")
    assert lines[start + 1 : start + 4] == [
        "      layers:",
        "        - {type: relu}",
        "        - {type: dropout, rate: 0.5}",
    ]


WORDS = r"""
no yes on off y N true False null ~ 012 1e5 1e-3 .5 0x10 0o17 0b1 12:30 1_000 2024-01-01 .inf nan
- -- --- ... << = ? ! & * @ ` % > | #
#a a#b a: :a a:b a, [a] {a} 'a' " \ é ÿ 日本 🎲 ² /x ./x ../x .x
builtin:digits val/loss a.b-c_d+e C:\x \n it's "a" '"
"""
TEXTS = ["", " ", " a", "a ", "a b", "a: b", "a #b", "a\nb", "\n", "\t", "a\tb", "- a", "? a"]
ODD = ["\u202e", "\u00a0", "\u2028", "\ufeff", "a\u200db", "1 epoch", "1 2", "0.5 h", "= 3"]


@pytest.mark.parametrize("text", [*WORDS.split(), *TEXTS, *ODD])
def test_any_text_reads_back_here_and_elsewhere(text: str) -> None:
    for written in (dump({"a": text, "b": [text]}), f"a: {inline(text)}\nb: [{inline(text)}]\n"):
        assert yaml.safe_load(written) == {"a": text, "b": [text]}
        try:
            assert Document.parse(written).peek() == {"a": text, "b": [text]}
        except ConfigError:
            pytest.fail(f"{written!r} is refused")
    assert yaml.safe_load(dump({text: 1})) == {text: 1}


def test_random_texts_and_numbers_read_back() -> None:
    rng = random.Random(1)
    signs = string.printable + "éß日🎲\u00a0\u2028\x00\x1b"
    for _ in range(2000):
        text = "".join(rng.choices(signs, k=rng.randint(0, 8)))
        number = rng.choice([rng.random(), rng.expovariate(1) * 10 ** rng.randint(-300, 300)])
        value = {"a": text, "b": [number, {"c": -number}], "d": int(number) if number < 1e9 else 0}
        assert yaml.safe_load(dump(value)) == value
        if not set(text) & set("\x00\x1b\r\x0b\x0c"):
            assert Document.parse(dump(value)).peek() == value


def test_texts_that_need_no_quotes_have_none() -> None:
    for text in ("adam", "val/loss", "builtin:digits", "a b", "data/x.csv", "5 epochs", "10 min"):
        assert inline(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-5, "1.0e-05"),
        (1e22, "1.0e+22"),
        (0.1, "0.1"),
        (5.0, "5.0"),
        (-0.0, "-0.0"),
        (math.inf, ".inf"),
        (-math.inf, "-.inf"),
        (math.nan, ".nan"),
        (True, "true"),
        (None, "null"),
        (np.float32(0.5), "0.5"),
        (np.int64(3), "3"),
        ((1, 2), "[1, 2]"),
        ({}, "{}"),
        ({"a": [1, {"b": "no"}]}, "{a: [1, {b: 'no'}]}"),
    ],
)
def test_values_of_python_are_written_shortly(value: object, text: str) -> None:
    assert inline(value) == text


def test_paths_are_texts_and_other_things_refused(tmp_path: os.PathLike[str]) -> None:
    assert inline(tmp_path) == str(tmp_path)
    with pytest.raises(TypeError, match="a config can't hold a set"):
        inline({"a": {1}})


@pytest.mark.parametrize("text", ["100", "5 epochs", "1 epoch", "0.1 s", "10 min", "1.5 h", "1e3"])
def test_a_length_reads_back(text: str) -> None:
    span = Span.from_yaml(Document.parse(f"a: {text}\n").peek("a"))
    assert Span.from_yaml(span.to_yaml()) == span


def test_an_empty_mapping_is_written_too() -> None:
    assert dump({}) == "{}\n"


def test_a_value_that_is_no_option_is_a_mistake_in_the_code(
    read: Read, sample: SimpleNamespace
) -> None:
    config = read(sample.VALID)
    config.training.epochs = "many"
    with pytest.raises(TypeError, match=r"Training\.epochs: 'many' is not a positive integer"):
        emit(config, sample.TABLES)
