"""Writes the config reference at the end of the README anew: ``python tests/make_reference.py``."""

from pathlib import Path

from bpnet.config.reference import reference
from bpnet.config.schema import TABLES, Config

README = Path(__file__).parent.parent / "README.md"
START = "### Top level"


def current():
    """Return the README as it should be."""
    return README.read_text().partition(START)[0] + reference(Config, TABLES).strip() + "\n"


if __name__ == "__main__":
    README.write_text(current())
