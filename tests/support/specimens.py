"""Small sound files of every format, and what may become of a file that is not sound."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bpnet.cli.console import harmless
from bpnet.data import sources
from bpnet.errors import BpnetError, ConfigError

CONFIG = """\
data:
  train: t.csv
  target: kind
  validation: 0.25
  test: 0
  columns: {size: {scale: minmax}}
model:
  layers:
    - {type: dense, units: 3}
    - tanh
    - {type: dropout, rate: 0.1}
    - {type: dense, units: auto}
loss: {type: cross_entropy, label_smoothing: 0.1}
optimizer: {type: adam, learning_rate: 1e-2}
schedule: {type: cosine, warmup: 3}
training: {epochs: 2, batch_size: 4}
early_stopping: {monitor: val/loss, patience: 3}
"""
TABLE = b"size,colour,kind\n" + b"".join(
    b"%d.5,%s,%s\n" % (i, [b"red", b"blue", b""][i % 3], [b"a", b"b"][i % 2]) for i in range(24)
)
X = np.linspace(-1, 1, 36, dtype=np.float32).reshape(12, 3)
Y = np.array(["a", "b"] * 6)


def npy(array: np.ndarray, **header: object) -> bytes:
    """Return an NPY file; `header` gives entries that are not the array's own."""
    facts = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | header
    text = repr(facts).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + array.tobytes()


def npz(compression: int = zipfile.ZIP_STORED, **arrays: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content, compression)
    return file.getvalue()


def outcome(action: Callable[[], object], *kinds: type[BpnetError]) -> str:
    """Return "read", or the kind of error that refused; anything else is a failure.

    A message is a single line (about a config, several) that a terminal shows as it is.
    """
    started = time.process_time()
    refused: BaseException = Exception("read")
    try:
        action()
    except kinds as error:
        refused = error
    assert time.process_time() - started < 5
    lines = harmless(str(refused)).split("\n")
    about_config = isinstance(refused, ConfigError) or isinstance(refused.__cause__, ConfigError)
    assert about_config or len(lines) == 1, lines
    assert all(line.isprintable() and len(line) < 2000 for line in lines), lines
    return type(refused).__name__ if isinstance(refused, kinds) else "read"


def read_data(name: str, folder: Path) -> None:
    """Read a file of data in every way that there is."""
    sources.read_source(name, folder, target_required=False)
    if sources.form_of(name) in ("csv", "tsv", "jsonl"):
        with sources.open_stream(name, folder) as (stream, form):
            kinds = {"a": "number", "b": "category"}
            for _ in sources.stream_table(stream, name, kinds, form=form, optional=kinds):
                pass
