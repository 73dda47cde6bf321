"""Bounds of the mutual information of a sample with added noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mibench.estimators.density.kernels import mean_log_kernel, saturation
from mibench.interface import Array, Bound, Context, Estimate, Estimator, Kinds, are_discrete, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="kde-adaptive",
    family="density",
    summary="Bounds of the MI of the sample after adding noise, from pairwise divergences",
    citation="""@article{kolchinsky2017mixtures,
      author = {Artemy Kolchinsky and Brendan D. Tracey},
      title = {Estimating mixture entropy with pairwise distances},
      journal = {Entropy},
      volume = {19},
      number = {7},
      pages = {361},
      year = {2017}
    }""",
    quantity="smoothed-mi",
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    symmetric=True,
    deterministic=True,
    invariances=("scale", "rows"),
)
@dataclass(frozen=True)
class KDEAdaptive(Estimator):
    r"""I >= A_8(x) + A_8(y) - A_2(x, y) and I <= A_2(x) + A_2(y) - A_8(x, y), bounds of the noisy sample's I in nats.

    I is that of X_J + noise and Y_J + noise, J uniform on the n points and the noise N(0, s^2) in each column. The
    entropy of such a mixture lies between that of its noise plus A_8 and the same plus A_2, where
    A_c = -mean_i log mean_j exp(-|z_i - z_j|^2 / (c s^2)) over all j: c = 2 from the Kullback-Leibler divergences of
    the components, c = 8 from their Bhattacharyya distances. Discrete columns get no noise: of different labels the
    kernel is 0. With labels L, I(T; L) is H(T) - sum_l p_l H(T | l); where each point has its own label, it is the
    I(X; T) of a deterministic layer, at most log n. One kind for all three entropies, `kl` or `bhattacharyya`, is
    common practice and bounds nothing; with `kl`, and no labels, it is `kernel-resubstitution`. That the noise grows
    with the largest activity of a layer is the idea of Chelombiev et al. (2019).

    The bounds hold for this sample with this noise, not for I(X; Y): few points or little noise overstate that, much
    noise understates it. They meet where the points form tight clusters far apart; on smooth data each is
    (dim_x + dim_y) log 2 from I.
    """

    bounds: Literal["lower", "upper", "kl", "bhattacharyya"] = parameter(
        "lower", "bound of I, or the one kind of bound taken for all entropies"
    )
    variance: float = parameter(0.01, "variance s^2 of the noise of each column", low=1e-12)
    adaptive: bool = parameter(True, "s^2 in units of the largest square of the block's values; false: of the data's")

    @property
    def bound(self) -> Bound:
        """One kind for all entropies bounds nothing."""
        return self.bounds if self.bounds in ("lower", "upper") else "none"

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        own, joint = DIVISORS[self.bounds]
        shape = context.shape_of(x, y)
        (points_x, labels_x), (points_y, labels_y) = self._split(x, shape.x), self._split(y, shape.y)
        both = np.hstack([points_x, points_y]), np.hstack([labels_x, labels_y])
        of_x, of_y, of_both = (
            -mean_log(points / math.sqrt(divisor / 2), labels, context.threads)
            for points, labels, divisor in ((points_x, labels_x, own), (points_y, labels_y, own), (*both, joint))
        )
        warnings = saturation(of_both, len(x)) if both[0].shape[1] else ()
        return Estimate(of_x + of_y - of_both, quantity="smoothed-mi", bound=self.bound, warnings=warnings)

    def _split(self, block: Array, kinds: Kinds) -> tuple[Array, Array]:
        """Continuous columns in units of the standard deviation of their noise, and discrete columns."""
        discrete = are_discrete(kinds)
        points, labels = block[:, ~discrete], block[:, discrete]
        if self.adaptive and points.size:
            points = points / np.abs(points).max()
        return points / math.sqrt(self.variance), labels


# c for the entropies of X and Y, and for that of both.
DIVISORS = {"lower": (8, 2), "upper": (2, 8), "kl": (2, 2), "bhattacharyya": (8, 8)}


def mean_log(points: Array, labels: Array, threads: int) -> float:
    """`mean_log_kernel` of points (n, dim), whose kernels are 0 where the labels (n, columns) differ."""
    if not labels.shape[1]:
        return mean_log_kernel(points, leave_one_out=False, threads=threads)
    total, (_, place, counts) = 0.0, np.unique(labels, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(place.ravel(), kind="stable")
    for rows in np.split(order, np.cumsum(counts)[:-1]):
        share = len(rows) / len(points)
        within = mean_log_kernel(points[rows], leave_one_out=False, threads=threads) if points.shape[1] else 0.0
        total += share * (math.log(share) + within)
    return total
