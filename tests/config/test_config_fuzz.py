"""Whatever is done to a valid config: it is accepted, or refused in words, and quickly."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from bpnet.config.bind import bind
from bpnet.config.document import Document
from bpnet.config.emit import emit
from bpnet.config.schema import TABLES, Config
from bpnet.errors import ConfigError, UsageError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
TEXTS = [path.read_text(encoding="utf-8") for path in CONFIGS]
OVERRIDES = [
    "optimizer.learning_rate=1e-3",
    "model.layers.0.units=5",
    "model.layers[1]=relu",
    "training.epochs=3",
    "data.columns.age.scale=none",
    "loss={type: cross_entropy}",
]
BITS = [
    *"\t \n:-{}[],#'\"\\%@`?!&*|>=~",
    *["- ", "? ", "&a ", "*a", "!!x ", "<<: ", "...", "\n---\n", "null", "true", "no", "1_0"],
    *["1e5", ".inf", "5%", "é", "\u2028", "\x00", "\x1b", "type", "units", "learning_rate: "],
    *["0x10", "9" * 400, "0,5", "“", "\u00a0", "\r", "\r\n", "{{x}}", '"\\UFFFFFFFF"', "\ud800"],
]


def mutated(text: str, rng: random.Random) -> str:
    """Return the text with a few mistakes of the kinds that people and editors make."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(text) + 1)
        stop = min(len(text), start + rng.randint(1, 12))
        lines = text.split("\n")
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(7):
            case 0 | 1:
                text = text[:start] + rng.choice(BITS) + text[start:]
            case 2:
                text = text[:start] + text[stop:]
            case 3:
                text = text[:start] + rng.choice(BITS) + text[stop:]
            case 4:
                lines[i], lines[j] = lines[j], lines[i]
                text = "\n".join(lines)
            case 5:
                lines[i] = " " * rng.randint(0, 6) + lines[i].lstrip()
                text = "\n".join(lines)
            case 6:
                text = text[:start] + text[i : i + 30] + text[start:]
    return text


def outcome(data: bytes, assignments: list[str]) -> str:
    """Bind a config; return the message that refuses it, or nothing."""
    try:
        config = bind(Document.parse(data, "c.yaml").override(assignments), Config, TABLES)
    except (ConfigError, UsageError) as error:
        return str(error)
    bind(Document.parse(emit(config, TABLES)), Config, TABLES)
    return ""


def check(seed: int, count: int) -> tuple[int, int]:
    """Try `count` mutated configs; return how many were accepted and refused."""
    rng = random.Random(seed)
    accepted = 0
    for _ in range(count):
        data = mutated(rng.choice(TEXTS), rng).encode("utf-8", "surrogatepass")
        if rng.random() < 0.1:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([rng.randrange(256)]) + data[at:]
        assignments = [mutated(rng.choice(OVERRIDES), rng)] if rng.random() < 0.3 else []
        started = time.process_time()
        message = outcome(data, assignments)
        seconds = time.process_time() - started
        assert seconds < 1, (data, assignments)
        if message:
            shown = message.split("\n")
            assert all(line.isprintable() for line in shown), (data, assignments)
            assert max(map(len, shown)) < 2000
        accepted += not message
    return accepted, count - accepted


def test_the_examples_themselves_are_accepted() -> None:
    assert len(TEXTS) >= 6
    for text in TEXTS:
        assert outcome(text.encode(), []) == ""


def test_a_mutated_config_is_accepted_or_refused_in_words(parser: str) -> None:
    accepted, refused = check(1, 1500 if parser == "libyaml" else 300)
    assert accepted > 0
    assert refused > accepted


@pytest.mark.slow
def test_tens_of_thousands_of_mutated_configs() -> None:
    for seed in range(2, 10):
        check(seed, 10_000)


def test_any_text_at_all_is_accepted_or_refused() -> None:
    """As hypothesis draws texts: short, odd and full of signs that mean something in YAML."""
    hypothesis = pytest.importorskip("hypothesis")
    st = hypothesis.strategies
    signs = st.sampled_from([*" \n\t:-{}[],#'\"\\%@`?!&*|>=~ab1.", "- ", ": ", "\n  "])
    texts = st.one_of(st.text(max_size=40), st.lists(signs, max_size=30).map("".join))

    @hypothesis.settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @hypothesis.given(text=texts, value=texts)
    def run(text: str, value: str) -> None:
        outcome(text.encode("utf-8", "surrogatepass"), [])
        outcome(f"a: {text}\n".encode("utf-8", "surrogatepass"), [])
        outcome(TEXTS[0].encode(), [f"name={value}"])

    run()
