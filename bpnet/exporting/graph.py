"""An ONNX graph while it grows: nodes, constants and names that never clash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet.errors import UsageError
from bpnet.nn.arena import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

OPSET = 18
"""The version of the operators, of December 2022; later readers know it too."""

ML_OPSET = 3
"""The version of ONNX's second set of operators, which has the one for categories."""

IR = 8
"""The version of the file format that came with these operators."""

BATCH = "N"
"""What the number of rows, which is free, is called."""


def onnx() -> Any:
    """Return the onnx package.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        import onnx as package
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise UsageError(
            "ONNX files are written by the package onnx: pip install 'bpnet[onnx]'"
        ) from None
    return package


class Graph:
    """A graph that computes with numbers of one type.

    Parameters
    ----------
    dtype
        Of all numbers in the network: ``float32`` or ``float64``.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self.onnx = onnx()
        self.dtype = np.dtype(dtype)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._names: set[str] = {""}  # in ONNX no name means no value

    def input(self, name: str, kind: DTypeLike, shape: tuple[int, ...], about: str) -> str:
        """Add an input ``(N, *shape)`` and return its name."""
        return self._port(self._inputs, self.name(name or "column"), kind, shape, about)

    def output(
        self, value: str, name: str, kind: DTypeLike, shape: tuple[int, ...], about: str
    ) -> str:
        """Make a value an output ``(N, *shape)``; return its name, another if that is taken."""
        named = self.name(name)
        self._add("Identity", [value], named, named, "", {})
        return self._port(self._outputs, named, kind, shape, about)

    def _port(
        self, ports: list[Any], name: str, kind: DTypeLike, shape: tuple[int, ...], about: str
    ) -> str:
        make = self.onnx.helper.make_tensor_value_info
        ports.append(make(name, self.type_of(kind), [BATCH, *shape], about))
        return name

    def type_of(self, kind: DTypeLike) -> int:
        """Return ONNX's number for a type; ``object`` stands for texts."""
        number: int = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return number

    def constant(self, name: str, array: Array) -> str:
        """Add an array, in its own type, and return its name."""
        named = self.name(name)
        made = self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), named)
        self._constants.append(made)
        return named

    def number(self, name: str, value: float) -> str:
        """Add one number of the network's type and return its name."""
        return self.constant(name, np.array(value, self.dtype))

    def node(self, op: str, *values: str, name: str, domain: str = "", **options: Any) -> str:
        """Add a node with one output and return the output's name."""
        named = self.name(name)
        self._add(op, list(values), named, named, domain, options)
        return named

    def cast(self, value: str, kind: DTypeLike, name: str) -> str:
        """Convert a value to another type."""
        return self.node("Cast", value, name=name, to=self.type_of(kind))

    def _add(
        self,
        op: str,
        values: list[str],
        output: str,
        name: str,
        domain: str,
        options: Mapping[str, Any],
    ) -> None:
        make = self.onnx.helper.make_node
        self._nodes.append(make(op, values, [output], name=name, domain=domain, **options))

    def name(self, wanted: str) -> str:
        """Return the name, with a number behind it if it is taken."""
        name, count = wanted, 1
        while name in self._names:
            count += 1
            name = f"{wanted}_{count}"
        self._names.add(name)
        return name

    def encode(self, about: str, facts: Mapping[str, str], version: str) -> bytes:
        """Return the bytes of the finished file, once ONNX's own checker has passed it.

        Parameters
        ----------
        about
            What the model is, for people.
        facts
            Texts by name that travel with the model.
        version
            Of bpnet.
        """
        helper = self.onnx.helper
        used = {name for node in self._nodes for name in node.input}
        graph = helper.make_graph(
            self._nodes,
            "bpnet",
            self._inputs,
            self._outputs,
            [constant for constant in self._constants if constant.name in used],
            about,
        )
        model = helper.make_model(
            graph,
            opset_imports=[
                helper.make_opsetid("", OPSET),
                helper.make_opsetid("ai.onnx.ml", ML_OPSET),
            ],
            ir_version=IR,
            producer_name="bpnet",
            producer_version=version,
            doc_string=about,
        )
        helper.set_model_props(model, dict(facts))
        if model.ByteSize() >= 1 << 31:
            raise UsageError(
                "this network is larger than 2 GiB, more than an ONNX file can hold; "
                "--to safetensors has no such limit"
            )
        self.onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
