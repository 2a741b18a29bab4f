"""Whatever is done to a file: it is read, or refused in words, quickly, and nothing else happens.

Valid files of every format are damaged by chance, from a seed: flipped bits, cuts, insertions,
splices, doubled and lost lines. Headers are also rewritten so that they lie consistently, and
models with a valid checksum are filled with wrong content.
"""

from __future__ import annotations

import copy
import gzip
import math
import random
import struct
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from specimens import CONFIG, TABLE, X, Y, npy, npz, outcome, read_data

from bpnet.config.document import Document
from bpnet.config.schema import bind_config
from bpnet.errors import ConfigError, DataError, RunError
from bpnet.experiment import Experiment, build
from bpnet.model import load, save
from bpnet.runs import checkpoint, tensors


def idx(code: int, shape: tuple[int, ...], data: bytes) -> bytes:
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + data


CSV = [
    b"a,b,c\n1,2,x\n3,4.5,y\n5,,z\n-1e3,0.1,x\n",
    b'"a","b c"\r\n"1","x, ""y"""\r\n2,"l1\nl2"\r\n',
    b"a;b\n1;2\n3;4\n",
    b"\xef\xbb\xbfid,y\n1,NaN\n2,0\n",
    "é,ü\n1,2\n".encode(),
]
JSON_LINES = [
    b'{"a":1,"b":"x"}\n{"a":2.5,"b":"y"}\n{"a":null,"b":"x"}\n',
    b'{"a": 1e5, "c": true}\r\n{"c": false}\n{"a":NaN}\n',
    '{"k":"é\\u00e9","n":[1]}\n'.encode(),
]
SEEDS = {
    "csv": CSV,
    "tsv": [text.replace(b",", b"\t") for text in CSV],
    "jsonl": JSON_LINES,
    "npy": [
        npy(X),
        npy(np.arange(6).reshape(2, 3)),
        npy(X, fortran_order=True),
        npy(X.astype(">f8")),
        npy(np.array([["a", "bé"], ["c", "d"]])),
        npy(np.array([b"x", b"yy"])),
        npy(np.ones((2, 3, 4, 1), np.uint8)),
        npy(np.array([True, False])),
        npy(X.astype(np.float16)),
    ],
    "npz": [
        npz(x=npy(X), y=npy(Y)),
        npz(zipfile.ZIP_DEFLATED, x=npy(X), y=npy(Y)),
        npz(x=npy(np.ones((4, 2, 2))), y=npy(np.arange(4))),
    ],
    "idx": [idx(8, (2, 2, 2), bytes(8)), idx(13, (3, 2), X[:3, :2].astype(">f4").tobytes())],
}
for form in ("csv", "tsv", "jsonl", "idx"):
    SEEDS[f"{form}.gz"] = [gzip.compress(content, mtime=0) for content in SEEDS[form]]

BITS = [
    *(b"\0", b"\xff", b"\n", b"\r", b"\r\n", b",", b'"', b";", b"\t", b" ", b"'", b".", b"e", b"-"),
    *(b"nan", b"inf", b"1e400", b"9" * 400, b"0x10", b"1_0", b"=1+1", b"True", b"null", b"NaN"),
    *(b"{", b"}", b"[", b"]", b":", b"(", b")", b"Infinity", b"\\ud800", b"\\d", b"\x1b[31m"),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xc2\xa0",
        b"\xe2\x80\xa8",
        b"\x0b",
        b"\x85",
    ),
    *(b"<f8", b"|O", b">U9", b"(1000000000000,)", b"PK\x03\x04", b"PK\x01\x02", b"\x93NUMPY"),
    *(b"\x80\x04", struct.pack("<I", 2**31), struct.pack("<I", 2**32 - 1), b"\x7f\xff\xff\xff"),
    *(b"- ", b"&a ", b"*a", b"!!python/name:os.system ", b"<<: ", b"---\n", b"%YAML 9\n", b"? "),
]


