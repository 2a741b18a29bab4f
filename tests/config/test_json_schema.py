from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from bpnet.config.document import Document
from bpnet.config.emit import to_plain
from bpnet.config.json_schema import json_schema

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture
def validator(sample: SimpleNamespace) -> Any:
    schema = json_schema(sample.Config, sample.TABLES)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_it_is_json_and_has_a_definition_for_every_entry(sample: SimpleNamespace) -> None:
    schema = json.loads(json.dumps(json_schema(sample.Config, sample.TABLES), allow_nan=False))
    for table, entries in sample.TABLES.items():
        for name in entries:
            definition = schema["$defs"][f"{table}.{name}"]
            assert definition["properties"]["type"] == {"const": name}
            assert definition["additionalProperties"] is False


def test_options_carry_their_meaning_their_bounds_and_their_default(
    sample: SimpleNamespace,
) -> None:
    schema = json_schema(sample.Config, sample.TABLES)
    assert schema["$defs"]["layer.dropout"]["properties"]["rate"] == {
        "type": "number",
        "minimum": 0,
        "exclusiveMaximum": 1,
        "description": "fraction of the inputs set to 0",
        "default": 0.5,
    }
    assert schema["$defs"]["layer.dense"]["required"] == ["units"]
    assert schema["$defs"]["layer.dense"]["description"] == "Connect every input with every unit."
    assert schema["required"] == ["data", "model", "loss"]
    assert schema["properties"]["optimizer"]["default"]["learning_rate"] == 5e-3


VALID = [
    "",
    "optimizer: adam\n",
    "optimizer: {type: adam, beta1: 0}\n",
    "training: {batch_size: full, max_time: 10 min, warmup: 100}\n",
    "metrics: [accuracy, {type: top_k, k: 3}]\n",
    "early_stopping: null\nsearch: {a: [1, {}]}\n",
]
INVALID = [
    "sed: 3\n",
    "seed: -1\n",
    "optimizer: sgd\n",  # needs a learning rate
    "optimizer: adm\n",
    "optimizer: {beta1: 0}\n",
    "optimizer: {type: adam, momentum: 0}\n",
    "optimizer: {type: adam, beta1: 1}\n",
    "training: {batch_size: all}\n",
    "training: {max_time: soon}\n",
    "training: {shuffle: yes}\n",
    "metrics: accuracy\n",
]


@pytest.mark.parametrize("lines", VALID)
def test_what_we_accept_is_valid(validator: Any, sample: SimpleNamespace, lines: str) -> None:
    validator.validate(Document.parse(sample.VALID + lines).peek())


@pytest.mark.parametrize("lines", INVALID)
def test_what_we_refuse_is_invalid(
    validator: Any, sample: SimpleNamespace, fail: Any, lines: str
) -> None:
    assert not validator.is_valid(Document.parse(sample.VALID + lines).peek())
    fail(sample.VALID + lines)


def test_the_resolved_config_is_valid(validator: Any, sample: SimpleNamespace, read: Any) -> None:
    validator.validate(to_plain(read(sample.VALID), sample.TABLES))
