"""The laws of the config, for every block, layer, loss, ... that there is."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from option_places import PLACES

from bpnet.config import phrases
from bpnet.config.document import Document
from bpnet.config.json_schema import json_schema
from bpnet.config.kinds import (
    Block,
    Custom,
    Kind,
    ListOf,
    MapOf,
    Number,
    Pick,
    Words,
    options_of,
    summary,
)
from bpnet.config.reference import reference
from bpnet.config.schema import TABLES, Config, bind_config, emit_config, plain_config, read_config
from bpnet.config.write import inline
from bpnet.errors import ConfigError

ENTRIES = [(table, name) for table, entries in TABLES.items() for name in entries]
LEAST = "data: {train: builtin:iris}\nmodel: {layers: [{type: dense, units: auto}]}\nloss: mse\n"
SEARCH = "search: {space: {optimizer.learning_rate: [1]}, pruning: [median]}\n"


def some_value(kind: Kind) -> Any:
    """Return a value that an option of this kind takes."""
    match phrases.options(kind)[0]:
        case Number(whole, bounds):
            for value in (0, 1, 2, 0.5, 3):
                if bounds.allows(value) and (not whole or type(value) is int):
                    return value
            raise AssertionError(bounds)
        case ListOf(item):
            return [some_value(item)]
        case Pick(table):
            for name, cls in TABLES[table].items():
                if not required(cls):
                    return name
        case Block(cls):
            return required(cls)
        case Custom():
            return 5
        case MapOf(value):
            return {"a": some_value(value)}
    return "text"


def required(cls: type[Any]) -> dict[str, Any]:
    """Return values for the options of a class that have no default."""
    options = options_of(cls).items()
    return {name: some_value(option.kind) for name, option in options if option.default is None}


def blocks(cls: type[Any] = Config) -> list[type[Any]]:
    """Return a dataclass with all blocks in it."""
    found = [cls]
    for option in options_of(cls).values():
        for kind in phrases.options(option.kind):
            inner = kind.value if isinstance(kind, MapOf) else kind
            if isinstance(inner, Block):
                found += blocks(inner.cls)
    return found


@pytest.mark.parametrize("cls", [*blocks(), *(TABLES[t][n] for t, n in ENTRIES)])
def test_every_class_and_every_option_says_what_it_means(cls: type[Any]) -> None:
    assert summary(cls)
    for name, option in options_of(cls).items():
        assert option.doc, f"{cls.__name__}.{name}"
        assert "|" not in option.doc


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_every_entry_reads_writes_and_reads_back(table: str, name: str) -> None:
    entry = {"type": name, **required(TABLES[table][name])}
    place = PLACES.get(table, table)
    document = Document.parse(LEAST + "metrics: [accuracy]\n" + SEARCH)
    config = bind_config(document.override([f"{place}={inline(entry)}"]))
    text = emit_config(config)
    again = read_config(text, "again")
    assert emit_config(again) == text
    assert plain_config(again) == plain_config(config) == yaml.safe_load(text)
    found: Any = plain_config(config)
    for step in place.split("."):
        found = found[int(step) if step.isdigit() else step]
    assert found["type"] == name


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_every_entry_refuses_an_option_that_it_has_not(table: str, name: str) -> None:
    entry = {"type": name, **required(TABLES[table][name]), "no_such_option": 1}
    lists = {"layer": "model.layers", "metric": "metrics"}
    place = (PLACES | lists).get(table, table)
    value = inline([entry] if table in lists else entry)
    with pytest.raises(ConfigError, match=rf"unknown key 'no_such_option' in .* \({name}\)"):
        bind_config(Document.parse(LEAST + SEARCH).override([f"{place}={value}"]))


def test_the_least_config_is_three_lines() -> None:
    config = read_config(LEAST, "least.yaml")
    assert config.name == "least"
    assert config.training.epochs > 0


def test_the_schema_accepts_what_is_written() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema(Config, TABLES)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(plain_config(read_config(LEAST, "least.yaml")), schema)


def test_the_reference_has_a_heading_for_every_entry() -> None:
    headings = reference(Config, TABLES).split("\n")
    for _, name in ENTRIES:
        assert f"#### `{name}`" in headings


def test_no_option_is_called_type_in_a_table() -> None:
    for table, name in ENTRIES:
        assert "type" not in options_of(TABLES[table][name])


def test_every_word_can_be_written_without_quotes() -> None:
    words = [
        value
        for cls in [*blocks(), *(TABLES[t][n] for t, n in ENTRIES)]
        for option in options_of(cls).values()
        for kind in phrases.options(option.kind)
        if isinstance(kind, Words)
        for value in kind.values
        if isinstance(value, str)
    ]
    assert "auto" in words
    assert [word for word in words if inline(word) != word] == []
