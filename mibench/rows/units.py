"""Units: everything is in nats; bits only where they are asked for, at the edge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

Record = TypeVar("Record", bound=Mapping[str, Any])
BITS = 1 / math.log(2)
# Keys of rows and cells whose values are in nats.
_IN_NATS = frozenset(
    {
        "estimate", "low", "high", "truth", "truth_low", "truth_high", "truth_se", "oracle", "null_mean", "null_sd",
        "mean", "bias", "bias_se", "sd", "rmse", "mae", "oracle_rmse",
        "mean_width",
    }
)  # fmt: skip
# Distances in the units of the data, or of kernels: bits are nothing to them.
_NO_INFORMATION = ("hsic", "wasserstein", "wasserstein-2")


def unit_of(quantity: str, units: str) -> str:
    """Say in which unit a quantity is shown: "in nats"; nothing for one that has a unit of its own."""
    return "" if quantity in _NO_INFORMATION else f"in {units}"


def in_units(records: Iterable[Record], units: str) -> list[Record]:
    """Return rows or cells with their information values in "nats" (as they are) or "bits"."""
    return [cast("Record", _in_bits(record) if units == "bits" else dict(record)) for record in records]


def _in_bits(record: Mapping[str, Any]) -> dict[str, Any]:
    if record.get("quantity") in _NO_INFORMATION:
        return dict(record)
    return {key: value * BITS if key in _IN_NATS and value is not None else value for key, value in record.items()}
