"""Drafts of configs for columns of cells."""

import pytest

from bpnet.config.schema import read_config
from bpnet.drafting import draft_config


@pytest.fixture
def draft(tmp_path, monkeypatch):
    """Return a function that drafts a config for columns of cells, and parses it."""
    monkeypatch.chdir(tmp_path)

    def make(targets=("y",), name="d.csv", **columns):
        rows = zip(*columns.values(), strict=True)
        lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        text = draft_config(str(tmp_path / name), list(targets), tmp_path)
        (tmp_path / "c.yaml").write_text(text)
        return text, read_config(text, str(tmp_path / "c.yaml"))

    return make
