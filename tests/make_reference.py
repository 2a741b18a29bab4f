"""Writes the tables at the end of the README anew: ``python tests/make_reference.py``."""

from pathlib import Path

from bpnet.config.reference import reference
from bpnet.config.schema import TABLES, Config
from bpnet.insight.reference import TITLE, findings

README = Path(__file__).parent.parent / "README.md"
CONFIG = "## Config reference\n"
START = "### Top level"


def current():
    """Return the README as it should be."""
    before, _, rest = README.read_text().partition(f"{TITLE}\n")
    opening = rest.partition(CONFIG)[2].partition(START)[0]
    return before + findings() + CONFIG + opening + reference(Config, TABLES).strip() + "\n"


if __name__ == "__main__":
    README.write_text(current())
