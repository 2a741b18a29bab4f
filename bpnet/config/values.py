"""Values without parts: what a single node of a config means, if it fits what is expected.

Nothing is converted silently: an integer is fine where a number is expected, and that is all.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from bpnet.config.kinds import Anything, Custom, Flag, Kind, Null, Number, Text, Words
from bpnet.config.nodes import Node, Scalar, plain

FAILED: Final = object()
"""Stands for a value with a mistake, which has been noted."""


def simple_value(kind: Kind, node: Node) -> Any:
    """Return the value of a node as a kind without parts, or FAILED."""
    if isinstance(kind, Anything):
        return plain(node)
    if isinstance(kind, Custom):
        try:
            return kind.cls.from_yaml(plain(node))
        except (ValueError, TypeError, OverflowError):
            return FAILED
    if not isinstance(node, Scalar):
        return FAILED
    value = node.value
    match kind:
        case Number(whole, bounds):
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                return FAILED
            number: float = value
            if not (-_LARGEST <= number <= _LARGEST and bounds.allows(number)):
                return FAILED
            return number if whole else float(number)
        case Text():
            return value if isinstance(value, str) else FAILED
        case Flag():
            return value if isinstance(value, bool) else FAILED
        case Null():
            return None if value is None else FAILED
        case Words(words):
            fits = any(type(value) is type(word) and value == word for word in words)
            return value if fits else FAILED
    return FAILED


_LARGEST = sys.float_info.max
