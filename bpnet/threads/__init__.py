"""How many threads compute, and how they share the work."""

from bpnet.threads.choice import choose, chosen

__all__ = ["choose", "chosen"]
