"""``python -m bpnet`` and the console script."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from bpnet.cli import run
    except KeyboardInterrupt:  # so early that nobody is there yet who would answer it
        print("bpnet: error: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    raise SystemExit(run())


if __name__ == "__main__":
    main()
