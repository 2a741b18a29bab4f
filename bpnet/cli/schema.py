"""``bpnet schema``."""

from __future__ import annotations

import json

from bpnet.cli.console import Console


def schema(console: Console) -> None:
    """Print the JSON Schema of the config.

    With it editors complete and check what you type.
    """
    from bpnet.config.schema import config_schema

    console.out(json.dumps(config_schema(), indent=2, ensure_ascii=False))
