"""What an export is, and what goes into it and comes out."""

from __future__ import annotations

from dataclasses import dataclass

from bpnet.exporting.graph import ML_OPSET, OPSET


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the exported model.

    Attributes
    ----------
    name
        Its name in the file.
    columns
        The columns of the data in it, in order; none for images.
    type, shape
        What it holds: ``double``, ``string``, ...; the number of rows is N.
    about
        What it means, for people.
    """

    name: str
    columns: tuple[str, ...]
    type: str
    shape: tuple[int | str, ...]
    about: str


@dataclass(frozen=True, slots=True)
class Exported:
    """A model as ONNX.

    Attributes
    ----------
    data
        The bytes of the file.
    inputs, outputs
        What goes in and comes out.
    """

    data: bytes
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def opset(self) -> str:
        """The versions of the operators."""
        return f"opset {OPSET}, ai.onnx.ml {ML_OPSET}"
