"""How much each class counts: from the option `class_weight` to numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bpnet.errors import OptionError, did_you_mean
from bpnet.nn.arena import Array


def listed(weights: Sequence[float], names: Sequence[str], count: int) -> Array:
    """Return a list of weights as it stands, one for each of `count` classes or outputs.

    Raises
    ------
    OptionError
        If the list has another length.
    """
    if len(weights) != count:
        which = f" ({', '.join(names)})" if names and count <= 20 else ""
        raise OptionError(f"expected {count} weights{which}, received {len(weights)}")
    return np.array(weights, np.float64)


def named(weights: Mapping[str, float], names: Sequence[str]) -> Array:
    """Return the weights of `names`; those that aren't mentioned weigh 1.

    Raises
    ------
    OptionError
        If a name is no class.
    """
    if not names:
        raise OptionError("the classes have no names here; give their weights as a list")
    values = np.ones(len(names))
    for name, weight in weights.items():
        if str(name) not in names:
            hint = did_you_mean(str(name), names)
            known = f"; the classes are {', '.join(names)}" if len(names) <= 20 else ""
            raise OptionError(f"no class is named '{name}'{hint or known}", str(name))
        values[names.index(str(name))] = weight
    return values


def balanced(counts: Array | None, names: Sequence[str]) -> Array:
    """Return N / (classes * rows of the class): rare classes count as much as frequent ones.

    The rule of scikit-learn's ``class_weight="balanced"`` (King and Zeng, 2001).

    Parameters
    ----------
    counts
        Training rows of each class; in a 2-D array every column is a set of classes of its own.
    names
        The classes' names, or those of the columns.

    Raises
    ------
    OptionError
        If a class has no rows: no weight would make it count.
    """
    if counts is None:
        raise OptionError("'balanced' needs the training rows of every class, which aren't known")
    counts = np.asarray(counts, np.float64)
    if not counts.all():
        place = np.argwhere(counts == 0)[0]
        one_set = counts.ndim == 1 or counts.shape[1] == 1
        index = int(place[0] if one_set else place[1])
        name = f"'{names[index]}'" if index < len(names) else f"number {index}"
        what = f"class {name} has no" if one_set else f"output {name} has only one class of"
        raise OptionError(
            f"'balanced' can't weigh all classes: {what} training rows; "
            "give the weights as numbers, or leave that class out of the data"
        )
    weights: Array = counts.sum(axis=0) / (len(counts) * counts)
    return weights
