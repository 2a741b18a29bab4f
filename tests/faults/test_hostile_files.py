"""Files made to harm: none runs code, opens another path, hangs or ends a command otherwise.

They name modules, processes and paths in every way that their formats have; and what stands where
a file is expected is a device, a pipe, a folder. The commands are also run as users run them.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import re
import resource
import socket
import struct
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from specimens import CONFIG, TABLE, X, Y, npy, npz, outcome, read_data

from bpnet.config.document import Document
from bpnet.data.files import SourceFile
from bpnet.errors import ConfigError, DataError, RefusedError, RunError
from bpnet.experiment import build
from bpnet.model import load

PICKLE = b"\x80\x04cos\nsystem\n(S'touch canary'\ntR."
"""Unpickled, this starts a process."""


def hostile_files() -> dict[str, bytes]:
    """Return files that name code, other files, and modules, in every way the formats have."""
    torch = io.BytesIO()
    with zipfile.ZipFile(torch, "w") as archive:
        archive.writestr("archive/data.pkl", PICKLE)
    objects = npy(np.zeros((1, 1), np.uint8), descr="|O", shape=(1, 1))[:-1] + PICKLE
    configs = {
        "tag": "x: !!python/object/apply:os.system ['touch canary']\n",
        "module": "x: !!python/module:canary\n",
        "include": "x: !include canary.csv\n",
        "activation": CONFIG.replace("- tanh", "- canary.Layer"),
        "type": CONFIG.replace("type: adam", "type: os.system"),
        "dunder": CONFIG.replace("epochs: 2", "__class__: os.system"),
        "builtin": CONFIG.replace("t.csv", "builtin:../../canary"),
    }
    return {
        **{f"{name}.yaml": text.encode() for name, text in configs.items()},
        "pickle.yaml": PICKLE,
        "pickle.csv": PICKLE,
        "pickle.npy": PICKLE,
        "pickle.npz": PICKLE,
        "pickle.safetensors": PICKLE,
        "torch.safetensors": torch.getvalue(),
        "torch.npz": torch.getvalue(),
        "objects.npy": objects,
        "objects.npz": npz(x=objects),
        "above.npz": npz(**{"../canary": npy(X)}),
        "evaluated.npy": b"\x93NUMPY\x01\x00\x23\x00{'descr': __import__('canary').x     }\n",
        "formula.csv": b'a,b\n=HYPERLINK("file:///canary"),1\n',
        "entity.csv": b"<!DOCTYPE x [<!ENTITY y SYSTEM 'canary'>]>\n&y;\n",
        "reference.jsonl": b'{"$ref": "file:canary", "__reduce__": "os.system"}\n',
    }


def sound_files() -> dict[str, bytes]:
    """Return a valid file of every format, by its ending."""
    lines = b'{"a": 1, "b": "x"}\n{"a": 2.5, "b": "y"}\n'
    images = b"\0\0\x08\x03" + struct.pack(">III", 2, 2, 2) + bytes(8)
    return {
        ".yaml": CONFIG.encode(),
        ".csv": TABLE,
        ".tsv": TABLE.replace(b",", b"\t"),
        ".jsonl": lines,
        ".npy": npy(X),
        ".npz": npz(x=npy(X), y=npy(Y)),
        ".idx": images,
        ".csv.gz": gzip.compress(TABLE, mtime=0),
        ".jsonl.gz": gzip.compress(lines, mtime=0),
        ".idx.gz": gzip.compress(images, mtime=0),
    }


WATCHED = """
import sys, importlib.util
spec = importlib.util.spec_from_file_location("hostile", sys.argv[1])
hostile = sys.modules["hostile"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hostile)
hostile.watch(sys.argv[2])
"""


def read_anything(path: Path) -> str:
    """Read a file as what its name says it is."""
    if path.suffix == ".yaml":
        return outcome(lambda: build(Document.read(str(path))), ConfigError, DataError)
    if path.suffix == ".safetensors":
        return outcome(lambda: load(path), RunError)
    return outcome(lambda: read_data(path.name, path.parent), DataError)


def watch(folder: str) -> None:
    """Read every file of a folder twice; print what Python does the second time."""
    paths = sorted(Path(folder).glob("*.*"))
    happened: list[str] = []
    watched = False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if watched and not (event == "open" and isinstance(arguments[0], int)):
            told = str(arguments[0]) if event == "open" else ""
            happened.append(f"{event} {told}".rstrip())

    sys.addaudithook(hook)
    for watched in (False, True):  # what is imported on the first use is
        for path in paths:
            if watched:
                happened.append(f"read {path}")
            told = read_anything(path)
            if watched:
                happened.append(told)
    watched = False
    print("\n".join(happened))


def test_reading_a_file_runs_nothing_and_opens_nothing_else(tmp_path):
    files, rng = tmp_path / "files", random.Random(5)
    files.mkdir()
    for name, content in hostile_files().items():
        (files / name).write_bytes(content)
    for i, (name, content) in enumerate([*sound_files().items()] * 20):
        damaged = bytearray(content)
        for _ in range(i % 4):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (files / f"{i}{name}").write_bytes(damaged)
    (tmp_path / "canary.py").write_text("open('canary', 'w')")
    (files / "t.csv").write_bytes(TABLE)
    tests = Path(__file__).parents[1]
    folders = [tests.parent, tests / "support", tmp_path, os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": ":".join(map(str, folders))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WATCHED, __file__, files],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    now, outcomes = Path(), Counter()
    for line in done.stdout.splitlines():
        event, _, path = line.partition(" ")
        if event == "read" and path:
            now = Path(path)
        elif event == "open":
            assert Path(path) in (now, files / "t.csv"), f"{now} opens {path}"
        else:
            harmless_events = ("read", "os.listdir", "builtins.id")
            assert event in harmless_events or event.endswith("Error"), f"{now}: {event}"
            outcomes[event] += 1
    assert outcomes["DataError"] > 100
    assert outcomes["read"] > 50
    assert not list(tmp_path.rglob("canary"))


def special(kind: str, path: Path) -> None:
    """Put something else than a file of data where one is expected."""
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(path.parent):
                listener.bind(path.name)
        case "device":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to(path.name)
        case "broken link":
            path.symlink_to("missing")
        case "gigabyte of nothing":
            with open(path, "wb") as file:
                file.truncate(1 << 30)
        case "empty file":
            path.write_bytes(b"")
        case "file for a folder":
            path.parent.joinpath("folder").write_bytes(b"x")


NAMES = ["c.yaml", "t.csv", "t.jsonl", "t.csv.gz", "t.npy", "t.npz", "t.idx", "t.safetensors"]
KINDS = [
    *("folder", "pipe", "socket", "device", "loop", "broken link"),
    *("gigabyte of nothing", "empty file", "file for a folder", "nothing"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_ordinary_file_is_refused_at_once(kind, name, tmp_path):
    path = tmp_path / name
    special(kind, path)
    if kind == "file for a folder":
        path = tmp_path / "folder" / name
    expected = {".yaml": "ConfigError", ".safetensors": "RunError"}.get(path.suffix, "DataError")
    assert read_anything(path) == expected


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_may_not_be_read_is_the_systems_refusal(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(RefusedError, match=r"(?i)permission denied"):
        read_anything(path)


def test_a_file_that_is_written_while_it_is_read_is_refused(tmp_path, monkeypatch):
    """An archive is not read in order, so its fingerprint comes from a second pass."""
    path = tmp_path / "t.npz"
    path.write_bytes(npz(x=npy(X), y=npy(Y)))
    real = SourceFile.read_again

    def written(file: SourceFile) -> object:
        os.utime(path, ns=(1, 1))
        return real(file)

    monkeypatch.setattr(SourceFile, "read_again", written)
    with pytest.raises(DataError, match="changed while it was read"):
        read_data("t.npz", tmp_path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "t.csv").write_bytes(TABLE)
    (folder / "c.yaml").write_text(CONFIG)
    done = bpnet(folder, "train", "c.yaml", "--run-dir", "run", "-q")
    assert done.returncode == 0, done.stderr
    return folder / "run"


def bpnet(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

    return subprocess.run(
        [sys.executable, "-m", "bpnet", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "NO_COLOR": "1"},
        preexec_fn=limit,
        timeout=60,
        check=False,
    )


COMMANDS = {
    ".yaml": [["check", "{}"], ["train", "{}", "--run-dir", "new"]],
    ".safetensors": [["predict", "{}", "t.csv"], ["eval", "{run}", "--checkpoint", "{}"]],
    ".csv": [
        ["check", "c.yaml", "data.train={}"],
        ["train", "c.yaml", "data.train={}", "--run-dir", "new"],
        ["eval", "{run}", "--data", "{}"],
        ["predict", "{run}", "{}"],
    ],
}
CODES = {".yaml": 2, ".safetensors": 5}
WITHOUT_TARGET = ("formula.csv", "entity.csv", "reference.jsonl")
"""These are read, so that it is the config that names a column which isn't there."""

