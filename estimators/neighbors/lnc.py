"""Local non-uniformity correction: Kraskov's rectangle, turned to where the neighbours lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mibench.estimators.margins import Margins, transformed
from mibench.estimators.neighbors.doubts import geometry_doubts, repetition_doubts, too_few_points
from mibench.estimators.neighbors.rectangles import rectangle_information, rectangles
from mibench.estimators.neighbors.search import Indices, reduce_neighborhoods
from mibench.interface import Array, Context, Estimate, Estimator, parameter
from mibench.registry import register_estimator

# A rectangle narrower than this share of the area is a line whose width is made of rounding.
ROUNDING = 1e-12


@register_estimator(
    name="lnc",
    family="neighbors",
    summary="KSG-2 with the neighbours' own narrow rectangle where they lie along a line; 1 x 1",
    citation="""@inproceedings{gao2015efficient,
      author = {Shuyang Gao and Greg Ver Steeg and Aram Galstyan},
      title = {Efficient Estimation of Mutual Information for Strongly Dependent Variables},
      booktitle = {International Conference on Artificial Intelligence and Statistics},
      volume = {38},
      pages = {277--286},
      year = {2015}
    }""",
    max_dim=2,
    symmetric=True,
    deterministic=True,
    invariances=("shift", "rows"),
)
@dataclass(frozen=True)
class LNC(Estimator):
    r"""I = I_2 - mean_i [log(W_i / V_i) where W_i < alpha V_i], in nats, with I_2 the estimate of `ksg-2`.

    V_i = 4 e_x(i) e_y(i) is the area of the rectangle about point i that holds its k nearest neighbours, W_i the area
    of the one along their principal axes: 4 a_i b_i with a_i, b_i the largest |projections| of the neighbours' offsets
    from point i onto the eigenvectors of the offsets' second moments. A density that is no constant on V_i, but
    concentrated along a line, makes W_i / V_i small; KSG saturates there. Chance makes it small too: of k = 5 points
    uniform on V_i, 1 set in 600 has W_i < V_i / 4, of k = 3 one in 30 (200,000 simulated sets). Where all neighbours
    lie on a line through their point, W_i = 0 and I is infinite.
    """

    k: int = parameter(5, "neighbours in the rectangle; 2 axes need some more than 2", low=3)
    alpha: float = parameter(0.25, "share of the area below which a rectangle is replaced; 0: never", low=0, high=1)
    margins: Margins = parameter(
        "raw", "columns as given, with standard deviation 1, or replaced by the normal scores of their ranks"
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        x, y = transformed(x, self.margins), transformed(y, self.margins)
        sides = rectangles(x, y, self.k, context.threads)
        shares = _turned_shares(np.hstack([x, y]), sides.radii, sides.in_x * sides.in_y, context.threads)
        narrow = shares < self.alpha
        with np.errstate(divide="ignore"):
            correction = -np.log(shares[narrow]).sum() / len(x)
        value = float(rectangle_information(x, y, sides, context.threads).mean() + correction)
        doubts = geometry_doubts(x, y) + repetition_doubts(sides.radii, self.k)
        on_a_line = int(np.count_nonzero(shares[narrow] < ROUNDING))
        if on_a_line:
            doubts.append(
                f"the neighbours of {on_a_line} of {len(x)} points lie on a line through them, up to rounding: the "
                "estimate is infinite, or finite by rounding only"
            )
        diagnostics = {"corrected_share": float(narrow.mean()), "correction": float(correction)}
        return Estimate(value, diagnostics=diagnostics, warnings=tuple(doubts))

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """Each point needs k others."""
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        return reason or too_few_points(n, self.k)


def _turned_shares(joint: Array, radii: Array, areas: Array, threads: int) -> Array:
    """W_i / V_i of each point (n,); 1 where the rectangle has no area that could be smaller."""

    def turn(centers: Indices, members: Indices, starts: Indices) -> Array:
        # In units of the rectangle's longer side the moments neither under- nor overflow; turning keeps the ratio.
        unit = np.where(radii > 0, radii, 1)[centers]
        offsets = (joint[members] - joint[centers]) / unit[:, None]
        products = np.column_stack([offsets[:, 0] ** 2, offsets[:, 0] * offsets[:, 1], offsets[:, 1] ** 2])
        moments = np.add.reduceat(products, starts)[:, [[0, 1], [1, 2]]]
        axes = np.linalg.eigh(moments).eigenvectors
        sizes = np.diff(starts, append=len(members))
        turned = np.einsum("mi,mij->mj", offsets, np.repeat(axes, sizes, axis=0))
        return np.asarray(np.maximum.reduceat(np.abs(turned), starts).prod(axis=1) * unit[starts] ** 2)

    turned = reduce_neighborhoods(joint, radii, turn, threads=threads)
    return np.divide(turned, areas, out=np.ones(len(areas)), where=areas > 0)
