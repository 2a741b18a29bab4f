"""YAML text to checked dataclasses, every mistake with its file, line and column; and back.

A config is read in two steps. `bpnet.config.document` reads text and overrides into a tree
that knows where everything stands; it imports no NumPy, so that ``threads`` can be looked up
before NumPy starts. `bpnet.config.bind` then checks the tree against dataclasses, those of
`bpnet.config.schema`, whose fields are the options (see `bpnet.options`).
"""
