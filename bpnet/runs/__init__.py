"""Everything durable: run directories, checkpoints, models, and where a run came from."""
