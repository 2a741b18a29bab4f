"""The options of preparing inputs: what happens to missing cells, outliers, scales, categories.

Everything is fitted on the training rows alone and kept in the model. A column passes through
these steps, in this order: rows without a value are dropped (``missing: drop``), outliers are
dropped or clipped, missing cells are filled, numbers are scaled, categories become numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np

from bpnet.data.scaling import mean_and_deviation
from bpnet.data.table import Kind, number_text
from bpnet.errors import OptionError
from bpnet.nn.arena import Array
from bpnet.options import Choice, Positive, PositiveInt

NumberMissing = Literal["median", "mean", "most_frequent", "constant", "drop", "error"]
CategoryMissing = Literal["category", "most_frequent", "constant", "drop", "error"]
Scale = Literal["standard", "minmax", "robust", "none"]
Encode = Literal["one_hot", "ordinal"]
Unseen = Literal["ignore", "missing", "error"]


@dataclass
class Outliers:
    """What happens to numbers far from the rest; its fields are its YAML options."""

    type: ClassVar[str]
    """The name in `OUTLIERS`, which sets it."""

    def bounds(self, values: Array) -> tuple[Array, Array]:
        """Return the lowest and highest number of each column that is no outlier.

        Parameters
        ----------
        values
            Columns ``(C, N)`` without NaN, N at least 1.
        """
        raise NotImplementedError


@dataclass
class KeepOutliers(Outliers):
    """Leave them as they are."""


@dataclass
class BoundedOutliers(Outliers):
    """What clipping and dropping share: the bounds."""

    method: Annotated[
        Literal["iqr", "zscore"],
        "iqr: distance from the quartiles, in units of the distance between them; "
        "zscore: distance from the mean, in standard deviations",
    ] = "iqr"
    threshold: Annotated[
        Literal["auto"] | Positive, "how far is too far; auto: 1.5 for iqr, 3 for zscore"
    ] = "auto"

    def bounds(self, values: Array) -> tuple[Array, Array]:
        """Return the bounds; a column whose quartiles are equal has none."""
        if self.method == "zscore":
            low, spread = mean_and_deviation(values)
            high = low
        else:
            low, high = np.percentile(values, (25, 75), axis=1)
            spread = np.where(high > low, high - low, np.inf)
        default = {"iqr": 1.5, "zscore": 3.0}[self.method]
        reach = spread * (default if self.threshold == "auto" else self.threshold)
        return low - reach, high + reach


@dataclass
class ClipOutliers(BoundedOutliers):
    """Move them to the nearest bound, in every file."""


@dataclass
class DropOutliers(BoundedOutliers):
    """Leave out the training rows that have one; rows to evaluate or predict stay as they are."""


OUTLIERS: dict[str, type[Outliers]] = {
    "none": KeepOutliers,
    "clip": ClipOutliers,
    "drop": DropOutliers,
}

for _name, _outliers in OUTLIERS.items():
    _outliers.type = _name

OutliersOption = Annotated[Outliers, Choice("outlier rule")]
"""A field that holds a rule for outliers: ``clip``, ``{type: clip, method: zscore}`` in YAML."""

_OUTLIERS = "none, clip (to the nearest bound) or drop (the training row)"
_SCALE = (
    "standard: mean 0, standard deviation 1; minmax: 0 to 1; robust: median 0, quartiles 1 "
    "apart; none. A column that is constant in training becomes 0, except with none"
)
_ENCODE = "one_hot: an input of 0 or 1 per category; ordinal: one input of 0, 1, 2, ..., unscaled"
_UNSEEN = (
    "a category that training never saw: ignore (all its one_hot inputs 0, ordinal -1; counted "
    "and reported), missing (as a missing cell) or error"
)


@dataclass
class NumericOptions:
    """What is done to columns of numbers."""

    missing: Annotated[
        NumberMissing,
        "what fills a missing cell; drop: leave out its row; error: refuse it",
    ] = "median"
    fill: Annotated[float, "the number for `missing: constant`"] = 0.0
    outliers: Annotated[OutliersOption, _OUTLIERS] = field(default_factory=KeepOutliers)
    scale: Annotated[Scale, _SCALE] = "standard"


@dataclass
class CategoricalOptions:
    """What is done to columns of categories."""

    missing: Annotated[
        CategoryMissing,
        "what a missing cell is; category: a category of its own, if training has any; drop: "
        "leave out its row; error: refuse it",
    ] = "category"
    fill: Annotated[str, "the category for `missing: constant`"] = "missing"
    encode: Annotated[Encode, _ENCODE] = "one_hot"
    unseen: Annotated[Unseen, _UNSEEN] = "ignore"
    max_levels: Annotated[PositiveInt, "refuse a column with more categories than this"] = 255


@dataclass
class ColumnOptions:
    """Exceptions for one column; what is null is as for the other columns of its type."""

    type: Annotated[
        Kind | None, "number or category; null: numbers if every cell is one, else categories"
    ] = None
    missing: Annotated[
        Literal["category"] | NumberMissing | None,
        "what a missing cell is: as in data.numeric or data.categorical",
    ] = None
    fill: Annotated[float | str | None, "the number or category for `missing: constant`"] = None
    outliers: Annotated[OutliersOption | None, f"numbers only: {_OUTLIERS}"] = None
    scale: Annotated[Scale | None, f"numbers only: {_SCALE}"] = None
    encode: Annotated[Encode | None, f"categories only: {_ENCODE}"] = None
    unseen: Annotated[Unseen | None, f"categories only: {_UNSEEN}"] = None
    max_levels: Annotated[PositiveInt | None, "categories only: refuse a column with more"] = None
    order: Annotated[
        list[str] | None, "categories only: all of them, in the order of their ordinal numbers"
    ] = None

    def __post_init__(self) -> None:
        for level in self.order or ():
            if self.order and self.order.count(level) > 1:
                raise OptionError(f"{level!r} is there twice; drop one", "order")


@dataclass
class ImageOptions:
    """What is done to images and other arrays with more than two dimensions."""

    scale: Annotated[
        Literal["auto", "unit", "standard", "none"],
        "unit: whole numbers to 0 ... 1 (uint8: a 255th); standard: mean 0 and standard deviation "
        "1 by channel; auto: unit for whole numbers, standard for others",
    ] = "auto"


def numeric_options(
    name: str, shared: NumericOptions, columns: Mapping[str, ColumnOptions]
) -> NumericOptions:
    """Return the options of one column of numbers: the shared ones, but for its exceptions.

    Raises
    ------
    OptionError
        If an exception is not one for numbers; its path starts with ``columns``.
    """
    changes = _exceptions(name, "number", shared, columns.get(name))
    _check(name, "number", changes, "missing", get_args(NumberMissing))
    fill = changes.get("fill", 0.0)
    if isinstance(fill, str):
        raise _misfit(name, "number", "fill", f"expected a number, received {fill!r}")
    return replace(shared, **changes)


def categorical_options(
    name: str, shared: CategoricalOptions, columns: Mapping[str, ColumnOptions]
) -> CategoricalOptions:
    """Return the options of one column of categories: the shared ones, but for its exceptions.

    Raises
    ------
    OptionError
        If an exception is not one for categories; its path starts with ``columns``.
    """
    changes = _exceptions(name, "category", shared, columns.get(name))
    changes.pop("order", None)
    _check(name, "category", changes, "missing", get_args(CategoryMissing))
    if "fill" in changes and not isinstance(changes["fill"], str):
        changes["fill"] = number_text(changes["fill"])
    return replace(shared, **changes)


def _exceptions(name: str, kind: Kind, shared: object, own: ColumnOptions | None) -> dict[str, Any]:
    """Return the exceptions of a column; refuse those that its kind doesn't have."""
    if own is None:
        return {}
    given = {f.name: getattr(own, f.name) for f in fields(own) if f.name != "type"}
    given = {option: value for option, value in given.items() if value is not None}
    known = [f.name for f in fields(shared)]  # type: ignore[arg-type]
    if kind == "category":
        known.append("order")
    for option in given:
        if option not in known:
            raise _misfit(name, kind, option, f"expected one of {', '.join(known)}")
    return given


def _check(
    name: str, kind: Kind, changes: Mapping[str, Any], option: str, known: tuple[str, ...]
) -> None:
    if option in changes and changes[option] not in known:
        expected = f"expected one of {', '.join(known)}, received {changes[option]}"
        raise _misfit(name, kind, option, expected)


def _misfit(name: str, kind: Kind, option: str, expected: str) -> OptionError:
    holds = {"number": "numbers", "category": "categories"}[kind]
    return OptionError(f"column '{name}' holds {holds}: {expected}", "columns", name, option)