def mutated(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Return the data with up to eight changes; `others` are what it is spliced with."""
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 5, 8])):
        start = rng.randrange(len(data) + 1)
        stop = min(len(data), start + rng.randint(1, 16))
        head, middle, tail = data[:start], data[start:stop], data[stop:]
        lines = data.split(b"\n")
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        other = rng.choice(others)
        match rng.randrange(11):
            case 0 if middle:
                data = head + bytes([middle[0] ^ 1 << rng.randrange(8)]) + middle[1:] + tail
            case 1:
                data = head + rng.randbytes(1) + middle[1:] + tail
            case 2:
                data = head
            case 3:
                data = head + rng.choice(BITS) + middle + tail
            case 4:
                data = head + rng.choice(BITS) + tail
            case 5:
                data = head + tail
            case 6:
                data = head + other[rng.randrange(len(other) + 1) :]
            case 7:
                data = head + middle * rng.randint(2, 5) + tail
            case 8:
                lines[i], lines[j] = lines[j], lines[i]
                data = b"\n".join(lines)
            case 9:
                lines[i : i + 1] = [lines[i]] * rng.choice([0, 2])
                data = b"\n".join(lines)
            case 10:
                data = head + other[:64] + middle + tail
    return data


def rewritten(form: str, rng: random.Random) -> bytes:
    """Return a file of arrays that is sound as a whole, but whose header says anything."""
    kinds = ["<f8", ">f4", "<f2", "|u1", "|b1", "<i8", ">u8", "<U2", "|S3", ">U1"]
    dtype = np.dtype(rng.choice(kinds))
    shape = tuple(rng.choice([1, 1, 2, 3, 5, 0]) for _ in range(rng.randint(0, 5)))
    array = np.frombuffer(rng.randbytes(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
    if form == "idx":
        code, size = rng.choice([(8, 1), (9, 1), (11, 2), (12, 4), (13, 4), (14, 8), (10, 1)])
        data = rng.randbytes(math.prod(shape) * size)
        claimed = tuple(side + rng.choice([0] * 15 + [1, 2**31]) for side in shape)
        return idx(code, claimed, data + rng.randbytes(rng.choice([0] * 9 + [1])))
    lies = {
        "descr": ["|O", "<f8\\d", "<M8[s]", [("a", "<f8")], "V8", "|S0", 8, "<c16", ">f16"],
        "shape": [(2**40, 2**40), (-1,), [3], (1.5,), (2**63,), 3, "", (True,), (1,) * 40],
        "fortran_order": [True, 1, None, "False", not shape],
        "more": [1],
    }
    header: dict[str, object] = {}
    if rng.random() < 0.5:
        header = {key: rng.choice(values) for key, values in lies.items() if rng.random() < 0.4}
    content = npy(array, **header)
    if form == "npy":
        return content
    labels = npy(Y[: rng.randint(0, 6)])
    return npz(rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), x=content, y=labels)


def file_of(form: str, rng: random.Random) -> bytes:
    """Return a damaged file of a format; inside gzip, mostly sound gzip of damaged data."""
    inner = form.removesuffix(".gz")
    if inner != form and rng.random() < 0.6:
        return gzip.compress(file_of(inner, rng), 1, mtime=0)
    if form in ("npy", "npz", "idx") and rng.random() < 0.5:
        return rewritten(form, rng)
    return mutated(rng.choice(SEEDS[form]), rng, SEEDS[form])


def damage_data(form: str, seed: int, count: int, folder: Path) -> Counter[str]:
    rng = random.Random(f"{form} {seed}")
    outcomes: Counter[str] = Counter()
    name = f"f.{form}"
    for _ in range(count):
        data = file_of(form, rng)
        (folder / name).write_bytes(data)
        try:
            outcomes[outcome(lambda: read_data(name, folder), DataError)] += 1
        except Exception as error:
            error.add_note(f"{name}: {data!r}")
            raise
    return outcomes


@pytest.mark.parametrize("form", SEEDS)
def test_damaged_data_is_read_or_refused_in_words(form, tmp_path):
    outcomes = damage_data(form, 0, 300, tmp_path)
    assert set(outcomes) == {"read", "DataError"}
    assert outcomes["DataError"] > outcomes["read"]


@pytest.mark.faults
@pytest.mark.parametrize("form", SEEDS)
def test_tens_of_thousands_of_damaged_files_of_data(form, tmp_path):
    assert set(damage_data(form, 1, 10_000, tmp_path)) == {"read", "DataError"}


def damage_configs(seed: int, count: int, folder: Path) -> Counter[str]:
    rng = random.Random(f"config {seed}")
    (folder / "t.csv").write_bytes(TABLE)
    outcomes: Counter[str] = Counter()
    path = folder / "c.yaml"

    def whole() -> None:
        document = Document.read(str(path))
        layers = bind_config(document).model.layers
        if all(getattr(layer, "units", 0) in ("auto", *range(1000)) for layer in layers):
            build(document).rehearse()

    for _ in range(count):
        data = mutated(CONFIG.encode(), rng, [CONFIG.encode()])
        path.write_bytes(data)
        try:
            outcomes[outcome(whole, ConfigError, DataError)] += 1
        except Exception as error:
            error.add_note(repr(data))
            raise
    return outcomes


def test_a_damaged_config_is_refused_in_words_or_trains(tmp_path):
    outcomes = damage_configs(0, 400, tmp_path)
    assert set(outcomes) == {"read", "ConfigError", "DataError"}


@pytest.mark.faults
def test_ten_thousand_damaged_configs(tmp_path):
    assert "read" in damage_configs(1, 10_000, tmp_path)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A training that has not begun."""
    folder = tmp_path_factory.mktemp("experiment")
    (folder / "t.csv").write_bytes(TABLE)
    (folder / "c.yaml").write_text(CONFIG)
    return build(Document.read(str(folder / "c.yaml")))


def checkpoint_of(experiment: Experiment) -> bytes:
    state = experiment.state
    facts = {**state.facts(), "metrics": {"bytes": 0}}
    return tensors.encode(checkpoint.KIND, state.arrays(), facts)


def damage_tensor_files(experiment: Experiment, seed: int, count: int, folder: Path) -> None:
    rng = random.Random(f"tensors {seed}")
    path = folder / "model.safetensors"
    save(path, experiment)
    sound = [path.read_bytes(), checkpoint_of(experiment)]
    for _ in range(count):
        data = mutated(rng.choice(sound), rng, sound)
        if data in sound:
            continue
        path.write_bytes(data)
        try:
            assert outcome(lambda: load(path), RunError) == "RunError"
            assert outcome(lambda: checkpoint.read(path), RunError) == "RunError"
        except Exception as error:
            error.add_note(repr(data))
            raise


def test_every_damaged_model_or_checkpoint_is_refused(experiment, tmp_path):
    damage_tensor_files(experiment, 0, 300, tmp_path)


@pytest.mark.faults
def test_ten_thousand_damaged_models_and_checkpoints(experiment, tmp_path):
    damage_tensor_files(experiment, 1, 10_000, tmp_path)


WRONG = [
    *(None, True, -1, 0, 2**63, 10**30, 1.5, -1e308, math.nan, math.inf, "", "nan", "\x1b[31m"),
    *([], [[]], {}, {"type": "os.system"}, "../../etc/passwd", "__import__('os')", ["a", "a"]),
]
"""What a fact of a file may be turned into."""


def places_in(value: object) -> list[tuple[dict | list, str | int]]:
    """Return every place in a JSON value, as what holds it and its key or index."""
    found: list[tuple[dict | list, str | int]] = []
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(entries):
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += places_in(inner)
    return found


def refilled(file: tensors.TensorFile, rng: random.Random) -> bytes:
    """Return the file with other content, and a checksum that fits it."""
    facts, arrays = copy.deepcopy(file.facts), dict(file.arrays)
    for _ in range(rng.randint(1, 2)):
        holder, key = rng.choice(places_in(facts))
        name = rng.choice(list(arrays))
        array = arrays[name]
        match rng.randrange(9):
            case 0 | 1 | 2:
                holder[key] = rng.choice(WRONG)
            case 3:
                del holder[key]
            case 4 if "config" in facts and isinstance(facts["config"], str):
                text = mutated(facts["config"].encode(), rng, [CONFIG.encode()])
                facts["config"] = text.decode("utf-8", "replace")
            case 5:
                arrays[name] = array.astype(rng.choice(["<f8", "<f4", "<i4", "?"]))
            case 6:
                shapes = [array.shape[:-1], (*array.shape, 1), (0, 2**40), (1,), array.shape[::-1]]
                arrays[name] = np.zeros(rng.choice(shapes), array.dtype)
            case 7:
                arrays[name] = np.full(array.shape, rng.choice([np.nan, np.inf, 1e30]), array.dtype)
            case 8:
                arrays[rng.choice(["", "../x", "features/\0", "é", "theta", "a/b"])] = arrays.pop(
                    name
                )
    return tensors.encode(file.kind, arrays, facts)


def refill(experiment: Experiment, seed: int, count: int, folder: Path) -> Counter[str]:
    rng = random.Random(f"content {seed}")
    path = folder / "model.safetensors"
    save(path, experiment)
    model = tensors.read(path, "model")
    state = tensors.decode(checkpoint_of(experiment), "c", checkpoint.KIND)
    training = build(experiment.document).state
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        with np.errstate(all="ignore"):  # of the mutation
            data = refilled(rng.choice([model, state]), rng)
        path.write_bytes(data)
        try:
            outcomes[outcome(lambda: load(path), RunError)] += 1
            outcomes[
                outcome(lambda: checkpoint.load(training, checkpoint.read(path), path), RunError)
            ] += 1
        except Exception as error:
            error.add_note(repr(tensors.decode(data, "", "model", "checkpoint")))
            raise
    return outcomes


def test_wrong_content_with_a_sound_checksum_is_refused(experiment, tmp_path):
    outcomes = refill(experiment, 0, 300, tmp_path)
    assert set(outcomes) == {"read", "RunError"}
    assert outcomes["RunError"] > outcomes["read"]


@pytest.mark.faults
def test_ten_thousand_wrong_contents_with_a_sound_checksum(experiment, tmp_path):
    assert set(refill(experiment, 1, 10_000, tmp_path)) == {"read", "RunError"}
