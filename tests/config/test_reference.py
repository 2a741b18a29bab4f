from __future__ import annotations

from types import SimpleNamespace

from bpnet.config.reference import reference


def test_every_option_of_every_block_and_entry_has_a_row(sample: SimpleNamespace) -> None:
    text = reference(sample.Config, sample.TABLES)
    for row in (
        "| `seed` | an integer from 0 to 9223372036854775807 | `0` | where random streams start |",
        "| `threads` | a positive integer or 'auto' | `auto` | threads |",
        "| `data` | options (below) | required | where the rows come from |",
        "| `columns` | options by name (below) | `{}` | exceptions by column |",
        "| `stratify` | true, false or 'auto' | `auto` | keep the classes' shares |",
        "| `optimizer` | an optimizer | `adam` | how the weights move |",
        "| `early_stopping` | options (below) or null | `null` | when to stop |",
        "| `layers` | a list of layers | required | from the input to the output |",
        "| `epsilon` | a positive number | `1e-8` | keeps the divisor from 0 |",
    ):
        assert row in text.split("\n")
    headings = [line for line in text.split("\n") if line.startswith("#")]
    assert headings[:8] == [
        "### Top level",
        "### `data`",
        "### `data.train`",
        "### `data.numeric`",
        "### `data.columns.NAME`",
        "### `model`",
        "### `training`",
        "### `early_stopping`",
    ]
    for table, entries in sample.TABLES.items():
        assert any(line.lower().startswith(f"### {table}") for line in headings)
        for name in entries:
            assert f"#### `{name}`" in headings


def test_what_all_entries_of_a_table_share_is_written_once(sample: SimpleNamespace) -> None:
    text = reference(sample.Config, sample.TABLES)
    assert text.count("name of the layer") == 1
    assert "Every layer takes:" in text


def test_the_level_of_the_headings_can_be_chosen(sample: SimpleNamespace) -> None:
    text = reference(sample.Config, sample.TABLES, level=2)
    assert "\n## `data`\n" in text
    assert "\n### `dense`\n" in text
