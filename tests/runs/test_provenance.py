"""What a run says of the machine that it was trained on."""

import mmap
import sys

import pytest

from bpnet.threads import blas


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux' list of mappings")
@pytest.mark.parametrize("name", ["a b/openblas table.bin", "ü/openblas.bin", "openblas"])
def test_a_file_with_the_name_of_openblas_is_not_taken_for_it(tmp_path, monkeypatch, name):
    before = blas.kernels()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\0" * mmap.PAGESIZE)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ):
        assert str(path) in blas._mapped("openblas")
        assert blas.kernels() == before
