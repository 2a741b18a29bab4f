"""What the README promises is so."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from bpnet.cli import build
from bpnet.config.reference import reference
from bpnet.config.schema import TABLES, Config
from bpnet.insight.reference import TITLE, findings
from bpnet.nn.gradcheck import check_gradients
from bpnet.nn.layers import LAYERS
from bpnet.nn.network import Network

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_reference_is_current():
    written = README.partition("### Top level")[1:]
    assert "".join(written) == reference(Config, TABLES).strip() + "\n", (
        "run `python tests/make_reference.py`"
    )


def test_the_tables_of_findings_are_current():
    written = README.partition(f"{TITLE}\n")[1:]
    assert "".join(written).startswith(findings() + "## Config reference\n"), (
        "run `python tests/make_reference.py`"
    )


def test_the_config_shown_is_the_one_shipped():
    assert (ROOT / "configs/digits.yaml").read_text().strip() in README


def test_every_command_is_listed():
    app = build()
    commands = {known.name for known in (*app.registered_commands, *app.registered_groups)}
    assert commands == set(re.findall(r"(?m)^\| `bpnet (\w+)", README))


def test_the_layer_shown_works(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(\"\"\"A factor.*?)```", README, re.DOTALL)
    (tmp_path / "readme_scale.py").write_text(code)
    spec = importlib.util.spec_from_file_location("readme_scale", tmp_path / "readme_scale.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "readme_scale", module)
    spec.loader.exec_module(module)
    module.Scale.type = "scale"
    layers = [LAYERS["dense"](4), module.Scale(start=0.5), LAYERS["dense"](2)]
    network = Network(layers, (3,), dtype="float64")
    x = np.random.default_rng(0).normal(size=(5, 3))
    assert max(row.error for row in check_gradients(network, x)) < 1e-6


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "configs").iterdir()))
def test_every_example_is_in_the_table_of_scores(name):
    assert f"| `configs/{name}.yaml`" in README
