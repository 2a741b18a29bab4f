"""From a path to batches: reading, preparing, splitting and batching data."""
