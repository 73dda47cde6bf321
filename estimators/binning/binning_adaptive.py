"""Entropy-based adaptive binning of layers: equally many distinct values in each bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mibench.estimators.binning.cells import default_bins, estimate_from_cells
from mibench.interface import Array, Context, Estimate, Estimator, Kinds, are_discrete, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="binning-adaptive",
    family="binning",
    summary="Plug-in MI of layer patterns, bins of equally many distinct values",
    citation="""@inproceedings{chelombiev2019adaptive,
      author = {Ivan Chelombiev and Conor Houghton and Cian O'Donnell},
      title = {Adaptive estimators show information compression in deep neural networks},
      booktitle = {International Conference on Learning Representations},
      year = {2019}
    }""",
    version="2",
    supports=("continuous", "discrete", "mixed"),
    symmetric=True,
    deterministic=True,
    invariances=("scale", "rows"),
)
@dataclass(frozen=True)
class BinningAdaptive(Estimator):
    r"""I = H(pattern of X) + H(pattern of Y) - H(both patterns) of the relative frequencies, in nats.

    The pattern of a block is the row of its bins, and all continuous columns of a block share their bins: bin k starts
    at number floor(k u / bins) = 0, ..., u - 1 of the u distinct values of the whole block in ascending order. Values
    of `saturated` (0 of rectified units; -1 and 1 of tanh) are left out of this order, and each has a bin of its own;
    the code of the authors gives one to the largest value too. A discrete column has one bin per distinct value.
    Published with bins=30, where the patterns of more than a few units saturate as in `binning-pattern`; a warning
    says so.
    """

    bins: int | None = parameter(None, "bins of each block; none: n^(2/3) joint cells, at least 2", low=2)
    saturated: tuple[float, ...] = parameter((0.0,), "values that have a bin of their own")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        bins = self.bins or default_bins(len(x), x.shape[1] + y.shape[1])
        shape = context.shape_of(x, y)
        return estimate_from_cells(self._binned(x, shape.x, bins), self._binned(y, shape.y, bins), bins)

    def _binned(self, block: Array, kinds: Kinds, bins: int) -> Array:
        continuous = ~are_discrete(kinds)
        values, binned = block[:, continuous], block.copy()
        saturated = np.unique(self.saturated)
        is_saturated = np.isin(values, saturated)
        distinct = np.unique(values[~is_saturated])
        # Saturated values take the numbers after the last bin.
        binned[:, continuous] = np.where(
            is_saturated,
            bins + np.searchsorted(saturated, values),
            ((np.searchsorted(distinct, values) + 1) * bins - 1) // max(1, len(distinct)),
        )
        return binned
