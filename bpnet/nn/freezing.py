"""Which layers keep their parameters while the rest of a network is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from bpnet.errors import OptionError, did_you_mean
from bpnet.nn.arena import Param

_SHOWN = 20


class Freezing:
    """A choice of layers by their dotted names; a block stands for all layers inside it.

    Parameters
    ----------
    patterns
        Names such as ``dense_1`` or ``residual_2.dense_1``; in them ``*`` stands for any
        characters but the dot.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = list(patterns)

    def chooses(self, layer: str) -> bool:
        """Say whether a pattern fits this layer itself; those around it are asked for apart."""
        return any(_fits(pattern, layer) for pattern in self.patterns)

    def check(
        self, layers: Sequence[str], params: Iterable[Param], states: Iterable[Param]
    ) -> None:
        """Refuse a choice that hardly anyone can mean, once the network is built.

        Parameters
        ----------
        layers
            Dotted names of all layers.
        params, states
            All parameters, and all saved statistics.

        Raises
        ------
        OptionError
            If a pattern fits no layer, or none that has anything to freeze; or if nothing is
            left to train. The path starts with ``freeze``.
        """
        if not self.patterns:
            return
        params = list(params)
        owners = {tensor.name.rpartition(".")[0] for tensor in [*params, *states]}
        known = [name for name in layers if any(_within(owner, name) for owner in owners)]
        for i, pattern in enumerate(self.patterns):
            fitting = [name for name in layers if _fits(pattern, name)]
            if not fitting:
                near = did_you_mean(pattern, known)
                raise OptionError(
                    f"no layer is named {pattern!r}{near or ''} (layers with parameters: "
                    f"{_listed(known)})",
                    "freeze",
                    i,
                )
            if not set(fitting) & set(known):
                raise OptionError(
                    f"{_listed(fitting)} has no parameters that could be frozen; drop it "
                    f"(layers with parameters: {_listed(known)})",
                    "freeze",
                    i,
                )
        if all(param.frozen for param in params):
            raise OptionError(
                "every parameter of the network is frozen, so nothing is left to train; leave a "
                "layer out, at best the last one",
                "freeze",
            )


def _fits(pattern: str, layer: str) -> bool:
    """Compare level by level, so that a wildcard does not reach into a block."""
    levels, names = pattern.split("."), layer.split(".")
    return len(levels) == len(names) and all(map(fnmatchcase, names, levels))


def _within(layer: str, block: str) -> bool:
    return layer == block or layer.startswith(f"{block}.")


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "none"
