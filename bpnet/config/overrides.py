"""``KEY=VALUE`` on the command line: a value of the config, set from outside the file.

Keys are paths: ``optimizer.learning_rate``, ``model.layers.0.units``, ``model.layers[0].units``,
``data.columns."my.column".scale``. Values are YAML: ``1e-3``, ``[relu, tanh]``,
``{type: sgd, learning_rate: 0.1}``. Blocks that the file leaves out are made; a name without
options (``optimizer: adam``) becomes ``{type: adam, ...}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bpnet.config.nodes import Mapping, Node, Scalar, Sequence
from bpnet.config.parse import DEPTH, Refused, parse
from bpnet.config.places import Place, Problem, Source, shown
from bpnet.errors import UsageError

_ASSIGNMENT = re.compile(r"""((?:"[^"]*"|'[^']*'|[^="'])+)=(.*)""", re.DOTALL)
_STEP = re.compile(
    r"""\[\s*(?P<index>-?\d+)\s*\]
      | (?P<dot>\.?)(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<name>[^.\[\]"']+))
      | \[(?:"(?P<double_in>[^"]*)"|'(?P<single_in>[^']*)')\]""",
    re.VERBOSE,
)
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Step:
    """One part of a key: its text, where it stands, and whether it was written as ``[0]``."""

    text: str
    place: Place
    index: bool


def apply(root: Mapping, text: str, rank: int) -> tuple[Mapping, list[Problem]]:
    """Return the tree with one assignment applied; the given tree stays as it is.

    Parameters
    ----------
    root
        The tree.
    text
        ``KEY=VALUE``.
    rank
        The assignment's number, from 1, by which problems are sorted.

    Returns
    -------
    The new tree, and what is wrong with the value so far (anchors, duplicate keys).

    Raises
    ------
    UsageError
        If there is no key or no ``=``.
    Refused
        If the value is no YAML, or the key leads through something that has no such place.
    """
    match = _ASSIGNMENT.fullmatch(text)
    if match is None or not match[1].strip():
        raise UsageError(_no_assignment(text))
    source = Source(text, text, rank)
    if bad := _UNREADABLE.search(text):
        place = Place(source, 1, bad.start() + 1, bad.start() + 2)
        raise Refused([Problem(place, f"the character U+{ord(bad[0]):04X} can't be part of it")])
    steps = _steps(match[1], source)
    value, problems = parse(source, len(match[1]) + 1)
    if value is None:
        value = Scalar(Place(source, 1, 1, 1), "")
    return _set(root, steps, value), problems


def put(root: Mapping, key: str, place: Place, value: Node) -> Mapping:
    """Return the tree with a value put where a key leads, both of which stand at `place`.

    What is wrong with the value is then reported where it was written, which is not where it
    is put: in a search's space, say.

    Raises
    ------
    Refused
        If the key is no path, or leads through something that has no such place.
    """
    try:
        steps = [_Step(s.text, place, s.index) for s in _steps(key, Source(key, key, 1))]
        return _set(root, steps, value)
    except Refused as refused:
        raise Refused([Problem(place, problem.message) for problem in refused.problems]) from None


def path_of(key: str) -> tuple[str, ...]:
    """Return the steps of a key, list items as digits.

    Raises
    ------
    Refused
        If the key is no path.
    """
    return tuple(step.text for step in _steps(key, Source(key, key, 1)))


def _no_assignment(text: str) -> str:
    if re.match(r"\s*=", text):
        return f"{shown(text)}: a key is missing before '='"
    if match := re.fullmatch(r"([\w.]+):\s*(.+)", text):
        return (
            f"expected KEY=VALUE, received {shown(text)}; write {shown(f'{match[1]}={match[2]}')}"
        )
    return f"expected KEY=VALUE (such as training.epochs=20), received {shown(text)}"


def _steps(key: str, source: Source) -> list[_Step]:
    steps: list[_Step] = []
    position = len(key) - len(key.lstrip())
    end = len(key.rstrip())
    while position < end:
        match = _STEP.match(key, position, end)
        if match is None or (bool(match["dot"]) == (not steps) and match["dot"] is not None):
            place = Place(source, 1, position + 1, position + 2)
            raise Refused(
                [Problem(place, "expected a path such as optimizer.learning_rate or layers[0]")]
            )
        name = next(
            match[group]
            for group in ("index", "double", "single", "name", "double_in", "single_in")
            if match[group] is not None
        )
        start = match.start() + len(match["dot"] or "")
        place = Place(source, 1, start + 1, match.end() + 1)
        steps.append(_Step(name.strip(), place, match["index"] is not None))
        position = match.end()
    if len(steps) > DEPTH:
        raise Refused([Problem(steps[DEPTH].place, f"a path of more than {DEPTH} steps")])
    return steps


def _set(root: Mapping, steps: list[_Step], value: Node) -> Mapping:
    root = root.copy()
    node: Mapping | Sequence = root
    for i, step in enumerate(steps[:-1]):
        below = _copy(_child(node, steps[: i + 1]), step)
        _put(node, step, below)
        node = below
    _child(node, steps)
    _put(node, steps[-1], value)
    return root


def _copy(node: Node | None, step: _Step) -> Mapping | Sequence:
    """Return a collection that may be changed, in place of what is there now."""
    if isinstance(node, Mapping | Sequence):
        return node.copy()
    mapping = Mapping(step.place)
    if isinstance(node, Scalar) and isinstance(node.value, str):
        mapping.shorthand = node
        mapping.entries["type"] = (Scalar(node.place, "type"), node)
    else:
        mapping.overridden = True
    return mapping


def _child(node: Mapping | Sequence, steps: list[_Step]) -> Node | None:
    """Return what the last step leads to, or None if a mapping has no such key yet."""
    step = steps[-1]
    above = ".".join(step.text for step in steps[:-1])
    if isinstance(node, Mapping):
        if step.index:
            what = (
                f"{shown(above)} is no list" if node.entries else f"there is no list {shown(above)}"
            )
            raise Refused([Problem(step.place, f"{what}, so it has no item {step.text}")])
        return node.get(step.text)
    count = len(node.items)
    items = "1 item" if count == 1 else f"{count or 'no'} items"
    if not step.text.removeprefix("-").isdecimal():
        example = ".".join([above, "0", *(step.text for step in steps[-1:])])
        raise Refused(
            [Problem(step.place, f"{shown(above)} is a list of {items}; say which: {example}")]
        )
    if not step.text.isdecimal() or len(step.text) > 9 or int(step.text) >= count:
        counted = ", counted from 0" if count else ""
        raise Refused(
            [
                Problem(
                    step.place,
                    f"{shown(above)} has {items}{counted}; there is no item {step.text[:20]}",
                )
            ]
        )
    return node.items[int(step.text)]


def _put(node: Mapping | Sequence, step: _Step, value: Node) -> None:
    if isinstance(node, Sequence):
        node.items[int(step.text)] = value
    else:
        node.entries[step.text] = (Scalar(step.place, step.text, quoted=True), value)
