"""Mutual information of the patterns of layers, binned on a given range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mibench.estimators.binning.cells import default_bins, estimate_from_cells
from mibench.interface import Array, Context, Estimate, Estimator, InputError, are_discrete, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="binning-pattern",
    family="binning",
    summary="Plug-in MI of whole-layer patterns, equal-width bins on a given range",
    citation="""@article{shwartzziv2017opening,
      author = {Ravid Shwartz-Ziv and Naftali Tishby},
      title = {Opening the black box of deep neural networks via information},
      journal = {arXiv preprint arXiv:1703.00810},
      year = {2017}
    }""",
    supports=("continuous", "discrete", "mixed"),
    symmetric=True,
    deterministic=True,
    invariances=("rows",),
)
@dataclass(frozen=True)
class BinningPattern(Estimator):
    r"""I = H(pattern of X) + H(pattern of Y) - H(both patterns) of the relative frequencies, in nats.

    The pattern of a block is the row of its bins: `bins` of equal width from `low` to `high`, the range of the
    activation function whatever the sample; values outside are counted in the end bins. A discrete column has one bin
    per distinct value. As published, a layer of tanh units takes bins=30. Then d units have 30^d patterns: as soon as
    most points have one of their own, I(X; Y) is the entropy of the other block, at most log n, whatever the
    dependence. No shape is declined for that; a warning says it.
    """

    bins: int | None = parameter(None, "bins of each continuous column; none: n^(2/3) joint cells, at least 2", low=2)
    low: float = parameter(-1.0, "lower end of the range")
    high: float = parameter(1.0, "upper end of the range")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise InputError(f"binning-pattern: low = {self.low} and high = {self.high}; give finite low < high")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        bins = self.bins or default_bins(len(x), x.shape[1] + y.shape[1])
        shape, binned, warnings = context.shape_of(x, y), [], []
        for name, block, kinds in (("X", x, shape.x), ("Y", y, shape.y)):
            discrete = are_discrete(kinds)
            position = np.floor((block - self.low) / (self.high - self.low) * bins)
            binned.append(np.where(discrete, block, np.clip(position, 0, bins - 1)))
            outside = ((block < self.low) | (block > self.high))[:, ~discrete]
            if outside.any():
                share, ends = f"{100 * outside.mean():.3g}%", f"[{self.low:g}, {self.high:g}]"
                warnings.append(f"{share} of the values of {name} lie outside {ends} and are counted in the end bins")
        found = estimate_from_cells(binned[0], binned[1], bins)
        return Estimate(found.value, diagnostics=found.diagnostics, warnings=(*found.warnings, *warnings))
