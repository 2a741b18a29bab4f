"""Where in a config an entry of each table may stand."""

PLACES = {
    "layer": "model.layers.0",
    "initializer": "model.init",
    "metric": "metrics.0",
    "split": "data.split",
    "outlier rule": "data.numeric.outliers",
    "search method": "search.method",
    "pruning rule": "search.pruning.0",
}
"""The tables whose entries don't stand in a block of the table's name."""
