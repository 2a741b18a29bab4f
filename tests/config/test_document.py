from __future__ import annotations

import subprocess
import sys

import pytest

from bpnet.config.document import Document
from bpnet.errors import ConfigError, OptionError

TEXT = """\
data: {train: a.csv}
model:
  layers:
    - type: dense
      units: 8
    - {type: softmax}   # not wanted
loss: cross_entropy
"""


def test_a_later_error_reads_like_one_of_the_binder() -> None:
    document = Document.parse(TEXT, "c.yaml")
    error = document.error(
        OptionError("a softmax before cross_entropy; remove this layer", "model", "layers", 1),
        OptionError("is longer than the training", "schedule", "length"),
    )
    assert isinstance(error, ConfigError)
    assert str(error) == (
        "c.yaml:1:1: error: schedule.length (the default): is longer than the training\n"
        "c.yaml:6:7: error: model.layers[1]: a softmax before cross_entropy; remove this layer\n"
        "    6 |     - {type: softmax}   # not wanted\n"
        "      |       ^^^^^^^^^^^^^^^\n"
        "2 errors."
    )


def test_one_error_has_no_count() -> None:
    error = Document.parse(TEXT, "c.yaml").error(OptionError("no", "data", "train"))
    assert str(error).startswith("c.yaml:1:15: error: data.train: no\n")
    assert error.footer == ""


def test_an_error_about_a_default_is_shown_at_the_nearest_block() -> None:
    document = Document.parse(TEXT, "c.yaml")
    assert document.problem(("model", "layers", 0, "bias"), "no").split("\n") == [
        "c.yaml:4:7: error: model.layers[0].bias (the default): no",
        "    4 |     - type: dense",
        "      |       ^^^^^^^^^^^",
    ]
    assert document.problem(("model", "init"), "no").split("\n") == [
        "c.yaml:2:1: error: model.init (the default): no",
        "    2 | model:",
        "      | ^^^^^",
    ]
    assert ("model", "init") not in document
    assert ("model", "layers", 0, "units") in document


def test_an_error_without_a_path_is_about_the_config_as_a_whole() -> None:
    document = Document.parse(TEXT, "c.yaml")
    assert document.problem((), "it is empty") == "c.yaml:1:1: error: it is empty"


def test_a_warning_looks_the_same() -> None:
    document = Document.parse(TEXT, "c.yaml").override(["seed=3"])
    assert document.problem(("seed",), "3 is odd", on="key", level="warning") == (
        "seed=3: warning: seed: 3 is odd\n      | seed=3\n      | ^^^^"
    )


def test_a_problem_with_an_overridden_value_is_located_there() -> None:
    document = Document.parse(TEXT, "c.yaml").override(["model.layers.0.units=9"])
    assert document.problem(("model", "layers", 0, "units"), "too many").split("\n") == [
        "model.layers.0.units=9: error: model.layers[0].units: too many",
        "      | model.layers.0.units=9",
        "      |                      ^",
    ]


def test_a_name_alone_stands_for_its_options() -> None:
    document = Document.parse(TEXT, "c.yaml")
    assert document.problem(("loss", "label_smoothing"), "no").startswith("c.yaml:7:1: error: ")


def test_tabs_in_a_line_do_not_move_the_carets() -> None:
    document = Document.parse("a:\t[1,\t2]\n", "c.yaml")
    assert document.problem(("a", 1), "no").split("\n")[1:] == [
        "    1 | a:    [1,    2]",
        "      |              ^",
    ]


def test_the_same_problem_is_told_once() -> None:
    error = Document.parse(TEXT, "c.yaml").error(*[OptionError("no", "loss")] * 3)
    assert str(error).count("error:") == 1


def test_reading_imports_no_numpy_and_yaml_only_when_used() -> None:
    """`threads` must be known before NumPy starts its threads."""
    program = (
        "import sys\n"
        "from bpnet.config.document import Document\n"
        "assert 'yaml' not in sys.modules\n"
        "document = Document.parse('threads: 2').override(['seed=1'])\n"
        "assert document.peek('threads') == 2\n"
        "heavy = {'numpy', 'bpnet.config.bind', 'bpnet.config.schema', 'bpnet.config.syntax'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["a\x1b[31m.yaml", "a\nb.yaml", "a\u202eb.yaml"])
def test_a_file_name_is_shown_harmless(name: str) -> None:
    message = Document.parse("a: 1\n", name).problem(("a",), "no")
    assert message.split("\n")[0].isprintable()
