"""``bpnet env``."""

from __future__ import annotations

from bpnet.cli.console import Console


def env(console: Console) -> None:
    """Print versions, processor, BLAS, threads.

    What to say in a bug report.
    """
    from bpnet import threads

    threads.choose()
    from bpnet.runs.provenance import environment

    facts = environment()
    if console.as_json:
        console.json(facts)
        return
    flat = {**facts.pop("versions"), **facts}
    width = max(map(len, flat))
    for name, value in flat.items():
        console.out(f"{name.ljust(width)}  {value}")
