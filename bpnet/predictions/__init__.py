"""Predictions for rows as they come: read, evaluated and written block by block."""

from __future__ import annotations

from bpnet.predictions.arriving import Arriving
from bpnet.predictions.lines import Lines
from bpnet.predictions.writer import Writer

__all__ = ["Arriving", "Lines", "Writer"]
