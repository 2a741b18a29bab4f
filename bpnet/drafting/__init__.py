"""A first config for data that nobody has described yet: what `bpnet init --from` writes.

Every choice is one that a careful person would make after a look at the data, and says why.
"""

from bpnet.drafting.draft import draft_config

__all__ = ["draft_config"]
