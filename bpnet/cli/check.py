"""``bpnet check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpnet.cli.arguments import Config, Overrides
from bpnet.cli.command import load_document, load_experiment
from bpnet.cli.console import Console

if TYPE_CHECKING:
    from bpnet.experiment import Experiment


def check(
    console: Console,
    config: Config,
    overrides: Overrides = None,
) -> None:
    """Validate a config and show what it means.

    Resolved options, the data found, layers with shapes and parameters, memory. Trains nothing.
    """
    experiment = load_experiment(load_document(config, list(overrides or [])), console)
    if experiment.config.search is not None:
        from bpnet.search.reading import read_space

        read_space(experiment.document, experiment.config)
    summary = describe(experiment)
    if console.as_json:
        console.json(summary)
        return
    if console.quiet:
        return
    console.out(experiment.resolved().rstrip())
    console.out()
    _show_data(summary, console)
    console.out()
    _show_layers(summary, console)
    console.out()
    console.out("the config is valid")


def describe(experiment: Experiment) -> dict[str, Any]:
    """Return all that `check` shows, as JSON values."""
    from bpnet.config.schema import plain_config

    data, state = experiment.data, experiment.state
    arena, tensors = state.network.arena, state.network.weights()
    memory = experiment.memory()
    layers = []
    for name, layer, shape in state.network.walk():
        prefix = f"{name}."
        own = [p for p in arena.params.values() if p.name.rpartition(".")[0] == name]
        nested = any(p.name.startswith(prefix) for p in arena.params.values()) and not own
        layers.append(
            {
                "layer": name,
                "type": layer.type,
                "output": list(shape),
                "parameters": None if nested else sum(p.size for p in own),
                "frozen": layer.frozen and any(name.startswith(prefix) for name in tensors),
            }
        )
    return {
        "config": plain_config(experiment.config),
        "data": {
            "sources": data.sources,
            "columns": data.columns,
            "splits": {name: len(dataset.x) for name, dataset in data.datasets.items()},
            "input": list(data.features.shape),
            "target": data.target_text,
            "notes": data.notes,
        },
        "layers": layers,
        "parameters": arena.size,
        "trained_parameters": arena.trained_size,
        "steps_per_epoch": state.batches.steps,
        "memory_bytes": memory.arrays,
        "process_bytes": memory.process,
    }


def _show_data(summary: dict[str, Any], console: Console) -> None:
    data = summary["data"]
    columns = data["columns"]
    if columns:
        shown = columns if len(columns) <= 30 else [*columns[:15], *columns[-5:]]
        title = "" if shown is columns else f" (20 of {len(columns)} shown)"
        console.table(
            ["column", "holds", "part", "missing"],
            [[c["name"], _holds(c), c["part"], c["missing"] or ""] for c in shown],
            title=f"data{title}",
            right=(3,),
        )
    splits = ", ".join(f"{name} {rows}" for name, rows in data["splits"].items())
    console.out(f"rows: {splits}; target: {data['target']}")


def _holds(column: dict[str, Any]) -> str:
    return "numbers" if column["kind"] == "number" else f"{column['values']} categories"


def _show_layers(summary: dict[str, Any], console: Console) -> None:
    any_frozen = any(entry["frozen"] for entry in summary["layers"])
    rows = [
        [
            entry["layer"],
            entry["type"],
            " x ".join(map(str, entry["output"])),
            "" if entry["parameters"] is None else f"{entry['parameters']:,}",
            *(["frozen" if entry["frozen"] else ""] if any_frozen else []),
        ]
        for entry in summary["layers"]
    ]
    given = " x ".join(map(str, summary["data"]["input"]))
    console.table(
        ["layer", "type", "output", "parameters", *(["weights"] if any_frozen else [])],
        [["input", "", given, "", *([""] if any_frozen else [])], *rows],
        title="network",
        right=(3,),
    )
    memory = f"about {summary['memory_bytes'] / 2**20:,.1f} MiB of arrays"
    if summary["process_bytes"] is not None:
        memory += f", {summary['process_bytes'] / 2**20:,.0f} MiB of memory in all"
    trained = f" ({summary['trained_parameters']:,} of them trained)" if any_frozen else ""
    console.out(
        f"{summary['parameters']:,} parameters{trained}, "
        f"{summary['steps_per_epoch']} steps an epoch, {memory}"
    )
