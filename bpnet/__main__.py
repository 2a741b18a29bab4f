"""``python -m bpnet`` and the console script."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code."""
    from bpnet.cli import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
