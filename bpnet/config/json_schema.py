"""The config as a JSON Schema (draft 2020-12), for editors that complete and check YAML."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bpnet.config.emit import plain_value
from bpnet.config.kinds import (
    Block,
    Custom,
    Either,
    Fixed,
    Flag,
    Kind,
    ListOf,
    MapOf,
    Null,
    Number,
    Option,
    Pick,
    Tables,
    Text,
    Words,
    options_of,
    summary,
)

Schema = dict[str, Any]


def json_schema(root: type[Any], tables: Tables) -> Schema:
    """Return the JSON Schema of a config dataclass.

    What an entry of a table takes hangs on its ``type``, so each has a definition of its own
    (``#/$defs/layer.dense``) which applies *if* the type is its name: editors then complete
    and complain about that entry alone, not about all of them.
    """
    writer = _Writer(tables)
    schema = writer.block(root)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bpnet config",
        **schema,
        "$defs": dict(sorted(writer.definitions.items())),
    }


class _Writer:
    """Collects the definitions while the schema is written."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.definitions: dict[str, Schema] = {}

    def block(self, cls: type[Any], entry: str | None = None) -> Schema:
        """Return the schema of a dataclass; `entry` is its name in a table."""
        options = options_of(cls)
        properties = {name: self._option(option) for name, option in options.items()}
        required = [name for name, option in options.items() if option.default is None]
        if entry is not None:
            properties = {"type": {"const": entry}, **properties}
        schema: Schema = {"description": summary(cls)} if summary(cls) else {}
        schema |= {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        return schema

    def _option(self, option: Option) -> Schema:
        schema = dict(self.kind(option.kind))
        if option.doc:
            schema["description"] = option.doc
        if option.default is not None:
            schema["default"] = plain_value(option.default(), option.kind, self.tables)
        return schema

    def kind(self, kind: Kind) -> Schema:
        """Return the schema of whatever an option takes."""
        match kind:
            case Number(whole, bounds):
                limits = {
                    "minimum": bounds.ge,
                    "exclusiveMinimum": bounds.gt,
                    "maximum": bounds.le,
                    "exclusiveMaximum": bounds.lt,
                }
                schema: Schema = {"type": "integer" if whole else "number"}
                return schema | {k: limit for k, limit in limits.items() if limit is not None}
            case Text():
                return {"type": "string"}
            case Flag():
                return {"type": "boolean"}
            case Null():
                return {"type": "null"}
            case Words(values):
                return {"enum": list(values)}
            case ListOf(item):
                return {"type": "array", "items": self.kind(item)}
            case Fixed(items):
                count = len(items)
                return {
                    "type": "array",
                    "prefixItems": [self.kind(item) for item in items],
                    "minItems": count,
                    "maxItems": count,
                }
            case MapOf(value):
                return {"type": "object", "additionalProperties": self.kind(value)}
            case Block(cls):
                return self._reference(cls.__name__, partial(self.block, cls))
            case Pick(table):
                return self._reference(table, partial(self._table, table))
            case Custom(cls):
                return {
                    "description": cls.expected,
                    "type": ["number", "string"],
                    "minimum": 0,
                    "pattern": cls.pattern,
                }
            case Either(options):
                return {"anyOf": [self.kind(option) for option in options]}
        return {}

    def _reference(self, name: str, write: Callable[[], Schema]) -> Schema:
        if name not in self.definitions:
            self.definitions[name] = {}  # first, so that a block may nest itself
            self.definitions[name] = write()
        return {"$ref": f"#/$defs/{name}"}

    def _table(self, table: str) -> Schema:
        entries = self.tables[table]
        branches = [
            {
                "if": {"properties": {"type": {"const": name}}},
                "then": self._reference(f"{table}.{name}", partial(self.block, cls, name)),
            }
            for name, cls in entries.items()
        ]
        names = list(entries)
        options: Schema = {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": {
                    "enum": names,
                    "enumDescriptions": [summary(cls) for cls in entries.values()],
                }
            },
            "allOf": branches,
        }
        bare = [
            name
            for name, cls in entries.items()
            if all(option.default is not None for option in options_of(cls).values())
        ]
        return {"anyOf": [options, {"enum": bare}]} if bare else options
