"""What can be seen of data before NumPy is there."""

import gzip
import os

import numpy as np
import pytest

from bpnet.config.document import Document
from bpnet.threads import inputs


def write_csv(folder):
    (folder / "d.csv").write_text(",".join(f"x{i}" for i in range(1000)) + ",y\n")
    return "d.csv", 1000


def write_csv_gz(folder):
    with gzip.open(folder / "d.csv.gz", "wt") as file:
        file.write("\t".join("abcd") + "\n")
    return "d.csv.gz", 3


def write_npy(folder):
    np.save(folder / "d.npy", np.zeros((3, 20, 30), np.float32))
    return "d.npy", 600


def write_npz(folder):
    np.savez(folder / "d.npz", x=np.zeros((3, 70)), y=np.zeros(3))
    return "d.npz", 70


def write_compressed_npz(folder):
    np.savez_compressed(folder / "d.npz", x=np.zeros((3, 28, 28, 1)), y=np.zeros(3))
    return "d.npz", 784


def write_idx(folder):
    (folder / "d.idx").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 1, 0]))
    return "{images: d.idx, labels: l.idx}", 5 * 256


def write_nothing(folder):
    return "missing.csv", 0


def write_pipe(folder):
    os.mkfifo(folder / "p.csv")
    return "p.csv", 0


def write_rubbish(folder):
    (folder / "r.npz").write_bytes(b"PK\3\4\0\0\0\0\x08\0" + bytes(range(200, 250)))
    return "r.npz", 0


def write_bars_behind_a_blank_line(folder):
    (folder / "b.csv").write_text("\n" + "|".join("abcdef") + "\n")
    return "b.csv", 5


def write_the_start_of_idx(folder):
    (folder / "i.csv").write_bytes(b"\0\0\x08")
    return "i.csv", 0


def choose_fashion(folder):
    return "builtin:fashion", 784


def choose_no_builtin(folder):
    return "builtin:../../x", 0


@pytest.mark.parametrize(
    "write",
    [
        *(write_csv, write_csv_gz, write_npy, write_npz, write_compressed_npz, write_idx),
        *(write_nothing, write_pipe, write_rubbish, write_bars_behind_a_blank_line),
        *(write_the_start_of_idx, choose_fashion, choose_no_builtin),
    ],
)
def test_inputs_are_seen_at_a_glance(tmp_path, write):
    train, expected = write(tmp_path)
    document = Document.parse(f"data: {{train: {train}}}", str(tmp_path / "c.yaml"))
    assert inputs.estimate(document) == expected