SAMPLE = [
    *("tag.yaml", "activation.yaml", "pickle.yaml", "torch.safetensors", "pickle.npy"),
    *("objects.npz", "formula.csv", "reference.jsonl"),
]


def command_line(name: str, number: int, run: Path) -> list[str]:
    lines = COMMANDS.get(Path(name).suffix, COMMANDS[".csv"])
    return [word.format(name, run=run) for word in lines[number % len(lines)]]


def check_command(name: str, content: bytes, number: int, run: Path, folder: Path) -> None:
    (folder / "t.csv").write_bytes(TABLE)
    (folder / "c.yaml").write_text(CONFIG)
    (folder / name).write_bytes(content)
    done = bpnet(folder, *command_line(name, number, run))
    expected = 3 if name == "builtin.yaml" else CODES.get(Path(name).suffix, 3)
    if name in WITHOUT_TARGET and done.args[3] in ("check", "train"):
        expected = 2
    assert done.returncode == expected, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert all(line.isprintable() for line in lines)
    if expected == 2:
        assert re.match(rf"({name}|c.yaml):\d+:\d+: error: ", lines[0])
    else:
        assert len(lines) == 1
        assert lines[0].startswith("bpnet: error: ")
        assert name.removesuffix(".yaml") in lines[0] or expected == 3
    assert not (folder / "new").exists()
    assert not list(folder.rglob("canary"))


@pytest.mark.parametrize("name", SAMPLE)
def test_a_hostile_file_ends_a_command_with_one_line_and_its_code(name, run, tmp_path):
    check_command(name, hostile_files()[name], SAMPLE.index(name), run, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("name", hostile_files())
def test_every_hostile_file_ends_every_command_with_one_line_and_its_code(name, run, tmp_path):
    for number in range(4):
        check_command(name, hostile_files()[name], number, run, tmp_path)
