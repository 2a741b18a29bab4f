"""How `bpnet inspect --importance` shows which columns matter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bpnet.cli.console import Console, harmless, number

if TYPE_CHECKING:
    from bpnet.insight.importance import Importances
    from bpnet.model import Model

WIDTH = 40
"""Characters of the longest bar."""


def show_importance(
    console: Console,
    model: Model,
    method: str,
    split: str | None,
    data: str | None,
    metric: str | None,
    repeats: int | None,
    seed: int | None,
    output: Path | None,
) -> None:
    """Work out and show the importance of every input column."""
    from bpnet.insight import chosen_rows, importance

    if method == "permutation":
        if data is not None:
            part, source = "data", data
            dataset = chosen_rows.dataset_of_file(model, data)
        else:
            part, dataset, source = chosen_rows.chosen_dataset(model, split)
        found = importance.permutation(
            model,
            dataset,
            metric=metric,
            repeats=repeats if repeats is not None else importance.REPEATS,
            seed=seed or 0,
        )
    else:
        rows = (
            chosen_rows.rows_of_file(model, data)
            if data is not None
            else chosen_rows.rows_of_split(model, split)
        )
        part, source = rows.part, rows.source
        found = importance.gradients(model, rows.x)
    _write(console, found, output)
    if console.as_json:
        written = str(output) if output is not None else None
        console.json({"part": part, "source": source, **found.as_json(), "output": written})
    elif not console.quiet and str(output) != "-":
        _show(console, found, part, source)
        if output is not None:
            console.info(f"wrote {output}")


def _write(console: Console, found: Importances, output: Path | None) -> None:
    if output is None:
        return
    from bpnet.insight.array_files import write_arrays

    if str(output) == "-":
        console.out(found.csv().rstrip("\n"))
    elif output.suffix == ".csv":
        write_arrays(output, {"importance": found.arrays()["importance"]}, found.csv())
    else:
        write_arrays(output, found.arrays(), None)


def _show(console: Console, found: Importances, part: str, source: str) -> None:
    rows = f"{found.rows:,} rows of {part} ({source})"
    if found.rows < found.of:
        rows = f"{found.rows:,} rows drawn from the {found.of:,} of {part} ({source})"
    largest = max((abs(c.importance) for c in found.columns), default=0.0) or 1.0
    shown = found.columns if found.picture is None else found.columns[:20]
    permuted = found.method == "permutation"
    if permuted:
        falls = "falls" if found.mode == "max" else "rises"
        console.out(
            harmless(
                f"how far {found.metric} {falls} from {number(found.score)} if a column is "
                f"shuffled, {found.repeats} times each; {rows}"
            )
        )
    else:
        console.out(
            harmless(
                "how far the output moves if a column moves by its standard deviation, on "
                f"average; {rows}"
            )
        )
    console.table(
        ["column", "importance", *(["+-"] if permuted else []), ""],
        [
            [
                c.column,
                number(c.importance),
                *([number(c.spread)] if permuted else []),
                "#" * round(WIDTH * max(c.importance, 0.0) / largest),
            ]
            for c in shown
        ],
        right=(1, 2) if permuted else (1,),
    )
    if len(shown) < len(found.columns):
        console.out(f"the 20 largest of {len(found.columns):,}; -o FILE.npy writes all")
